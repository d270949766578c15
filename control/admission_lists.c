/* SPDX-License-Identifier: BSD-3-Clause */
/* Which objects are deferred, which of them are wanted, and which are on their way out. */
#include <errno.h>
#include <string.h>

#include "cache/base/hash.h"
#include "control/admission_state.h"

static uint64_t bucket_of(const struct aro_admission *admission, const struct aro_id *id)
{
    return aro_hash_id(id, admission->seed) % ARO_DEFERRED_MAX;
}

struct aro_deferred *aro_deferred_find(const struct aro_admission *admission,
                                       const struct aro_id *id, enum aro_kind kind)
{
    bool by_digest = kind == ARO_KIND_DIGEST;
    struct aro_deferred *object;

    if (admission == NULL)
        return NULL;
    object = (by_digest ? admission->by_digest : admission->by_id)[bucket_of(admission, id)];
    while (object != NULL &&
           !aro_id_equal(by_digest ? &object->object.digest : &object->object.id, id))
        object = by_digest ? object->next_digest : object->next_id;
    return object;
}

void aro_deferred_list(struct aro_admission *admission, struct aro_deferred *object)
{
    struct aro_deferred **by_id = &admission->by_id[bucket_of(admission, &object->object.id)];
    struct aro_deferred **by_digest =
        &admission->by_digest[bucket_of(admission, &object->object.digest)];

    object->next_id = *by_id;
    *by_id = object;
    object->next_digest = *by_digest;
    *by_digest = object;
    admission->object[admission->stats.objects_now++] = object;
    admission->stats.bytes_now += object->object.total_bytes;
    admission->chunks += object->chunks;
}

static void unlist(struct aro_admission *admission, struct aro_deferred *object)
{
    struct aro_deferred **at = &admission->by_id[bucket_of(admission, &object->object.id)];
    uint64_t i = 0;

    while (*at != object)
        at = &(*at)->next_id;
    *at = object->next_id;
    at = &admission->by_digest[bucket_of(admission, &object->object.digest)];
    while (*at != object)
        at = &(*at)->next_digest;
    *at = object->next_digest;
    while (admission->object[i] != object)
        i++;
    admission->stats.objects_now--;
    memmove(&admission->object[i], &admission->object[i + 1],
            (admission->stats.objects_now - i) * sizeof(admission->object[0]));
    admission->stats.bytes_now -= object->object.total_bytes;
    admission->chunks -= object->chunks;
}

void aro_deferred_want(struct aro_deferred *object)
{
    struct aro_admission *admission = object->admission;

    if (object->state != DEFERRED_WAITS || object->frozen)
        return;
    object->state = DEFERRED_WRITES;
    object->at = 0;
    object->error = 0;
    object->over = false;
    object->next_wanted = NULL;
    *admission->wanted_last = object;
    admission->wanted_last = &object->next_wanted;
}

static void unwant(struct aro_deferred *object)
{
    struct aro_admission *admission = object->admission;
    struct aro_deferred **at = &admission->wanted;

    while (*at != NULL && *at != object)
        at = &(*at)->next_wanted;
    if (*at == NULL)
        return;
    *at = object->next_wanted;
    if (*at == NULL)
        admission->wanted_last = at;
}

/* Listed no more; its claims follow. */
void aro_deferred_release(struct aro_deferred *object, enum aro_deferred_state state)
{
    struct aro_admission *admission = object->admission;

    unwant(object);
    unlist(admission, object);
    object->state = state;
    object->next_id = admission->released;
    admission->released = object;
}

void aro_deferred_lose(struct aro_deferred *object)
{
    if (object->state > DEFERRED_WRITES)
        return;
    object->admission->stats.dropped++;
    aro_deferred_release(object, DEFERRED_LOST);
}

void aro_deferred_settle(struct aro_deferred *object, int result)
{
    bool recorded = object->state == DEFERRED_RECORDS;

    if (result == 0) {
        object->admission->stats.admitted++;
        aro_deferred_release(object, DEFERRED_ADMITTED);
        return;
    }
    unwant(object);
    object->state = DEFERRED_WAITS;
    object->admission->stats.failed++;
    if (recorded && result == -EIO) /* chunks that were on disk are not */
        aro_deferred_lose(object);
}

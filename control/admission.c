/* SPDX-License-Identifier: BSD-3-Clause */
/* Deferred objects: how they come, who asks for them, how they end. */
#include "control/admission.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/hash.h"
#include "control/admission_state.h"
#include "control/loop.h"

enum {
    RELEASES_PER_TURN = 256,
    REMOVALS_PER_TURN = 16, /* of chunks from the disk: each may read a table */
    REAP_MAX = 64,
};

/* ---- life ---- */

struct aro_admission *aro_admission_create(const struct aro_admission_config *config, uint64_t seed)
{
    struct aro_admission *admission = calloc(1, sizeof(*admission));
    struct aro_cache_stats cache;

    if (admission == NULL)
        return NULL;
    admission->config = *config;
    admission->seed = seed;
    if (config->objects_max == 0 || config->objects_max > ARO_DEFERRED_MAX)
        admission->config.objects_max = ARO_DEFERRED_MAX;
    if (aro_ghost_init(&admission->urls, UINT32_MAX, ARO_DEFERRED_URLS_MAX) != 0) {
        free(admission);
        errno = ENOMEM;
        return NULL;
    }
    aro_cache_stats(config->cache, &cache);
    admission->object_bytes_max = cache.bytes_total / ARO_DEFERRED_SHARE;
    if (admission->object_bytes_max > ARO_DEFERRED_BYTES_MAX)
        admission->object_bytes_max = ARO_DEFERRED_BYTES_MAX;
    admission->arriving_bytes_max = cache.bytes_total / ARO_ARRIVING_SHARE;
    for (unsigned i = 0; i < aro_disks_count(config->disks); i++)
        admission->mark[i] = aro_store_mark(aro_disks_store(config->disks, i));
    admission->wanted_last = &admission->wanted;
    aro_admission_writes_init(admission);
    return admission;
}

/* Gives claims back, a bounded number; what only a lost object had on disk goes. True: all. */
static bool release_some(struct aro_deferred *object, unsigned *releases, unsigned *removals)
{
    const struct aro_admission_config *config = &object->admission->config;
    uint32_t kept = object->state == DEFERRED_ADMITTED ? UINT32_C(1) << object->disk : 0, orphan;

    while (object->claims > 0 && *releases > 0 && *removals > 0) {
        struct aro_claim *claim = object->claim[--object->claims];
        struct aro_id id = claim->id;
        bool on_disk = !claim->loose && !claim->lost;
        if (claim->owner == object)
            claim->owner = NULL; /* still loose, should others count on it */
        --*releases;
        orphan = aro_claims_release(config->claims, claim, kept);
        if (orphan == 0 || !on_disk)
            continue;
        aro_admission_remove(object->admission, &id, orphan);
        --*removals;
    }
    return object->claims == 0;
}

static void release_turn(struct aro_admission *admission)
{
    unsigned releases = RELEASES_PER_TURN, removals = REMOVALS_PER_TURN;

    for (struct aro_deferred **at = &admission->released; *at != NULL && releases > 0;) {
        struct aro_deferred *object = *at;
        if (object->writing > 0 || !release_some(object, &releases, &removals)) {
            at = &object->next_id;
            continue;
        }
        *at = object->next_id;
        free(object->claim);
        free(object);
    }
}

/* The disk lost chunks that somebody may count on: who counts on any is not whole, perhaps. */
static void check_mark(struct aro_admission *admission, unsigned disk)
{
    uint64_t mark = aro_store_mark(aro_admission_store(admission, disk));

    if (mark == admission->mark[disk])
        return;
    admission->mark[disk] = mark;
    for (uint64_t i = admission->stats.objects_now; i-- > 0;)
        if (admission->object[i]->disk == disk &&
            admission->object[i]->loose < admission->object[i]->chunks)
            aro_deferred_lose(admission->object[i]);
}

static void record(struct aro_deferred *object);

static void wanted_turn(struct aro_admission *admission, uint64_t now_ns)
{
    struct aro_deferred *object = admission->wanted;

    if (object == NULL)
        return;
    if (object->state == DEFERRED_RECORDS) {
        if (object->over)
            aro_deferred_settle(object, object->result);
        return;
    }
    aro_admission_write_object(object, now_ns);
    if (object != admission->wanted || object->writing > 0 || object->at < object->chunks)
        return;
    if (object->error != 0)
        aro_deferred_settle(object, object->error);
    else
        record(object);
}

bool aro_admission_turn(struct aro_admission *admission)
{
    uint64_t now_ns;
    bool more;

    if (admission == NULL)
        return false;
    now_ns = aro_now_ns();
    for (unsigned i = 0; i < aro_disks_count(admission->config.disks); i++)
        check_mark(admission, i);
    more = aro_admission_writes_turn(admission, now_ns);
    wanted_turn(admission, now_ns);
    release_turn(admission);
    return more || admission->wanted != NULL || admission->released != NULL;
}

/* What waits for room that nobody makes any more is told so. */
static void disks_turn(const struct aro_admission_config *config)
{
    aro_uring_poll(config->ring, REAP_MAX);
    for (unsigned i = 0; i < aro_disks_count(config->disks); i++) {
        struct aro_store *store = aro_disks_store(config->disks, i);
        if (aro_store_victim(store) != NULL)
            aro_store_victim_leave(store);
        aro_store_poll(store);
    }
}

void aro_admission_destroy(struct aro_admission *admission)
{
    if (admission == NULL)
        return;
    do {
        aro_admission_clear(admission);
        disks_turn(&admission->config);
    } while (aro_admission_turn(admission) || admission->stats.objects_now > 0);
    aro_cache_on_leave(admission->config.cache, NULL, NULL);
    aro_ghost_fini(&admission->urls);
    free(admission);
}

/* ---- pulls ---- */

bool aro_admission_defers(struct aro_admission *admission, const char *url, uint64_t total_bytes,
                          bool wanted)
{
    uint64_t fingerprint;
    bool recalled;

    if (admission == NULL)
        return false;
    fingerprint = aro_hash_bytes(url, strlen(url), admission->seed);
    recalled = aro_ghost_take(&admission->urls, fingerprint);
    aro_ghost_add(&admission->urls, fingerprint, 1); /* the youngest now */
    if (recalled || wanted) {
        admission->stats.recalled++;
        return false;
    }
    if (total_bytes > admission->object_bytes_max ||
        admission->arriving_bytes + total_bytes > admission->arriving_bytes_max) {
        admission->stats.large++;
        return false;
    }
    admission->arriving_bytes += total_bytes;
    return true;
}

void aro_admission_arrived(struct aro_admission *admission, uint64_t total_bytes)
{
    admission->arriving_bytes -= total_bytes;
}

/* Room in the lists: the oldest that nobody wants go. */
static bool make_room(struct aro_admission *admission, uint64_t chunks)
{
    uint64_t i = 0;

    while (admission->stats.objects_now == admission->config.objects_max ||
           admission->chunks + chunks > ARO_DEFERRED_CHUNKS_MAX) {
        while (i < admission->stats.objects_now && admission->object[i]->state != DEFERRED_WAITS)
            i++;
        if (i == admission->stats.objects_now)
            return false;
        aro_deferred_lose(admission->object[i]);
    }
    return true;
}

/* Nothing has left memory since, and the disk has lost nothing that it counts on. */
static bool is_whole(struct aro_admission *admission, struct aro_claim *const claim[],
                     uint64_t claims, unsigned disk, uint64_t mark)
{
    uint64_t loose = 0;

    for (uint64_t i = 0; i < claims; i++) {
        if (claim[i]->lost ||
            (claim[i]->loose && !aro_admission_resident(admission, &claim[i]->id)))
            return false;
        loose += claim[i]->loose;
    }
    return loose == claims || mark == aro_store_mark(aro_admission_store(admission, disk));
}

/* Takes what is loose as its own. True: some of it is another's, or nothing is. */
static bool own_claims(struct aro_deferred *object)
{
    bool shares = false;

    for (uint64_t i = 0; i < object->claims; i++) {
        struct aro_claim *claim = object->claim[i];
        if (claim->loose && claim->owner == NULL) {
            claim->owner = object;
            object->loose++;
        }
        shares |= claim->loose && claim->owner != object;
    }
    return shares || object->loose == 0;
}

int aro_admission_defer(struct aro_admission *admission, const struct aro_object *object,
                        struct aro_claim **claim, uint64_t claims, unsigned disk, uint64_t mark)
{
    struct aro_deferred *own = aro_deferred_find(admission, &object->id, ARO_KIND_OBJECT);

    if (own != NULL) {
        aro_deferred_want(own);
        return -EEXIST;
    }
    if (!is_whole(admission, claim, claims, disk, mark))
        return -ESTALE;
    if (!make_room(admission, claims))
        return -ENOSPC;
    own = calloc(1, sizeof(*own));
    if (own == NULL)
        return -ENOMEM;
    own->object = *object;
    own->admission = admission;
    own->claim = claim;
    own->claims = own->chunks = claims;
    own->disk = disk;
    own->mark = mark;
    aro_deferred_list(admission, own);
    admission->stats.deferred++;
    if (own_claims(own))
        aro_deferred_want(own);
    return 0;
}

void aro_admission_stored(struct aro_claim *claim)
{
    struct aro_deferred *owner = claim->owner;

    claim->lost = false;
    if (!claim->loose)
        return;
    claim->loose = false;
    claim->owner = NULL;
    if (owner != NULL)
        owner->loose--;
}

/* ---- objects ---- */

void aro_admission_ask(struct aro_admission *admission, const struct aro_id *object)
{
    struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);

    if (own != NULL)
        aro_deferred_want(own);
}

bool aro_admission_writes(const struct aro_admission *admission, const struct aro_id *object)
{
    const struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);

    return own != NULL && own->state != DEFERRED_WAITS;
}

int aro_admission_freeze(struct aro_admission *admission, const struct aro_id *object)
{
    struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);

    if (own == NULL)
        return 0;
    if (own->state != DEFERRED_WAITS)
        return -EAGAIN;
    own->frozen = true;
    return 0;
}

void aro_admission_thaw(struct aro_admission *admission, const struct aro_id *object)
{
    struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);

    if (own != NULL)
        own->frozen = false;
}

int aro_admission_forget(struct aro_admission *admission, const struct aro_id *object)
{
    struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);
    unsigned releases = UINT_MAX, removals = UINT_MAX;

    if (own == NULL)
        return -ENOENT;
    if (own->state == DEFERRED_RECORDS || own->writing > 0)
        return -EAGAIN;
    aro_deferred_release(own, DEFERRED_LOST);
    (void)release_some(own, &releases, &removals);
    return 0;
}

void aro_admission_recorded(struct aro_admission *admission, const struct aro_id *object)
{
    struct aro_deferred *own = aro_deferred_find(admission, object, ARO_KIND_OBJECT);

    if (own != NULL && own->state != DEFERRED_RECORDS)
        aro_deferred_release(own, DEFERRED_ADMITTED);
}

void aro_admission_clear(struct aro_admission *admission)
{
    if (admission == NULL)
        return;
    for (uint64_t i = admission->stats.objects_now; i-- > 0;)
        aro_deferred_lose(admission->object[i]);
}

const struct aro_object *aro_admission_find(const struct aro_admission *admission,
                                            const struct aro_id *id, enum aro_kind kind)
{
    const struct aro_deferred *own = aro_deferred_find(admission, id, kind);

    return own != NULL ? &own->object : NULL;
}

const struct aro_object *aro_admission_at(const struct aro_admission *admission, uint64_t i)
{
    return admission != NULL && i < admission->stats.objects_now ? &admission->object[i]->object
                                                                 : NULL;
}

void aro_admission_stats(const struct aro_admission *admission, struct aro_admission_stats *ret)
{
    *ret = admission != NULL ? admission->stats : (struct aro_admission_stats){0};
}

/* ---- its record ---- */

static void on_recorded(struct aro_store_op *op, int result)
{
    struct aro_deferred *object =
        (struct aro_deferred *)(void *)((char *)op - offsetof(struct aro_deferred, op));

    object->over = true;
    object->result = result;
}

/* Every chunk is on disk, unless the last look finds otherwise. */
static void record(struct aro_deferred *object)
{
    int result;

    for (uint64_t i = 0; i < object->claims; i++) {
        if (object->claim[i]->lost) {
            aro_deferred_lose(object);
            return;
        }
        if (!aro_admission_has(object, object->claim[i])) { /* eviction has it under way */
            object->at = 0;
            return;
        }
    }
    object->op.done = on_recorded;
    object->state = DEFERRED_RECORDS;
    result = aro_store_object_add(aro_admission_store(object->admission, object->disk), &object->op,
                                  &object->object, object->mark);
    if (result == -EAGAIN)
        object->state = DEFERRED_WRITES;
    else if (result != 0)
        aro_deferred_settle(object, result);
}

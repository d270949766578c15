/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks on their way from memory to the disk: those of a wanted object, and those that eviction
 * took. Each is pinned where it lies until the store has written it.
 */
#include <errno.h>

#include "control/admission_state.h"
#include "control/loop.h"

enum { KEPT_FOR_HITS = 2 /* the first was the answer that it was pulled for */ };

static struct aro_admission_write *write_of(struct aro_admission *admission,
                                            const struct aro_claim *claim)
{
    for (unsigned i = 0; i < ARO_ADMISSION_WRITES_MAX; i++)
        if (admission->write[i].entry != NULL && admission->write[i].claim == claim)
            return &admission->write[i];
    return NULL;
}

/* Half of the slots are for what leaves. NULL: none free. */
static struct aro_admission_write *slot_for(struct aro_admission *admission, bool leaves)
{
    unsigned first = leaves ? 0 : ARO_ADMISSION_LEAVING_MAX;

    for (unsigned i = first; i < first + ARO_ADMISSION_LEAVING_MAX; i++)
        if (admission->write[i].entry == NULL)
            return &admission->write[i];
    return NULL;
}

static unsigned pin_of(const struct aro_admission *admission,
                       const struct aro_admission_write *write)
{
    return (unsigned)(write - admission->write);
}

struct aro_store *aro_admission_store(const struct aro_admission *admission, unsigned disk)
{
    return aro_disks_store(admission->config.disks, disk);
}

void aro_admission_remove(struct aro_admission *admission, const struct aro_id *id, uint32_t disks)
{
    for (unsigned i = 0; i < aro_disks_count(admission->config.disks); i++)
        if (disks & UINT32_C(1) << i)
            (void)aro_store_chunk_remove(aro_admission_store(admission, i), id);
}

/* Where a loose chunk goes: with its object, or the put that it came by. */
static unsigned disk_of(const struct aro_admission *admission, const struct aro_claim *claim)
{
    int disk;

    if (claim->owner != NULL)
        return claim->owner->disk;
    if (claim->fresh != 0)
        return (unsigned)__builtin_ctz(claim->fresh);
    disk = aro_disks_choose(admission->config.disks, &claim->id, 1, 0);
    return disk < 0 ? 0 : (unsigned)disk;
}

/* entry: pinned by us in the slot of this write. */
static void begin(struct aro_admission *admission, struct aro_admission_write *write,
                  struct aro_entry *entry, struct aro_deferred *object, uint64_t now_ns)
{
    *write = (struct aro_admission_write){
        .entry = entry,
        .claim = aro_claims_take(admission->config.claims, &entry->id), /* one more user */
        .object = object,
        .leaves = object == NULL,
        .since_ns = now_ns,
    };
    write->disk = object != NULL ? object->disk : disk_of(admission, write->claim);
    if (object != NULL)
        object->writing++;
}

/* ---- eviction asks ---- */

static void lose_chunk(struct aro_claim *claim)
{
    struct aro_deferred *owner = claim->owner;

    claim->lost = true;
    claim->loose = false;
    claim->owner = NULL;
    if (owner == NULL)
        return;
    owner->loose--;
    aro_deferred_lose(owner);
}

/* Its object is lost, and nobody else counts on it. */
static bool is_given_up(const struct aro_claim *claim)
{
    return claim->owner != NULL && claim->owner->state == DEFERRED_LOST && claim->users == 1;
}

static bool is_worth_it(const struct aro_claim *claim, const struct aro_entry *entry)
{
    return claim->owner == NULL || claim->owner->state != DEFERRED_WAITS ||
           atomic_load_explicit(&entry->frequency, memory_order_relaxed) >= KEPT_FOR_HITS;
}

static bool on_leave(void *arg, struct aro_entry *entry, bool may_wait)
{
    struct aro_admission *admission = arg;
    struct aro_claim *claim = aro_claims_find(admission->config.claims, &entry->id);
    struct aro_admission_write *write;

    if (claim == NULL || !claim->loose || is_given_up(claim))
        return false;
    write = write_of(admission, claim);
    if (write != NULL) { /* pinned: also what leaves at once is written */
        write->leaves |= may_wait;
        return may_wait;
    }
    if (!is_worth_it(claim, entry)) {
        admission->stats.evict_dropped++;
        lose_chunk(claim);
        return false;
    }
    write = may_wait ? slot_for(admission, true) : NULL;
    if (write == NULL) {
        admission->stats.evict_shed++;
        lose_chunk(claim);
        return false;
    }
    aro_cache_pin(admission->config.reader, pin_of(admission, write), entry);
    begin(admission, write, entry, NULL, aro_now_ns());
    return true;
}

void aro_admission_writes_init(struct aro_admission *admission)
{
    aro_cache_on_leave(admission->config.cache, on_leave, admission);
}

/* ---- what is wanted ---- */

/* Between online and offline. */
static struct aro_entry *find_resident(struct aro_admission *admission, const struct aro_id *id)
{
    const struct aro_id *ids[1] = {id};
    struct aro_entry *entry = NULL;

    if (aro_cache_find_burst(admission->config.reader, ids, 1, &entry) == 0 ||
        aro_entry_state(entry) != ARO_ENTRY_RESIDENT)
        return NULL;
    return entry;
}

bool aro_admission_resident(struct aro_admission *admission, const struct aro_id *id)
{
    bool found;

    aro_cache_online(admission->config.reader);
    found = find_resident(admission, id) != NULL;
    aro_cache_offline(admission->config.reader);
    return found;
}

/* The chunk where it lies, pinned; NULL: not in memory. */
static struct aro_entry *pin_resident(struct aro_admission *admission, const struct aro_id *id,
                                      unsigned pin)
{
    struct aro_entry *entry;

    aro_cache_online(admission->config.reader);
    entry = find_resident(admission, id);
    if (entry != NULL)
        aro_cache_pin(admission->config.reader, pin, entry);
    aro_cache_offline(admission->config.reader);
    return entry;
}

bool aro_admission_has(const struct aro_deferred *object, const struct aro_claim *claim)
{
    const struct aro_store *store = aro_admission_store(object->admission, object->disk);
    struct aro_place place;

    return !claim->loose && aro_store_find(store, &claim->id, 0, &place) == 0;
}

void aro_admission_write_object(struct aro_deferred *object, uint64_t now_ns)
{
    struct aro_admission *admission = object->admission;

    for (; object->at < object->claims && object->error == 0; object->at++) {
        struct aro_claim *claim = object->claim[object->at];
        struct aro_admission_write *write;
        struct aro_entry *entry;
        if (write_of(admission, claim) != NULL || aro_admission_has(object, claim))
            continue;
        write = slot_for(admission, false);
        if (write == NULL)
            return;
        entry = pin_resident(admission, &claim->id, pin_of(admission, write));
        if (entry == NULL) { /* removed by request */
            if (claim->loose)
                lose_chunk(claim);
            else
                aro_deferred_lose(object);
            return;
        }
        begin(admission, write, entry, object, now_ns);
    }
    if (object->error != 0)
        object->at = object->claims;
}

/* ---- turns ---- */

static void on_written(struct aro_store_op *op, int result)
{
    struct aro_admission_write *write = (struct aro_admission_write *)(void *)op;

    write->over = true;
    write->result = result;
}

static void start(struct aro_admission *admission, struct aro_admission_write *write,
                  uint64_t now_ns)
{
    struct aro_entry *entry = write->entry;
    int result;

    write->op.done = on_written;
    result = aro_store_append(aro_admission_store(admission, write->disk), &write->op, &entry->id,
                              entry->data, entry->len_bytes);
    if (result == -EAGAIN && now_ns - write->since_ns < ARO_LEAVING_NS_MAX)
        return;
    write->started = true;
    write->taken = result == 0;
    if (result == 0)
        return;
    write->over = true;
    write->result = result == -EEXIST ? 0 : result;
}

/* Its bytes are on disk, or will not be. */
static void finish(struct aro_admission *admission, struct aro_admission_write *write)
{
    const struct aro_admission_config *config = &admission->config;
    struct aro_claim *claim = write->claim;
    struct aro_deferred *owner = claim->owner;
    struct aro_id id = claim->id;
    uint32_t orphan;

    if (write->result == 0) {
        if (claim->loose || write->taken)
            claim->fresh |= UINT32_C(1) << write->disk;
        admission->stats.evict_writes += write->leaves;
        aro_admission_stored(claim);
        if (owner != NULL && owner->loose == 0) /* all of it is there */
            aro_deferred_want(owner);
    } else if (write->leaves) {
        admission->stats.evict_shed++;
        if (claim->loose)
            lose_chunk(claim);
    }
    if (write->object != NULL) {
        write->object->writing--;
        if (write->result != 0)
            write->object->error = write->result;
    }
    if (write->leaves)
        aro_cache_leave(config->cache, write->entry);
    aro_cache_unpin(config->reader, pin_of(admission, write));
    write->entry = NULL;
    orphan = aro_claims_release(config->claims, claim, 0);
    if (orphan != 0 && write->result == 0)
        aro_admission_remove(admission, &id, orphan);
}

bool aro_admission_writes_turn(struct aro_admission *admission, uint64_t now_ns)
{
    bool busy = false;

    for (unsigned i = 0; i < ARO_ADMISSION_WRITES_MAX; i++) {
        struct aro_admission_write *write = &admission->write[i];
        if (write->entry == NULL)
            continue;
        if (!write->started)
            start(admission, write, now_ns);
        if (write->over)
            finish(admission, write);
        busy |= write->entry != NULL;
    }
    return busy;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper's side: fills, removal, eviction and housekeeping.
 *
 * Every entry that was in the index reaches reclaim.c exactly once: unlinked here, or found GONE in
 * the inbox - abandoned, erased by a reader, or unlinked by us before we had seen it.
 */
#include "cache/state.h"

#include <errno.h>

#include "cache/delay.h"
#include "cache/sums.h"

/* ---- memory ---- */

static uint64_t free_bytes(const struct aro_cache *cache)
{
    return cache->region_bytes - aro_arena_used(cache->entries.arena);
}

/*
 * What is free now was not enough: ask for twice the need on top. Asking again before that arrived
 * asks for the same, so a reader that holds up reclamation costs no more than this; if it arrived
 * and still does not fit, the next failure asks for more.
 */
static void memory_want(struct aro_cache *cache, uint64_t base_bytes, uint32_t need_bytes)
{
    uint64_t wanted_bytes = base_bytes + 2 * (uint64_t)need_bytes;

    if (wanted_bytes > cache->wanted_bytes)
        cache->wanted_bytes = wanted_bytes;
}

struct aro_entry *aro_keeper_take(struct aro_cache *cache, uint32_t capacity_bytes)
{
    struct aro_entry *entry = aro_entries_take(&cache->entries, capacity_bytes);

    if (entry != NULL)
        return entry;
    cache->alloc_failed++;
    if (cache->entries.in_use == cache->entries.max)
        memory_want(cache, 0, capacity_bytes);
    else if (free_bytes(cache) < capacity_bytes)
        memory_want(cache, free_bytes(cache), capacity_bytes);
    else
        aro_room_want(cache, capacity_bytes);
    return NULL;
}

/* bytes, entries: of chosen victims that are still in the index. */
static bool memory_short(const struct aro_cache *cache, uint64_t bytes, uint64_t entries)
{
    bytes += free_bytes(cache) + aro_reclaim_coming_bytes(cache) + cache->leaving_bytes;
    entries += cache->entries.max - cache->entries.in_use + aro_reclaim_coming_entries(cache) +
               cache->leaving_entries;
    return bytes < cache->wanted_bytes || entries < cache->spare_entries;
}

int aro_cache_alloc(struct aro_cache *cache, uint32_t len_bytes, struct aro_entry **ret)
{
    uint32_t capacity_bytes = (len_bytes + ARO_CHUNK_ALIGN - 1) / ARO_CHUNK_ALIGN * ARO_CHUNK_ALIGN;
    uint64_t kept_bytes = cache->spare_bytes / 2; /* for the stock: hits and reads come first */
    struct aro_entry *entry;

    if (len_bytes < ARO_CHUNK_BYTES_MIN || len_bytes > ARO_CHUNK_BYTES_MAX)
        return -EINVAL;
    if (free_bytes(cache) < kept_bytes + capacity_bytes) {
        cache->alloc_failed++;
        memory_want(cache, kept_bytes, capacity_bytes);
        return -ENOBUFS;
    }
    entry = aro_keeper_take(cache, capacity_bytes);
    if (entry == NULL)
        return -ENOBUFS;
    entry->len_bytes = len_bytes;
    *ret = entry;
    return 0;
}

void aro_cache_discard(struct aro_cache *cache, struct aro_entry *entry)
{
    aro_entries_give(&cache->entries, entry);
}

/* ---- unlinking ---- */

/* GONE, then out of the index. False: a reader was first, and the entry comes by the inbox. */
static bool entry_unlink(struct aro_cache *cache, struct aro_entry *entry, uint8_t flags)
{
    uint8_t state = ARO_ENTRY_RESIDENT | flags;

    if (!atomic_compare_exchange_strong(&entry->state, &state, ARO_ENTRY_GONE | flags))
        return false;
    aro_delay_point();
    aro_index_erase(cache->index, entry);
    return true;
}

/* What is in memory, by size: in at admission, out when it is evicted or removed. */
static void size_in(struct aro_cache *cache, const struct aro_entry *entry)
{
    struct aro_size_count *count = &cache->size[aro_stock_class(entry->len_bytes)];

    count->entries++;
    count->bytes += entry->len_bytes;
}

static void size_out(struct aro_cache *cache, const struct aro_entry *entry)
{
    struct aro_size_count *count = &cache->size[aro_stock_class(entry->len_bytes)];

    count->entries--;
    count->bytes -= entry->len_bytes;
}

void aro_keeper_drop_now(struct aro_cache *cache, struct aro_entry *entry)
{
    size_out(cache, entry);
    if (!entry_unlink(cache, entry, 0))
        return;
    cache->evicted++;
    cache->evicted_unread += atomic_load_explicit(&entry->frequency, memory_order_relaxed) == 0;
    aro_reclaim_retire(cache, entry);
}

void aro_keeper_drop(struct aro_cache *cache, struct aro_entry *entry)
{
    if (!aro_leave_waits(cache, entry))
        aro_keeper_drop_now(cache, entry);
}

static void entry_admit(struct aro_cache *cache, struct aro_entry *entry)
{
    struct aro_policy *policy = cache->policy;
    bool recalled = policy->ops->recall(policy, &entry->id);

    if (!policy->ops->admit(policy, entry, recalled)) { /* not worth keeping */
        if (entry_unlink(cache, entry, 0)) {
            cache->rejected++;
            aro_reclaim_retire(cache, entry);
        }
        return;
    }
    cache->admitted++;
    cache->ghost_hits += recalled;
    size_in(cache, entry);
}

/* The policy, or who else held it, knows it no more. */
static void entry_forget(struct aro_cache *cache, struct aro_entry *entry)
{
    if (entry->policy_queue == 0)
        return;
    size_out(cache, entry);
    if (entry->policy_queue == ARO_QUEUE_KEPT)
        aro_keep_forget(cache, entry);
    else if (entry->policy_queue == ARO_QUEUE_LEAVING)
        aro_leave_forget(cache, entry);
    else
        cache->policy->ops->remove(cache->policy, entry);
}

/* False: a reader was first. */
static bool entry_remove(struct aro_cache *cache, struct aro_entry *entry)
{
    bool is_new = entry->policy_queue == 0; /* still on its way to the inbox: retired there */

    if (!entry_unlink(cache, entry, is_new ? ARO_ENTRY_POSTED : 0))
        return false;
    cache->removed++;
    cache->admitted += is_new;
    if (is_new)
        return true;
    entry_forget(cache, entry);
    aro_reclaim_retire(cache, entry);
    return true;
}

/* Both buckets of the id are full: the least asked for that the policy holds there gives way. */
static void crowd_thin(struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *crowd[ARO_INDEX_CROWD];
    unsigned n = aro_index_crowd(cache->index, id, crowd);
    struct aro_entry *victim = NULL;

    for (unsigned i = 0; i < n; i++) {
        if (crowd[i]->policy_queue == 0 || crowd[i]->policy_queue > ARO_QUEUE_POLICY_MAX)
            continue;
        if (victim == NULL || atomic_load_explicit(&crowd[i]->frequency, memory_order_relaxed) <
                                  atomic_load_explicit(&victim->frequency, memory_order_relaxed))
            victim = crowd[i];
    }
    if (victim == NULL)
        return;
    cache->policy->ops->remove(cache->policy, victim);
    aro_keeper_drop(cache, victim);
}

/* ---- the inbox ---- */

/* Takes the whole outbox (acquire: pairs with each push) behind what is left in the inbox. */
static void inbox_fetch(struct aro_cache *cache)
{
    const struct aro_policy *policy = cache->policy;
    uint32_t newest = atomic_exchange(&cache->outbox, 0);
    uint32_t oldest = 0;
    uint32_t *end = &cache->inbox;

    while (newest != 0) {
        struct aro_entry *entry = aro_entry_by(cache->entries.array, newest);
        uint32_t next = entry->link;
        entry->link = oldest;
        oldest = newest;
        newest = next;
        if (policy->ops->fetch != NULL)
            policy->ops->fetch(policy, &entry->id);
    }
    while (*end != 0)
        end = &aro_entry_by(cache->entries.array, *end)->link;
    *end = oldest;
}

static void inbox_drain(struct aro_cache *cache, unsigned work_max)
{
    if (cache->inbox == 0)
        inbox_fetch(cache);
    while (cache->inbox != 0 && work_max-- > 0) {
        struct aro_entry *entry = aro_entry_by(cache->entries.array, cache->inbox);
        uint8_t state;
        cache->inbox = entry->link; /* read before a reader may push it again */
        aro_delay_point();
        state = atomic_fetch_and(&entry->state, (uint8_t)~ARO_ENTRY_POSTED);
        if ((state & ARO_ENTRY_STATE) == ARO_ENTRY_RESIDENT) {
            aro_entries_trim(&cache->entries, entry); /* it came in memory of its size class */
            entry_admit(cache, entry);
        } else {
            if (state & ARO_ENTRY_CROWDED)
                crowd_thin(cache, &entry->id);
            aro_index_erase(cache->index, entry); /* its eraser may not have come to it */
            entry_forget(cache, entry);
            aro_reclaim_retire(cache, entry);
        }
    }
}

/* Everything published before the call is in the policy after it. */
static void inbox_empty(struct aro_cache *cache)
{
    inbox_drain(cache, UINT32_MAX);
    inbox_drain(cache, UINT32_MAX); /* the first may have found an old inbox and not fetched */
}

/* ---- fills and removal ---- */

int aro_cache_insert(struct aro_cache *cache, struct aro_entry *entry)
{
    uint16_t *sums = aro_cache_sums(cache, entry);
    struct aro_entry *member;
    int rc;

    sums[0] = 0;
    aro_sums_extend(sums, 0, entry->data, entry->len_bytes);
    aro_cache_member(cache, &entry->id); /* one that is GONE already is not in the way */
    atomic_store_explicit(&entry->state, ARO_ENTRY_RESIDENT | ARO_ENTRY_INSERTING,
                          memory_order_relaxed);
    rc = aro_index_insert(cache->index, entry, &member); /* releases bytes, sums and state */
    if (rc == 0) {
        atomic_fetch_and(&entry->state, (uint8_t)~ARO_ENTRY_INSERTING); /* readers may erase it */
        aro_delay_point();
        entry_admit(cache, entry);
        return 0;
    }
    atomic_store(&entry->state, ARO_ENTRY_GONE);
    cache->index_full += rc != -EEXIST;
    if (rc == -ENOSPC)
        crowd_thin(cache, &entry->id);
    aro_reclaim_retire(cache, entry); /* others may have looked at it */
    return rc == -EEXIST ? -EEXIST : -ENOSPC;
}

int aro_cache_remove(struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *entry = aro_cache_member(cache, id);

    if (entry == NULL)
        return -ENOENT;
    if (aro_entry_state(entry) == ARO_ENTRY_READING)
        return -EBUSY;
    return entry_remove(cache, entry) ? 0 : -ENOENT;
}

uint64_t aro_cache_flush(struct aro_cache *cache)
{
    uint64_t removed = 0;

    inbox_empty(cache);
    for (uint32_t i = 0; i < cache->entries.fresh; i++) {
        struct aro_entry *entry = &cache->entries.array[i];
        if (entry->policy_queue != 0 && entry->policy_queue <= ARO_QUEUE_POLICY_MAX)
            removed += entry_remove(cache, entry);
    }
    return removed;
}

/* ---- housekeeping ---- */

/*
 * Chooses up to n victims while memory is short, and fetches what dropping them will look at.
 * *ret_enough: no more are needed, or there are none.
 */
static unsigned victims_choose(struct aro_cache *cache, struct aro_entry *victim[], unsigned n,
                               bool *ret_enough)
{
    uint64_t bytes = 0;
    unsigned chosen = 0;

    *ret_enough = false;
    while (chosen < n) {
        struct aro_entry *next = NULL;
        if (memory_short(cache, bytes, chosen))
            next = cache->policy->ops->evict(cache->policy);
        if (next == NULL) {
            *ret_enough = true;
            break;
        }
        aro_index_prefetch(cache->index, &next->id, false);
        bytes += aro_entries_bytes(&cache->entries, next);
        victim[chosen++] = next;
    }
    return chosen;
}

/* True: stopped by work_max. */
static bool evict_run(struct aro_cache *cache, unsigned work_max)
{
    struct aro_entry *victim[ARO_INDEX_AHEAD];
    uint32_t room_bytes = cache->room_bytes;
    bool enough = false;

    if (!aro_room_make(cache))
        memory_want(cache, free_bytes(cache), room_bytes); /* then by luck */
    while (!enough) {
        unsigned n = work_max < ARO_INDEX_AHEAD ? work_max : ARO_INDEX_AHEAD;
        if (n == 0)
            return memory_short(cache, 0, 0);
        n = victims_choose(cache, victim, n, &enough);
        for (unsigned i = 0; i < n; i++)
            aro_keeper_drop(cache, victim[i]);
        work_max -= n;
    }
    cache->wanted_bytes = cache->spare_bytes; /* until an allocation fails again */
    return false;
}

bool aro_cache_maintain(struct aro_cache *cache, unsigned work_max)
{
    bool more;

    atomic_exchange(&cache->stock_used, false); /* before looking: see aro_cache_wanting */
    inbox_drain(cache, work_max);
    more = evict_run(cache, work_max);
    more |= aro_reclaim_run(cache, work_max);
    more |= aro_restock_run(cache, work_max);
    return more || cache->inbox != 0;
}

/*
 * A reader changes its stock and then sets stock_used; housekeeping clears stock_used and then
 * looks at the stock; all seq_cst: no demand is lost, at worst it is looked at twice.
 */
bool aro_cache_wanting(const struct aro_cache *cache)
{
    return atomic_load_explicit(&cache->stock_used, memory_order_relaxed) ||
           atomic_load_explicit(&cache->outbox, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&cache->starved, memory_order_relaxed);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keeper's side: fills, removal, eviction and housekeeping.
 *
 * Every entry that was in the index reaches reclaim.c exactly once: taken out of the policy here,
 * or found GONE in the inbox. An entry that a reader published but whose way through the outbox
 * has not ended yet can be unlinked like any other; it is retired when it arrives.
 */
#include "cache/state.h"

#include <assert.h>
#include <errno.h>

#include "cache/delay.h"
#include "cache/sums.h"

/* ---- memory ---- */

static uint64_t free_bytes(const struct aro_cache *cache)
{
    return cache->region_bytes - aro_arena_used(cache->entries.arena);
}

/*
 * What is free now was not enough, be it for its shape: ask for twice the need on top. Asking again
 * before that arrived asks for the same, so a reader that holds up reclamation costs no more than
 * this; if it arrived and still does not fit, the next failure asks for more.
 */
static void memory_want(struct aro_cache *cache, uint64_t base_bytes, uint32_t need_bytes)
{
    uint64_t wanted_bytes = base_bytes + 2 * (uint64_t)need_bytes;

    cache->alloc_failed++;
    if (wanted_bytes > cache->wanted_bytes)
        cache->wanted_bytes = wanted_bytes;
}

struct aro_entry *aro_keeper_take(struct aro_cache *cache, uint32_t capacity_bytes)
{
    struct aro_entry *entry = aro_entries_take(&cache->entries, capacity_bytes);

    if (entry == NULL)
        memory_want(cache, cache->entries.in_use < cache->entries.max ? free_bytes(cache) : 0,
                    capacity_bytes);
    return entry;
}

static bool memory_short(const struct aro_cache *cache)
{
    uint64_t entries = cache->entries.max - cache->entries.in_use;

    return free_bytes(cache) + aro_reclaim_coming_bytes(cache) < cache->wanted_bytes ||
           entries + aro_reclaim_coming_entries(cache) < cache->spare_entries;
}

int aro_cache_alloc(struct aro_cache *cache, uint32_t len_bytes, struct aro_entry **ret)
{
    uint32_t capacity_bytes = (len_bytes + ARO_CHUNK_ALIGN - 1) / ARO_CHUNK_ALIGN * ARO_CHUNK_ALIGN;
    uint64_t kept_bytes = cache->spare_bytes / 2; /* for the stock: hits and reads come first */
    struct aro_entry *entry;

    assert(len_bytes >= ARO_CHUNK_BYTES_MIN && len_bytes <= ARO_CHUNK_BYTES_MAX);
    if (free_bytes(cache) < kept_bytes + capacity_bytes) {
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

/* Out of the index, then GONE. */
static void entry_unlink(struct aro_cache *cache, struct aro_entry *entry)
{
    bool erased = aro_index_erase(cache->index, entry);

    assert(erased);
    (void)erased;
    aro_delay_point();
    atomic_store(&entry->state, ARO_ENTRY_GONE);
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

void aro_keeper_drop(struct aro_cache *cache, struct aro_entry *entry)
{
    entry_unlink(cache, entry);
    cache->evicted++;
    size_out(cache, entry);
    aro_reclaim_retire(cache, entry);
}

static void entry_admit(struct aro_cache *cache, struct aro_entry *entry)
{
    struct aro_policy *policy = cache->policy;
    bool recalled = policy->ops->recall(policy, &entry->id);

    if (!policy->ops->admit(policy, entry, recalled)) { /* not worth keeping */
        entry_unlink(cache, entry);
        cache->rejected++;
        aro_reclaim_retire(cache, entry);
        return;
    }
    cache->admitted++;
    cache->ghost_hits += recalled;
    size_in(cache, entry);
}

static void entry_remove(struct aro_cache *cache, struct aro_entry *entry)
{
    entry_unlink(cache, entry);
    cache->removed++;
    if (entry->policy_queue == 0) { /* still on its way to the inbox: retired there */
        cache->admitted++;
        return;
    }
    size_out(cache, entry);
    if (entry->policy_queue == ARO_QUEUE_KEPT)
        aro_keep_forget(cache, entry);
    else
        cache->policy->ops->remove(cache->policy, entry);
    aro_reclaim_retire(cache, entry);
}

/* ---- the inbox ---- */

/* Takes the whole outbox (acquire: pairs with each push) behind what is left in the inbox. */
static void inbox_fetch(struct aro_cache *cache)
{
    struct aro_entry *newest = atomic_exchange(&cache->outbox, NULL);
    struct aro_entry *oldest = NULL;
    struct aro_entry **end = &cache->inbox;

    while (newest != NULL) {
        struct aro_entry *next = newest->link;
        newest->link = oldest;
        oldest = newest;
        newest = next;
    }
    while (*end != NULL)
        end = &(*end)->link;
    *end = oldest;
}

static void inbox_drain(struct aro_cache *cache, unsigned work_max)
{
    if (cache->inbox == NULL)
        inbox_fetch(cache);
    while (cache->inbox != NULL && work_max-- > 0) {
        struct aro_entry *entry = cache->inbox;
        cache->inbox = entry->link;
        if (aro_entry_state(entry) == ARO_ENTRY_RESIDENT)
            entry_admit(cache, entry);
        else
            aro_reclaim_retire(cache, entry);
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
    struct aro_entry *member;
    int rc;

    entry->sums[0] = 0;
    aro_sums_extend(entry->sums, 0, entry->data, entry->len_bytes);
    atomic_store_explicit(&entry->state, ARO_ENTRY_RESIDENT, memory_order_relaxed);
    rc = aro_index_insert(cache->index, entry, &member); /* releases bytes, sums and state */
    if (rc == 0) {
        entry_admit(cache, entry);
        return 0;
    }
    atomic_store(&entry->state, ARO_ENTRY_GONE);
    aro_reclaim_retire(cache, entry); /* others may have looked at it */
    cache->index_full += rc == -ENOSPC;
    return rc == -EEXIST ? -EEXIST : -ENOSPC;
}

int aro_cache_remove(struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *entry = aro_index_find(cache->index, id);

    if (entry == NULL)
        return -ENOENT;
    if (aro_entry_state(entry) == ARO_ENTRY_READING)
        return -EBUSY;
    entry_remove(cache, entry);
    return 0;
}

uint64_t aro_cache_flush(struct aro_cache *cache)
{
    uint64_t removed = 0;

    inbox_empty(cache);
    for (uint32_t i = 0; i < cache->entries.fresh; i++) {
        struct aro_entry *entry = &cache->entries.array[i];
        if (entry->policy_queue == 0 || entry->policy_queue == ARO_QUEUE_KEPT)
            continue;
        entry_remove(cache, entry);
        removed++;
    }
    return removed;
}

/* ---- housekeeping ---- */

/* True: stopped by work_max. */
static bool evict_run(struct aro_cache *cache, unsigned work_max)
{
    while (memory_short(cache)) {
        struct aro_entry *victim;
        if (work_max-- == 0)
            return true;
        victim = cache->policy->ops->evict(cache->policy);
        if (victim == NULL)
            break;
        aro_keeper_drop(cache, victim);
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
    return more || cache->inbox != NULL;
}

/*
 * A reader changes its stock and then sets stock_used; housekeeping clears stock_used and then
 * looks at the stock; all seq_cst: no demand is lost, at worst it is looked at twice.
 */
bool aro_cache_wanting(const struct aro_cache *cache)
{
    return atomic_load_explicit(&cache->stock_used, memory_order_relaxed) ||
           atomic_load_explicit(&cache->outbox, memory_order_relaxed) != NULL ||
           atomic_load_explicit(&cache->starved, memory_order_relaxed);
}

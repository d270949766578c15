/* SPDX-License-Identifier: BSD-3-Clause */
/* What keeper and readers counted, and how the policy holds what is in memory. The keeper's. */
#include <string.h>

#include "cache/state.h"

static struct aro_policy_parts parts_of(const struct aro_policy *policy)
{
    struct aro_policy_parts parts = {0};

    if (policy->ops->parts != NULL)
        policy->ops->parts(policy, &parts);
    return parts;
}

static void readers_add(const struct aro_cache *cache, struct aro_cache_stats *stats)
{
    for (unsigned i = 0; i < cache->readers; i++) {
        const struct aro_reader *reader = cache->reader[i];
        stats->stock_empty += atomic_load_explicit(&reader->stock_empty, memory_order_relaxed);
        stats->index_full += atomic_load_explicit(&reader->index_full, memory_order_relaxed);
        stats->removed += atomic_load_explicit(&reader->erased, memory_order_relaxed);
        stats->admitted += atomic_load_explicit(&reader->erased_new, memory_order_relaxed);
        stats->abandoned += atomic_load_explicit(&reader->abandoned, memory_order_relaxed);
    }
}

void aro_cache_stats(struct aro_cache *cache, struct aro_cache_stats *ret)
{
    const struct aro_policy *policy = cache->policy;
    struct aro_policy_parts parts = parts_of(policy);
    struct aro_cache_stats stats = {
        .policy = policy->ops->name,
        .bytes_total = cache->region_bytes,
        .bytes_used_now = aro_arena_used(cache->entries.arena),
        .bytes_chunks_now = policy->bytes + policy->withheld_bytes + cache->leaving_payload_bytes,
        .entries_now = policy->entries + cache->kept_entries + cache->leaving_entries,
        .kept_now = cache->kept_entries,
        .bytes_kept_now = policy->withheld_bytes,
        .small_now = parts.small_entries,
        .bytes_small_now = parts.small_bytes,
        .main_now = policy->entries - parts.small_entries,
        .bytes_main_now = policy->bytes - parts.small_bytes,
        .ghosts_now = parts.ghosts,
        .entries_max = cache->entries.max,
        .pinned_now = aro_reclaim_pinned(cache),
        .retired_now = aro_reclaim_coming_entries(cache) + cache->held.entries,
        .admitted = cache->admitted,
        .rejected = cache->rejected,
        .ghost_hits = cache->ghost_hits,
        .promoted = policy->promoted,
        .evicted = cache->evicted,
        .evicted_unread = cache->evicted_unread,
        .removed = cache->removed,
        .index_full = cache->index_full,
        .alloc_failed = cache->alloc_failed,
    };

    memcpy(stats.size_now, cache->size, sizeof(stats.size_now));
    readers_add(cache, &stats);
    *ret = stats;
}

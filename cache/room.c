/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room in one piece. What the policy evicts lies anywhere, so for a long chunk much more than its
 * length would have to go before enough of it lies together by chance: with sizes mixed, 40% of the
 * memory was seen free and unusable. So when there is room but not in one piece, the neighbours of
 * a long free run go, whatever the policy thinks of them: at most as much as the chunk takes.
 */
#include "cache/state.h"

static bool may_go(void *arg, uint32_t owner)
{
    struct aro_cache *cache = arg;
    const struct aro_entry *entry = aro_entry_by(cache->entries.array, owner);

    switch (aro_entry_state(entry)) {
    case ARO_ENTRY_RESIDENT:
        return entry->policy_queue != 0 && entry->policy_queue <= ARO_QUEUE_POLICY_MAX;
    case ARO_ENTRY_GONE:
        return entry->policy_queue != ARO_QUEUE_HELD; /* on its way, and not pinned */
    default:
        return false; /* stock, or being read */
    }
}

/* What went for the last one is free by now, or held by pins. */
static bool is_settled(const struct aro_cache *cache)
{
    return cache->retired - aro_reclaim_coming_entries(cache) >= cache->room_due;
}

void aro_room_want(struct aro_cache *cache, uint32_t bytes)
{
    if (is_settled(cache) && bytes > cache->room_bytes)
        cache->room_bytes = bytes;
}

bool aro_room_make(struct aro_cache *cache)
{
    uint32_t owner[ARO_ARENA_RUN_PAGES_MAX];
    uint32_t bytes = cache->room_bytes;
    unsigned owners;

    cache->room_bytes = 0;
    if (bytes == 0)
        return true;
    owners = aro_arena_neighbours(cache->entries.arena, bytes, may_go, cache, owner);
    for (unsigned i = 0; i < owners; i++) {
        struct aro_entry *entry = aro_entry_by(cache->entries.array, owner[i]);
        if (aro_entry_state(entry) != ARO_ENTRY_RESIDENT)
            continue;
        cache->policy->ops->remove(cache->policy, entry);
        aro_keeper_drop(cache, entry);
    }
    cache->room_due = cache->retired;
    return owners > 0;
}

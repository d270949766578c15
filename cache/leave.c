/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Victims of the policy that somebody wants to write before they go. Meanwhile they are in the
 * index and in nobody's queue; their memory counts as on its way, so that eviction waits for the
 * writer instead of taking more - and takes more once a quarter of the spare memory waits so: then
 * what is left is enough for one more chunk, however long the writer takes.
 */
#include "cache/state.h"

void aro_cache_on_leave(struct aro_cache *cache,
                        bool (*leaves)(void *arg, struct aro_entry *entry, bool may_wait),
                        void *arg)
{
    cache->leaves = leaves;
    cache->leaves_arg = arg;
}

bool aro_leave_waits(struct aro_cache *cache, struct aro_entry *entry)
{
    uint64_t bytes = aro_entries_bytes(&cache->entries, entry);
    bool may_wait = cache->leaving_bytes + bytes <= cache->spare_bytes / 4;

    if (cache->leaves == NULL || aro_entry_state(entry) != ARO_ENTRY_RESIDENT ||
        !cache->leaves(cache->leaves_arg, entry, may_wait) || !may_wait)
        return false;
    entry->policy_queue = ARO_QUEUE_LEAVING;
    cache->leaving_entries++;
    cache->leaving_bytes += bytes;
    cache->leaving_payload_bytes += entry->len_bytes;
    return true;
}

void aro_leave_forget(struct aro_cache *cache, struct aro_entry *entry)
{
    entry->policy_queue = 0;
    cache->leaving_entries--;
    cache->leaving_bytes -= aro_entries_bytes(&cache->entries, entry);
    cache->leaving_payload_bytes -= entry->len_bytes;
}

void aro_cache_leave(struct aro_cache *cache, struct aro_entry *entry)
{
    if (entry->policy_queue != ARO_QUEUE_LEAVING)
        return;
    aro_leave_forget(cache, entry);
    aro_keeper_drop_now(cache, entry);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks that stay whatever the policy says: taken out of the policy's hands, so that it cannot
 * choose them, and given back later. The policy is told how much memory it does not have.
 */
#include <assert.h>
#include <errno.h>

#include "cache/state.h"

void aro_keep_forget(struct aro_cache *cache, struct aro_entry *entry)
{
    assert(entry->policy_queue == ARO_QUEUE_KEPT);
    entry->policy_queue = 0;
    cache->kept_entries--;
    cache->policy->withheld_bytes -= entry->len_bytes;
}

int aro_cache_keep(struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *entry = aro_cache_member(cache, id);

    if (entry == NULL)
        return -ENOENT;
    if (entry->policy_queue == ARO_QUEUE_KEPT)
        return 0;
    if (entry->policy_queue == 0) /* READING, or on its way to the inbox */
        return -EAGAIN;
    if (entry->policy_queue == ARO_QUEUE_LEAVING)
        aro_leave_forget(cache, entry);
    else
        cache->policy->ops->remove(cache->policy, entry);
    entry->policy_queue = ARO_QUEUE_KEPT;
    cache->kept_entries++;
    cache->policy->withheld_bytes += entry->len_bytes;
    return 0;
}

int aro_cache_unkeep(struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *entry = aro_cache_member(cache, id);

    if (entry == NULL || entry->policy_queue != ARO_QUEUE_KEPT)
        return -ENOENT;
    aro_keep_forget(cache, entry);
    if (!cache->policy->ops->admit(cache->policy, entry, false))
        aro_keeper_drop(cache, entry);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Least recently used: the yardstick. A hit moves an entry to the newest end, if the caller tells
 * of it (a replay does). The cache's readers only touch: then an entry touched since it was last
 * looked at goes round again, which is the second-chance form of LRU (CLOCK).
 */
#include "cache/policy.h"

static struct aro_policy *lru_create(const struct aro_policy_config *config)
{
    return aro_policy_single_create(&aro_policy_lru, config);
}

static void lru_hit(struct aro_policy *policy, struct aro_entry *entry)
{
    struct aro_policy_single *lru = (struct aro_policy_single *)policy;

    aro_policy_unlink(policy, &lru->queue, entry);
    aro_policy_push(policy, &lru->queue, entry);
}

/* Readers may touch entries as fast as this looks at them: one round, then the oldest goes. */
static struct aro_entry *lru_evict(struct aro_policy *policy)
{
    struct aro_policy_single *lru = (struct aro_policy_single *)policy;

    for (uint32_t looked = 0; looked < policy->entries; looked++) {
        struct aro_entry *entry = aro_policy_oldest(policy, &lru->queue);
        if (atomic_load_explicit(&entry->frequency, memory_order_relaxed) == 0)
            break;
        aro_policy_frequency_set(entry, 0);
        lru_hit(policy, entry);
    }
    struct aro_entry *victim = aro_policy_oldest(policy, &lru->queue);
    if (victim != NULL)
        aro_policy_single_remove(policy, victim);
    return victim;
}

const struct aro_policy_ops aro_policy_lru = {
    .name = "lru",
    .create = lru_create,
    .destroy = aro_policy_single_destroy,
    .recall = aro_policy_single_recall,
    .admit = aro_policy_single_admit,
    .evict = lru_evict,
    .remove = aro_policy_single_remove,
    .hit = lru_hit,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Least recently used: the yardstick. A hit moves an entry to the newest end, if the caller tells
 * of it (a replay does). The cache's readers only touch: then an entry touched since it was last
 * looked at goes round again, which is the second-chance form of LRU (CLOCK).
 */
#include "cache/policy.h"

#include <stdlib.h>

enum { QUEUE_ONLY = 1 };

struct lru {
    struct aro_policy policy;
    struct aro_policy_queue queue;
};

static struct aro_policy *lru_create(const struct aro_policy_config *config)
{
    struct lru *lru = calloc(1, sizeof(*lru));

    (void)config;
    if (lru == NULL)
        return NULL;
    lru->policy.ops = &aro_policy_lru;
    return &lru->policy;
}

static void lru_destroy(struct aro_policy *policy)
{
    free(policy);
}

static bool lru_recall(struct aro_policy *policy, const struct aro_id *id)
{
    (void)policy;
    (void)id;
    return false;
}

static bool lru_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    struct lru *lru = (struct lru *)policy;

    (void)recalled;
    entry->policy_queue = QUEUE_ONLY;
    atomic_store_explicit(&entry->frequency, 0, memory_order_relaxed);
    aro_policy_queue_push(&lru->queue, entry);
    policy->bytes += entry->len_bytes;
    policy->entries++;
    return true;
}

static void lru_remove(struct aro_policy *policy, struct aro_entry *entry)
{
    struct lru *lru = (struct lru *)policy;

    aro_policy_queue_unlink(&lru->queue, entry);
    entry->policy_queue = 0;
    policy->bytes -= entry->len_bytes;
    policy->entries--;
}

static void lru_hit(struct aro_policy *policy, struct aro_entry *entry)
{
    struct lru *lru = (struct lru *)policy;

    aro_policy_queue_unlink(&lru->queue, entry);
    aro_policy_queue_push(&lru->queue, entry);
}

/* Readers may touch entries as fast as this looks at them: one round, then the oldest goes. */
static struct aro_entry *lru_evict(struct aro_policy *policy)
{
    struct lru *lru = (struct lru *)policy;

    for (uint32_t looked = 0; looked < policy->entries; looked++) {
        struct aro_entry *entry = lru->queue.oldest;
        if (atomic_load_explicit(&entry->frequency, memory_order_relaxed) == 0)
            break;
        atomic_store_explicit(&entry->frequency, 0, memory_order_relaxed);
        lru_hit(policy, entry);
    }
    struct aro_entry *victim = lru->queue.oldest;
    if (victim != NULL)
        lru_remove(policy, victim);
    return victim;
}

const struct aro_policy_ops aro_policy_lru = {
    .name = "lru",
    .create = lru_create,
    .destroy = lru_destroy,
    .recall = lru_recall,
    .admit = lru_admit,
    .evict = lru_evict,
    .remove = lru_remove,
    .hit = lru_hit,
};

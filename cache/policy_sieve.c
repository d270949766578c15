/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIEVE (Zhang et al., NSDI'24): entries stay where they came in, and a hand walks from the oldest
 * to the newest and round again. What was hit since the hand passed loses its mark and stays; the
 * first that was not goes.
 */
#include "cache/policy.h"

static struct aro_policy *sieve_create(const struct aro_policy_config *config)
{
    return aro_policy_single_create(&aro_policy_sieve, config);
}

/* Readers may mark entries as fast as the hand passes: one round, then the next one goes. */
static struct aro_entry *sieve_evict(struct aro_policy *policy)
{
    struct aro_policy_single *sieve = (struct aro_policy_single *)policy;
    struct aro_entry *at =
        aro_entry_by(policy->array, sieve->hand != 0 ? sieve->hand : sieve->queue.oldest);

    for (uint32_t looked = 0; looked < policy->entries; looked++) {
        if (atomic_load_explicit(&at->frequency, memory_order_relaxed) == 0)
            break;
        aro_policy_frequency_set(at, 0);
        at = aro_entry_by(policy->array,
                          at->policy_next != 0 ? at->policy_next : sieve->queue.oldest);
    }
    if (at == NULL)
        return NULL;
    sieve->hand = at->policy_next;
    aro_policy_single_remove(policy, at);
    return at;
}

const struct aro_policy_ops aro_policy_sieve = {
    .name = "sieve",
    .create = sieve_create,
    .destroy = aro_policy_single_destroy,
    .recall = aro_policy_single_recall,
    .admit = aro_policy_single_admit,
    .evict = sieve_evict,
    .remove = aro_policy_single_remove,
};

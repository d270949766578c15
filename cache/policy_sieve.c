/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIEVE (Zhang et al., NSDI'24): entries stay where they came in, and a hand walks from the oldest
 * to the newest and round again. What was hit since the hand passed loses its mark and stays; the
 * first that was not goes.
 */
#include "cache/policy.h"

#include <stdlib.h>

enum { QUEUE_ONLY = 1 };

struct sieve {
    struct aro_policy policy;
    struct aro_policy_queue queue;
    struct aro_entry *hand; /* the next to be looked at; NULL: the oldest */
};

static struct aro_policy *sieve_create(const struct aro_policy_config *config)
{
    struct sieve *sieve = calloc(1, sizeof(*sieve));

    (void)config;
    if (sieve == NULL)
        return NULL;
    sieve->policy.ops = &aro_policy_sieve;
    return &sieve->policy;
}

static void sieve_destroy(struct aro_policy *policy)
{
    free(policy);
}

static bool sieve_recall(struct aro_policy *policy, const struct aro_id *id)
{
    (void)policy;
    (void)id;
    return false;
}

static bool sieve_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    struct sieve *sieve = (struct sieve *)policy;

    (void)recalled;
    entry->policy_queue = QUEUE_ONLY;
    atomic_store_explicit(&entry->frequency, 0, memory_order_relaxed);
    aro_policy_queue_push(&sieve->queue, entry);
    policy->bytes += entry->len_bytes;
    policy->entries++;
    return true;
}

static void sieve_remove(struct aro_policy *policy, struct aro_entry *entry)
{
    struct sieve *sieve = (struct sieve *)policy;

    if (sieve->hand == entry)
        sieve->hand = entry->policy_next;
    aro_policy_queue_unlink(&sieve->queue, entry);
    entry->policy_queue = 0;
    policy->bytes -= entry->len_bytes;
    policy->entries--;
}

/* Readers may mark entries as fast as the hand passes: one round, then the next one goes. */
static struct aro_entry *sieve_evict(struct aro_policy *policy)
{
    struct sieve *sieve = (struct sieve *)policy;
    struct aro_entry *at = sieve->hand != NULL ? sieve->hand : sieve->queue.oldest;

    for (uint32_t looked = 0; looked < policy->entries; looked++) {
        if (atomic_load_explicit(&at->frequency, memory_order_relaxed) == 0)
            break;
        atomic_store_explicit(&at->frequency, 0, memory_order_relaxed);
        at = at->policy_next != NULL ? at->policy_next : sieve->queue.oldest;
    }
    if (at == NULL)
        return NULL;
    sieve->hand = at->policy_next;
    sieve_remove(policy, at);
    return at;
}

const struct aro_policy_ops aro_policy_sieve = {
    .name = "sieve",
    .create = sieve_create,
    .destroy = sieve_destroy,
    .recall = sieve_recall,
    .admit = sieve_admit,
    .evict = sieve_evict,
    .remove = sieve_remove,
};

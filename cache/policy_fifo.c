/* SPDX-License-Identifier: BSD-3-Clause */
/* First in, first out: the baseline, and the plainest example of a policy. */
#include "cache/policy.h"

#include <stdlib.h>

enum { QUEUE_ONLY = 1 };

struct fifo {
    struct aro_policy policy;
    struct aro_policy_queue queue;
};

static struct aro_policy *fifo_create(const struct aro_policy_config *config)
{
    struct fifo *fifo = calloc(1, sizeof(*fifo));

    (void)config;
    if (fifo == NULL)
        return NULL;
    fifo->policy.ops = &aro_policy_fifo;
    return &fifo->policy;
}

static void fifo_destroy(struct aro_policy *policy)
{
    free(policy);
}

static bool fifo_recall(struct aro_policy *policy, const struct aro_id *id)
{
    (void)policy;
    (void)id;
    return false;
}

static bool fifo_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    struct fifo *fifo = (struct fifo *)policy;

    (void)recalled;
    entry->policy_queue = QUEUE_ONLY;
    aro_policy_queue_push(&fifo->queue, entry);
    policy->bytes += entry->len_bytes;
    policy->entries++;
    return true;
}

static void fifo_remove(struct aro_policy *policy, struct aro_entry *entry)
{
    struct fifo *fifo = (struct fifo *)policy;

    aro_policy_queue_unlink(&fifo->queue, entry);
    entry->policy_queue = 0;
    policy->bytes -= entry->len_bytes;
    policy->entries--;
}

static struct aro_entry *fifo_evict(struct aro_policy *policy)
{
    struct aro_entry *victim = ((struct fifo *)policy)->queue.oldest;

    if (victim != NULL)
        fifo_remove(policy, victim);
    return victim;
}

const struct aro_policy_ops aro_policy_fifo = {
    .name = "fifo",
    .create = fifo_create,
    .destroy = fifo_destroy,
    .recall = fifo_recall,
    .admit = fifo_admit,
    .evict = fifo_evict,
    .remove = fifo_remove,
};

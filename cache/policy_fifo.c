/* SPDX-License-Identifier: BSD-3-Clause */
/* First in, first out: the baseline, and the plainest example of a policy. */
#include "cache/policy.h"

static struct aro_policy *fifo_create(const struct aro_policy_config *config)
{
    return aro_policy_single_create(&aro_policy_fifo, config);
}

static struct aro_entry *fifo_evict(struct aro_policy *policy)
{
    struct aro_policy_single *fifo = (struct aro_policy_single *)policy;
    struct aro_entry *victim = aro_policy_oldest(policy, &fifo->queue);

    if (victim != NULL)
        aro_policy_single_remove(policy, victim);
    return victim;
}

const struct aro_policy_ops aro_policy_fifo = {
    .name = "fifo",
    .create = fifo_create,
    .destroy = aro_policy_single_destroy,
    .recall = aro_policy_single_recall,
    .admit = aro_policy_single_admit,
    .evict = fifo_evict,
    .remove = aro_policy_single_remove,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/policy.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_SINGLE = 1 };

const struct aro_policy_ops *aro_policy_named(const char *name)
{
    static const struct aro_policy_ops *const all[] = {&aro_policy_s3fifo, &aro_policy_sieve,
                                                       &aro_policy_lru, &aro_policy_fifo};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (name == NULL || strcmp(name, all[i]->name) == 0)
            return all[i];
    return NULL;
}

/* ---- a single queue ---- */

struct aro_policy *aro_policy_single_create(const struct aro_policy_ops *ops,
                                            const struct aro_policy_config *config)
{
    struct aro_policy_single *single = calloc(1, sizeof(*single));

    if (single == NULL)
        return NULL;
    single->policy.ops = ops;
    single->policy.array = config->entries;
    return &single->policy;
}

void aro_policy_single_destroy(struct aro_policy *policy)
{
    free(policy);
}

bool aro_policy_single_recall(struct aro_policy *policy, const struct aro_id *id)
{
    (void)policy;
    (void)id;
    return false;
}

bool aro_policy_single_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    struct aro_policy_single *single = (struct aro_policy_single *)policy;

    (void)recalled;
    entry->policy_queue = QUEUE_SINGLE;
    aro_policy_frequency_set(entry, 0);
    aro_policy_push(policy, &single->queue, entry);
    policy->bytes += entry->len_bytes;
    policy->entries++;
    return true;
}

void aro_policy_single_remove(struct aro_policy *policy, struct aro_entry *entry)
{
    struct aro_policy_single *single = (struct aro_policy_single *)policy;

    if (single->hand == aro_entry_number(policy->array, entry))
        single->hand = entry->policy_next;
    aro_policy_unlink(policy, &single->queue, entry);
    aro_policy_leave(entry);
    policy->bytes -= entry->len_bytes;
    policy->entries--;
}

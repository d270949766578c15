/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/policy.h"

#include <string.h>

const struct aro_policy_ops *aro_policy_named(const char *name)
{
    static const struct aro_policy_ops *const all[] = {&aro_policy_s3fifo, &aro_policy_sieve,
                                                       &aro_policy_lru, &aro_policy_fifo};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (name == NULL || strcmp(name, all[i]->name) == 0)
            return all[i];
    return NULL;
}

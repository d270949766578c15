/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/buckets.h"

#include <assert.h>
#include <string.h>

#include "cache/base/hash.h"

void aro_limits_init(struct aro_limits_table *table, uint64_t rate_per_s, uint64_t burst,
                     uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    table->rate_per_s = rate_per_s;
    table->burst = burst;
    table->seed = seed;
    table->random = seed | 1;
}

static uint64_t random_next(struct aro_limits_table *table)
{
    uint64_t x = table->random; /* xorshift64: which neighbour goes need not be secret */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return table->random = x;
}

void aro_bucket_fill(struct aro_bucket *bucket, uint64_t burst, uint32_t now_ms)
{
    bucket->last_ms = now_ms;
    bucket->credit = (int64_t)(burst * ARO_CREDIT_UNIT);
}

void aro_bucket_refill(struct aro_bucket *bucket, uint64_t rate_per_s, uint64_t burst,
                       uint32_t now_ms)
{
    uint64_t missing = burst * ARO_CREDIT_UNIT - (uint64_t)bucket->credit;
    uint32_t elapsed_ms = now_ms - bucket->last_ms;
    uint64_t earned;

    static_assert(ARO_CREDIT_UNIT == 1000, "a rate per second earns itself in every millisecond");
    if (__builtin_mul_overflow(rate_per_s, elapsed_ms, &earned) || earned > missing)
        earned = missing;
    bucket->credit += (int64_t)earned;
    bucket->last_ms = now_ms;
}

struct aro_bucket *aro_limits_bucket(struct aro_limits_table *table, uint64_t key, uint32_t now_ms)
{
    uint64_t hash;
    uint32_t tag;
    struct aro_bucket *set, *bucket;

    if (table->rate_per_s == 0)
        return NULL;
    hash = aro_hash_bytes(&key, sizeof(key), table->seed);
    tag = (uint32_t)(hash >> 32) | 1;
    set = table->bucket[hash % ARO_LIMIT_SETS];
    bucket = NULL;
    for (unsigned way = 0; way < ARO_LIMIT_WAYS; way++) {
        if (set[way].tag == tag) {
            aro_bucket_refill(&set[way], table->rate_per_s, table->burst, now_ms);
            return &set[way];
        }
        if (set[way].tag == 0)
            bucket = &set[way];
    }
    if (bucket == NULL)
        bucket = &set[random_next(table) % ARO_LIMIT_WAYS];
    bucket->tag = tag;
    aro_bucket_fill(bucket, table->burst, now_ms);
    return bucket;
}

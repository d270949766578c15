/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Token buckets per source in a table of fixed size: ceilings that need no memory per client.
 *
 * 4-way sets found by a keyed hash; a stranger takes the place of a random member of its set and
 * starts with full credit. So the table cannot grow, cannot be aimed at without the key, and a
 * bucket can at worst be forgotten early. Credit may go below zero: a request is let through while
 * credit is positive and charged what it really cost.
 *
 * One table per lcore and kind; an lcore's share is the limit divided by the lcores.
 */
#ifndef ARO_DATAPLANE_BUCKETS_H
#define ARO_DATAPLANE_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARO_LIMIT_SETS = 1024,
    ARO_LIMIT_WAYS = 4,
    ARO_CREDIT_UNIT = 1000, /* thousandths: any rate is exact whenever it is looked at */
};

struct aro_bucket {
    uint32_t tag;     /* of the key's hash; 0: free */
    uint32_t last_ms; /* when credit was brought up to date */
    int64_t credit;   /* in thousandths of the limit's unit */
};

struct aro_limits_table {
    uint64_t rate_per_s; /* refill; 0: no limit, the table is not touched */
    uint64_t burst;      /* most credit */
    uint64_t seed;
    uint64_t random;
    struct aro_bucket bucket[ARO_LIMIT_SETS][ARO_LIMIT_WAYS];
};

/* rate_per_s: of this lcore. burst: largest credit, 1 .. 2^53. */
void aro_limits_init(struct aro_limits_table *table, uint64_t rate_per_s, uint64_t burst,
                     uint64_t seed);

/*
 * The bucket of this key, refilled up to now_ms; NULL when there is no limit. Valid until the next
 * call for the same table. key: any 64-bit name of the source (the address prefix).
 */
struct aro_bucket *aro_limits_bucket(struct aro_limits_table *table, uint64_t key, uint32_t now_ms);

/* A bucket on its own: full credit; credit for the time since, up to burst. */
void aro_bucket_fill(struct aro_bucket *bucket, uint64_t burst, uint32_t now_ms);
void aro_bucket_refill(struct aro_bucket *bucket, uint64_t rate_per_s, uint64_t burst,
                       uint32_t now_ms);

/* Both take NULL: no limit. */
static inline bool aro_bucket_open(const struct aro_bucket *bucket)
{
    return bucket == NULL || bucket->credit > 0;
}

static inline void aro_bucket_charge(struct aro_bucket *bucket, uint64_t cost)
{
    if (bucket != NULL)
        bucket->credit -= (int64_t)(cost * ARO_CREDIT_UNIT);
}

#endif

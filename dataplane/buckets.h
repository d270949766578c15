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

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    ARO_LIMIT_SETS = 1024,
    ARO_LIMIT_WAYS = 4,
};

struct aro_bucket {
    uint32_t tag;     /* of the key's hash; 0: free */
    uint32_t last_ms; /* when credit was brought up to date */
    int64_t credit;   /* in units of the limit */
};

struct aro_limits_table {
    uint64_t rate_per_s; /* refill; 0: no limit, the table is not touched */
    uint64_t burst;      /* most credit */
    uint64_t seed;
    uint64_t random;
    struct aro_bucket bucket[ARO_LIMIT_SETS][ARO_LIMIT_WAYS];
};

/* rate_per_s: of this lcore. burst: largest credit, >= 1. */
void aro_limits_init(struct aro_limits_table *table, uint64_t rate_per_s, uint64_t burst,
                     uint64_t seed);

/*
 * The bucket of this key, refilled up to now_ms; NULL when there is no limit. Valid until the next
 * call for the same table. key: any 64-bit name of the source (the address prefix).
 */
struct aro_bucket *aro_limits_bucket(struct aro_limits_table *table, uint64_t key, uint32_t now_ms);

static inline bool aro_bucket_open(const struct aro_bucket *bucket)
{
    return bucket == 0 || bucket->credit > 0;
}

static inline void aro_bucket_charge(struct aro_bucket *bucket, uint64_t cost)
{
    if (bucket != 0)
        bucket->credit -= (int64_t)cost;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sampling by count: how far to the next sample. The distance is random around its mean, so that
 * what comes in a fixed rhythm is neither always nor never sampled. One thread per state; a few
 * cycles, no division.
 */
#ifndef ARO_CACHE_BASE_DISTANCE_H
#define ARO_CACHE_BASE_DISTANCE_H

#include <stdint.h>

struct aro_distance {
    uint64_t random; /* state, not 0 */
    uint32_t every;  /* the mean, 1..2^30 */
};

static inline struct aro_distance aro_distance_begin(uint32_t every, uint64_t seed)
{
    return (struct aro_distance){.random = seed | 1, .every = every};
}

/* xorshift64*; 1..2 * every - 1, all alike. */
static inline uint32_t aro_distance_next(struct aro_distance *distance)
{
    uint64_t x = distance->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    distance->random = x;
    x = (x * 0x2545f4914f6cdd1dull) >> 32;
    return 1 + (uint32_t)((x * (2 * (uint64_t)distance->every - 1)) >> 32);
}

#endif

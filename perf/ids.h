/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Made-up chunk ids: as good as random where hashes look, and their number in plain sight in the
 * second word, so that whatever a lookup finds can be checked. Pure functions.
 */
#ifndef ARO_PERF_IDS_H
#define ARO_PERF_IDS_H

#include "cache/base/id.h"

/* splitmix64's finaliser: a permutation of 64-bit numbers. */
static inline uint64_t bench_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t bench_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(*state);
}

static inline struct aro_id bench_id(uint64_t number)
{
    uint64_t mixed = bench_mix(number + UINT64_C(0x9e3779b97f4a7c15));

    return (struct aro_id){{mixed, number, ~mixed, mixed * UINT64_C(0xff51afd7ed558ccd)}};
}

static inline uint64_t bench_id_number(const struct aro_id *id)
{
    return id->word[1];
}

#endif

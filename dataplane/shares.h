/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who holds how much of a stock that all sources take from: an lcore's reads, its waiting requests.
 *
 * Nothing is divided while there is enough. The last quarter is for networks that hold less than a
 * sixteenth, so that one that floods leaves the others some. A network is a cell of a keyed hash,
 * nothing is remembered of it when it holds nothing; two of one cell hold together.
 *
 * lcore only.
 */
#ifndef ARO_DATAPLANE_SHARES_H
#define ARO_DATAPLANE_SHARES_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/base/hash.h"

enum { ARO_SHARE_CELLS = 1024 };

struct aro_shares {
    uint64_t seed;  /* secret */
    uint32_t total; /* of the stock */
    uint32_t held[ARO_SHARE_CELLS];
};

/* Of a zeroed object. seed: secret. */
static inline void aro_shares_init(struct aro_shares *shares, uint32_t total, uint64_t seed)
{
    shares->total = total;
    shares->seed = seed;
}

/* net: any 64-bit name of the network (aro_guard_net). */
static inline uint16_t aro_shares_cell(const struct aro_shares *shares, uint64_t net)
{
    return aro_hash_bytes(&net, sizeof(net), shares->seed) % ARO_SHARE_CELLS;
}

/* May this cell take one of those that are free? */
static inline bool aro_share_is_open(const struct aro_shares *shares, uint16_t cell, uint32_t free)
{
    return free > shares->total / 4 || (free > 0 && shares->held[cell] < (shares->total + 15) / 16);
}

#endif

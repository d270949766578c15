/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A cache without memory: the index and an eviction policy behind its seam, driven by requests one
 * after the other as in a simulator - a hit touches, a miss comes in and evicts. Requests are taken
 * in bursts, so that lookups overlap; what a burst decides is what single requests would have
 * decided. One thread.
 */
#ifndef ARO_PERF_REPLAY_H
#define ARO_PERF_REPLAY_H

#include "cache/index.h"
#include "cache/policy.h"

enum { REPLAY_BURST_MAX = ARO_FIND_BURST_MAX };

/* Of all requests so far. */
struct replay_counts {
    uint64_t requests, hits;
    uint64_t bytes, hit_bytes;
    uint64_t refused; /* misses that were not kept: by the policy, or no slot in the index */
};

struct replay {
    struct aro_index *index;
    struct aro_policy *policy;
    struct aro_entry *entries; /* [entries_all] */
    uint32_t entries_all;      /* entries_max and two bursts more */
    /*
     * Places of free entries, a ring: the one longest free is used first. A burst is over before
     * what left in it is used again, and what it found stays readable.
     */
    uint32_t *free;
    uint32_t next, last;                       /* to be taken; to be given to */
    struct aro_entry *victim[ARO_INDEX_AHEAD]; /* chosen, not yet out of the index */
    unsigned victims;
    uint64_t capacity_bytes;
    struct replay_counts counts;
};

/* entries_max: the most that are in at once. Fails the benchmark when there is no memory. */
void replay_make(struct replay *replay, const struct aro_policy_ops *ops, uint64_t capacity_bytes,
                 uint32_t entries_max);
void replay_free(struct replay *replay);

/*
 * n <= REPLAY_BURST_MAX requests; len_bytes[i] > 0. ret[i] is the entry that was hit, readable
 * until the next call, or NULL for a miss.
 */
void replay_request_burst(struct replay *replay, const struct aro_id ids[],
                          const uint32_t len_bytes[], unsigned n, const struct aro_entry *ret[]);

#endif

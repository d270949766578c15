/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which chunks are asked for most? One table per reading thread, in a bounded 20 KiB, fed by one
 * request in ARO_TOP_EVERY at random distances, so that all the others cost a subtraction per
 * burst.
 *
 * Each sample goes through Space-Saving (Metwally et al., ICDT'05) within one small bucket, chosen
 * by a keyed hash of the id: seven chunks, each with its count. A chunk that is not among them
 * takes the place of the weakest and its count, and remembers as `over` how much of it was
 * inherited. So of every chunk in the table, at any time,
 *
 *     samples = count - over  <=  samples it really had  <=  count
 *
 * and any chunk that had more than a seventh of its bucket's samples is in the table. Within a
 * bucket a chunk is known by 31 bits of the hash: one sample in 3 * 10^8 goes to the wrong one.
 *
 * Recent counts more: aro_top_age halves everything, bucket by bucket when the next sample comes
 * there. That rounds down, so the bounds hold to within one then.
 *
 * Threads: the owner notes, one other at a time may read or age; nobody waits. A bucket carries a
 * sequence that is odd while a chunk comes in or counts are halved; a reader that keeps meeting
 * that (the owner was stopped there) leaves the bucket out of its answer.
 */
#ifndef ARO_CACHE_TOP_H
#define ARO_CACHE_TOP_H

#include <stdalign.h>
#include <stdatomic.h>

#include "cache/base/distance.h"
#include "cache/base/id.h"

enum {
    ARO_TOP_EVERY = 128, /* requests per sample, on average */
    ARO_TOP_WAYS = 7,    /* as many as fill a cache line with tag and count */
    ARO_TOP_BUCKETS = 64,
    ARO_TOP_ROOM = ARO_TOP_WAYS * ARO_TOP_BUCKETS,
};

struct aro_top_bucket {
    alignas(64) _Atomic uint32_t tag[ARO_TOP_WAYS]; /* of the hash; 0: empty */
    _Atomic uint32_t count[ARO_TOP_WAYS];
    _Atomic uint32_t sequence;
    _Atomic uint32_t epoch; /* as of which the counts are */
    _Atomic uint32_t over[ARO_TOP_WAYS];
    _Atomic uint64_t id[ARO_TOP_WAYS][4];
};
static_assert(sizeof(struct aro_top_bucket) == 5 * 64,
              "a known chunk costs one line, a new one four");

struct aro_top {
    /* owner */
    alignas(64) struct aro_distance distance;
    uint64_t seed;
    _Atomic uint64_t window; /* epoch << 32 | samples that the counts are about */
    _Atomic uint32_t epoch;  /* whoever ages; so rarely that it may share the line */
    struct aro_top_bucket bucket[ARO_TOP_BUCKETS];
};

/*
 * Before use; *top is zeroed and 64-byte-aligned. seed: secret, since strangers choose ids. Returns
 * the first value of the owner's count of requests to the next sample (that one included), which
 * stands where the owner has a line at hand anyway.
 */
uint32_t aro_top_init(struct aro_top *top, uint64_t seed);

/* Owner: one sample. */
void aro_top_note(struct aro_top *top, const struct aro_id *id);
/* Owner: the burst that holds the next sample, for aro_top_burst; returns the new left. */
uint32_t aro_top_sample(struct aro_top *top, uint32_t left, const struct aro_id *const ids[],
                        unsigned n);

/* Owner: ids[:n] were asked for. */
static inline void aro_top_burst(struct aro_top *top, uint32_t *left,
                                 const struct aro_id *const ids[], unsigned n)
{
    *left = *left > n ? *left - n : aro_top_sample(top, *left, ids, n);
}

/* ---- any one other thread ---- */

/* What is known counts half from now on. */
void aro_top_age(struct aro_top *top);

struct aro_top_item {
    struct aro_id id;
    uint64_t samples; /* at least; times ARO_TOP_EVERY: requests */
    uint64_t over;    /* at most so many more */
};

/* How many samples the table is about: 1 / window is the share of one sample. */
uint64_t aro_top_window(const struct aro_top *top);
/* What it holds, in no order; returns how many. */
unsigned aro_top_read(const struct aro_top *top, struct aro_top_item ret[ARO_TOP_ROOM]);
/*
 * Items of several tables: those of one chunk become one, most samples first; returns how many are
 * left. A table without the chunk adds nothing to its over.
 */
unsigned aro_top_merge(struct aro_top_item item[], unsigned n);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ghosts: what was evicted not long ago, as fingerprints in order of eviction, bounded in the bytes
 * that those chunks had and in number. A hash table over a ring: 12.5 bytes for each that may
 * be remembered. A mark keeps 40 bits of the fingerprint: with 10^6 remembered, one question in a
 * million takes another chunk's mark, and a chunk enters the main queue untested. One thread.
 */
#ifndef ARO_CACHE_GHOST_H
#define ARO_CACHE_GHOST_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

struct aro_ghost_bucket {
    alignas(64) uint32_t word[16]; /* of ghost.c */
};

struct aro_ghost {
    uint64_t *ring; /* marks: 40 bits of the fingerprint, 24 of the length; 0: taken since */
    struct aro_ghost_bucket *table; /* [buckets] */
    unsigned tag_shift;             /* bits of a position + 1 */
    uint32_t ring_size;
    uint32_t buckets;
    uint32_t oldest;  /* position */
    uint32_t count;   /* from oldest, taken ones included */
    uint32_t entries; /* remembered */
    uint64_t bytes;
    uint64_t bytes_max;
};

/* Remembers up to bytes_max and entries_max (at most 2^26 - 1). 0 or -ENOMEM; *ghost is zeroed. */
int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max);
void aro_ghost_fini(struct aro_ghost *ghost);

/* Remembers a chunk (len_bytes > 0; from 16 MiB on it counts as that) and forgets the oldest to
 * stay within bounds. One that is remembered already is so twice, as one that is not known to be
 * there costs a search: take it first where it may be. */
void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes);
/* Fetches what adding or taking it will look at. */
void aro_ghost_prefetch(const struct aro_ghost *ghost, uint64_t fingerprint);
/* Was it remembered? It is not any more. */
bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint);

#endif

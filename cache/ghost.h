/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ghosts: what was evicted not long ago, as 64-bit fingerprints in order of eviction, bounded in
 * the bytes that those chunks had and in number. A hash table over a ring. One thread.
 */
#ifndef ARO_CACHE_GHOST_H
#define ARO_CACHE_GHOST_H

#include <stdbool.h>
#include <stdint.h>

struct aro_ghost_mark {
    uint64_t fingerprint;
    uint32_t len_bytes; /* 0: taken since */
};

struct aro_ghost {
    struct aro_ghost_mark *ring;
    uint32_t *table; /* position in the ring + 1; 0: empty; linear probing */
    uint32_t ring_mask;
    uint32_t table_mask;
    uint32_t oldest; /* positions, growing without bound */
    uint32_t next;
    uint32_t entries; /* remembered */
    uint64_t bytes;
    uint64_t bytes_max;
};

/* Remembers up to bytes_max and at least entries_max (to 2^30). 0 or -ENOMEM; *ghost is zeroed. */
int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max);
void aro_ghost_fini(struct aro_ghost *ghost);

/* Remembers a chunk (len_bytes > 0) and forgets the oldest to stay within bounds. */
void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes);
/* Was it remembered? It is not any more. */
bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint);

#endif

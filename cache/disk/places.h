/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where is a chunk on disk? 24 bytes per chunk: a 56-bit fingerprint of the id, its place and its
 * checksum. The id itself is not kept: two chunks may share a fingerprint, find enumerates all, and
 * the checksum (seeded with the id) tells the reader which one it read.
 *
 * Buckets of five slots and a head fill two cache lines. A chunk that finds its home bucket full
 * goes into one of the next REACH_MAX; the home remembers how far its strays went, so that a lookup
 * reads one bucket almost always. Nothing ever moves, so a reader cannot miss what stays.
 *
 * One writer, any number of lock-free readers: the head carries a sequence that is odd while its
 * bucket changes. Anonymous memory: buckets never touched cost nothing.
 */
#ifndef ARO_CACHE_DISK_PLACES_H
#define ARO_CACHE_DISK_PLACES_H

#include "cache/disk/store.h"

struct aro_places;

/* mask narrows the fingerprint (tests); UINT64_MAX otherwise. NULL with errno. */
struct aro_places *aro_places_create(uint64_t chunks_max, uint64_t seed, uint64_t mask);
void aro_places_destroy(struct aro_places *places); /* takes NULL */

/* Any thread. The nth candidate; 0 or -ENOENT. */
int aro_places_find(const struct aro_places *places, const struct aro_id *id, unsigned nth,
                    struct aro_place *ret);

/* Writer. 0 or -ENOSPC; the same place may not be inserted twice. */
int aro_places_insert(struct aro_places *places, const struct aro_id *id,
                      const struct aro_place *place);
/* Writer. Erases what stands for id at exactly this place. 0 or -ENOENT. */
int aro_places_erase(struct aro_places *places, const struct aro_id *id,
                     const struct aro_place *place);
uint64_t aro_places_count(const struct aro_places *places);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where is a chunk on disk? Less than 24 bytes of RAM per chunk the table was made for: 23 bits of
 * fingerprint, its place and its checksum. The id itself is not kept: another chunk may look the
 * same, find enumerates all that do, and the checksum (seeded with the id) tells the reader which
 * one it read. In a full table that is one wrong candidate, and one read in vain, per one to two
 * million ids that are not there; lcores count it (disk_mismatches).
 *
 * Buckets of six slots and a head fill two cache lines, the fingerprints all in the first. A chunk
 * is in one of two buckets: at home, or in the one its home and its fingerprint lead to. Each home
 * counts its chunks that are away, so most lookups end there. When both buckets are full the writer
 * makes room by moving others to their second bucket, as in a cuckoo hash table: that fills eight
 * of nine slots before the first insert could fail. docs/decisions/0005-places.md has the numbers.
 *
 * One writer, any number of lock-free readers. What moves is written to where it goes before it is
 * taken from where it was, and a reader that found nothing looks again if its home changed: a chunk
 * that is in the table is found. A writer that stops anywhere holds up no reader.
 */
#ifndef ARO_CACHE_DISK_PLACES_H
#define ARO_CACHE_DISK_PLACES_H

#include "cache/disk/store.h"

struct aro_places;

/*
 * Anonymous memory, touched as chunks come - which is everywhere soon, they are scattered. mask
 * narrows the fingerprint (tests); UINT64_MAX otherwise. NULL with errno.
 */
struct aro_places *aro_places_create(uint64_t chunks_max, uint64_t seed, uint64_t mask);
void aro_places_destroy(struct aro_places *places); /* takes NULL */

/*
 * Any thread. The nth candidate; 0 or -ENOENT. Reads one or two buckets. Between two calls the
 * writer may move a candidate: it can be met twice then, or, of several that look the same, missed.
 */
int aro_places_find(const struct aro_places *places, const struct aro_id *id, unsigned nth,
                    struct aro_place *ret);

/*
 * Writer. 0 or -ENOSPC: chunks_max are here (or, which no table of different ids has shown, there
 * is no way to make room). The same place may not be inserted twice.
 */
int aro_places_insert(struct aro_places *places, const struct aro_id *id,
                      const struct aro_place *place);
/* Writer. Erases what stands for id at exactly this place. 0 or -ENOENT. */
int aro_places_erase(struct aro_places *places, const struct aro_id *id,
                     const struct aro_place *place);
/* Writer. Soon id is inserted: has its bucket come from memory meanwhile. */
void aro_places_prefetch(const struct aro_places *places, const struct aro_id *id);
uint64_t aro_places_count(const struct aro_places *places);
/* How many of them are not at home: of what a lookup finds, this part takes a second bucket. */
uint64_t aro_places_away(const struct aro_places *places);

#endif

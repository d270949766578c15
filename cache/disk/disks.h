/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disks of a node. A disk is a store of its own - a directory with its index, its budget, its
 * recovery - and the unit of failure: an object lies on one disk with all its chunks, so that a
 * disk takes nothing along but its own objects. Two objects on two disks that share a chunk have
 * a copy each, and the same object may lie on several.
 *
 *   reader   an lcore, control: looks a chunk up on one disk after the other, lock-free
 *   writer   exactly one thread, control: adds the disks before the readers begin; asks them all
 *
 * What is done to one disk (append, sync, remove, ...) is asked of its store.
 */
#ifndef ARO_CACHE_DISK_DISKS_H
#define ARO_CACHE_DISK_DISKS_H

#include "cache/disk/store.h"

enum {
    ARO_DISKS_MAX = 16,
    ARO_DISK_NAME_BYTES = 32,
};

struct aro_disks;

struct aro_disks *aro_disks_create(void); /* NULL: no memory */
/* Closes the stores. No reader is left. Takes NULL. */
void aro_disks_destroy(struct aro_disks *disks);
/*
 * The next number; the store is the disks' from now on. name: 1..31 characters. 0, -ENOSPC. Before
 * there are readers.
 */
int aro_disks_add(struct aro_disks *disks, const char *name, struct aro_store *store);

/* Numbers are 0 .. count - 1; of NULL there are none. */
unsigned aro_disks_count(const struct aro_disks *disks);
struct aro_store *aro_disks_store(const struct aro_disks *disks, unsigned disk);
const char *aro_disks_name(const struct aro_disks *disks, unsigned disk);
/* Number of the disk that is called so, or -ENOENT. */
int aro_disks_named(const struct aro_disks *disks, const char *name);

/* What a disk is good for at present. */
enum aro_disk_use {
    ARO_DISK_USED,
    ARO_DISK_SPARED, /* read; written only when there is no other */
    ARO_DISK_AWAY,   /* as if it were not there: no lookup and no choice finds it */
};
/* Writer. For lookups that begin afterwards; reads under way go on. At first: used. */
void aro_disks_use(struct aro_disks *disks, unsigned disk, enum aro_disk_use use);
enum aro_disk_use aro_disks_use_of(const struct aro_disks *disks, unsigned disk);
/* Those that are away, a bit each; of NULL none. */
uint32_t aro_disks_away(const struct aro_disks *disks);

/* ---- readers ---- */

/* Every index is whole, but for disks that are away. Before a lookup, not after it: then what it
 * does not find is not here. */
bool aro_disks_are_whole(const struct aro_disks *disks); /* NULL: yes */

/* Where a lookup goes on; zero: from the start. */
struct aro_disk_cursor {
    uint32_t disk, nth;
};
/*
 * The next place that may hold this chunk (see aro_store_find), *ret.disk set. 0 or -ENOENT. Two
 * cache misses per disk that has to be asked.
 */
int aro_disks_find(const struct aro_disks *disks, const struct aro_id *id,
                   struct aro_disk_cursor *at, struct aro_place *ret);

/* ---- writer ---- */

/*
 * The disk for content of so many bytes (0: unknown) whose first chunk is first: of those that take
 * writes, one that has room for it and has the chunk already, else the one with room and the
 * largest free part of its budget. Equal ones by name. refused: a bit for each that is out of the
 * question. -ENOENT: no other is left that is not away.
 */
int aro_disks_choose(const struct aro_disks *disks, const struct aro_id *first, uint64_t bytes,
                     uint32_t refused);

/* By id, or by whole digest. The number of the first disk, not away, that has it, or -ENOENT. */
int aro_disks_object_find(const struct aro_disks *disks, const struct aro_id *id,
                          struct aro_object *ret);
int aro_disks_digest_find(const struct aro_disks *disks, const struct aro_id *digest,
                          struct aro_object *ret);
/* Number i of all (disks that are away, too), disk by disk, each in insertion order; NULL past the
 * end. *ret_disk: where. */
const struct aro_object *aro_disks_object_at(const struct aro_disks *disks, uint64_t i,
                                             unsigned *ret_disk);

/* aro_store_quarantine on the place's disk. */
void aro_disks_quarantine(struct aro_disks *disks, const struct aro_id *id,
                          const struct aro_place *place);

/* Sums. recovery_us: the longest; recovering: any; direct: all; writable: any. */
void aro_disks_stats(const struct aro_disks *disks, struct aro_store_stats *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every chunk that the tables of a store name, segment by segment, and what is wrong with them, and
 * with the records of objects.log: a
 * record that does not check, a file that is too short or missing, a chunk that the index does not
 * know, or knows and the table does not. Payloads are not looked at (check.h does).
 *
 * The store goes on meanwhile: what comes is not met, what goes is no problem. Tables are read
 * through the store's ring. Writer thread; at most one table is in memory.
 */
#ifndef ARO_CACHE_DISK_WALK_H
#define ARO_CACHE_DISK_WALK_H

#include "cache/disk/store.h"

struct aro_walk;

struct aro_walk_item {
    const char *problem; /* NULL: a chunk, and all is well as far as its table tells */
    int error;           /* -errno that belongs to the problem, or 0 */
    uint32_t record;     /* of the table; meaningful with has_record */
    bool has_record;
    bool of_log;    /* objects.log, no segment */
    bool has_chunk; /* id and all of place */
    struct aro_id id;
    struct aro_place place; /* the segment always */
};

struct aro_walk *aro_walk_create(struct aro_store *store); /* NULL: no memory */
void aro_walk_destroy(struct aro_walk *walk);              /* not while it waits; takes NULL */

/* 1: *ret; 0: no more; -EAGAIN: nothing yet, call again: at once, or when the ring has turned. */
int aro_walk_next(struct aro_walk *walk, struct aro_walk_item *ret);
bool aro_walk_waits(const struct aro_walk *walk); /* for the ring */
uint64_t aro_walk_segments(const struct aro_walk *walk);

/* Is this chunk found at exactly this place? */
bool aro_place_is_indexed(const struct aro_store *store, const struct aro_id *id,
                          const struct aro_place *place);

#endif

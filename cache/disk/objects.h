/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects of a store in memory: in insertion order, by id, and by whole digest. Writer thread.
 */
#ifndef ARO_CACHE_DISK_OBJECTS_H
#define ARO_CACHE_DISK_OBJECTS_H

#include "cache/disk/store.h"

struct aro_objects;

struct aro_objects *aro_objects_create(void);          /* NULL: no memory */
void aro_objects_destroy(struct aro_objects *objects); /* takes NULL */

/* Adds, or replaces the one of the same id in its place. 0 or -ENOMEM. */
int aro_objects_put(struct aro_objects *objects, const struct aro_object *object);
/* 0 or -ENOENT. */
int aro_objects_remove(struct aro_objects *objects, const struct aro_id *id);

/* NULL when there is none. Valid until the next change. */
const struct aro_object *aro_objects_by_id(const struct aro_objects *objects,
                                           const struct aro_id *id);
/* The youngest of those that have this digest. */
const struct aro_object *aro_objects_by_digest(const struct aro_objects *objects,
                                               const struct aro_id *digest);
const struct aro_object *aro_objects_at(const struct aro_objects *objects, uint64_t i);
uint64_t aro_objects_count(const struct aro_objects *objects);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries with memory: a fixed array of struct aro_entry, each handed out together with its payload
 * from the arena and room for its prefix sums from the heap (a 64th of the payload). One thread:
 * the keeper.
 */
#ifndef ARO_CACHE_ENTRIES_H
#define ARO_CACHE_ENTRIES_H

#include "cache/arena.h"
#include "cache/cache.h"

struct aro_entries {
    struct aro_arena *arena; /* owned */
    struct aro_entry *array;
    struct aro_entry *free; /* by link; given back */
    uint32_t fresh;         /* array[fresh:] was never handed out nor touched */
    uint32_t max;
    uint32_t in_use;
};

/* 0 or -errno. *entries is zeroed by the caller; fini is right after a failure too. */
int aro_entries_init(struct aro_entries *entries, void *region, size_t region_bytes, uint32_t max);
void aro_entries_fini(struct aro_entries *entries);

/*
 * An entry with capacity_bytes (a multiple of ARO_CHUNK_ALIGN) of payload; everything but data and
 * sums is zero. NULL: no entry left, or no memory of that size.
 */
struct aro_entry *aro_entries_take(struct aro_entries *entries, uint32_t capacity_bytes);
/* Back, its memory at once reusable. */
void aro_entries_give(struct aro_entries *entries, struct aro_entry *entry);

/* Memory of the arena that giving this entry back sets free. */
size_t aro_entries_bytes(const struct aro_entries *entries, const struct aro_entry *entry);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries with memory: a fixed array of struct aro_entry, each handed out together with its payload
 * from the arena. Prefix sums (a 62nd of the payload) lie in an array of their own, at a place that
 * follows from the payload's. Nothing here is touched before it is used. One thread: the keeper;
 * constants and the sums may be read by any.
 */
#ifndef ARO_CACHE_ENTRIES_H
#define ARO_CACHE_ENTRIES_H

#include "cache/arena.h"
#include "cache/cache.h"

enum {
    /* per page, with one to spare: those of a run of pages begin at its first page's */
    ARO_PAGE_SUMS = ARO_CHUNK_ALIGN / ARO_SUM_STEP + 1,
};

struct aro_entries {
    /* constant */
    struct aro_entry *array; /* owned, as are sums and arena */
    const uint8_t *region;
    uint16_t *sums;
    size_t sums_bytes;
    size_t array_bytes;
    uint32_t max;
    /* keeper */
    alignas(64) struct aro_arena *arena;
    uint32_t free;  /* number of the first given back, by link */
    uint32_t fresh; /* array[fresh:] was never handed out nor touched */
    uint32_t in_use;
};

/* 0 or -errno. *entries is zeroed by the caller; fini is right after a failure too. */
int aro_entries_init(struct aro_entries *entries, void *region, size_t region_bytes, uint32_t max);
void aro_entries_fini(struct aro_entries *entries);

static inline uint32_t aro_entry_number(const struct aro_entry *array,
                                        const struct aro_entry *entry)
{
    return entry == NULL ? 0 : (uint32_t)(entry - array) + 1;
}

static inline struct aro_entry *aro_entry_by(struct aro_entry *array, uint32_t number)
{
    return number == 0 ? NULL : &array[number - 1];
}

static inline uint16_t *aro_entries_sums(const struct aro_entries *entries,
                                         const struct aro_entry *entry)
{
    return entries->sums +
           (size_t)(entry->data - entries->region) / ARO_CHUNK_ALIGN * ARO_PAGE_SUMS;
}

/*
 * An entry with capacity_bytes (a multiple of ARO_CHUNK_ALIGN) of payload; everything but data is
 * zero. NULL: no entry left, or no memory of that size.
 */
struct aro_entry *aro_entries_take(struct aro_entries *entries, uint32_t capacity_bytes);
/* Back, its memory at once reusable. */
void aro_entries_give(struct aro_entries *entries, struct aro_entry *entry);

/* Gives back memory beyond len_bytes. */
void aro_entries_trim(struct aro_entries *entries, const struct aro_entry *entry);

/* Memory of the arena that giving this entry back sets free. */
size_t aro_entries_bytes(const struct aro_entries *entries, const struct aro_entry *entry);

#endif

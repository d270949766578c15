/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/entries.h"

#include <errno.h>
#include <sys/mman.h>

/* Zeroed, and no cost before it is touched. NULL: no memory. */
static void *pages_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    madvise(at, bytes, MADV_HUGEPAGE); /* fewer TLB misses; may be refused */
    return at;
}

int aro_entries_init(struct aro_entries *entries, void *region, size_t region_bytes, uint32_t max)
{
    entries->region = region;
    entries->max = max;
    entries->array_bytes = max * sizeof(struct aro_entry);
    entries->array = pages_map(entries->array_bytes);
    entries->sums_bytes = region_bytes / ARO_CHUNK_ALIGN * ARO_PAGE_SUMS * sizeof(uint16_t);
    entries->sums = pages_map(entries->sums_bytes);
    if (entries->array == NULL || entries->sums == NULL)
        return -ENOMEM;
    entries->arena = aro_arena_create(region, region_bytes);
    return entries->arena == NULL ? -errno : 0;
}

void aro_entries_fini(struct aro_entries *entries)
{
    aro_arena_destroy(entries->arena);
    if (entries->array != NULL)
        munmap(entries->array, entries->array_bytes);
    if (entries->sums != NULL)
        munmap(entries->sums, entries->sums_bytes);
}

/* An entry without memory, or NULL. */
static struct aro_entry *entry_next(struct aro_entries *entries)
{
    struct aro_entry *entry = aro_entry_by(entries->array, entries->free);

    if (entry != NULL)
        entries->free = entry->link;
    else if (entries->fresh < entries->max)
        entry = &entries->array[entries->fresh++];
    return entry;
}

static void entry_put(struct aro_entries *entries, struct aro_entry *entry)
{
    entry->link = entries->free;
    entries->free = aro_entry_number(entries->array, entry);
}

struct aro_entry *aro_entries_take(struct aro_entries *entries, uint32_t capacity_bytes)
{
    struct aro_entry *entry = entry_next(entries);
    uint8_t *data;

    if (entry == NULL)
        return NULL;
    data = aro_arena_alloc(entries->arena, capacity_bytes);
    *entry = (struct aro_entry){.data = data};
    if (data == NULL) {
        entry_put(entries, entry);
        return NULL;
    }
    aro_arena_own(entries->arena, data, aro_entry_number(entries->array, entry));
    entries->in_use++;
    return entry;
}

void aro_entries_give(struct aro_entries *entries, struct aro_entry *entry)
{
    aro_arena_free(entries->arena, entry->data);
    entry->data = NULL; /* a stale reference meets NULL, not somebody else's bytes */
    entry_put(entries, entry);
    entries->in_use--;
}

void aro_entries_trim(struct aro_entries *entries, const struct aro_entry *entry)
{
    aro_arena_trim(entries->arena, entry->data, entry->len_bytes);
}

size_t aro_entries_bytes(const struct aro_entries *entries, const struct aro_entry *entry)
{
    return aro_arena_bytes(entries->arena, entry->data);
}

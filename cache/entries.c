/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/entries.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/sums.h"

int aro_entries_init(struct aro_entries *entries, void *region, size_t region_bytes, uint32_t max)
{
    entries->max = max;
    entries->array = aligned_alloc(alignof(struct aro_entry), max * sizeof(struct aro_entry));
    if (entries->array == NULL)
        return -ENOMEM;
    entries->arena = aro_arena_create(region, region_bytes);
    return entries->arena == NULL ? -errno : 0;
}

void aro_entries_fini(struct aro_entries *entries)
{
    for (uint32_t i = 0; i < entries->fresh; i++)
        free(entries->array[i].sums);
    aro_arena_destroy(entries->arena);
    free(entries->array);
}

/* An entry without memory, or NULL. */
static struct aro_entry *entry_next(struct aro_entries *entries)
{
    struct aro_entry *entry = entries->free;

    if (entry != NULL)
        entries->free = entry->link;
    else if (entries->fresh < entries->max)
        entry = &entries->array[entries->fresh++];
    return entry;
}

static void entry_put(struct aro_entries *entries, struct aro_entry *entry)
{
    entry->link = entries->free;
    entries->free = entry;
}

struct aro_entry *aro_entries_take(struct aro_entries *entries, uint32_t capacity_bytes)
{
    struct aro_entry *entry = entry_next(entries);
    uint8_t *data;
    uint16_t *sums;

    if (entry == NULL)
        return NULL;
    data = aro_arena_alloc(entries->arena, capacity_bytes);
    sums = data == NULL ? NULL : malloc(aro_sums_count(capacity_bytes) * sizeof(*sums));
    *entry = (struct aro_entry){.data = data, .sums = sums};
    if (sums == NULL) {
        aro_arena_free(entries->arena, data);
        entry_put(entries, entry);
        return NULL;
    }
    entries->in_use++;
    return entry;
}

void aro_entries_give(struct aro_entries *entries, struct aro_entry *entry)
{
    aro_arena_free(entries->arena, entry->data);
    free(entry->sums);
    entry->data = NULL; /* a stale reference meets NULL, not somebody else's bytes */
    entry->sums = NULL;
    entry_put(entries, entry);
    entries->in_use--;
}

size_t aro_entries_bytes(const struct aro_entries *entries, const struct aro_entry *entry)
{
    return aro_arena_bytes(entries->arena, entry->data);
}

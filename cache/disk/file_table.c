/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/file_table.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "cache/disk/state.h"

enum {
    SLOTS_MAX = 8192,
    SWEEP_SLOTS = 256, /* looked at after one submit: about a microsecond */
};

/* One for each slot of the map, as far as the limit of descriptors goes, which counts here too. */
static uint32_t slots_for(const struct aro_segment_map *map)
{
    uint32_t slots = map->slots < SLOTS_MAX ? map->slots : SLOTS_MAX;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        while (slots > limit.rlim_cur)
            slots /= 2;
    return slots;
}

bool aro_file_table_init(struct aro_file_table *table, struct aro_uring *ring,
                         const struct aro_segment_map *map, struct aro_reader_slot *told)
{
    uint32_t slots = slots_for(map);

    *table = (struct aro_file_table){.ring = ring, .map = map, .told = told};
    if (slots == 0 || aro_uring_files_make(ring, slots) != 0)
        return false;
    table->number = calloc(slots, sizeof(*table->number));
    if (table->number == NULL)
        return false;
    table->slots = table->swept = slots;
    table->removals = atomic_load_explicit(&map->removals, memory_order_acquire);
    atomic_store_explicit(&told->let_go, table->removals, memory_order_relaxed);
    atomic_store_explicit(&told->holds_files, true, memory_order_release);
    return true;
}

void aro_file_table_end(struct aro_file_table *table)
{
    if (table->slots > 0)
        atomic_store_explicit(&table->told->holds_files, false, memory_order_release);
    free(table->number);
    *table = (struct aro_file_table){0};
}

int aro_file_table_slot(struct aro_file_table *table, uint32_t segment, int fd)
{
    const uint32_t slot = segment & (table->slots - 1);

    if (table->slots == 0)
        return -1;
    if (table->number[slot] == segment)
        return (int)slot;
    if (table->number[slot] != 0 || aro_uring_file_set(table->ring, slot, fd) != 0)
        return -1;
    table->number[slot] = segment;
    return (int)slot;
}

static void slot_sweep(struct aro_file_table *table, uint32_t slot)
{
    uint64_t base_bytes;

    if (table->number[slot] == 0 ||
        aro_segment_map_fd(table->map, table->number[slot], &base_bytes) >= 0)
        return;
    aro_uring_file_set(table->ring, slot, -1);
    table->number[slot] = 0;
}

/* Reads that are queued name slots, and the kernel looks those up when it takes the reads. */
void aro_file_table_sweep(struct aro_file_table *table)
{
    uint32_t removals, end;

    if (table->slots == 0)
        return;
    removals = atomic_load_explicit(&table->map->removals, memory_order_acquire);
    if (table->swept == table->slots) {
        if (removals == table->removals)
            return;
        table->removals = removals;
        table->swept = 0;
    }
    if (aro_uring_queued(table->ring) > 0)
        return;
    end = table->swept + SWEEP_SLOTS;
    end = end < table->slots ? end : table->slots;
    while (table->swept < end)
        slot_sweep(table, table->swept++);
    if (table->swept == table->slots)
        atomic_store_explicit(&table->told->let_go, table->removals, memory_order_release);
}

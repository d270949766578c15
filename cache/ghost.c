/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/ghost.h"

#include <errno.h>
#include <stdlib.h>

enum { LEN_BITS = 24, PRINT_BITS = 64 - LEN_BITS };
#define LEN_MAX ((UINT64_C(1) << LEN_BITS) - 1)

/* A mark is the fingerprint's high bits above the length. */
static uint64_t print_of(uint64_t mark)
{
    return mark >> LEN_BITS;
}

int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max)
{
    uint32_t size = entries_max < 1u << 30 ? entries_max : 1u << 30;

    ghost->ring_size = size;
    ghost->table_size = size + size / 8 + 1; /* at most eight of nine places taken */
    ghost->ring = calloc(ghost->ring_size, sizeof(*ghost->ring));
    ghost->table = calloc(ghost->table_size, sizeof(*ghost->table));
    ghost->bytes_max = bytes_max;
    ghost->tag_shift = 1;
    while (size >> ghost->tag_shift != 0)
        ghost->tag_shift++;
    return ghost->ring == NULL || ghost->table == NULL ? -ENOMEM : 0;
}

void aro_ghost_fini(struct aro_ghost *ghost)
{
    free(ghost->ring);
    free(ghost->table);
}

static uint32_t home_of(const struct aro_ghost *ghost, uint64_t print)
{
    return (uint32_t)((print * ghost->table_size) >> PRINT_BITS);
}

static uint32_t after(const struct aro_ghost *ghost, uint32_t at)
{
    return at + 1 == ghost->table_size ? 0 : at + 1;
}

/* How many steps lie from one place to another, round the end. */
static uint32_t distance(const struct aro_ghost *ghost, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + ghost->table_size - from;
}

static uint32_t position_of(const struct aro_ghost *ghost, uint32_t word)
{
    return (word & (uint32_t)((UINT64_C(1) << ghost->tag_shift) - 1)) - 1;
}

/* The home comes from the fingerprint's high bits, the tag from its low ones: most of the others in
 * a run of places are passed without a look at the ring. */
static uint32_t word_of(const struct aro_ghost *ghost, uint64_t print, uint32_t position)
{
    return (uint32_t)((print << ghost->tag_shift) | (position + 1));
}

/* Where the fingerprint stands in the table, or the empty place where it would. */
static uint32_t table_seek(const struct aro_ghost *ghost, uint64_t print)
{
    uint32_t tag = (uint32_t)(print << ghost->tag_shift);
    uint32_t at = home_of(ghost, print);
    uint32_t word;

    while ((word = ghost->table[at]) != 0) {
        if ((word ^ tag) >> ghost->tag_shift == 0 &&
            print_of(ghost->ring[position_of(ghost, word)]) == print)
            break;
        at = after(ghost, at);
    }
    return at;
}

/* Empties a place and moves later ones of its run up, so that no probe ends too early. */
static void table_clear(struct aro_ghost *ghost, uint32_t hole)
{
    for (uint32_t at = after(ghost, hole); ghost->table[at] != 0; at = after(ghost, at)) {
        uint64_t print = print_of(ghost->ring[position_of(ghost, ghost->table[at])]);
        if (distance(ghost, home_of(ghost, print), at) >= distance(ghost, hole, at)) {
            ghost->table[hole] = ghost->table[at];
            hole = at;
        }
    }
    ghost->table[hole] = 0;
}

static void mark_forget(struct aro_ghost *ghost, uint32_t at)
{
    uint64_t *mark = &ghost->ring[position_of(ghost, ghost->table[at])];

    table_clear(ghost, at);
    ghost->entries--;
    ghost->bytes -= *mark & LEN_MAX;
    *mark = 0;
}

static void oldest_forget(struct aro_ghost *ghost)
{
    uint64_t mark = ghost->ring[ghost->oldest];

    if (mark != 0)
        mark_forget(ghost, table_seek(ghost, print_of(mark)));
    ghost->oldest = ghost->oldest + 1 == ghost->ring_size ? 0 : ghost->oldest + 1;
    ghost->count--;
}

bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint)
{
    uint32_t at = table_seek(ghost, print_of(fingerprint));

    if (ghost->table[at] == 0)
        return false;
    mark_forget(ghost, at);
    return true;
}

void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes)
{
    uint64_t len = len_bytes < LEN_MAX ? len_bytes : LEN_MAX;
    uint64_t print = print_of(fingerprint);
    uint64_t position;

    aro_ghost_take(ghost, fingerprint);
    if (len > ghost->bytes_max || ghost->ring_size == 0)
        return;
    while (ghost->bytes + len > ghost->bytes_max || ghost->count == ghost->ring_size)
        oldest_forget(ghost);
    position = (uint64_t)ghost->oldest + ghost->count++;
    position -= position >= ghost->ring_size ? ghost->ring_size : 0;
    ghost->ring[position] = print << LEN_BITS | len;
    ghost->table[table_seek(ghost, print)] = word_of(ghost, print, (uint32_t)position);
    ghost->entries++;
    ghost->bytes += len;
}

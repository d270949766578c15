/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/ghost.h"

#include <errno.h>
#include <stdlib.h>

/*
 * A word of the table, from its low end: position in the ring + 1, how far the word stands from its
 * home (6 bits), a tag in the rest. Words of a run stand in the order of their homes (Robin Hood),
 * so a search ends early although eight of nine places are taken, and putting in and taking out
 * move neighbours by one place without a look at the ring, where each look would be a cache miss.
 */
enum { LEN_BITS = 24, PRINT_BITS = 64 - LEN_BITS, AWAY_BITS = 6, AWAY_MAX = (1 << AWAY_BITS) - 1 };
enum { AHEAD = 6 }; /* marks whose turn to be forgotten is near: their words are fetched */
#define LEN_MAX ((UINT64_C(1) << LEN_BITS) - 1)

/* A mark is the fingerprint's high bits above the length. */
static uint64_t print_of(uint64_t mark)
{
    return mark >> LEN_BITS;
}

int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max)
{
    uint32_t size = entries_max < 1u << 26 ? entries_max : (1u << 26) - 1;

    ghost->ring_size = size;
    ghost->table_size = size + size / 8 + 1; /* at most eight of nine places taken */
    ghost->ring = calloc(ghost->ring_size, sizeof(*ghost->ring));
    ghost->table = calloc(ghost->table_size, sizeof(*ghost->table));
    ghost->bytes_max = bytes_max;
    ghost->away_shift = 1;
    while (size >> ghost->away_shift != 0)
        ghost->away_shift++;
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

static uint32_t position_of(const struct aro_ghost *ghost, uint32_t word)
{
    return (word & ((UINT32_C(1) << ghost->away_shift) - 1)) - 1;
}

static unsigned away_of(const struct aro_ghost *ghost, uint32_t word)
{
    return word >> ghost->away_shift & AWAY_MAX;
}

/* The word of a fingerprint at its home, without a position. The home comes from the fingerprint's
 * high bits, the tag from its low ones. */
static uint32_t tag_of(const struct aro_ghost *ghost, uint64_t print)
{
    return (uint32_t)(print << (ghost->away_shift + AWAY_BITS));
}

/* Where the fingerprint stands in the table, the oldest if it does so twice; table_size: nowhere.
 */
static uint32_t table_seek(const struct aro_ghost *ghost, uint64_t print)
{
    uint32_t tag = tag_of(ghost, print);
    uint32_t at = home_of(ghost, print);

    for (unsigned away = 0; away <= AWAY_MAX; away++, at = after(ghost, at)) {
        uint32_t word = ghost->table[at];
        if (word == 0 || away_of(ghost, word) < away)
            break;
        if (away_of(ghost, word) == away &&
            ((uint64_t)(word ^ tag) >> (ghost->away_shift + AWAY_BITS)) == 0 &&
            print_of(ghost->ring[position_of(ghost, word)]) == print)
            return at;
    }
    return ghost->table_size;
}

/* Empties a place; those behind it that are not at home move up. */
static void table_clear(struct aro_ghost *ghost, uint32_t hole)
{
    for (uint32_t at = after(ghost, hole); away_of(ghost, ghost->table[at]) != 0;
         hole = at, at = after(ghost, at))
        ghost->table[hole] = ghost->table[at] - (UINT32_C(1) << ghost->away_shift);
    ghost->table[hole] = 0;
}

/* Can all from `at` to the next empty place move by one? */
static bool table_has_room(const struct aro_ghost *ghost, uint32_t at)
{
    while (ghost->table[at] != 0) {
        if (away_of(ghost, ghost->table[at]) == AWAY_MAX)
            return false;
        at = after(ghost, at);
    }
    return true;
}

/* False: it, or one that would have to make room for it, would stand too far from home. */
static bool table_put(struct aro_ghost *ghost, uint64_t print, uint32_t position)
{
    uint32_t word = tag_of(ghost, print) | (position + 1);
    uint32_t one = UINT32_C(1) << ghost->away_shift;
    uint32_t at = home_of(ghost, print);
    unsigned away = 0;

    while (ghost->table[at] != 0 && away_of(ghost, ghost->table[at]) >= away) {
        if (++away > AWAY_MAX)
            return false;
        at = after(ghost, at);
    }
    if (!table_has_room(ghost, at))
        return false;
    word |= away << ghost->away_shift;
    while (word != 0) {
        uint32_t next = ghost->table[at];
        ghost->table[at] = word;
        word = next == 0 ? 0 : next + one;
        at = after(ghost, at);
    }
    return true;
}

static void mark_forget(struct aro_ghost *ghost, uint32_t at)
{
    uint64_t *mark = &ghost->ring[position_of(ghost, ghost->table[at])];

    table_clear(ghost, at);
    ghost->entries--;
    ghost->bytes -= *mark & LEN_MAX;
    *mark = 0;
}

void aro_ghost_prefetch(const struct aro_ghost *ghost, uint64_t fingerprint)
{
    __builtin_prefetch(&ghost->table[home_of(ghost, print_of(fingerprint))]);
}

static void oldest_forget(struct aro_ghost *ghost)
{
    uint64_t mark = ghost->ring[ghost->oldest];
    uint32_t soon = ghost->oldest + AHEAD;

    if (soon < ghost->ring_size)
        aro_ghost_prefetch(ghost, ghost->ring[soon]);

    if (mark != 0)
        mark_forget(ghost, table_seek(ghost, print_of(mark)));
    ghost->oldest = ghost->oldest + 1 == ghost->ring_size ? 0 : ghost->oldest + 1;
    ghost->count--;
}

bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint)
{
    uint32_t at = table_seek(ghost, print_of(fingerprint));

    if (at == ghost->table_size)
        return false;
    mark_forget(ghost, at);
    return true;
}

void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes)
{
    uint64_t len = len_bytes < LEN_MAX ? len_bytes : LEN_MAX;
    uint64_t print = print_of(fingerprint);
    uint64_t position;

    if (len > ghost->bytes_max || ghost->ring_size == 0)
        return;
    while (ghost->bytes + len > ghost->bytes_max || ghost->count == ghost->ring_size)
        oldest_forget(ghost);
    position = (uint64_t)ghost->oldest + ghost->count++;
    position -= position >= ghost->ring_size ? ghost->ring_size : 0;
    ghost->ring[position] = 0;
    if (!table_put(ghost, print, (uint32_t)position))
        return; /* forgotten at once */
    ghost->ring[position] = print << LEN_BITS | len;
    ghost->entries++;
    ghost->bytes += len;
}

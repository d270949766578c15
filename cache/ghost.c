/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/ghost.h"

#include <errno.h>
#include <stdlib.h>

int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max)
{
    uint32_t ring = 1;

    while (ring < entries_max && ring < 1u << 30)
        ring *= 2;
    ghost->ring = calloc(ring, sizeof(*ghost->ring));
    ghost->table = calloc(2 * (size_t)ring, sizeof(*ghost->table));
    ghost->ring_mask = ring - 1;
    ghost->table_mask = 2 * ring - 1;
    ghost->bytes_max = bytes_max;
    return ghost->ring == NULL || ghost->table == NULL ? -ENOMEM : 0;
}

void aro_ghost_fini(struct aro_ghost *ghost)
{
    free(ghost->ring);
    free(ghost->table);
}

/* Where the fingerprint stands in the table, or the empty place where it would. */
static uint32_t table_seek(const struct aro_ghost *ghost, uint64_t fingerprint)
{
    uint32_t at = (uint32_t)fingerprint & ghost->table_mask;

    while (ghost->table[at] != 0 && ghost->ring[ghost->table[at] - 1].fingerprint != fingerprint)
        at = (at + 1) & ghost->table_mask;
    return at;
}

/* Empties a place and moves later ones of its run up, so that no probe ends too early. */
static void table_clear(struct aro_ghost *ghost, uint32_t hole)
{
    for (uint32_t at = (hole + 1) & ghost->table_mask; ghost->table[at] != 0;
         at = (at + 1) & ghost->table_mask) {
        uint32_t home = (uint32_t)ghost->ring[ghost->table[at] - 1].fingerprint & ghost->table_mask;
        if (((at - home) & ghost->table_mask) >= ((at - hole) & ghost->table_mask)) {
            ghost->table[hole] = ghost->table[at];
            hole = at;
        }
    }
    ghost->table[hole] = 0;
}

static void mark_forget(struct aro_ghost *ghost, struct aro_ghost_mark *mark)
{
    table_clear(ghost, table_seek(ghost, mark->fingerprint));
    ghost->entries--;
    ghost->bytes -= mark->len_bytes;
    mark->len_bytes = 0;
}

static void oldest_forget(struct aro_ghost *ghost)
{
    struct aro_ghost_mark *mark = &ghost->ring[ghost->oldest++ & ghost->ring_mask];

    if (mark->len_bytes != 0)
        mark_forget(ghost, mark);
}

bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint)
{
    uint32_t position = ghost->table[table_seek(ghost, fingerprint)];

    if (position == 0)
        return false;
    mark_forget(ghost, &ghost->ring[position - 1]);
    return true;
}

void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes)
{
    uint32_t position;

    aro_ghost_take(ghost, fingerprint);
    if (len_bytes > ghost->bytes_max)
        return;
    while (ghost->bytes + len_bytes > ghost->bytes_max ||
           ghost->next - ghost->oldest > ghost->ring_mask)
        oldest_forget(ghost);
    position = ghost->next++ & ghost->ring_mask;
    ghost->ring[position] = (struct aro_ghost_mark){fingerprint, len_bytes};
    ghost->table[table_seek(ghost, fingerprint)] = position + 1;
    ghost->entries++;
    ghost->bytes += len_bytes;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment files that a reader's ring has registered: the kernel then need not look a descriptor
 * up and hold its file for each read.
 *
 * A segment's slot is its number modulo the table. It is filled when the segment is first read from
 * (one system call), and never changed while it is in use: whoever finds it taken reads by the
 * descriptor. The ring holds on to a file, and to its space, until the slot is emptied. So the
 * reader looks, after each submit, whether segments left the map; if so it goes through its table a
 * piece at a time and then tells the writer, who waits for that before it deletes.
 *
 * Reader's thread only.
 */
#ifndef ARO_CACHE_DISK_FILE_TABLE_H
#define ARO_CACHE_DISK_FILE_TABLE_H

#include "cache/disk/segment.h"
#include "cache/disk/uring.h"

struct aro_reader_slot;

struct aro_file_table {
    struct aro_uring *ring;
    const struct aro_segment_map *map;
    struct aro_reader_slot *told; /* where the writer sees how far we are */
    uint32_t slots;               /* a power of two; 0: no table */
    uint32_t swept;               /* slots that the sweep under way has seen; `slots`: none is */
    uint32_t removals;            /* of the map, when that sweep began */
    uint32_t *number;             /* of the segment in each slot; 0: none */
};

/* False: this kernel has no such tables, or no memory for one; then slot says none. */
bool aro_file_table_init(struct aro_file_table *table, struct aro_uring *ring,
                         const struct aro_segment_map *map, struct aro_reader_slot *told);
/* After the ring is gone. */
void aro_file_table_end(struct aro_file_table *table);

/* In the read section that found the segment, whose descriptor is fd. A slot, or -1: by fd. */
int aro_file_table_slot(struct aro_file_table *table, uint32_t segment, int fd);

/* After each submit: a piece of what is to be let go, if any. */
void aro_file_table_sweep(struct aro_file_table *table);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One segment at start, piece by piece: its table is read and judged (table.h), put right where the
 * last daemon was interrupted, made durable, and what counts of it goes into the index.
 *
 *   READ       records arrive, and are checked as they do
 *   PAYLOADS   behind the last COMMIT: is the payload there? otherwise the record is struck out
 *   DATA_SYNC  -> STRIKE_WRITE -> STRIKE_SYNC: what was struck out is so for good; only then
 *   TABLE_WRITE -> TABLE_SYNC: a COMMIT says that the records before it count
 *   REMOVALS   -> INDEX: from its first record on, chunks of the segment are found
 *
 * Without its data file a table is only counted: debris of a removal, or damage? Every read, write
 * and sync goes through the store's ring; a piece takes well below a millisecond. Writer thread.
 */
#ifndef ARO_CACHE_DISK_SCAN_H
#define ARO_CACHE_DISK_SCAN_H

#include "cache/disk/segment.h"
#include "cache/disk/table.h"

enum aro_scan_step {
    ARO_SCAN_FREE,
    ARO_SCAN_READ,
    ARO_SCAN_PAYLOADS,
    ARO_SCAN_DATA_SYNC,
    ARO_SCAN_STRIKE_WRITE, /* only if there is something */
    ARO_SCAN_STRIKE_SYNC,
    ARO_SCAN_TABLE_WRITE,
    ARO_SCAN_TABLE_SYNC,
    ARO_SCAN_REMOVALS,
    ARO_SCAN_INDEX,
    ARO_SCAN_OVER,
};

struct aro_scan {
    enum aro_scan_step step;
    struct aro_segment *segment;
    struct aro_table table;
    struct aro_table_of of;
    uint64_t file_bytes; /* of the table */
    uint64_t bytes;      /* of it read, or written back */
    uint32_t found;      /* records, before those at the end were struck out */
    uint32_t at;         /* records that this step is done with */
    uint64_t live;       /* chunks that count */
    bool alone;          /* there is no data file */
    bool struck;         /* records between the last COMMIT and the new one */
    bool waiting;        /* io is in flight */
    bool arrived;        /* io has ended, with result */
    int result;
    uint8_t *payload; /* 1 MiB, made when it is needed */
    struct aro_io io;
};

/* Opens the files of segment and begins. 0 or -errno. */
int aro_scan_begin(struct aro_scan *scan, struct aro_segment *segment, bool alone);
/* One piece. 1: there is more to do at once; 0: over, or waits for the ring; -errno: cannot go on.
 */
int aro_scan_turn(struct aro_scan *scan);
/* Not while it waits. The segment is the caller's. */
void aro_scan_end(struct aro_scan *scan);

#endif

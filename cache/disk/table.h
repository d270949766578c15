/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a segment's table says, and what of it counts. The whole table in memory, judged in three
 * passes that a caller may cut into pieces:
 *
 *   aro_table_check    what does not check, or is out of bounds, is struck out; finds the last
 * COMMIT (the owner)        strikes out records behind that COMMIT whose payload is not there
 *   aro_table_apply    a removal strikes out the chunk before it at its block
 *
 * What is a chunk record then is a chunk. Pure functions on memory; nothing here reads or writes
 * files. Users: the start (scan.c) and the walk over a running store (walk.c).
 */
#ifndef ARO_CACHE_DISK_TABLE_H
#define ARO_CACHE_DISK_TABLE_H

#include <stdbool.h>

#include "cache/disk/format.h"
#include "cache/disk/store.h"

/* The segment a table belongs to. */
struct aro_table_of {
    uint64_t seed; /* of the checks */
    uint32_t segment;
    uint32_t blocks; /* of the data file */
};

struct aro_table {
    struct aro_record *record; /* room for one more than the file has: a commit to come */
    uint32_t count;
    uint32_t committed;  /* records before this one are believed */
    uint32_t next_block; /* behind every payload there ever was */
    uint32_t torn;       /* struck out, erased, or cut off in the middle */
    uint32_t voids;      /* since the last COMMIT */
    uint32_t good;       /* behind the last record that checks, and what was torn before it */
    uint32_t good_torn;
    uint32_t *record_at; /* by block: number + 1 of the chunk record that counts there */
};

/* Memory for a table file of so many bytes. 0, -ENOMEM or -EFBIG. Fill record, then check. */
int aro_table_init(struct aro_table *table, uint64_t file_bytes, uint32_t blocks);
void aro_table_free(struct aro_table *table); /* as often as wanted */

static inline bool aro_table_is_void(const struct aro_record *record)
{
    static const struct aro_record nothing = {0};

    return memcmp(record, &nothing, sizeof(nothing)) == 0;
}

/* Checks, and is a chunk in bounds, a removal, or a commit. */
bool aro_table_record_good(const struct aro_table *table, const struct aro_table_of *of,
                           uint32_t number);
void aro_table_strike(struct aro_table *table, uint32_t number);

/* In the place of what was struck out, on disk: a void before a COMMIT would be damage. */
void aro_table_fill(struct aro_table *table, const struct aro_table_of *of, uint32_t number);

/* Records from..to - 1. */
void aro_table_check(struct aro_table *table, const struct aro_table_of *of, uint32_t from,
                     uint32_t to);
void aro_table_apply(struct aro_table *table, const struct aro_table_of *of, uint32_t from,
                     uint32_t to);
/* Checked: what is behind the last record that checks was never this table's. */
void aro_table_end(struct aro_table *table);
/* Forgets voids at the end. */
void aro_table_trim(struct aro_table *table);

#endif

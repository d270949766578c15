/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/disk/record.h"

int aro_table_init(struct aro_table *table, uint64_t file_bytes, uint32_t blocks)
{
    uint64_t count = file_bytes / ARO_RECORD_BYTES;

    if (count >= UINT32_MAX)
        return -EFBIG;
    *table =
        (struct aro_table){.count = (uint32_t)count, .torn = file_bytes % ARO_RECORD_BYTES != 0};
    table->record = malloc((count + 1) * sizeof(*table->record));
    table->record_at = calloc((size_t)blocks + 1, sizeof(*table->record_at));
    if (table->record != NULL && table->record_at != NULL)
        return 0;
    aro_table_free(table);
    return -ENOMEM;
}

void aro_table_free(struct aro_table *table)
{
    free(table->record);
    free(table->record_at);
    table->record = NULL;
    table->record_at = NULL;
}

static bool in_bounds(const struct aro_table_of *of, const struct aro_place *place)
{
    return place->len_bytes >= ARO_CHUNK_BYTES_MIN && place->len_bytes <= ARO_CHUNK_BYTES_MAX &&
           (uint64_t)place->block + aro_blocks(place->len_bytes) <= of->blocks;
}

bool aro_table_record_good(const struct aro_table *table, const struct aro_table_of *of,
                           uint32_t number)
{
    const struct aro_record *record = &table->record[number];
    struct aro_place place = aro_record_place(record);

    return aro_record_valid(record, of->seed, of->segment, number) &&
           (record->type != ARO_RECORD_CHUNK || in_bounds(of, &place));
}

void aro_table_strike(struct aro_table *table, uint32_t number)
{
    memset(&table->record[number], 0, sizeof(table->record[number]));
    table->torn++;
}

void aro_table_fill(struct aro_table *table, const struct aro_table_of *of, uint32_t number)
{
    static const struct aro_place nowhere = {.block = UINT32_MAX};
    static const struct aro_id nobody = {0};
    struct aro_record *record = &table->record[number];

    *record = aro_record_make(ARO_RECORD_REMOVE, of->segment, &nowhere, &nobody);
    aro_record_seal(record, of->seed, of->segment, number);
}

void aro_table_check(struct aro_table *table, const struct aro_table_of *of, uint32_t from,
                     uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (aro_table_is_void(&table->record[i])) {
            table->voids++;
            continue;
        }
        if (!aro_table_record_good(table, of, i)) {
            aro_table_strike(table, i);
            continue;
        }
        if (table->record[i].type == ARO_RECORD_COMMIT) {
            table->committed = i + 1;
            table->torn += table->voids; /* somebody erased them */
            table->voids = 0;
        }
        table->good = i + 1;
        table->good_torn = table->torn + table->voids;
    }
    if (to == table->count) /* a file ends with a record */
        table->torn += table->voids;
}

void aro_table_end(struct aro_table *table)
{
    table->count = table->good;
    table->torn = table->good_torn;
}

void aro_table_apply(struct aro_table *table, const struct aro_table_of *of, uint32_t from,
                     uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct aro_place place = aro_record_place(&table->record[i]);
        if (table->record[i].type == ARO_RECORD_CHUNK) {
            uint32_t end = place.block + aro_blocks(place.len_bytes);
            table->next_block = table->next_block < end ? end : table->next_block;
            table->record_at[place.block] = i + 1;
        } else if (table->record[i].type == ARO_RECORD_REMOVE && place.block < of->blocks &&
                   table->record_at[place.block] != 0) {
            table->record[table->record_at[place.block] - 1].type = ARO_RECORD_VOID;
            table->record_at[place.block] = 0;
        }
    }
}

void aro_table_trim(struct aro_table *table)
{
    while (table->count > table->committed &&
           table->record[table->count - 1].type == ARO_RECORD_VOID)
        table->count--;
}

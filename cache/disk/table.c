/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What does a segment's table say at start, and what of it is true?
 *
 * Records before the last valid COMMIT were synced after their payloads and are believed (the
 * checksum is still looked at with every read). Those after it may describe payloads that never
 * arrived: each is believed only if its payload verifies now; the others are struck out, and a
 * fresh COMMIT covers the rest. A record that does not check is no record.
 */
#include "cache/disk/state.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/reader.h"
#include "cache/disk/record.h"

struct table {
    struct aro_record *record;
    uint32_t count;
    uint32_t committed; /* records before this one are believed */
    bool changed;       /* something is not covered by a commit */
};

static int read_table(struct aro_segment *segment, struct table *table)
{
    struct stat status;

    if (fstat(segment->table_fd, &status) != 0)
        return -errno;
    if ((uint64_t)status.st_size / ARO_RECORD_BYTES >= UINT32_MAX)
        return -EFBIG;
    table->count = (uint32_t)((uint64_t)status.st_size / ARO_RECORD_BYTES);
    table->changed = (uint64_t)status.st_size % ARO_RECORD_BYTES != 0;
    segment->store->stats.recovered_torn += table->changed;
    table->record = malloc((size_t)status.st_size + 1);
    if (table->record == NULL)
        return -ENOMEM;
    return pread(segment->table_fd, table->record, (size_t)status.st_size, 0) == status.st_size
               ? 0
               : -EIO;
}

static void strike(struct aro_segment *segment, struct aro_record *record)
{
    memset(record, 0, sizeof(*record));
    segment->store->stats.recovered_torn++;
}

static bool in_bounds(const struct aro_segment *segment, const struct aro_place *place)
{
    return place->len_bytes >= ARO_CHUNK_BYTES_MIN && place->len_bytes <= ARO_CHUNK_BYTES_MAX &&
           (uint64_t)place->block + aro_blocks(place->len_bytes) <= segment->blocks;
}

/* Strikes out what does not check; what remains is a chunk in bounds, a removal, a commit. */
static void check_records(struct aro_segment *segment, struct table *table)
{
    static const struct aro_record nothing = {0};

    for (uint32_t i = 0; i < table->count; i++) {
        struct aro_record *record = &table->record[i];
        struct aro_place place = aro_record_place(record);
        if (memcmp(record, &nothing, sizeof(nothing)) == 0)
            continue;
        if (!aro_record_valid(record, segment->store->uuid_hash, segment->number, i) ||
            (record->type == ARO_RECORD_CHUNK && !in_bounds(segment, &place)))
            strike(segment, record);
        else if (record->type == ARO_RECORD_COMMIT)
            table->committed = i + 1;
    }
}

static bool payload_is_there(const struct aro_segment *segment, const struct aro_record *record,
                             uint8_t *payload)
{
    struct aro_place place = aro_record_place(record);
    struct aro_id id = aro_id_load(record->id);
    size_t bytes = (size_t)aro_blocks(place.len_bytes) * ARO_BLOCK_BYTES;

    return pread(segment->data_fd, payload, bytes, (off_t)place.block * ARO_BLOCK_BYTES) ==
               (ssize_t)bytes &&
           aro_place_checksum(&id, place.segment, place.block, payload, place.len_bytes) ==
               place.checksum;
}

static void check_uncommitted(struct aro_segment *segment, struct table *table, uint8_t *payload)
{
    for (uint32_t i = table->committed; i < table->count; i++) {
        struct aro_record *record = &table->record[i];
        if (record->type == ARO_RECORD_CHUNK && !payload_is_there(segment, record, payload))
            strike(segment, record);
        table->changed = true;
    }
    while (table->count > table->committed &&
           table->record[table->count - 1].type == ARO_RECORD_VOID)
        table->count--;
}

/*
 * A removal strikes out the chunk before it at its block (in memory only). Also finds where the
 * next payload may go: behind every chunk there ever was.
 */
static int apply_removals(struct aro_segment *segment, struct table *table)
{
    uint32_t *record_at = calloc((size_t)segment->blocks + 1, sizeof(*record_at)); /* number + 1 */

    if (record_at == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < table->count; i++) {
        struct aro_place place = aro_record_place(&table->record[i]);
        if (table->record[i].type == ARO_RECORD_CHUNK) {
            uint32_t end = place.block + aro_blocks(place.len_bytes);
            segment->next_block = segment->next_block < end ? end : segment->next_block;
            record_at[place.block] = i + 1;
        } else if (table->record[i].type == ARO_RECORD_REMOVE && place.block < segment->blocks &&
                   record_at[place.block] != 0) {
            table->record[record_at[place.block] - 1].type = ARO_RECORD_VOID;
            record_at[place.block] = 0;
        }
    }
    free(record_at);
    return 0;
}

/* Puts the file right: struck out and cut as in memory, covered by a commit, durable. */
static int mend_table(struct aro_segment *segment, struct table *table)
{
    struct aro_record commit;
    size_t bytes = (size_t)table->count * ARO_RECORD_BYTES;

    segment->records = table->count;
    if (!table->changed)
        return fdatasync(segment->table_fd) != 0 ? -errno : 0;
    if (fdatasync(segment->data_fd) != 0)
        return -errno;
    commit = aro_record_make(ARO_RECORD_COMMIT, segment->number, NULL, NULL);
    aro_record_seal(&commit, segment->store->uuid_hash, segment->number, segment->records);
    if (ftruncate(segment->table_fd, (off_t)bytes) != 0 ||
        pwrite(segment->table_fd, table->record, bytes, 0) != (ssize_t)bytes ||
        pwrite(segment->table_fd, &commit, sizeof(commit), (off_t)bytes) !=
            (ssize_t)sizeof(commit) ||
        fdatasync(segment->table_fd) != 0)
        return errno != 0 ? -errno : -EIO;
    segment->records++;
    return 0;
}

static int index_chunks(struct aro_segment *segment, const struct table *table)
{
    struct aro_store *store = segment->store;

    for (uint32_t i = 0; i < table->count; i++) {
        struct aro_place place = aro_record_place(&table->record[i]);
        struct aro_id id = aro_id_load(table->record[i].id);
        int error;
        if (table->record[i].type != ARO_RECORD_CHUNK)
            continue;
        error = aro_places_insert(store->places, &id, &place);
        if (error != 0)
            return error;
        aro_budget_chunk_in(segment, &place);
        store->stats.recovered_chunks++;
    }
    return 0;
}

int aro_table_recover(struct aro_segment *segment, uint8_t *payload)
{
    struct table table = {0};
    int error = read_table(segment, &table);

    if (error == 0) {
        check_records(segment, &table);
        check_uncommitted(segment, &table, payload);
        error = mend_table(segment, &table);
    }
    if (error == 0)
        error = apply_removals(segment, &table);
    if (error == 0)
        error = index_chunks(segment, &table);
    free(table.record);
    return error;
}

int aro_table_count(struct aro_segment *segment, uint64_t *ret_live)
{
    struct table table = {0};
    int error = read_table(segment, &table);

    if (error == 0) {
        check_records(segment, &table);
        error = apply_removals(segment, &table);
    }
    if (error == 0) {
        *ret_live = 0;
        for (uint32_t i = 0; i < table.count; i++)
            *ret_live += table.record[i].type == ARO_RECORD_CHUNK;
    }
    free(table.record);
    return error;
}

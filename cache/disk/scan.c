/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/scan.h"

#include <stdlib.h>

#include "cache/disk/reader.h"
#include "cache/disk/record.h"
#include "cache/disk/state.h"

enum {
    IO_BYTES = 256 << 10,   /* of one read or write of a table */
    CHECKS_PER_TURN = 4096, /* records: about 0.15 ms */
    INSERTS_PER_TURN = 1024,
    FETCH_AHEAD = 12, /* inserts: their buckets come from memory meanwhile */
};

/* ---- the one operation under way ---- */

static void arrived(struct aro_io *io, int result)
{
    struct aro_scan *scan = ARO_IO_OWNER(io, struct aro_scan, io);

    scan->waiting = false;
    scan->arrived = true;
    scan->result = result;
}

/* Whether an operation has ended; then *ret is its result. */
static bool take(struct aro_scan *scan, int *ret)
{
    if (!scan->arrived)
        return false;
    scan->arrived = false;
    *ret = scan->result;
    return true;
}

/* Queued, or tried again with the next turn. 0 or -errno. */
static int queued(struct aro_scan *scan, int error)
{
    scan->waiting = error == 0;
    return error == -EAGAIN ? 0 : error;
}

static int next_step(struct aro_scan *scan, enum aro_scan_step step)
{
    scan->step = step;
    scan->at = 0;
    scan->bytes = 0;
    return 1;
}

static uint32_t at_most(uint64_t value, uint32_t limit)
{
    return value < limit ? (uint32_t)value : limit;
}

/* ---- begin ---- */

int aro_scan_begin(struct aro_scan *scan, struct aro_segment *segment, bool alone)
{
    int error;

    *scan = (struct aro_scan){.segment = segment, .alone = alone, .payload = scan->payload};
    scan->io.done = arrived;
    segment->seed = segment->store->uuid_hash;
    segment->records_max = segment->records_room = UINT32_MAX;
    error = segment->store->volume->segment_open(segment, alone, &scan->file_bytes);
    scan->of = (struct aro_table_of){
        .seed = segment->seed, .segment = segment->number, .blocks = segment->blocks};
    if (error == 0)
        error = aro_table_init(&scan->table, scan->file_bytes, segment->blocks);
    if (error == 0)
        next_step(scan, ARO_SCAN_READ);
    return error;
}

void aro_scan_end(struct aro_scan *scan)
{
    aro_table_free(&scan->table);
    scan->step = ARO_SCAN_FREE;
}

/* ---- the steps: 1, 0 or -errno as aro_scan_turn ---- */

static int read_on(struct aro_scan *scan)
{
    uint64_t whole = (uint64_t)scan->table.count * ARO_RECORD_BYTES;
    int result, error = 0;
    uint32_t end;

    if (take(scan, &result)) {
        if (result <= 0)
            return result < 0 ? result : -EIO;
        scan->bytes += (uint32_t)result;
    }
    if (scan->bytes < whole && !scan->waiting)
        error = queued(scan, aro_uring_read(scan->segment->store->ring, &scan->io,
                                            scan->segment->table_fd,
                                            (uint8_t *)scan->table.record + scan->bytes,
                                            at_most(whole - scan->bytes, IO_BYTES),
                                            scan->segment->table_base_bytes + scan->bytes));
    if (error != 0)
        return error;
    end = scan->at + at_most(scan->bytes / ARO_RECORD_BYTES - scan->at, CHECKS_PER_TURN);
    aro_table_check(&scan->table, &scan->of, scan->at, end);
    for (; scan->at < end; scan->at++)
        aro_witness_hear(scan->segment->store, &scan->table.record[scan->at]);
    if (end == scan->table.count) {
        if (!scan->segment->store->volume->tables_end)
            aro_table_end(&scan->table);
        scan->segment->found = scan->table.count;
        return next_step(scan, scan->alone ? ARO_SCAN_REMOVALS : ARO_SCAN_PAYLOADS);
    }
    return end < scan->bytes / ARO_RECORD_BYTES;
}

static bool is_payload_of(const struct aro_record *record, const uint8_t *payload)
{
    struct aro_place place = aro_record_place(record);
    struct aro_id id = aro_id_load(record->id);

    return aro_place_checksum(&id, place.segment, place.block, payload, place.len_bytes) ==
           place.checksum;
}

static int payload_read(struct aro_scan *scan, const struct aro_record *record)
{
    struct aro_place place = aro_record_place(record);

    if (scan->payload == NULL)
        scan->payload = aligned_alloc(ARO_BLOCK_BYTES, ARO_CHUNK_BYTES_MAX);
    if (scan->payload == NULL)
        return -ENOMEM;
    return queued(scan,
                  aro_uring_read(scan->segment->store->ring, &scan->io, scan->segment->data_fd,
                                 scan->payload, aro_blocks(place.len_bytes) * ARO_BLOCK_BYTES,
                                 aro_segment_data_at(scan->segment, place.block)));
}

/* What was struck out behind the last COMMIT, made what it is to be on disk; and the next COMMIT.
 */
static int tail_mend(struct aro_scan *scan)
{
    struct aro_table *table = &scan->table;
    struct aro_record *commit;
    int error;

    scan->found = table->count;
    aro_table_trim(table);
    error = scan->segment->store->volume->table_cut(scan->segment, table->count);
    if (error != 0)
        return error;
    for (uint32_t i = table->committed; i < table->count; i++) {
        if (table->record[i].type != ARO_RECORD_VOID)
            continue;
        aro_table_fill(table, &scan->of, i);
        scan->struck = true;
    }
    commit = &table->record[table->count];
    *commit = aro_record_make(ARO_RECORD_COMMIT, scan->of.segment, NULL, NULL);
    aro_record_seal(commit, scan->of.seed, scan->of.segment, table->count);
    return next_step(scan, ARO_SCAN_DATA_SYNC);
}

/* One payload after the other: there are few, if any. */
static int payloads_on(struct aro_scan *scan)
{
    struct aro_table *table = &scan->table;
    uint32_t number = table->committed + scan->at;
    int result;

    if (take(scan, &result)) {
        uint32_t blocks = aro_blocks(aro_record_place(&table->record[number]).len_bytes);
        if (result != (int)(blocks * ARO_BLOCK_BYTES) ||
            !is_payload_of(&table->record[number], scan->payload))
            aro_table_strike(table, number);
        scan->at++;
        return 1;
    }
    while (number < table->count && table->record[number].type != ARO_RECORD_CHUNK)
        number++;
    scan->at = number - table->committed;
    if (number < table->count)
        return payload_read(scan, &table->record[number]);
    if (scan->segment->store->read_only)
        return next_step(scan, ARO_SCAN_REMOVALS);
    if (table->count == table->committed && scan->file_bytes % ARO_RECORD_BYTES == 0)
        return next_step(scan, ARO_SCAN_TABLE_SYNC);
    return tail_mend(scan);
}

static int sync_on(struct aro_scan *scan, int fd, enum aro_scan_step next)
{
    int result;

    if (!take(scan, &result))
        return queued(scan, aro_uring_datasync(scan->segment->store->ring, &scan->io, fd));
    return result < 0 ? result : next_step(scan, next);
}

/* Records from..end - 1, as they are in memory. */
static int records_write(struct aro_scan *scan, uint32_t from, uint32_t end,
                         enum aro_scan_step next)
{
    uint64_t whole = (uint64_t)(end - from) * ARO_RECORD_BYTES;
    int result;

    if (take(scan, &result)) {
        if (result <= 0)
            return result < 0 ? result : -EIO;
        scan->bytes += (uint32_t)result;
    }
    if (scan->bytes == whole)
        return next_step(scan, next);
    return queued(scan,
                  aro_uring_write(scan->segment->store->ring, &scan->io, scan->segment->table_fd,
                                  (const uint8_t *)&scan->table.record[from] + scan->bytes,
                                  at_most(whole - scan->bytes, IO_BYTES),
                                  aro_segment_table_at(scan->segment, from) + scan->bytes));
}

/*
 * The COMMIT, which no crash may leave without what was struck out before it; then voids, where
 * the table cannot be cut, over what was struck out behind.
 */
static int write_on(struct aro_scan *scan)
{
    uint32_t end = scan->table.count + 1;

    if (!scan->segment->store->volume->tables_end && scan->found > end)
        end = scan->found;
    scan->segment->records = scan->table.count + 1;
    return records_write(scan, scan->table.count, end, ARO_SCAN_TABLE_SYNC);
}

/* From here on readers may come. */
static void begin_index(struct aro_scan *scan)
{
    struct aro_segment *segment = scan->segment;

    if (segment->records == 0)
        segment->records = scan->table.count;
    segment->durable = segment->records; /* the table was synced */
    segment->next_block = scan->table.next_block;
    segment->state = ARO_SEGMENT_SEALED;
    segment->named = true;
    segment->store->stats.bytes_files_now += (uint64_t)segment->blocks * ARO_BLOCK_BYTES;
    segment->store->stats.segments_now++;
    aro_segment_map_add(&segment->store->map, segment);
}

static int removals_on(struct aro_scan *scan)
{
    uint32_t end = scan->at + at_most(scan->table.count - scan->at, CHECKS_PER_TURN);

    aro_table_apply(&scan->table, &scan->of, scan->at, end);
    scan->at = end;
    if (end < scan->table.count)
        return 1;
    if (!scan->alone)
        begin_index(scan);
    return next_step(scan, ARO_SCAN_INDEX);
}

static int index_chunk(struct aro_segment *segment, const struct aro_record *record)
{
    struct aro_store *store = segment->store;
    struct aro_place place = aro_record_place(record);
    struct aro_id id = aro_id_load(record->id);
    int error = aro_places_insert(store->places, &id, &place);

    if (error != 0)
        return error;
    aro_budget_chunk_in(segment, &place);
    store->stats.recovered_chunks++;
    return 0;
}

static void fetch_ahead(const struct aro_scan *scan, uint32_t number)
{
    struct aro_id id;

    if (number >= scan->table.count || scan->table.record[number].type != ARO_RECORD_CHUNK)
        return;
    id = aro_id_load(scan->table.record[number].id);
    aro_places_prefetch(scan->segment->store->places, &id);
}

static int index_on(struct aro_scan *scan)
{
    uint32_t end = scan->at + at_most(scan->table.count - scan->at, INSERTS_PER_TURN);
    int error = 0;

    for (; scan->at < end && error == 0; scan->at++) {
        const struct aro_record *record = &scan->table.record[scan->at];
        if (!scan->alone)
            fetch_ahead(scan, scan->at + FETCH_AHEAD);
        if (record->type != ARO_RECORD_CHUNK)
            continue;
        scan->live++;
        if (!scan->alone)
            error = index_chunk(scan->segment, record);
    }
    if (error != 0)
        return error;
    if (end < scan->table.count)
        return 1;
    scan->step = ARO_SCAN_OVER;
    return 0;
}

int aro_scan_turn(struct aro_scan *scan)
{
    if (scan->waiting && scan->step != ARO_SCAN_READ)
        return 0;
    switch (scan->step) {
    case ARO_SCAN_READ:
        return read_on(scan);
    case ARO_SCAN_PAYLOADS:
        return payloads_on(scan);
    case ARO_SCAN_DATA_SYNC:
        return sync_on(scan, scan->segment->data_fd,
                       scan->struck ? ARO_SCAN_STRIKE_WRITE : ARO_SCAN_TABLE_WRITE);
    case ARO_SCAN_STRIKE_WRITE:
        return records_write(scan, scan->table.committed, scan->table.count, ARO_SCAN_STRIKE_SYNC);
    case ARO_SCAN_STRIKE_SYNC:
        return sync_on(scan, scan->segment->table_fd, ARO_SCAN_TABLE_WRITE);
    case ARO_SCAN_TABLE_WRITE:
        return write_on(scan);
    case ARO_SCAN_TABLE_SYNC:
        return sync_on(scan, scan->segment->table_fd, ARO_SCAN_REMOVALS);
    case ARO_SCAN_REMOVALS:
        return removals_on(scan);
    case ARO_SCAN_INDEX:
        return index_on(scan);
    case ARO_SCAN_FREE:
    case ARO_SCAN_OVER:
        break;
    }
    return 0;
}

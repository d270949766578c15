/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment's records on their way to disk: collected, committed, or lost.
 */
#include "cache/disk/segment.h"

#include <stdlib.h>

#include "cache/disk/record.h"
#include "cache/disk/state.h"

static int records_reserve(struct aro_records *records, size_t more)
{
    size_t room = records->room == 0 ? 64 : records->room;
    struct aro_record *grown;

    while (room < records->count + more)
        room *= 2;
    if (room == records->room)
        return 0;
    grown = realloc(records->record, room * sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    records->record = grown;
    records->room = room;
    return 0;
}

int aro_segment_log(struct aro_segment *segment, const struct aro_record *record)
{
    int error = records_reserve(&segment->pending, 2); /* and one for the commit to come */

    if (error != 0)
        return error;
    segment->pending.record[segment->pending.count++] = *record;
    aro_budget_recount(segment);
    aro_segment_touch(segment);
    return 0;
}

static void lose_records(struct aro_segment *segment, struct aro_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        struct aro_place place = aro_record_place(&records->record[i]);
        struct aro_id id = aro_id_load(records->record[i].id);
        if (records->record[i].type != ARO_RECORD_CHUNK ||
            aro_places_erase(segment->store->places, &id, &place) != 0)
            continue;
        aro_budget_chunk_out(segment, &place);
    }
    records->count = 0;
}

void aro_segment_lose(struct aro_segment *segment)
{
    lose_records(segment, &segment->batch);
    lose_records(segment, &segment->pending);
    segment->failed = true;
    segment->step = ARO_STEP_IDLE;
    segment->store->losses++;
    segment->store->stats.sync_failures++;
    segment->store->stats.writable = false;
    aro_segment_seal(segment);
    aro_budget_recount(segment);
}

void aro_segment_commit(struct aro_segment *segment)
{
    struct aro_records empty = segment->batch;
    struct aro_record *commit;
    bool payloads = false;
    uint64_t records;

    segment->batch = segment->pending;
    segment->pending = empty;
    commit = &segment->batch.record[segment->batch.count++];
    *commit = aro_record_make(ARO_RECORD_COMMIT, segment->number, NULL, NULL);
    aro_witness_speak(segment, commit);
    for (size_t i = 0; i < segment->batch.count; i++) {
        payloads |= segment->batch.record[i].type == ARO_RECORD_CHUNK;
        aro_record_seal(&segment->batch.record[i], segment->seed, segment->number,
                        segment->records + (uint32_t)i);
    }
    records = segment->records + segment->batch.count;
    if (records > segment->records_room) { /* cannot be: budget.c kept room */
        aro_segment_lose(segment);
        return;
    }
    segment->step = payloads ? ARO_STEP_DATA_SYNC : ARO_STEP_TABLE_WRITE;
    if (records > segment->records_max)
        segment->step = ARO_STEP_TABLE_RESERVE; /* synced with the payloads, if there are any */
    aro_budget_recount(segment);
    aro_segment_advance(segment);
}

/* A failed step is never tried again: what it covered is lost. */
void aro_segment_commit_done(struct aro_segment *segment, int result)
{
    bool written = segment->step == ARO_STEP_TABLE_WRITE;

    if (written) /* whatever happened there, these record numbers are spent */
        segment->records += (uint32_t)segment->batch.count;
    if (result != (written ? (int)aro_segment_batch_bytes(segment) : 0)) {
        aro_segment_lose(segment);
        return;
    }
    segment->store->stats.syncs += !written && segment->step != ARO_STEP_TABLE_RESERVE;
    if (segment->step == ARO_STEP_TABLE_SYNC) {
        segment->durable = segment->records;
        segment->batch.count = 0;
        segment->step = ARO_STEP_IDLE;
    } else {
        segment->step++;
    }
    aro_budget_recount(segment);
}

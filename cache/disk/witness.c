/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/witness.h"

#include <stdlib.h>

#include "cache/disk/record.h"
#include "cache/disk/state.h"

enum { TRIES = 8 }; /* segments looked at for one that a claim can be about */

/* ---- to speak ---- */

static bool can_be_witnessed(const struct aro_segment *segment)
{
    return segment->durable > 0 &&
           (segment->state == ARO_SEGMENT_ACTIVE || segment->state == ARO_SEGMENT_SEALED);
}

/* From `segment` on, older ones; NULL: none within a few. */
static const struct aro_segment *find_from(const struct aro_segment *segment,
                                           const struct aro_segment *except)
{
    for (unsigned i = 0; i < TRIES && segment != NULL; i++, segment = segment->next)
        if (segment != except && can_be_witnessed(segment))
            return segment;
    return NULL;
}

static void claim(struct aro_table_claim *claim, const struct aro_segment *segment)
{
    if (segment == NULL)
        return;
    aro_store_le32(claim->segment, segment->number);
    aro_store_le32(claim->records, segment->durable);
}

/* The youngest first, then whose turn it is. */
static void claim_all(struct aro_store *store, struct aro_table_claim *claims, unsigned n,
                      const struct aro_segment *except)
{
    struct aro_witness *witness = &store->witness;

    claim(&claims[0], find_from(store->segments, except));
    for (unsigned i = 1; i < n; i++) {
        const struct aro_segment *about =
            find_from(witness->about != NULL ? witness->about : store->segments, except);
        witness->about = about != NULL ? about->next : NULL;
        claim(&claims[i], about);
    }
}

void aro_witness_speak(struct aro_segment *segment, struct aro_record *record)
{
    struct aro_commit *commit = (struct aro_commit *)(void *)record;
    struct aro_witness *witness = &segment->store->witness;

    aro_store_le32(commit->log_turn, witness->durable.turn);
    aro_store_le32(commit->log_records, witness->durable.records);
    claim_all(segment->store, commit->claim, ARO_CLAIMS_OF_COMMIT, segment);
    witness->told = witness->durable;
}

void aro_witness_speak_object(struct aro_store *store, struct aro_object_record *record)
{
    claim_all(store, record->claim, ARO_CLAIMS_OF_OBJECT, NULL);
}

void aro_witness_log_durable(struct aro_store *store)
{
    store->witness.durable =
        (struct aro_log_claim){.turn = store->log.turn, .records = store->log.records};
}

void aro_witness_forget(struct aro_store *store, const struct aro_segment *segment)
{
    if (store->witness.about == segment)
        store->witness.about = segment->next;
}

/* ---- records that say nothing ---- */

static int filler_log(struct aro_segment *segment)
{
    static const struct aro_place nowhere = {.block = UINT32_MAX};
    static const struct aro_id nobody = {0};
    struct aro_record record =
        aro_record_make(ARO_RECORD_REMOVE, segment->number, &nowhere, &nobody);

    return aro_segment_log(segment, &record);
}

void aro_witness_close(struct aro_store *store)
{
    const struct aro_witness *witness = &store->witness;
    struct aro_segment *segment = store->segments;

    if (witness->told.turn == witness->durable.turn &&
        witness->told.records == witness->durable.records)
        return;
    while (segment != NULL && (!can_be_witnessed(segment) || segment->failed))
        segment = segment->next;
    if (segment != NULL && segment->live > 0 && aro_budget_takes_append(segment))
        (void)!filler_log(segment); /* without memory, it is not told */
}

/* ---- to hear ---- */

int aro_witness_begin(struct aro_store *store)
{
    store->witness.owed = calloc(store->map.slots, sizeof(*store->witness.owed));
    return store->witness.owed == NULL ? -ENOMEM : 0;
}

void aro_witness_end(struct aro_store *store)
{
    free(store->witness.owed);
    store->witness.owed = NULL;
}

/* Where the segment is not there any more it was removed; its number is not for others. */
static void hear_claims(struct aro_store *store, const struct aro_table_claim *claims, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t number = aro_load_le32(claims[i].segment);
        uint32_t records = aro_load_le32(claims[i].records);
        uint32_t slot = number & (store->map.slots - 1);
        if (number > store->last_number)
            store->last_number = number;
        if (atomic_load_explicit(&store->map.slot[slot].number, memory_order_relaxed) == number &&
            store->witness.owed[slot] < records)
            store->witness.owed[slot] = records;
    }
}

void aro_witness_hear(struct aro_store *store, const struct aro_record *record)
{
    const struct aro_commit *commit = (const struct aro_commit *)(const void *)record;
    struct aro_log_claim *heard = &store->witness.heard;
    struct aro_log_claim said;

    if (record->type != ARO_RECORD_COMMIT)
        return;
    hear_claims(store, commit->claim, ARO_CLAIMS_OF_COMMIT);
    said.turn = aro_load_le32(commit->log_turn);
    said.records = aro_load_le32(commit->log_records);
    if (said.turn > heard->turn || (said.turn == heard->turn && said.records > heard->records))
        *heard = said;
}

void aro_witness_hear_object(struct aro_store *store, const struct aro_object_record *record)
{
    hear_claims(store, record->claim, ARO_CLAIMS_OF_OBJECT);
}

/* ---- to judge ---- */

/* Its next COMMIT makes it at least as long again. */
static void table_make_up(struct aro_segment *segment, uint32_t owed)
{
    uint32_t missing = owed - segment->records, fill = missing > 1 ? missing - 1 : 1;

    if ((uint64_t)segment->records + fill + 1 > segment->records_room)
        return;
    while (fill-- > 0 && filler_log(segment) == 0)
        ;
}

static void table_judge(struct aro_store *store, struct aro_segment *segment)
{
    uint32_t owed = store->witness.owed[segment->number & (store->map.slots - 1)];

    if (segment->found < owed)
        aro_recovery_lack(store, segment->number, owed - segment->found);
    if (segment->records < owed && !store->read_only)
        table_make_up(segment, owed);
}

/* One without a good record bears no turn: then it is the one that was heard of. */
static void log_judge(struct aro_store *store)
{
    const struct aro_log_claim *heard = &store->witness.heard;
    struct aro_object_log *log = &store->log;
    uint32_t found = log->turn < heard->turn && log->records > 0 ? 0 : log->found;

    if (log->turn > heard->turn || (log->turn == heard->turn && log->records >= heard->records))
        return;
    if (found < heard->records)
        aro_recovery_lack(store, 0, heard->records - found);
    log->turn = heard->turn;
    if (!store->read_only && log->records < heard->records)
        aro_object_log_make_up(store, heard->records);
}

void aro_witness_judge(struct aro_store *store)
{
    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        table_judge(store, s);
    log_judge(store);
    store->witness.told = store->witness.heard;
    aro_witness_end(store);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of the chunks that stay when a segment is emptied: read, compared with the checksum,
 * written into the active segment, found there from then on. A few at a time; the room in the
 * active segment was set aside (owed_blocks), so appends cannot take it. Writer thread.
 */
#include "cache/disk/state.h"

#include <stdlib.h>

#include "cache/disk/reader.h"
#include "cache/disk/record.h"

static uint32_t bytes_of(const struct aro_victim_chunk *chunk)
{
    return aro_blocks(chunk->len_bytes) * ARO_BLOCK_BYTES;
}

static struct aro_victim_chunk *chunk_of(const struct aro_carrier *carrier)
{
    return &carrier->store->recycle.victim.chunk[carrier->index];
}

/* Copied by an earlier turn that did not come to its end, or put again since. */
static bool is_elsewhere(struct aro_store *store, const struct aro_victim_chunk *chunk)
{
    struct aro_place place;
    struct aro_id owner;

    for (unsigned nth = 0; aro_places_find(store->places, &chunk->id, nth, &place) == 0; nth++)
        if (place.segment != store->recycle.victim.segment && place.len_bytes == chunk->len_bytes &&
            aro_place_owner(store, &place, &owner) == 0 && aro_id_equal(&owner, &chunk->id))
            return true;
    return false;
}

/* The carrier is free again; of what it was to carry no more room is owed. */
static void put_down(struct aro_carrier *carrier)
{
    struct aro_recycle *turn = &carrier->store->recycle;
    uint64_t blocks = aro_blocks(chunk_of(carrier)->len_bytes);

    if (carrier->step != ARO_CARRIER_WRITING)
        turn->owed_blocks -= blocks < turn->owed_blocks ? blocks : turn->owed_blocks;
    carrier->step = ARO_CARRIER_FREE;
}

static void read_done(struct aro_io *io, int result)
{
    struct aro_carrier *carrier = ARO_IO_OWNER(io, struct aro_carrier, io);
    struct aro_store *store = carrier->store;
    struct aro_victim_chunk *chunk = chunk_of(carrier);

    carrier->queued = false;
    if (result != (int)bytes_of(chunk)) {
        store->recycle.failed = store->recycle.unreadable = true; /* it stays where it is */
        put_down(carrier);
    } else if (aro_place_checksum(&chunk->id, store->recycle.victim.segment, chunk->block,
                                  carrier->buffer, chunk->len_bytes) != chunk->checksum) {
        struct aro_place place = {.segment = store->recycle.victim.segment,
                                  .block = chunk->block,
                                  .len_bytes = chunk->len_bytes,
                                  .checksum = chunk->checksum};
        uint64_t losses = store->losses;
        aro_store_quarantine(store, &chunk->id, &place);
        store->recycle.mark += store->losses - losses; /* no copy of ours is among what was lost */
        put_down(carrier);
    } else {
        carrier->step = ARO_CARRIER_HOLDING;
    }
    aro_store_deliver(store);
}

static void write_done(struct aro_io *io, int result)
{
    struct aro_carrier *carrier = ARO_IO_OWNER(io, struct aro_carrier, io);
    struct aro_store *store = carrier->store;
    const struct aro_victim_chunk *chunk = chunk_of(carrier);
    struct aro_segment *segment = carrier->segment;
    bool wanted = aro_recycle_is_here(store, chunk); /* nobody removed it meanwhile */

    carrier->queued = false;
    segment->writes--;
    aro_budget_recount(segment);
    if (result != (int)bytes_of(chunk) || segment->failed) {
        store->stats.write_failures++;
        store->recycle.failed = true;
    } else if (wanted && aro_store_index_add(store, segment, &chunk->id, &carrier->place) != 0) {
        store->recycle.failed = true;
    } else if (wanted) {
        store->stats.carried++;
        store->stats.bytes_carried += chunk->len_bytes;
    }
    aro_segment_touch(segment);
    put_down(carrier);
    aro_store_deliver(store);
}

static void write_start(struct aro_carrier *carrier)
{
    struct aro_store *store = carrier->store;
    const struct aro_victim_chunk *chunk = chunk_of(carrier);
    uint32_t blocks = aro_blocks(chunk->len_bytes);
    struct aro_segment *active = store->active;

    if (active == NULL || active->blocks - active->next_block < blocks ||
        !aro_budget_takes_append(active)) {
        store->recycle.failed = true;
        put_down(carrier);
        return;
    }
    carrier->io.done = write_done;
    if (aro_uring_write(store->ring, &carrier->io, active->data_fd, carrier->buffer,
                        bytes_of(chunk), aro_segment_data_at(active, active->next_block)) != 0)
        return;
    carrier->segment = active;
    carrier->place = (struct aro_place){
        .segment = active->number,
        .block = active->next_block,
        .len_bytes = chunk->len_bytes,
        .checksum = aro_place_checksum(&chunk->id, active->number, active->next_block,
                                       carrier->buffer, chunk->len_bytes)};
    active->next_block += blocks;
    active->writes++;
    aro_budget_recount(active);
    put_down(carrier); /* the room is taken, not owed */
    carrier->step = ARO_CARRIER_WRITING;
    carrier->queued = true;
}

static void read_start(struct aro_carrier *carrier)
{
    struct aro_store *store = carrier->store;
    const struct aro_victim_chunk *chunk = chunk_of(carrier);

    if (carrier->buffer == NULL)
        carrier->buffer = aligned_alloc(ARO_BLOCK_BYTES, ARO_CHUNK_BYTES_MAX);
    if (carrier->buffer == NULL) {
        store->recycle.failed = true;
        put_down(carrier);
        return;
    }
    carrier->io.done = read_done;
    carrier->queued =
        aro_uring_read(store->ring, &carrier->io, store->recycle.segment->data_fd, carrier->buffer,
                       bytes_of(chunk),
                       aro_segment_data_at(store->recycle.segment, chunk->block)) == 0;
}

/* The next chunk that is to be copied, if there is one. */
static void pick_up(struct aro_carrier *carrier)
{
    struct aro_recycle *turn = &carrier->store->recycle;

    while (turn->next < turn->victim.count) {
        carrier->index = turn->next++;
        if (chunk_of(carrier)->keep == ARO_KEEP_NOT)
            continue;
        carrier->step = ARO_CARRIER_READING;
        if (aro_recycle_is_here(carrier->store, chunk_of(carrier)) &&
            !is_elsewhere(carrier->store, chunk_of(carrier)))
            return;
        put_down(carrier);
    }
}

bool aro_carry_advance(struct aro_store *store)
{
    struct aro_recycle *turn = &store->recycle;
    bool all_free = true;

    for (unsigned i = 0; i < ARO_CARRIERS; i++) {
        struct aro_carrier *carrier = &turn->carrier[i];
        bool ending = turn->failed || store->closing;
        carrier->store = store;
        if (carrier->step == ARO_CARRIER_FREE && !ending)
            pick_up(carrier);
        if (carrier->step != ARO_CARRIER_FREE && !carrier->queued && ending)
            put_down(carrier);
        if (carrier->step == ARO_CARRIER_READING && !carrier->queued)
            read_start(carrier);
        if (carrier->step == ARO_CARRIER_HOLDING)
            write_start(carrier);
        all_free &= carrier->step == ARO_CARRIER_FREE;
    }
    return all_free && (turn->failed || store->closing || turn->next == turn->victim.count);
}

bool aro_carry_is_busy(const struct aro_store *store)
{
    for (unsigned i = 0; i < ARO_CARRIERS; i++)
        if (store->recycle.carrier[i].queued)
            return true;
    return false;
}

void aro_carry_end(struct aro_store *store)
{
    for (unsigned i = 0; i < ARO_CARRIERS; i++) {
        free(store->recycle.carrier[i].buffer);
        store->recycle.carrier[i].buffer = NULL;
    }
}

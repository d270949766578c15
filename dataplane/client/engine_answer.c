/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives: slices to their place, and what their order says about the missing ones. */
#include "dataplane/client/engine_state.h"

enum { JOB_TURN_SLICES = 16 }; /* a server sends at most so many of one answer in a row */

struct aro_transfer *engine_transfer_of(struct aro_engine *engine,
                                        const struct aro_request *request)
{
    struct aro_transfer *transfer;

    if (request->transfer >= engine->slots)
        return NULL;
    transfer = &engine->transfers[request->transfer];
    if (transfer->generation != request->generation || transfer->state != ARO_TRANSFER_FETCHING)
        return NULL;
    return transfer;
}

/* These slices of a request will not come any more. Returns how many are to be asked for again. */
uint32_t engine_give_up(struct aro_engine *engine, struct aro_request *request, uint64_t mask)
{
    struct aro_transfer *transfer = engine_transfer_of(engine, request);
    uint32_t again = 0;

    if (request->live)
        engine->source.in_flight -= (uint32_t)__builtin_popcountll(request->outstanding & mask);
    if (transfer != NULL) {
        again = aro_transfer_give_back(transfer, request->first, request->outstanding & mask);
        uint64_t sequence =
            engine->head +
            (request->transfer + engine->slots - engine->head % engine->slots) % engine->slots;
        if (sequence < engine->scan)
            engine->scan = sequence;
    }
    request->outstanding &= ~mask;
    if (request->outstanding == 0)
        aro_requests_close(&engine->requests, request);
    return again;
}

void engine_lost(struct aro_engine *engine, struct aro_request *request, uint64_t mask,
                 uint64_t now_us)
{
    uint32_t again = engine_give_up(engine, request, mask);

    engine->stats.slices_lost += again;
    if (again > 0)
        aro_congestion_on_loss(&engine->source.congestion, request->sent_us, now_us);
}

/* An answer to one of our requests: the source lives. */
void engine_heard(struct aro_engine *engine, struct aro_request *request, uint64_t now_us)
{
    struct aro_source *source = &engine->source;

    source->heard_us = now_us;
    source->backoff = 0;
    if (request->live) /* in time */
        aro_source_patience_shrink(source, now_us);
    if (!request->silenced)
        return;
    /* not lost, only slow: take the collapse back and be more patient */
    request->silenced = false;
    aro_congestion_undo_silence(&source->congestion);
}

/* A blind request named slices that do not exist: they are not in flight. */
static void trim_blind(struct aro_engine *engine, const struct aro_transfer *transfer)
{
    uint32_t slot = (uint32_t)(transfer - engine->transfers);

    for (uint16_t i = 0; i < ARO_REQUESTS_MAX && engine->requests.live > 0; i++) {
        struct aro_request *request = &engine->requests.entries[i];
        if (!request->live || request->transfer != slot ||
            request->generation != transfer->generation)
            continue;
        for (uint32_t bit = 0; bit < 64; bit++) {
            uint64_t mask = UINT64_C(1) << bit;
            if ((request->outstanding & mask) != 0 && request->first + bit >= transfer->slices) {
                request->wanted &= ~mask;
                request->outstanding &= ~mask;
                engine->source.in_flight--;
            }
        }
        if (request->outstanding == 0)
            aro_requests_close(&engine->requests, request);
    }
}

/* Whether data may be placed into transfer: it must agree about the chunk's length. */
static bool length_agrees(struct aro_engine *engine, struct aro_transfer *transfer,
                          const struct aro_data *data)
{
    if (transfer->len_bytes == 0) {
        aro_transfer_learn(transfer, data->chunk_bytes);
        engine->scan = engine->head; /* it may have more to ask for than was known */
        trim_blind(engine, transfer);
    }
    if (transfer->len_bytes == data->chunk_bytes)
        return true;
    engine->stats.ignored_malformed++;
    /* a few may be damaged on the way; so many are a statement */
    if (++transfer->disagreements == ENGINE_DISAGREEMENTS_MAX)
        engine_mismatch(engine, transfer, "a length that its manifest denies");
    return false;
}

static void count_tier(struct arocache_stats *stats, const struct aro_data *data)
{
    stats->slices++;
    switch (data->flags & ARO_DATA_TIER_MASK) {
    case ARO_TIER_MEMORY:
        stats->slices_memory++;
        break;
    case ARO_TIER_DISK:
        stats->slices_disk++;
        break;
    default:
        stats->slices_fill++;
        break;
    }
}

/* The first slice of an answer: round trip, time inside the server. */
static void answer_begins(struct aro_engine *engine, struct aro_request *request,
                          const struct aro_data *data, uint64_t now_us)
{
    struct arocache_stats *stats = &engine->stats;

    request->answered = true;
    aro_source_sample(&engine->source, now_us - request->sent_us, data->residence_us, now_us);
    stats->answered_requests++;
    stats->residence_us_sum += data->residence_us;
    if (data->residence_us > stats->residence_us_max)
        stats->residence_us_max = data->residence_us;
}

/* The highest bit of mask after its n highest were cleared; -1 when none is left. */
static int high_bit(uint64_t mask, uint32_t n)
{
    while (mask != 0 && n-- > 0)
        mask &= ~(UINT64_C(1) << (63 - __builtin_clzll(mask)));
    return mask == 0 ? -1 : 63 - __builtin_clzll(mask);
}

/* Slices come in order: those well below the highest that came are lost. */
static void gaps_check(struct aro_engine *engine, struct aro_request *request, uint64_t now_us)
{
    uint64_t came = request->wanted & ~request->outstanding;
    int bar = high_bit(came, engine->source.reorder_slices - 1);

    if (bar <= 0)
        return;
    uint64_t mask = request->outstanding & ((UINT64_C(1) << bar) - 1);
    if (mask != 0)
        engine_lost(engine, request, mask, now_us);
}

/*
 * An answer that began must go on: a server sends up to 16 slices of it per turn and then those of
 * the others. Later slices of others beyond that mean that its tail is lost.
 */
static void tail_check(struct aro_engine *engine, uint64_t now_us)
{
    struct aro_request *oldest = aro_requests_oldest(&engine->requests);
    uint64_t gap = engine->source.reorder_slices;

    if (oldest == NULL || !oldest->answered)
        return;
    if (__builtin_popcountll(oldest->wanted) > JOB_TURN_SLICES)
        gap += (uint64_t)JOB_TURN_SLICES * engine->requests.live;
    if (engine->arrivals - oldest->arrival_mark > gap)
        engine_lost(engine, oldest, UINT64_MAX, now_us);
}

/* A slice that we had given up: reordering, not loss. */
static void came_late(struct aro_engine *engine)
{
    engine->stats.slices_late++;
    if (engine->source.reorder_slices < ARO_REORDER_SLICES_MAX)
        engine->source.reorder_slices++;
}

static void slice_take(struct aro_engine *engine, struct aro_request *request,
                       struct aro_transfer *transfer, const struct aro_data *data, uint64_t now_us)
{
    struct aro_source *source = &engine->source;
    uint32_t window = aro_congestion_window(&source->congestion);
    bool full = source->in_flight + ARO_MASK_SLICES >= window;

    if (window > engine->stats.window_max)
        engine->stats.window_max = window;
    aro_congestion_on_slice(&source->congestion, full, source->network.smoothed_us,
                            source->shortest.us, now_us);
    if (data->payload_bytes == data->slice_bytes)
        aro_source_slice_proven(source, data->slice_bytes);
    source->busy = 0;
    source->token_refusals = 0;
    transfer->postponements = 0;
    engine->progress_us = now_us;
    engine->last_status = 0;
    count_tier(&engine->stats, data);
    if (request->live && request->outstanding != 0)
        gaps_check(engine, request, now_us);
    if (transfer->missing == 0)
        engine_complete(engine, transfer);
}

static void on_data(struct aro_engine *engine, const struct aro_data *data, uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&engine->requests, data->echo);
    uint32_t offset = data->index - (request != NULL ? request->first : 0u);

    if (request == NULL) {
        engine->stats.ignored_echo++;
        return;
    }
    if (offset >= 64 || (request->wanted >> offset & 1) == 0 ||
        data->slice_bytes != request->slice_bytes) {
        engine->stats.ignored_malformed++; /* nobody asked for this one */
        return;
    }
    uint64_t bit = UINT64_C(1) << offset;
    struct aro_transfer *transfer = engine_transfer_of(engine, request);
    engine_heard(engine, request, now_us);
    if (transfer != NULL && !length_agrees(engine, transfer, data)) {
        engine_give_up(engine, request, bit); /* an answer, though of no use: not silence */
        return;
    }
    bool expected = (request->outstanding & bit) != 0;
    engine->arrivals++;
    if (!expected && !request->live && !request->answered)
        aro_source_patience_grow(&engine->source, now_us);
    if (!request->answered)
        answer_begins(engine, request, data, now_us);
    if (request->live) {
        request->arrival_mark = engine->arrivals;
        aro_requests_touch(&engine->requests, request, now_us);
    }
    if (expected) {
        request->outstanding &= ~bit;
        engine->source.in_flight--;
        if (request->outstanding == 0)
            aro_requests_close(&engine->requests, request);
    }
    if (transfer != NULL && aro_transfer_place(transfer, data)) {
        if (!expected)
            came_late(engine);
        slice_take(engine, request, transfer, data, now_us);
    } else {
        engine->stats.duplicates++;
    }
    tail_check(engine, now_us);
}

void aro_engine_receive(struct aro_engine *engine, const uint8_t *bytes, size_t len,
                        uint64_t now_us)
{
    struct aro_data data;
    struct aro_status_msg status;
    struct aro_token_msg token;

    if (engine->state != ARO_ENGINE_RUNNING)
        return;
    engine->stats.received_bytes += len;
    if (aro_data_decode(bytes, len, &data) == 0)
        on_data(engine, &data, now_us);
    else if (aro_status_decode(bytes, len, &status) == 0)
        engine_on_status(engine, &status, now_us);
    else if (aro_token_decode(bytes, len, &token) == 0)
        engine_on_token(engine, &token, now_us);
    else
        engine->stats.ignored_malformed++;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives: slices to their place, and what their order says about the missing ones. */
#include "dataplane/client/engine_state.h"

enum { JOB_TURN_SLICES = 16 }; /* a server sends at most so many of one answer in a row */

struct aro_transfer *engine_transfer_of(struct aro_download *download,
                                        const struct aro_request *request)
{
    struct aro_transfer *transfer;

    if (download == NULL || request->transfer >= download->slots)
        return NULL;
    transfer = &download->transfers[request->transfer];
    if (transfer->generation != request->generation || transfer->state != ARO_TRANSFER_FETCHING)
        return NULL;
    return transfer;
}

struct arocache_stats *engine_stats_of(struct aro_engine *engine, const struct aro_request *request)
{
    struct aro_download *download = engine_download_of(engine, request);

    return download != NULL ? &download->stats : &engine->nobody;
}

uint32_t engine_give_up(struct aro_link *link, struct aro_request *request, uint64_t mask)
{
    struct aro_download *download = engine_download_of(link->engine, request);
    struct aro_transfer *transfer = engine_transfer_of(download, request);
    uint32_t again = 0;

    if (request->live)
        link->source.in_flight -= (uint32_t)__builtin_popcountll(request->outstanding & mask);
    if (transfer != NULL) {
        again = aro_transfer_give_back(transfer, request->first, request->outstanding & mask);
        uint64_t sequence = download->head + (request->transfer + download->slots -
                                              download->head % download->slots) %
                                                 download->slots;
        if (sequence < download->scan)
            download->scan = sequence;
        engine_wake(download);
    }
    request->outstanding &= ~mask;
    if (request->outstanding == 0)
        aro_requests_close(&link->requests, request);
    return again;
}

void engine_lost(struct aro_link *link, struct aro_request *request, uint64_t mask, uint64_t now_us)
{
    uint32_t again = engine_give_up(link, request, mask);

    engine_stats_of(link->engine, request)->slices_lost += again;
    link->stats.slices_lost += again;
    if (again > 0)
        aro_congestion_on_loss(&link->source.congestion, request->sent_us, now_us);
}

void engine_heard(struct aro_link *link, struct aro_request *request, uint64_t now_us)
{
    struct aro_source *source = &link->source;

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
static void trim_blind(struct aro_link *link, struct aro_download *download,
                       const struct aro_transfer *transfer)
{
    for (uint16_t i = 0; i < ARO_REQUESTS_MAX && link->requests.live > 0; i++) {
        struct aro_request *request = &link->requests.entries[i];
        if (!request->live || engine_download_of(link->engine, request) != download ||
            engine_transfer_of(download, request) != transfer)
            continue;
        for (uint32_t bit = 0; bit < 64; bit++) {
            uint64_t mask = UINT64_C(1) << bit;
            if ((request->outstanding & mask) != 0 && request->first + bit >= transfer->slices) {
                request->wanted &= ~mask;
                request->outstanding &= ~mask;
                link->source.in_flight--;
            }
        }
        if (request->outstanding == 0)
            aro_requests_close(&link->requests, request);
    }
}

/* Whether data may be placed into transfer: it must agree about the chunk's length. */
static bool length_agrees(struct aro_link *link, struct aro_download *download,
                          struct aro_transfer *transfer, const struct aro_data *data)
{
    if (transfer->len_bytes == 0) {
        aro_transfer_learn(transfer, data->chunk_bytes);
        download->scan = download->head; /* it may have more to ask for than was known */
        engine_wake(download);
        trim_blind(link, download, transfer);
    }
    if (transfer->len_bytes == data->chunk_bytes)
        return true;
    download->stats.ignored_malformed++;
    /* a few may be damaged on the way; so many are a statement */
    if (++transfer->disagreements == ENGINE_DISAGREEMENTS_MAX)
        link_mismatch(download, transfer, "a length that its manifest denies");
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
static void answer_begins(struct aro_link *link, struct aro_request *request,
                          const struct aro_data *data, uint64_t now_us)
{
    struct arocache_stats *stats = engine_stats_of(link->engine, request);

    request->answered = true;
    aro_source_sample(&link->source, now_us - request->sent_us, data->residence_us, now_us);
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
static void gaps_check(struct aro_link *link, struct aro_request *request, uint64_t now_us)
{
    uint64_t came = request->wanted & ~request->outstanding;
    int bar = high_bit(came, link->source.reorder_slices - 1);

    if (bar <= 0)
        return;
    uint64_t mask = request->outstanding & ((UINT64_C(1) << bar) - 1);
    if (mask != 0)
        engine_lost(link, request, mask, now_us);
}

/*
 * An answer that began must go on: a server sends up to 16 slices of it per turn and then those of
 * the others. Later slices of others beyond that mean that its tail is lost.
 */
static void tail_check(struct aro_link *link, uint64_t now_us)
{
    struct aro_request *oldest = aro_requests_oldest(&link->requests);
    uint64_t gap = link->source.reorder_slices;

    if (oldest == NULL || !oldest->answered)
        return;
    if (__builtin_popcountll(oldest->wanted) > JOB_TURN_SLICES)
        gap += (uint64_t)JOB_TURN_SLICES * link->requests.live;
    if (link->arrivals - oldest->arrival_mark > gap)
        engine_lost(link, oldest, UINT64_MAX, now_us);
}

/* A slice that we had given up: reordering, not loss. */
static void came_late(struct aro_link *link, struct aro_download *download)
{
    download->stats.slices_late++;
    if (link->source.reorder_slices < ARO_REORDER_SLICES_MAX)
        link->source.reorder_slices++;
}

static void slice_take(struct aro_link *link, struct aro_request *request,
                       struct aro_download *download, struct aro_transfer *transfer,
                       const struct aro_data *data, uint64_t now_us)
{
    struct aro_source *source = &link->source;
    uint32_t window = aro_congestion_window(&source->congestion);
    bool full = source->in_flight + ARO_MASK_SLICES >= window;

    if (window > download->stats.window_max)
        download->stats.window_max = window;
    aro_congestion_on_slice(&source->congestion, full, source->network.smoothed_us,
                            source->shortest.us, now_us);
    if (data->payload_bytes == data->slice_bytes)
        aro_source_slice_proven(source, data->slice_bytes);
    source->busy = 0;
    source->token_refusals = 0;
    transfer->postponements = 0;
    download->progress_us = now_us;
    download->last_status = 0;
    count_tier(&download->stats, data);
    link->stats.slices++;
    link_rate(link, data->payload_bytes, now_us);
    if (request->live && request->outstanding != 0)
        gaps_check(link, request, now_us);
    if (transfer->missing == 0)
        download_complete(download, transfer);
}

/* A DATA of this request came, whatever it brings. Returns whether it was still awaited. */
static bool arrival(struct aro_link *link, struct aro_request *request, const struct aro_data *data,
                    uint64_t bit, uint64_t now_us)
{
    bool expected = (request->outstanding & bit) != 0;

    link->arrivals++;
    if (!expected && !request->live && !request->answered)
        aro_source_patience_grow(&link->source, now_us);
    if (!request->answered)
        answer_begins(link, request, data, now_us);
    if (request->live) {
        request->arrival_mark = link->arrivals;
        aro_requests_touch(&link->requests, request, now_us);
    }
    if (!expected)
        return false;
    request->outstanding &= ~bit;
    link->source.in_flight--;
    if (request->outstanding == 0)
        aro_requests_close(&link->requests, request);
    return true;
}

static void on_data(struct aro_link *link, const struct aro_data *data, uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&link->requests, data->echo);
    uint32_t offset = data->index - (request != NULL ? request->first : 0u);

    if (request == NULL) {
        engine_stray(link)->ignored_echo++;
        return;
    }
    struct aro_download *download = engine_download_of(link->engine, request);
    struct arocache_stats *stats = engine_stats_of(link->engine, request);
    if (offset >= 64 || (request->wanted >> offset & 1) == 0 ||
        data->slice_bytes != request->slice_bytes) {
        stats->ignored_malformed++; /* nobody asked for this one */
        return;
    }
    uint64_t bit = UINT64_C(1) << offset;
    struct aro_transfer *transfer = engine_transfer_of(download, request);
    engine_heard(link, request, now_us);
    if (transfer != NULL && !length_agrees(link, download, transfer, data)) {
        engine_give_up(link, request, bit); /* an answer, though of no use: not silence */
        return;
    }
    bool expected = arrival(link, request, data, bit, now_us);
    if (transfer != NULL && aro_transfer_place(transfer, data)) {
        if (!expected)
            came_late(link, download);
        slice_take(link, request, download, transfer, data, now_us);
    } else {
        stats->duplicates++;
    }
    tail_check(link, now_us);
}

struct arocache_stats *engine_stray(struct aro_link *link)
{
    struct aro_engine *engine = link->engine;

    /* what belongs to no request belongs to the only download, if there is only one */
    for (uint32_t i = 0; engine->download_count == 1 && i < engine->download_room; i++)
        if (engine->downloads[i] != NULL)
            return &engine->downloads[i]->stats;
    return &engine->nobody;
}

/* The echo tells for whom a datagram counts. */
static void count_received(struct aro_link *link, uint64_t echo, size_t len)
{
    struct aro_request *request = aro_requests_find(&link->requests, echo);
    struct arocache_stats *stats =
        request != NULL ? engine_stats_of(link->engine, request) : engine_stray(link);

    stats->received_bytes += len;
}

void aro_engine_receive(struct aro_engine *engine, unsigned source, const uint8_t *bytes,
                        size_t len, uint64_t now_us)
{
    struct aro_link *link = engine->links[source];
    struct aro_data data;
    struct aro_status_msg status;
    struct aro_token_msg token;

    engine->now_us = now_us;
    link->stats.received_bytes += len;
    if (link->left)
        return;
    if (aro_data_decode(bytes, len, &data) == 0) {
        count_received(link, data.echo, len);
        on_data(link, &data, now_us);
    } else if (aro_status_decode(bytes, len, &status) == 0) {
        count_received(link, status.echo, len);
        engine_on_status(link, &status, now_us);
    } else if (aro_token_decode(bytes, len, &token) == 0) {
        count_received(link, token.echo, len);
        engine_on_token(link, &token, now_us);
    } else {
        engine_stray(link)->received_bytes += len;
        engine_stray(link)->ignored_malformed++;
    }
}

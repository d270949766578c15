/* SPDX-License-Identifier: BSD-3-Clause */
/* What to ask for, and when: token and window first, then the first unasked slices in order. */
#include "dataplane/client/engine_state.h"

enum { PROBE_SLICES = 2 }; /* of a size that may not pass, ask for a few only */

uint64_t engine_random(struct aro_engine *engine)
{
    if (engine->random_left == 0) {
        engine->options.random(engine->options.random_arg, engine->random, sizeof(engine->random));
        engine->random_left = ENGINE_RANDOM_WORDS;
    }
    return engine->random[--engine->random_left];
}

/* Something to ask for now; of a size under trial only a few slices, until one came. */
static bool ready(const struct aro_transfer *transfer, uint64_t now_us)
{
    if (transfer->hold_until_us > now_us)
        return false;
    return !transfer->probe || transfer->missing < transfer->slices ||
           transfer->unasked == transfer->slices;
}

/* The next transfer with something to ask for, or NULL. */
static struct aro_transfer *transfer_next(struct aro_engine *engine, uint64_t now_us)
{
    if (engine->scan < engine->head)
        engine->scan = engine->head;
    for (uint64_t at = engine->scan; at < engine->tail; at++) {
        struct aro_transfer *transfer = engine_transfer(engine, at);
        bool open = transfer->state == ARO_TRANSFER_FETCHING && transfer->unasked > 0;
        if (open && ready(transfer, now_us))
            return transfer;
        if (!open && at == engine->scan)
            engine->scan++;
    }
    return NULL;
}

/*
 * Whether to wait until more of the window is open: a request per arriving slice would double the
 * packets. A quarter of the window, or what is left of the chunk, is worth a request.
 */
static bool too_little(const struct aro_engine *engine, const struct aro_transfer *transfer,
                       uint32_t room)
{
    uint32_t worth = aro_congestion_window(&engine->source.congestion) / 4;

    if (worth > ARO_MASK_SLICES)
        worth = ARO_MASK_SLICES;
    return engine->source.in_flight > 0 && room < worth && room < transfer->unasked;
}

static uint32_t slices_allowed(const struct aro_engine *engine, const struct aro_transfer *transfer,
                               uint32_t room)
{
    const struct aro_source *source = &engine->source;

    if (room > ARO_MASK_SLICES)
        room = ARO_MASK_SLICES;
    if (transfer->probe && transfer->missing == transfer->slices && room > PROBE_SLICES)
        room = PROBE_SLICES;
    if (source->heard_us == 0 && room > ARO_WINDOW_INITIAL)
        room = ARO_WINDOW_INITIAL;
    return room;
}

/* Composes one request into at. False: nothing to ask for now. */
static bool ask(struct aro_engine *engine, uint8_t *at, uint64_t now_us)
{
    struct aro_source *source = &engine->source;
    uint32_t room = aro_source_room(source, engine->requests.live, now_us);
    struct aro_transfer *transfer = room > 0 ? transfer_next(engine, now_us) : NULL;
    struct aro_request *request;
    uint16_t first;
    uint64_t mask;

    if (transfer == NULL || (transfer->slice_bytes != 0 && too_little(engine, transfer, room)))
        return false;
    request = aro_requests_open(&engine->requests, engine_random(engine), now_us);
    if (request == NULL)
        return false;
    if (transfer->slice_bytes == 0)
        aro_transfer_cut(transfer,
                         aro_source_slice_bytes(source, transfer->len_bytes, &transfer->probe));
    source->in_flight +=
        aro_transfer_ask(transfer, slices_allowed(engine, transfer, room), &first, &mask);
    request->wanted = request->outstanding = mask;
    request->transfer = (uint32_t)(transfer - engine->transfers);
    request->generation = transfer->generation;
    request->first = first;
    request->slice_bytes = (uint16_t)transfer->slice_bytes;
    request->token_serial = source->token_serial;
    request->arrival_mark = engine->arrivals;

    struct aro_get get = {.id = transfer->id,
                          .mask = mask,
                          .echo = request->echo,
                          .flags = engine->options.flags,
                          .slice_bytes = request->slice_bytes,
                          .first = first};
    memcpy(get.token, source->token, ARO_TOKEN_BYTES);
    aro_get_encode(at, &get);
    engine->stats.requests++;
    engine->stats.sent_bytes += ARO_GET_BYTES;
    return true;
}

size_t aro_engine_send_burst(struct aro_engine *engine, uint8_t (*requests)[ARO_GET_BYTES],
                             size_t max, uint64_t now_us)
{
    size_t count = 0;

    while (count < max && engine->state == ARO_ENGINE_RUNNING &&
           ask(engine, requests[count], now_us))
        count++;
    return count;
}

/* When a transfer or the source may be asked again, after a hint. */
static uint64_t hold_deadline(const struct aro_engine *engine)
{
    uint64_t deadline = UINT64_MAX;

    if (engine->source.hold_until_us != 0)
        deadline = engine->source.hold_until_us;
    for (uint64_t at = engine->head; engine->holds > 0 && at < engine->tail; at++) {
        const struct aro_transfer *transfer = &engine->transfers[at % engine->slots];
        if (transfer->state == ARO_TRANSFER_FETCHING && transfer->hold_until_us != 0 &&
            transfer->hold_until_us < deadline)
            deadline = transfer->hold_until_us;
    }
    return deadline;
}

uint64_t aro_engine_deadline_us(const struct aro_engine *engine)
{
    uint64_t deadline = engine->progress_us + engine->options.silence_us;
    uint64_t hold = hold_deadline(engine);

    if (aro_engine_state(engine) != ARO_ENGINE_RUNNING)
        return UINT64_MAX;
    if (engine->requests.oldest != ARO_REQUEST_NONE) {
        const struct aro_request *oldest = &engine->requests.entries[engine->requests.oldest];
        uint64_t rto = oldest->active_us + aro_source_rto_us(&engine->source);
        deadline = rto < deadline ? rto : deadline;
    }
    return hold < deadline ? hold : deadline;
}

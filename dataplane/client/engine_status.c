/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server says instead of content: TOKEN and STATUS. */
#include <inttypes.h>

#include "dataplane/client/engine_state.h"

enum {
    HOLD_US_MIN = 1000,
    HOLD_US_MAX = 1000000,
    TOKEN_REFUSALS_AT_ONCE = 3, /* per request: repeated without delay, then after pauses */
};

/* Hint or doubling pause, whichever is longer, within bounds, plus up to a quarter of it. */
static uint64_t pause_us(struct aro_engine *engine, uint32_t hint_us, uint32_t in_a_row)
{
    uint64_t pause = (uint64_t)HOLD_US_MIN << (in_a_row < 10 ? in_a_row : 10);

    if (pause < hint_us)
        pause = hint_us;
    if (pause > HOLD_US_MAX)
        pause = HOLD_US_MAX;
    return pause + engine_random(engine) % (pause / 4);
}

void engine_on_token(struct aro_engine *engine, const struct aro_token_msg *message,
                     uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&engine->requests, message->echo);
    struct aro_source *source = &engine->source;

    if (request == NULL) {
        engine->stats.ignored_echo++;
        return;
    }
    /* Instead of an answer, or beside one because the token grows old? */
    bool old =
        request->token_serial != 0 && now_us - source->token_at_us >= source->token_life_us / 2;
    bool refused = request->live && !request->answered && !old;
    engine_heard(engine, request, now_us);
    if (memcmp(source->token, message->token, ARO_TOKEN_BYTES) != 0 || source->token_serial == 0)
        aro_source_token(source, message->token, message->life_s, now_us);
    if (!refused)
        return;
    engine->stats.token_round_trips++;
    if (source->response.smoothed_us == 0)
        aro_source_sample(source, now_us - request->sent_us, 0, now_us);
    uint32_t at_once = TOKEN_REFUSALS_AT_ONCE * (1 + engine->requests.live);
    if (++source->token_refusals > at_once)
        source->hold_until_us = now_us + pause_us(engine, 0, source->token_refusals - at_once);
    engine_give_up(engine, request, UINT64_MAX);
}

static void postpone(struct aro_engine *engine, struct aro_transfer *transfer, uint32_t hint_us,
                     uint64_t now_us)
{
    engine->stats.retry_later++;
    if (transfer == NULL)
        return;
    if (transfer->hold_until_us == 0)
        engine->holds++;
    transfer->hold_until_us = now_us + pause_us(engine, hint_us, transfer->postponements++);
}

static void not_found(struct aro_engine *engine, const struct aro_transfer *transfer)
{
    char text[ARO_ID_TEXT_MAX];
    bool first = !engine->digest_known;

    aro_id_format(&transfer->id, first ? engine->options.kind : ARO_KIND_CHUNK, text);
    if (first)
        engine_fail(engine, ARO_E_NOT_FOUND, "%s does not have %s", engine->options.source_name,
                    text);
    else
        engine_fail(engine, ARO_E_INCOMPLETE,
                    "%s has only a part of the object: chunk %s is missing",
                    engine->options.source_name, text);
}

static void bad_request(struct aro_engine *engine, struct aro_transfer *transfer, uint32_t detail)
{
    if (transfer == NULL)
        return; /* the question is no longer open */
    if (detail == ARO_BAD_SLICE_SIZE && transfer->probe && transfer->missing == transfer->slices) {
        aro_source_probe_failed(&engine->source);
        engine_restart(engine, transfer);
        return;
    }
    if (detail == ARO_BAD_FIRST_SLICE) {
        engine_mismatch(engine, transfer, "a length that it denies itself");
        return;
    }
    engine_fail(engine, ARO_E_REQUEST_REFUSED, "%s refused a request: %s",
                engine->options.source_name, aro_bad_request_name(detail));
}

static void status_act(struct aro_engine *engine, struct aro_request *request,
                       const struct aro_status_msg *status, uint64_t now_us)
{
    struct aro_transfer *transfer = engine_transfer_of(engine, request);
    struct aro_source *source = &engine->source;
    const char *name = engine->options.source_name;

    switch (status->code) {
    case ARO_STATUS_NOT_FOUND:
        if (status->retry_after_us == 0 && transfer != NULL)
            not_found(engine, transfer);
        else
            postpone(engine, transfer, status->retry_after_us, now_us);
        break;
    case ARO_STATUS_RETRY_LATER:
        postpone(engine, transfer, status->retry_after_us, now_us);
        break;
    case ARO_STATUS_BUSY:
        engine->stats.busy++;
        if (source->hold_until_us <= now_us) /* of a burst of them, the first counts */
            source->hold_until_us =
                now_us + pause_us(engine, status->retry_after_us, source->busy++);
        aro_congestion_on_loss(&source->congestion, request->sent_us, now_us);
        break;
    case ARO_STATUS_DENIED:
        engine_fail(engine, ARO_E_DENIED, "%s denies access", name);
        break;
    case ARO_STATUS_BAD_REQUEST:
        bad_request(engine, transfer, status->detail);
        break;
    case ARO_STATUS_UNSUPPORTED_VERSION:
        engine_fail(engine, ARO_E_REQUEST_REFUSED,
                    "%s speaks versions %" PRIu32 " to %" PRIu32 " of the protocol, not %d", name,
                    status->detail >> 8, status->detail & 255, ARO_WIRE_VERSION);
        break;
    default:
        engine_fail(engine, ARO_E_REQUEST_REFUSED, "%s answered with the unknown status %u", name,
                    status->code);
        break;
    }
}

void engine_on_status(struct aro_engine *engine, const struct aro_status_msg *status,
                      uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&engine->requests, status->echo);

    if (request == NULL) {
        engine->stats.ignored_echo++;
        return;
    }
    engine_heard(engine, request, now_us);
    if (!request->live) {
        engine->stats.duplicates++; /* this request has been dealt with */
        return;
    }
    if (!request->answered)
        aro_source_sample(&engine->source, now_us - request->sent_us, status->residence_us, now_us);
    engine->last_status = status->code;
    engine->source.token_refusals = 0;
    status_act(engine, request, status, now_us);
    engine_give_up(engine, request, UINT64_MAX);
}

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

void engine_on_token(struct aro_link *link, const struct aro_token_msg *message, uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&link->requests, message->echo);
    struct aro_source *source = &link->source;

    if (request == NULL) {
        engine_stray(link)->ignored_echo++;
        return;
    }
    /* Instead of an answer, or beside one because the token grows old? */
    bool old =
        request->token_serial != 0 && now_us - source->token_at_us >= source->token_life_us / 2;
    bool refused = request->live && !request->answered && !old;
    engine_heard(link, request, now_us);
    if (memcmp(source->token, message->token, ARO_TOKEN_BYTES) != 0 || source->token_serial == 0)
        aro_source_token(source, message->token, message->life_s, now_us);
    if (!refused)
        return;
    engine_stats_of(link->engine, request)->token_round_trips++;
    if (source->response.smoothed_us == 0)
        aro_source_sample(source, now_us - request->sent_us, 0, now_us);
    uint32_t at_once = TOKEN_REFUSALS_AT_ONCE * (1 + link->requests.live);
    if (++source->token_refusals > at_once)
        source->hold_until_us =
            now_us + pause_us(link->engine, 0, source->token_refusals - at_once);
    engine_give_up(link, request, UINT64_MAX);
}

static void postpone(struct aro_download *download, struct aro_transfer *transfer, uint32_t hint_us,
                     uint64_t now_us)
{
    if (transfer == NULL)
        return;
    download->stats.retry_later++;
    if (transfer->hold_until_us == 0)
        download->holds++;
    transfer->hold_until_us =
        now_us + pause_us(download->engine, hint_us, transfer->postponements++);
    engine_check_at(download->engine, transfer->hold_until_us);
}

static void bad_request(struct aro_link *link, struct aro_download *download,
                        struct aro_transfer *transfer, uint32_t detail)
{
    if (transfer == NULL)
        return; /* the question is no longer open */
    if (detail == ARO_BAD_SLICE_SIZE && transfer->probe && transfer->missing == transfer->slices) {
        aro_source_probe_failed(&link->source);
        download_restart(download, transfer);
        return;
    }
    if (detail == ARO_BAD_FIRST_SLICE) {
        link_mismatch(download, transfer, "a length that it denies itself");
        return;
    }
    link_refuse(link, download, ARO_E_REQUEST_REFUSED, "%s refused a request: %s", link->stats.name,
                aro_bad_request_name(detail));
}

static void busy(struct aro_link *link, const struct aro_request *request, uint32_t hint_us,
                 uint64_t now_us)
{
    struct aro_source *source = &link->source;

    engine_stats_of(link->engine, request)->busy++;
    if (source->hold_until_us <= now_us) /* of a burst of them, the first counts */
        source->hold_until_us = now_us + pause_us(link->engine, hint_us, source->busy++);
    aro_congestion_on_loss(&source->congestion, request->sent_us, now_us);
}

/* What an answer says about its chunk: here again after a while, or nowhere. */
static void not_here(struct aro_link *link, struct aro_download *download,
                     struct aro_transfer *transfer, const struct aro_status_msg *status,
                     uint64_t now_us)
{
    if (status->code == ARO_STATUS_NOT_FOUND && status->retry_after_us == 0 && transfer != NULL)
        link_absent(link, download, transfer);
    else
        postpone(download, transfer, status->retry_after_us, now_us);
}

static void status_act(struct aro_link *link, struct aro_request *request,
                       const struct aro_status_msg *status, uint64_t now_us)
{
    struct aro_download *download = engine_download_of(link->engine, request);
    struct aro_transfer *transfer = engine_transfer_of(download, request);
    const char *name = link->stats.name;

    switch (status->code) {
    case ARO_STATUS_NOT_FOUND:
    case ARO_STATUS_RETRY_LATER:
        not_here(link, download, transfer, status, now_us);
        break;
    case ARO_STATUS_BUSY:
        busy(link, request, status->retry_after_us, now_us);
        break;
    case ARO_STATUS_DENIED:
        link_refuse(link, download, ARO_E_DENIED, "%s denies access", name);
        break;
    case ARO_STATUS_BAD_REQUEST:
        bad_request(link, download, transfer, status->detail);
        break;
    case ARO_STATUS_UNSUPPORTED_VERSION:
        link_refuse(link, download, ARO_E_REQUEST_REFUSED,
                    "%s speaks versions %" PRIu32 " to %" PRIu32 " of the protocol, not %d", name,
                    status->detail >> 8, status->detail & 255, ARO_WIRE_VERSION);
        break;
    default:
        link_refuse(link, download, ARO_E_REQUEST_REFUSED, "%s answered with the unknown status %u",
                    name, status->code);
        break;
    }
}

/* After a refusal nothing of the chunk is here, so another source may bring it. */
static void let_go(struct aro_link *link, struct aro_request *request)
{
    struct aro_download *download = engine_download_of(link->engine, request);
    struct aro_transfer *transfer = engine_transfer_of(download, request);

    if (transfer != NULL && transfer->link == link->number &&
        transfer->missing == transfer->slices && transfer->unasked == transfer->slices &&
        link_has_others(link))
        download_restart(download, transfer);
}

void engine_on_status(struct aro_link *link, const struct aro_status_msg *status, uint64_t now_us)
{
    struct aro_request *request = aro_requests_find(&link->requests, status->echo);

    if (request == NULL) {
        engine_stray(link)->ignored_echo++;
        return;
    }
    struct aro_download *download = engine_download_of(link->engine, request);
    engine_heard(link, request, now_us);
    if (!request->live) {
        engine_stats_of(link->engine, request)->duplicates++; /* this has been dealt with */
        return;
    }
    if (!request->answered)
        aro_source_sample(&link->source, now_us - request->sent_us, status->residence_us, now_us);
    if (download != NULL)
        download->last_status = status->code;
    link->source.token_refusals = 0;
    status_act(link, request, status, now_us);
    engine_give_up(link, request, UINT64_MAX);
    let_go(link, request);
}

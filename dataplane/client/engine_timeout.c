/* SPDX-License-Identifier: BSD-3-Clause */
/* What did not arrive: time-outs of requests, of hints, of downloads, of sources that were left. */
#include <stdio.h>

#include "dataplane/client/engine_state.h"

enum {
    PROBE_TIMEOUTS_MAX = 2,
    RTO_ALTERNATIVES_US = 250000, /* before the first answer, when others could be asked */
    CHECKS_FEW = 64,              /* downloads that are looked at as soon as one of them wants it */
    CHECK_EVERY_US = 20000,       /* more are looked at so often at most */
};

uint64_t engine_rto_us(const struct aro_link *link)
{
    uint64_t rto = aro_source_rto_us(&link->source);

    if (link->source.response.smoothed_us == 0 && link_has_others(link))
        return rto / (ARO_RTO_INITIAL_US / RTO_ALTERNATIVES_US);
    return rto;
}

/* A larger slice size that brings nothing does not pass: go on with the proven one. */
static void probe_timeout(struct aro_link *link, struct aro_request *request)
{
    struct aro_download *download = engine_download_of(link->engine, request);
    struct aro_transfer *transfer = engine_transfer_of(download, request);

    if (transfer == NULL || !transfer->probe || transfer->missing != transfer->slices)
        return;
    if (++transfer->postponements < PROBE_TIMEOUTS_MAX)
        return;
    aro_source_probe_failed(&link->source);
    download_restart(download, transfer);
}

static void count_timeout(struct aro_link *link, const struct aro_request *request)
{
    engine_stats_of(link->engine, request)->timeouts++;
    link->stats.timeouts++;
}

/* Nothing at all came since the oldest request left: ask one small question, then wait longer. */
static void silence(struct aro_link *link, uint64_t now_us)
{
    struct aro_request *request;

    while ((request = aro_requests_oldest(&link->requests)) != NULL) {
        count_timeout(link, request);
        request->silenced = !request->answered;
        uint32_t again = engine_give_up(link, request, UINT64_MAX);
        engine_stats_of(link->engine, request)->slices_lost += again;
        link->stats.slices_lost += again;
        aro_requests_close(&link->requests, request);
        probe_timeout(link, request);
    }
    link->source.backoff++;
    aro_congestion_on_silence(&link->source.congestion, now_us);
    link_silent(link);
}

static void request_timeout(struct aro_link *link, struct aro_request *request, uint64_t now_us)
{
    count_timeout(link, request);
    engine_lost(link, request, UINT64_MAX, now_us);
    aro_requests_close(&link->requests, request);
    probe_timeout(link, request);
}

static void link_timeout(struct aro_link *link, uint64_t now_us)
{
    struct aro_request *oldest;

    link_return(link, now_us);
    if (link->source.hold_until_us <= now_us)
        link->source.hold_until_us = 0;
    while ((oldest = aro_requests_oldest(&link->requests)) != NULL &&
           now_us >= oldest->active_us + engine_rto_us(link)) {
        if (oldest->sent_us > link->source.heard_us || link->source.heard_us == 0) {
            silence(link, now_us);
            return;
        }
        request_timeout(link, oldest, now_us);
    }
}

/* ---- downloads ---- */

/* Hints that have passed no longer hold anything back. Returns when the next one does. */
static uint64_t holds_expire(struct aro_download *download, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;
    uint32_t left = 0;

    for (uint64_t at = download->head; download->holds > 0 && at < download->tail; at++) {
        struct aro_transfer *transfer = engine_transfer(download, at);
        if (transfer->hold_until_us <= now_us)
            transfer->hold_until_us = 0;
        if (transfer->hold_until_us == 0)
            continue;
        left++;
        if (transfer->hold_until_us < next_us)
            next_us = transfer->hold_until_us;
    }
    download->holds = left;
    return next_us;
}

static bool heard_any(const struct aro_engine *engine)
{
    for (unsigned i = 0; i < engine->link_count; i++)
        if (engine->links[i]->source.heard_us != 0)
            return true;
    return false;
}

static void give_up_all(struct aro_download *download)
{
    const struct aro_engine *engine = download->engine;
    double seconds = (double)download->options.silence_us / 1e6;
    char name[160];

    snprintf(name, sizeof(name), "each of the %u sources", engine->link_count);
    if (engine->link_count == 1)
        snprintf(name, sizeof(name), "%s", engine->links[0]->stats.name);
    if (download->starved)
        download_fail(download, ARO_E_CLIENT_MEMORY, "no chunk buffer came free within %.1f s",
                      seconds);
    else if (!heard_any(engine))
        download_fail(download, ARO_E_NO_ANSWER, "%s did not answer within %.1f s", name, seconds);
    else if (download->last_status == ARO_STATUS_NOT_FOUND)
        download_fail(download, ARO_E_NOT_FOUND,
                      "%s does not have it and did not get it within %.1f s", name, seconds);
    else if (download->last_status != 0)
        download_fail(download, ARO_E_STALLED, "%s only answered '%s' for %.1f s", name,
                      aro_status_name(download->last_status), seconds);
    else
        download_fail(download, ARO_E_STALLED, "%s sent nothing new for %.1f s", name, seconds);
}

/* Whether it waits for a source, and not for its caller. */
static bool waits(const struct aro_download *download)
{
    if (download->starved)
        return true;
    for (uint64_t at = download->take; at < download->tail; at++)
        if (engine_transfer(download, at)->state == ARO_TRANSFER_FETCHING)
            return true;
    return false;
}

/* Returns when it wants to be looked at again. */
static uint64_t download_timeout(struct aro_download *download, uint64_t now_us)
{
    uint64_t deadline_us = download->progress_us + download->options.silence_us;
    uint64_t hold_us = holds_expire(download, now_us);

    if (now_us >= deadline_us) {
        if (waits(download)) {
            give_up_all(download);
            return UINT64_MAX;
        }
        download->progress_us = now_us;
        deadline_us = now_us + download->options.silence_us;
    }
    return hold_us < deadline_us ? hold_us : deadline_us;
}

static void downloads_timeout(struct aro_engine *engine, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;

    for (uint32_t i = 0; i < engine->download_room; i++) {
        struct aro_download *download = engine->downloads[i];
        if (download == NULL || aro_download_state(download) != ARO_DOWNLOAD_RUNNING)
            continue;
        uint64_t wants_us = download_timeout(download, now_us);
        if (wants_us < next_us)
            next_us = wants_us;
    }
    if (engine->download_count > CHECKS_FEW && next_us < now_us + CHECK_EVERY_US)
        next_us = now_us + CHECK_EVERY_US;
    engine->check_us = next_us;
}

void aro_engine_timeout(struct aro_engine *engine, uint64_t now_us)
{
    engine->now_us = now_us;
    for (unsigned i = 0; i < engine->link_count; i++)
        link_timeout(engine->links[i], now_us);
    if (now_us >= engine->check_us)
        downloads_timeout(engine, now_us);
}

static uint64_t link_deadline_us(const struct aro_link *link)
{
    uint64_t deadline = UINT64_MAX;

    if (link->left)
        return link->engine->download_count > 0 ? link->left_until_us : UINT64_MAX;
    if (link->source.hold_until_us != 0)
        deadline = link->source.hold_until_us;
    if (link->requests.oldest != ARO_REQUEST_NONE) {
        uint64_t rto =
            link->requests.entries[link->requests.oldest].active_us + engine_rto_us(link);
        deadline = rto < deadline ? rto : deadline;
    }
    return deadline;
}

uint64_t aro_engine_deadline_us(const struct aro_engine *engine)
{
    uint64_t deadline = engine->check_us;

    for (unsigned i = 0; i < engine->link_count; i++) {
        uint64_t link_us = link_deadline_us(engine->links[i]);
        deadline = link_us < deadline ? link_us : deadline;
    }
    return deadline;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What did not arrive: time-outs of requests, of hints, and of the whole fetch. */
#include "dataplane/client/engine_state.h"

enum { PROBE_TIMEOUTS_MAX = 2 };

/* A larger slice size that brings nothing does not pass: go on with the proven one. */
static void probe_timeout(struct aro_engine *engine, struct aro_request *request)
{
    struct aro_transfer *transfer = engine_transfer_of(engine, request);

    if (transfer == NULL || !transfer->probe || transfer->missing != transfer->slices)
        return;
    if (++transfer->postponements < PROBE_TIMEOUTS_MAX)
        return;
    aro_source_probe_failed(&engine->source);
    engine_restart(engine, transfer);
}

/* Nothing at all came since the oldest request left: ask one small question, then wait longer. */
static void silence(struct aro_engine *engine, uint64_t now_us)
{
    struct aro_request *request;

    while ((request = aro_requests_oldest(&engine->requests)) != NULL) {
        engine->stats.timeouts++;
        request->silenced = !request->answered;
        engine->stats.slices_lost += engine_give_up(engine, request, UINT64_MAX);
        aro_requests_close(&engine->requests, request);
        probe_timeout(engine, request);
    }
    engine->source.backoff++;
    aro_congestion_on_silence(&engine->source.congestion, now_us);
}

static void request_timeout(struct aro_engine *engine, struct aro_request *request, uint64_t now_us)
{
    engine->stats.timeouts++;
    engine_lost(engine, request, UINT64_MAX, now_us);
    aro_requests_close(&engine->requests, request);
    probe_timeout(engine, request);
}

/* Hints that have passed no longer hold anything back. */
static void holds_expire(struct aro_engine *engine, uint64_t now_us)
{
    uint32_t left = 0;

    if (engine->source.hold_until_us <= now_us)
        engine->source.hold_until_us = 0;
    for (uint64_t at = engine->head; engine->holds > 0 && at < engine->tail; at++) {
        struct aro_transfer *transfer = engine_transfer(engine, at);
        if (transfer->hold_until_us <= now_us)
            transfer->hold_until_us = 0;
        left += transfer->hold_until_us != 0;
    }
    engine->holds = left;
}

static void give_up_all(struct aro_engine *engine)
{
    double seconds = (double)engine->options.silence_us / 1e6;
    const char *name = engine->options.source_name;

    if (engine->source.heard_us == 0)
        engine_fail(engine, ARO_E_NO_ANSWER, "%s did not answer within %.1f s", name, seconds);
    else if (engine->last_status == ARO_STATUS_NOT_FOUND)
        engine_fail(engine, ARO_E_NOT_FOUND, "%s does not have it and did not get it within %.1f s",
                    name, seconds);
    else if (engine->last_status != 0)
        engine_fail(engine, ARO_E_STALLED, "%s only answered '%s' for %.1f s", name,
                    aro_status_name(engine->last_status), seconds);
    else
        engine_fail(engine, ARO_E_STALLED, "%s sent nothing new for %.1f s", name, seconds);
}

void aro_engine_timeout(struct aro_engine *engine, uint64_t now_us)
{
    struct aro_request *oldest;

    if (aro_engine_state(engine) != ARO_ENGINE_RUNNING)
        return;
    if (now_us >= engine->progress_us + engine->options.silence_us) {
        give_up_all(engine);
        return;
    }
    holds_expire(engine, now_us);
    while ((oldest = aro_requests_oldest(&engine->requests)) != NULL &&
           now_us >= oldest->active_us + aro_source_rto_us(&engine->source)) {
        if (oldest->sent_us > engine->source.heard_us || engine->source.heard_us == 0) {
            silence(engine, now_us);
            return;
        }
        request_timeout(engine, oldest, now_us);
    }
}

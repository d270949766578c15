/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/serve.h"

#include "dataplane/lcore.h"
#include "dataplane/reply.h"
#include "dataplane/tx.h"

static void request_drop(struct aro_lcore *lcore, struct aro_request *request, enum aro_drop reason)
{
    lcore->counters.drop[reason]++;
    rte_pktmbuf_free(request->frame.packet);
}

void aro_serve_count_status(struct aro_lcore *lcore, enum aro_status code)
{
    switch (code) {
    case ARO_STATUS_NOT_FOUND:
        lcore->counters.status_not_found++;
        break;
    case ARO_STATUS_RETRY_LATER:
        lcore->counters.status_retry_later++;
        break;
    case ARO_STATUS_BUSY:
        lcore->counters.status_busy++;
        break;
    case ARO_STATUS_UNSUPPORTED_VERSION:
        lcore->counters.status_unsupported_version++;
        break;
    case ARO_STATUS_DENIED: /* no policy denies anything yet */
    case ARO_STATUS_BAD_REQUEST:
        lcore->counters.status_bad_request++;
        break;
    }
}

static void request_refuse(struct aro_lcore *lcore, struct aro_queue *queue,
                           struct aro_request *request, enum aro_status code,
                           uint32_t retry_after_us, uint32_t detail)
{
    struct aro_status_msg status = {
        .echo = request->get.echo,
        .code = (uint8_t)code,
        .retry_after_us = retry_after_us,
        .detail = detail,
    };

    aro_reply_status(&request->frame, &status);
    aro_tx_push(queue, request->frame.packet);
    aro_serve_count_status(lcore, code);
    lcore->counters.refused++;
}

static void token_send(struct aro_lcore *lcore, struct aro_queue *queue,
                       struct aro_request *request)
{
    uint8_t token[ARO_TOKEN_BYTES];

    aro_token_issue(lcore->guard.keys, &request->frame.peer, lcore->guard.now_ms, token);
    aro_reply_token(&request->frame, request->get.echo, token);
    aro_tx_push(queue, request->frame.packet);
}

/* The request became a job or waits; its packet is free, or carries a fresh token. */
static void request_accepted(struct aro_lcore *lcore, struct aro_queue *queue,
                             struct aro_request *request)
{
    const struct aro_get *get = &request->get;

    aro_guard_charge(&lcore->guard, &request->frame.peer,
                     (uint64_t)request->slices * (get->slice_bytes + ARO_COST_PER_PACKET) +
                         ARO_COST_PER_LOOKUP);
    if (request->refresh) {
        token_send(lcore, queue, request);
        lcore->counters.tokens_refreshed++;
    } else {
        rte_pktmbuf_free(request->frame.packet);
    }
}

/* A validated source is refused: that costs it, too. */
static void peer_refuse(struct aro_lcore *lcore, struct aro_queue *queue,
                        struct aro_request *request, enum aro_status code, uint32_t retry_after_us,
                        uint32_t detail)
{
    aro_guard_charge(&lcore->guard, &request->frame.peer,
                     ARO_STATUS_BYTES + ARO_COST_PER_PACKET + ARO_COST_PER_LOOKUP);
    if (aro_sample_due(&lcore->sample_left))
        aro_sample_request(lcore, request, (uint8_t)code);
    request_refuse(lcore, queue, request, code, retry_after_us, detail);
}

/* Does it deserve a look into the cache? If not, it is answered or dropped here. */
static bool request_judge(struct aro_lcore *lcore, struct aro_queue *queue,
                          struct aro_request *request)
{
    struct aro_frame *frame = &request->frame;
    enum aro_verdict verdict;

    if (frame->peer.source_port_be == 0 ||
        frame->peer.source_port_be == frame->port->service_port_be) {
        request_drop(lcore, request, ARO_DROP_source_port);
        return false;
    }
    verdict =
        aro_get_decode(aro_frame_at(frame, frame->payload_at), frame->payload_bytes, &request->get);
    switch (verdict) {
    case ARO_VERDICT_OK:
    case ARO_VERDICT_BAD_REQUEST:
        break;
    case ARO_VERDICT_UNSUPPORTED_VERSION: /* no token to read: it is answered as a challenge is */
        if (!aro_guard_challenge(&lcore->guard, &frame->peer))
            request_drop(lcore, request, ARO_DROP_challenge_limit);
        else
            request_refuse(lcore, queue, request, ARO_STATUS_UNSUPPORTED_VERSION, 0,
                           ARO_WIRE_VERSION << 8 | ARO_WIRE_VERSION);
        return false;
    case ARO_VERDICT_NOT_REQUEST:
        request_drop(lcore, request, ARO_DROP_not_a_request);
        return false;
    case ARO_VERDICT_UNKNOWN_TYPE:
        request_drop(lcore, request, ARO_DROP_type_unknown);
        return false;
    default:
        request_drop(lcore, request, ARO_DROP_malformed);
        return false;
    }

    switch (aro_guard_check(&lcore->guard, &frame->peer, request->get.token)) {
    case ARO_GUARD_PASS:
        request->refresh = false;
        break;
    case ARO_GUARD_PASS_REFRESH:
        request->refresh = true;
        break;
    case ARO_GUARD_CHALLENGE:
        token_send(lcore, queue, request);
        lcore->counters.challenged++;
        return false;
    case ARO_GUARD_SILENCE:
        request_drop(lcore, request, ARO_DROP_challenge_limit);
        return false;
    case ARO_GUARD_CEILING:
        request_drop(lcore, request, ARO_DROP_ceiling);
        return false;
    }
    if (verdict == ARO_VERDICT_BAD_REQUEST) {
        peer_refuse(lcore, queue, request, ARO_STATUS_BAD_REQUEST, 0, request->get.detail);
        return false;
    }
    return true;
}

/* IP + UDP + DATA header + slice must fit the port's MTU: nothing is ever fragmented. */
static bool slice_fits(const struct aro_request *request)
{
    uint32_t network =
        request->frame.family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);

    return network + sizeof(struct rte_udp_hdr) + ARO_DATA_BYTES + request->get.slice_bytes <=
           request->frame.port->mtu;
}

static enum aro_miss hit_serve(struct aro_lcore *lcore, struct aro_queue *queue,
                               struct aro_request *request, struct aro_entry *entry)
{
    struct aro_job *job = aro_job_take(lcore, entry);

    if (job == NULL)
        return ARO_MISS_BUSY;
    job->queue = queue;
    job->tier = ARO_TIER_MEMORY;
    aro_reply_prepare(job, &request->frame, &request->get);
    if (aro_job_activate(lcore, job) != 0) {
        aro_job_release(lcore, job);
        return ARO_MISS_BEYOND;
    }
    request->slices = job->slices;
    aro_entry_touch(entry);
    return ARO_MISS_WAITING;
}

static void request_serve(struct aro_lcore *lcore, struct aro_queue *queue,
                          struct aro_request *request, struct aro_entry *entry)
{
    enum aro_entry_state state = entry == NULL ? ARO_ENTRY_GONE : aro_entry_state(entry);
    enum aro_miss outcome;

    request->slices = (uint8_t)__builtin_popcountll(request->get.mask);
    if (state == ARO_ENTRY_RESIDENT) {
        lcore->counters.hits_memory++;
        outcome = hit_serve(lcore, queue, request, entry);
    } else if (state == ARO_ENTRY_READING) {
        lcore->counters.misses_joined++;
        outcome = aro_pending_join(lcore, queue, &request->frame, &request->get, entry);
    } else {
        outcome = aro_pending_miss(lcore, queue, &request->frame, &request->get);
    }
    switch (outcome) {
    case ARO_MISS_WAITING:
        request_accepted(lcore, queue, request);
        break;
    case ARO_MISS_ABSENT:
        lcore->counters.misses_absent++;
        peer_refuse(lcore, queue, request, ARO_STATUS_NOT_FOUND, 0, 0);
        break;
    case ARO_MISS_UNKNOWN:
        lcore->counters.misses_unknown++;
        peer_refuse(lcore, queue, request, ARO_STATUS_RETRY_LATER, ARO_RETRY_UNKNOWN_US, 0);
        break;
    case ARO_MISS_RETRY:
        peer_refuse(lcore, queue, request, ARO_STATUS_RETRY_LATER, ARO_RETRY_SOON_US, 0);
        break;
    case ARO_MISS_BUSY:
        peer_refuse(lcore, queue, request, ARO_STATUS_BUSY, ARO_RETRY_SOON_US, 0);
        break;
    case ARO_MISS_BEYOND:
        peer_refuse(lcore, queue, request, ARO_STATUS_BAD_REQUEST, 0, ARO_BAD_FIRST_SLICE);
        break;
    }
}

void aro_serve_burst(struct aro_lcore *lcore, struct aro_queue *queue, struct aro_request *requests,
                     unsigned n)
{
    struct aro_request *accepted[ARO_BURST_MAX];
    const struct aro_id *ids[ARO_BURST_MAX];
    struct aro_entry *entries[ARO_BURST_MAX];
    unsigned n_ok = 0;

    lcore->counters.requests += n;
    for (unsigned i = 0; i < n; i++) {
        struct aro_request *request = &requests[i];
        if (!request_judge(lcore, queue, request))
            continue;
        if (!slice_fits(request)) {
            peer_refuse(lcore, queue, request, ARO_STATUS_BAD_REQUEST, 0, ARO_BAD_SLICE_SIZE);
            continue;
        }
        accepted[n_ok] = request;
        ids[n_ok++] = &request->get.id;
    }
    if (n_ok == 0)
        return;
    /* accepted[:n_ok] and ids[:n_ok] are valid from here on */
    aro_cache_find_burst(lcore->reader, ids, n_ok, entries);
    aro_top_burst(&lcore->top, &lcore->top_left, ids, n_ok);
    for (unsigned i = 0; i < n_ok; i++)
        request_serve(lcore, queue, accepted[i], entries[i]);
}

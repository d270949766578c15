/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/source.h"

#include <string.h>

enum {
    TOKEN_LIFE_S = 30, /* of one that came from an earlier fetch */
    WINDOW_SLICES_MAX = 4096,
    SKB_OVERHEAD_BYTES = 512, /* headers, headroom and bookkeeping of one packet in the kernel */
};

/* Slices whose packets fit the socket's receive buffer, as the kernel counts them. */
static uint32_t window_max(const struct aro_source *source, uint32_t slice_bytes)
{
    uint32_t cost = 1024;

    while (cost < slice_bytes + SKB_OVERHEAD_BYTES)
        cost *= 2; /* packet memory comes in powers of two */
    cost += SKB_OVERHEAD_BYTES / 2;
    uint32_t slices = source->receive_buffer_bytes / cost;
    return slices < WINDOW_SLICES_MAX ? slices : WINDOW_SLICES_MAX;
}

/* Ascending sizes: the careful start, what 1500 carries, the most that this path's MTU allows. */
static void ladder_build(struct aro_source *source, uint32_t most)
{
    const uint32_t wanted[ARO_SLICE_LADDER] = {ARO_SLICE_BYTES_START, ARO_SLICE_BYTES_1500, most};

    for (uint32_t i = 0; i < ARO_SLICE_LADDER; i++) {
        uint32_t size = wanted[i] < most ? wanted[i] : most;
        if (source->ladder_steps == 0 || size > source->ladder[source->ladder_steps - 1])
            source->ladder[source->ladder_steps++] = (uint16_t)size;
    }
}

void aro_source_init(struct aro_source *source, uint32_t slice_bytes_max,
                     uint32_t receive_buffer_bytes, const uint8_t *token, uint64_t now_us)
{
    *source = (struct aro_source){.margin_us_min = ARO_RTO_MARGIN_US_MIN,
                                  .reorder_slices = ARO_REORDER_SLICES_MIN,
                                  .receive_buffer_bytes = receive_buffer_bytes};
    ladder_build(source, slice_bytes_max);
    aro_congestion_init(&source->congestion, window_max(source, source->ladder[0]));
    if (token != NULL)
        aro_source_token(source, token, 0, now_us);
}

uint64_t aro_source_rto_us(const struct aro_source *source)
{
    uint64_t rto = ARO_RTO_INITIAL_US;

    if (source->response.smoothed_us > 0) {
        uint64_t margin = 4ull * source->response.variation_us;
        if (margin < source->margin_us_min) /* a queue makes answers late, but evenly so */
            margin = source->margin_us_min;
        rto = source->response.smoothed_us + margin;
    }
    for (uint32_t i = 0; i < source->backoff && rto < ARO_RTO_US_MAX; i++)
        rto *= 2;
    return rto < ARO_RTO_US_MAX ? rto : ARO_RTO_US_MAX;
}

void aro_source_patience_grow(struct aro_source *source, uint64_t now_us)
{
    source->margin_us_min *= 2;
    if (source->margin_us_min > ARO_RTO_MARGIN_US_MAX)
        source->margin_us_min = ARO_RTO_MARGIN_US_MAX;
    source->rto_relax_us = now_us + ARO_RTO_RELAX_US;
}

void aro_source_patience_shrink(struct aro_source *source, uint64_t now_us)
{
    if (source->margin_us_min <= ARO_RTO_MARGIN_US_MIN || now_us < source->rto_relax_us)
        return;
    source->margin_us_min /= 2;
    if (source->margin_us_min < ARO_RTO_MARGIN_US_MIN)
        source->margin_us_min = ARO_RTO_MARGIN_US_MIN;
    source->rto_relax_us = now_us + ARO_RTO_RELAX_US;
}

void aro_source_token(struct aro_source *source, const uint8_t *token, uint16_t life_s,
                      uint64_t now_us)
{
    memcpy(source->token, token, ARO_TOKEN_BYTES);
    source->token_serial++;
    source->token_at_us = now_us;
    source->token_life_us = (life_s > 0 ? life_s : TOKEN_LIFE_S) * 1000000u;
}

static void estimate(struct aro_rtt *rtt, uint32_t sample_us)
{
    uint32_t smoothed = rtt->smoothed_us;

    if (sample_us == 0)
        sample_us = 1; /* 0 means no sample */
    if (smoothed == 0) {
        *rtt = (struct aro_rtt){sample_us, sample_us / 2};
        return;
    }
    uint32_t off = sample_us > smoothed ? sample_us - smoothed : smoothed - sample_us;
    rtt->variation_us = (uint32_t)((3ull * rtt->variation_us + off) / 4);
    rtt->smoothed_us = (uint32_t)((7ull * smoothed + sample_us + 4) / 8);
    if (rtt->smoothed_us == 0)
        rtt->smoothed_us = 1;
}

/* The shortest round trip of long ago may have been another path's. */
static void shortest_update(struct aro_source *source, uint32_t sample_us, uint64_t now_us)
{
    struct aro_shortest *shortest = &source->shortest;

    if (sample_us == 0)
        sample_us = 1; /* 0 means no sample */
    if (shortest->us == 0 || sample_us < shortest->us)
        shortest->us = sample_us;
    if (shortest->period_us == 0 || sample_us < shortest->period_us)
        shortest->period_us = sample_us;
    if (shortest->since_us == 0)
        shortest->since_us = now_us;
    if (now_us - shortest->since_us < ARO_RTT_PERIOD_US)
        return;
    *shortest = (struct aro_shortest){.us = shortest->period_us, .since_us = now_us};
    aro_congestion_probe(&source->congestion, now_us);
}

void aro_source_sample(struct aro_source *source, uint64_t elapsed_us, uint32_t residence_us,
                       uint64_t now_us)
{
    uint32_t whole = elapsed_us < UINT32_MAX / 8 ? (uint32_t)elapsed_us : UINT32_MAX / 8;
    /* a server cannot have held a request longer than we waited: such a claim counts as none */
    uint32_t network = residence_us < whole ? whole - residence_us : whole;

    estimate(&source->response, whole);
    estimate(&source->network, network);
    shortest_update(source, network, now_us);
    aro_congestion_on_rtt(&source->congestion, network, source->shortest.us, now_us);
}

uint16_t aro_source_slice_bytes(struct aro_source *source, uint32_t chunk_bytes, bool *ret_probe)
{
    uint32_t next = source->step + 1;

    *ret_probe = source->step_proven && !source->probing && next < source->ladder_steps &&
                 (chunk_bytes == 0 || chunk_bytes >= source->ladder[next]);
    if (!*ret_probe)
        return source->ladder[source->step];
    source->probing = true;
    return source->ladder[next];
}

void aro_source_slice_proven(struct aro_source *source, uint16_t slice_bytes)
{
    if (slice_bytes == source->ladder[source->step])
        source->step_proven = true;
    if (!aro_source_is_trial(source, slice_bytes))
        return;
    aro_congestion_rescale(&source->congestion, source->ladder[source->step], slice_bytes,
                           window_max(source, slice_bytes));
    source->step++;
    source->probing = false;
}

bool aro_source_is_trial(const struct aro_source *source, uint32_t slice_bytes)
{
    return source->probing && slice_bytes == source->ladder[source->step + 1];
}

void aro_source_probe_open(struct aro_source *source)
{
    source->probing = false;
}

void aro_source_probe_failed(struct aro_source *source)
{
    if (!source->probing)
        return;
    source->probing = false;
    source->ladder_steps = source->step + 1;
}

uint32_t aro_source_room(const struct aro_source *source, uint32_t live, uint64_t now_us)
{
    uint32_t window = aro_congestion_window(&source->congestion);

    if (source->hold_until_us > now_us || source->in_flight >= window)
        return 0;
    /* without a token, or after silence: one question at a time */
    if (live > 0 && (source->token_serial == 0 || source->backoff > 0))
        return 0;
    return window - source->in_flight;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client knows about one server: token, round trip, window, slice size that passes,
 * back-off.
 *
 * The engine has one source today; whatever belongs to the source and not to the content stands
 * here, so that a second one is a second struct. No clock inside; one owner.
 */
#ifndef ARO_DATAPLANE_CLIENT_SOURCE_H
#define ARO_DATAPLANE_CLIENT_SOURCE_H

#include "dataplane/client/congestion.h"
#include "dataplane/proto/wire.h"

enum {
    ARO_RTO_INITIAL_US = 1000000,   /* RFC 8085 3.1.1 */
    ARO_RTO_MARGIN_US_MIN = 4000,   /* beyond the smoothed answer time, at least */
    ARO_RTO_MARGIN_US_MAX = 200000, /* as far as it is raised after false alarms */
    ARO_RTO_RELAX_US = 250000,      /* without a false alarm for so long: half of it */
    ARO_RTO_US_MAX = 16000000,
    ARO_RTT_PERIOD_US = 10000000, /* paths change: the shortest round trip counts so long */
    ARO_REORDER_SLICES_MIN = 3,   /* as RFC 5681 */
    ARO_REORDER_SLICES_MAX = 64,
    ARO_SLICE_LADDER = 3,
};

/* RFC 6298 estimator. */
struct aro_rtt {
    uint32_t smoothed_us; /* 0: no sample yet */
    uint32_t variation_us;
};

/* The shortest round trip of the last period and this one. */
struct aro_shortest {
    uint32_t us;        /* 0: no sample yet */
    uint32_t period_us; /* of this period alone; 0: none yet */
    uint64_t since_us;  /* when this period began; 0: not yet */
};

struct aro_source {
    uint8_t token[ARO_TOKEN_BYTES];
    uint32_t token_serial;   /* 0: no token */
    uint32_t token_refusals; /* TOKENs instead of answers, in a row */
    uint64_t token_at_us;
    uint32_t token_life_us;

    struct aro_congestion congestion;
    struct aro_rtt network;       /* without the time inside the server: what people want to know */
    struct aro_shortest shortest; /* of network's */
    struct aro_rtt response;      /* all of it: what a time-out must wait for */
    uint32_t margin_us_min;
    uint64_t rto_relax_us; /* when the raised margin comes down by half */
    uint32_t backoff;      /* silent time-outs in a row */
    uint32_t busy;         /* BUSY in a row */
    uint32_t in_flight;
    uint32_t reorder_slices; /* later slices that prove an earlier one lost */
    uint64_t heard_us;       /* last valid answer; 0: never */
    uint64_t hold_until_us;

    uint16_t ladder[ARO_SLICE_LADDER]; /* slice sizes to try, ascending */
    uint32_t ladder_steps;
    uint32_t step;    /* ladder[step] is proven, or the first */
    bool step_proven; /* a full slice of that size arrived */
    bool probing;     /* one transfer tries ladder[step + 1] */
    uint32_t receive_buffer_bytes;
};

/* token: ARO_TOKEN_BYTES of an earlier fetch, or NULL. */
void aro_source_init(struct aro_source *source, uint32_t slice_bytes_max,
                     uint32_t receive_buffer_bytes, const uint8_t *token, uint64_t now_us);

/* How long to wait for an answer now, back-off included. */
uint64_t aro_source_rto_us(const struct aro_source *source);
/* An answer to a request that was given up without one: wait longer, for a while. */
void aro_source_patience_grow(struct aro_source *source, uint64_t now_us);
/* Any answer: the raised margin comes down again once no alarm was false for long enough. */
void aro_source_patience_shrink(struct aro_source *source, uint64_t now_us);
void aro_source_token(struct aro_source *source, const uint8_t *token, uint16_t life_s,
                      uint64_t now_us);

/* First answer to a request: elapsed since it was sent, and what the server says it waited. */
void aro_source_sample(struct aro_source *source, uint64_t elapsed_us, uint32_t residence_us,
                       uint64_t now_us);

/* The slice size for a chunk of this length (0: unknown); *ret_probe: it is one to be tried. */
uint16_t aro_source_slice_bytes(struct aro_source *source, uint32_t chunk_bytes, bool *ret_probe);
/* A full slice of this size arrived. */
void aro_source_slice_proven(struct aro_source *source, uint16_t slice_bytes);
/* Whether this is the size under trial. */
bool aro_source_is_trial(const struct aro_source *source, uint32_t slice_bytes);
/* The chunk was too short to tell: try again with another one. */
void aro_source_probe_open(struct aro_source *source);
/* The size under trial does not pass: never try it again. */
void aro_source_probe_failed(struct aro_source *source);

/* Slices that may be asked for now, 0 for none. live: requests under way. */
uint32_t aro_source_room(const struct aro_source *source, uint32_t live, uint64_t now_us);

#endif

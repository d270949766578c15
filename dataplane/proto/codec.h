/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Encoders and decoders of the messages in wire.h.
 *
 * Pure functions over byte ranges: no heap, no state, no clock, any thread. Decoders believe
 * nothing: they never read past len and tell apart what is dropped in silence from what deserves an
 * answer. Encoders write exactly the message's fixed size and trust their caller's fields.
 *
 * A server calls aro_get_decode once per request and aro_data_encode once per slice; both cost a
 * few dozen instructions. Token contents are opaque here.
 */
#ifndef ARO_DATAPLANE_PROTO_CODEC_H
#define ARO_DATAPLANE_PROTO_CODEC_H

#include "cache/base/bytes.h"
#include "dataplane/proto/wire.h"

/* What a datagram is to a server. The first three concern requests that may be answered. */
enum aro_verdict {
    ARO_VERDICT_OK,                  /* a GET to serve, once its token is found valid */
    ARO_VERDICT_BAD_REQUEST,         /* get.detail says why; answered only to a valid token */
    ARO_VERDICT_UNSUPPORTED_VERSION, /* no token can be read: answered as a challenge is */
    ARO_VERDICT_MALFORMED,           /* silence from here on */
    ARO_VERDICT_NOT_REQUEST,         /* DATA, STATUS, TOKEN, LOCATED, PONG */
    ARO_VERDICT_UNKNOWN_TYPE,        /* first byte is none of ours */
    ARO_VERDICTS,
};

/* One GET in host order. */
struct aro_get {
    struct aro_id id;
    uint64_t mask; /* bit i: slice first + i */
    uint64_t echo;
    uint8_t token[ARO_TOKEN_BYTES]; /* all zero: none */
    uint16_t flags;                 /* ARO_GET_* */
    uint16_t slice_bytes;
    uint16_t first;  /* with ARO_SLICE_REPAIR as received */
    uint16_t detail; /* enum aro_bad_request of ARO_VERDICT_BAD_REQUEST, else ARO_BAD_NONE */
};

/* One DATA in host order; payload points into the datagram. */
struct aro_data {
    uint64_t echo;
    uint32_t chunk_bytes;
    uint32_t residence_us;
    uint16_t slice_bytes;
    uint16_t index;
    uint8_t flags; /* low two bits: enum aro_tier; the others are ignored by receivers */
    uint32_t payload_bytes;
    const uint8_t *payload;
};

struct aro_status_msg {
    uint64_t echo;
    uint32_t retry_after_us;
    uint32_t residence_us;
    uint32_t detail;
    uint8_t code; /* enum aro_status; receivers meet unknown ones */
};

struct aro_token_msg {
    uint64_t echo;
    uint16_t life_s;
    uint8_t token[ARO_TOKEN_BYTES];
};

/* Slices of a chunk: ceil(chunk_bytes / slice_bytes). */
static inline uint32_t aro_slices(uint32_t chunk_bytes, uint32_t slice_bytes)
{
    return (chunk_bytes + slice_bytes - 1) / slice_bytes;
}

static inline bool aro_slice_bytes_valid(uint32_t slice_bytes)
{
    return slice_bytes >= ARO_SLICE_BYTES_MIN && slice_bytes <= ARO_SLICE_BYTES_MAX &&
           slice_bytes % ARO_SLICE_STEP == 0;
}

/*
 * Server side: what is this datagram, and what does it ask?
 *
 * OK and BAD_REQUEST fill *ret whole for a GET. For LOCATE and PING (BAD_REQUEST with
 * ARO_BAD_TYPE) only echo, token and detail are set: all requests have those two at the same place.
 * UNSUPPORTED_VERSION sets only echo. Every other verdict leaves *ret untouched.
 * bytes need not be aligned; len is the UDP payload length.
 */
enum aro_verdict aro_get_decode(const uint8_t *bytes, size_t len, struct aro_get *ret);

/* Writes a GET without extensions: ARO_GET_BYTES. detail is not sent. */
void aro_get_encode(uint8_t *at, const struct aro_get *get);

/* Writes a DATA header: ARO_DATA_BYTES. The payload follows from wherever it lies. */
static inline void aro_data_encode(uint8_t *at, uint8_t flags, uint16_t slice_bytes, uint16_t index,
                                   uint32_t chunk_bytes, uint32_t residence_us, uint64_t echo)
{
    at[0] = ARO_MSG_DATA;
    at[1] = ARO_WIRE_VERSION;
    at[2] = flags;
    at[3] = 0;
    aro_store_be16(at + 4, slice_bytes);
    aro_store_be16(at + 6, index);
    aro_store_be32(at + 8, chunk_bytes);
    aro_store_be32(at + 12, residence_us);
    aro_store_be64(at + 16, echo);
}

/*
 * Client side. Each returns 0 and fills *ret, or -EINVAL (not this message, wrong length, reserved
 * byte set, a field no server may send) with *ret untouched. A DATA that passes has a valid slice
 * size, an index inside the chunk and exactly the payload that belongs there.
 */
int aro_data_decode(const uint8_t *bytes, size_t len, struct aro_data *ret);
int aro_status_decode(const uint8_t *bytes, size_t len, struct aro_status_msg *ret);
int aro_token_decode(const uint8_t *bytes, size_t len, struct aro_token_msg *ret);

void aro_status_encode(uint8_t *at, const struct aro_status_msg *status); /* ARO_STATUS_BYTES */
void aro_token_encode(uint8_t *at, const struct aro_token_msg *token);    /* ARO_TOKEN_MSG_BYTES */

/* "not found", "slice size"...; "unknown" for a number without a name. Static storage. */
const char *aro_status_name(uint8_t code);
const char *aro_bad_request_name(uint32_t detail);
const char *aro_verdict_name(enum aro_verdict verdict);

#endif

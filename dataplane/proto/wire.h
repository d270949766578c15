/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chunk protocol, all of it: message types, layouts, limits.
 *
 * Stateless and receiver-driven over UDP, service port 9500. The client asks for slices of one
 * chunk by mask (GET); each slice comes back as one DATA. Whoever has not proven its address with
 * a token gets one TOKEN no larger than its request, and nothing else. Everything is big-endian.
 * docs/protocol.md has the byte diagrams, the rules and the test vectors.
 *
 * First byte 4..15: such a datagram can share a port with STUN (0..3) and QUIC (64..255).
 * Every message starts {u8 type, u8 version}; every request and reply carries the client's echo.
 * Every request, of every type and version, is at least 76 bytes with the echo at 16 and the token
 * at 24: so that it can be challenged or refused before it is understood.
 *
 * GET    (76 bytes + extensions)          client -> server
 *    0  u8   type = 4             1  u8   version = 1
 *    2  u16  flags (ARO_GET_*)
 *    4  u16  slice size S         6  u16  first slice (bit 15: repair, reserved)
 *    8  u64  mask: bit i asks for slice first + i
 *   16  u64  echo (unpredictable; returned in every answer)
 *   24  u8[16] token (all zero: none yet)
 *   40  u8[32] chunk id
 *   72  u16  length of extensions in bytes
 *   74  u16  reserved, zero
 *   76  extensions: {u16 type (bit 15: critical), u16 length, value}, packed, no padding between
 *
 * DATA   (24 bytes + one slice)           server -> client
 *    0  u8   type = 5             1  u8   version = 1
 *    2  u8   flags (low 2 bits: tier)  3  u8  reserved, zero
 *    4  u16  slice size S         6  u16  slice index
 *    8  u32  chunk length        12  u32  residence_us (how long the request waited in the server)
 *   16  u64  echo
 *   24  payload: min(S, chunk length - index * S) bytes
 *
 * STATUS (24 bytes)                       server -> client
 *    0  u8   type = 6             1  u8   version = 1
 *    2  u8   code (enum aro_status)    3  u8  reserved, zero
 *    4  u32  retry_after_us (hint; 0: none)
 *    8  u32  residence_us        12  u32  detail (enum aro_bad_request; or lowest << 8 | highest
 *                                         supported version)
 *   16  u64  echo
 *
 * TOKEN  (32 bytes)                       server -> client
 *    0  u8   type = 7             1  u8   version = 1
 *    2  u16  life in seconds      4  u32  reserved, zero
 *    8  u64  echo
 *   16  u8[16] token
 *
 * LOCATE 8, LOCATED 9, PING 10, PONG 11: reserved. 12..15: free.
 */
#ifndef ARO_DATAPLANE_PROTO_WIRE_H
#define ARO_DATAPLANE_PROTO_WIRE_H

#include <assert.h>

#include "cache/base/id.h"

enum {
    ARO_WIRE_VERSION = 1,
    ARO_WIRE_PORT = 9500,

    ARO_TOKEN_BYTES = 16,
    ARO_GET_BYTES = 76,
    ARO_DATA_BYTES = 24, /* header of a DATA; its payload follows */
    ARO_STATUS_BYTES = 24,
    ARO_TOKEN_MSG_BYTES = 32,
    ARO_REQUEST_BYTES_MIN = ARO_GET_BYTES, /* shorter is malformed: no answer could exceed it */
    ARO_EXT_BYTES_MAX = 512,               /* extensions of one request, together */
    ARO_EXT_HEADER_BYTES = 4,

    ARO_SLICE_BYTES_MIN = 128,
    ARO_SLICE_BYTES_MAX = 8832, /* fits a 9000-byte MTU with IPv6 */
    ARO_SLICE_STEP = 128,       /* S is a multiple: prefix sums stand every 128 bytes */
    ARO_SLICE_BYTES_START = 1152,
    ARO_SLICE_BYTES_1500 = 1408,
    ARO_MASK_SLICES = 64, /* one request brings at most these */
    ARO_SLICE_REPAIR = 0x8000,
    ARO_SLICES_MAX = ARO_CHUNK_BYTES_MAX / ARO_SLICE_BYTES_MIN,
};
static_assert(ARO_TOKEN_MSG_BYTES <= ARO_REQUEST_BYTES_MIN, "a challenge never amplifies");
static_assert(ARO_STATUS_BYTES <= ARO_REQUEST_BYTES_MIN, "a refusal never amplifies");
static_assert(ARO_SLICES_MAX <= ARO_SLICE_REPAIR, "slice indices leave bit 15 free");

enum aro_msg {
    ARO_MSG_GET = 4,
    ARO_MSG_DATA = 5,
    ARO_MSG_STATUS = 6,
    ARO_MSG_TOKEN = 7,
    ARO_MSG_LOCATE = 8,
    ARO_MSG_LOCATED = 9,
    ARO_MSG_PING = 10,
    ARO_MSG_PONG = 11,
    ARO_MSG_FIRST = 4,
    ARO_MSG_LAST = 15,
};

/* GET flags. Bits not named here must be zero: a server answers BAD_REQUEST. */
enum {
    ARO_GET_ONLY_IF_CACHED = 1u << 0, /* do not fill; every node-to-node request carries it */
    ARO_GET_ECT = 1u << 1,            /* send the DATA as ECN-capable transport */
    ARO_GET_BACKGROUND = 1u << 2,     /* may be shed first */
    ARO_GET_HASH_SHIFT = 8,           /* bits 8..11: hash type, 0 = SHA-256 (others reserved) */
    ARO_GET_HASH_MASK = 0x0f00,
    ARO_GET_TENANT = 1u << 12,     /* reserved */
    ARO_GET_ACCESS_TAG = 1u << 13, /* reserved */
    ARO_GET_FLAGS_KNOWN = ARO_GET_ONLY_IF_CACHED | ARO_GET_ECT | ARO_GET_BACKGROUND,
};

/* Where the bytes of a DATA came from. */
enum aro_tier {
    ARO_TIER_MEMORY = 0,
    ARO_TIER_DISK = 1, /* this request waited for a disk read */
    ARO_TIER_FILL = 2, /* this request waited for a peer or the origin */
};
enum { ARO_DATA_TIER_MASK = 3 };

enum aro_status {
    ARO_STATUS_NOT_FOUND = 1,   /* not here; retry_after_us > 0: maybe later */
    ARO_STATUS_RETRY_LATER = 2, /* here, but not now: ask again after the hint */
    ARO_STATUS_BUSY = 3,        /* no free job; back off */
    ARO_STATUS_DENIED = 4,      /* policy: do not ask again */
    ARO_STATUS_BAD_REQUEST = 5, /* detail says what */
    ARO_STATUS_UNSUPPORTED_VERSION = 6,
};

/* detail of BAD_REQUEST */
enum aro_bad_request {
    ARO_BAD_NONE = 0,
    ARO_BAD_SLICE_SIZE = 1,  /* not a multiple of 128 in 128..8832, or above this path's MTU */
    ARO_BAD_FIRST_SLICE = 2, /* beyond the chunk */
    ARO_BAD_MASK = 3,        /* empty */
    ARO_BAD_FLAGS = 4,       /* unknown flag or hash type */
    ARO_BAD_EXTENSION = 5,   /* unknown critical extension */
    ARO_BAD_REPAIR = 6,      /* repair slices are not served yet */
    ARO_BAD_TYPE = 7,        /* LOCATE and PING are not served yet */
};

/* Extension types; bit 15 of the type on the wire says "refuse me if you do not know me". */
enum {
    ARO_EXT_CRITICAL = 0x8000,
    ARO_EXT_PADDING = 0, /* value ignored */
};

#endif

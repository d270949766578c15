/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for tests of dataplane/net: built byte by byte from a shape, sealed by an RFC 1071 sum of
 * our own, received from a heap buffer that ends where the frame ends, so that ASan sees a read of
 * one byte too many. No EAL: net neither allocates nor frees.
 */
#ifndef ARO_TESTS_DATAPLANE_FRAMES_H
#define ARO_TESTS_DATAPLANE_FRAMES_H

#include <criterion/criterion.h>

#include "dataplane/net/net.h"

enum {
    WIRE_BYTES_MAX = 9216,
    ETHER_BYTES = 14,
    IP_AT = 14,
    UDP4_AT = 34, /* without options */
    UDP6_AT = 54,
    ICMP4_AT = 34,
    ICMP6_AT = 54,
    FRAME_BYTES_MIN = 60, /* what a real Ethernet pads to, without its checksum */
    SERVICE_PORT = 9500,
    PEER_PORT = 40000,
};

/* Valid frames from the peer to the port. */
enum shape {
    UDP4,
    UDP4_OPTIONS, /* with 8 bytes of IPv4 options */
    UDP6,
    ECHO4,
    ECHO6,
    ARP,
    SOLICIT,         /* to the solicited-node group, with a source link-layer option */
    SOLICIT_UNICAST, /* to the address itself, no option */
    SHAPES,
};

struct wire {
    uint8_t bytes[WIRE_BYTES_MAX];
    uint16_t len;
};

struct patch {
    uint16_t at;
    uint8_t n;
    const char *bytes;
};
#define PATCH(offset, literal)                                                                     \
    {                                                                                              \
        .at = (offset), .n = sizeof(literal) - 1, .bytes = (literal)                               \
    }

/* One line of a table: a shape, what is spoilt, the one verdict it must get. */
struct row {
    const char *what;
    enum shape shape;
    int want;
    uint16_t payload; /* bytes of UDP or echo payload */
    bool stale;       /* do not seal again after the patches */
    int16_t grow;     /* bytes added (zero) or cut (negative) at the end, last of all */
    struct patch patch[3];
};

extern const uint8_t our_mac[6], peer_mac[6], gateway_mac[6];
extern const uint8_t our_address4[4], our_other_address4[4], peer_address4[4];
extern const uint8_t our_address6[16], our_link_local[16], our_group6[16], peer_address6[16];

/* A port with both address pairs, no checksum help, no gateway. */
struct aro_port port_make(void);

void wire_make(struct wire *wire, enum shape shape, uint16_t payload_bytes);
void wire_patch(struct wire *wire, uint16_t at, const void *bytes, size_t n);
void wire_resize(struct wire *wire, uint16_t len);
/* Sets every checksum of the frame right, as far as its headers make sense. */
void wire_seal(struct wire *wire);
uint16_t sum_fold(uint32_t sum);
/* Sum of big-endian 16-bit words, the last byte padded with zero; not folded. */
uint32_t words_sum(const uint8_t *bytes, size_t n);
/* Over pseudo header (if any) and transport, as the IP header says: 0xffff when valid. */
uint16_t transport_sum(const struct wire *wire);
uint16_t header4_sum(const struct wire *wire);
uint16_t wire_load16(const struct wire *wire, size_t at);

struct received {
    struct aro_frame frame;
    struct rte_mbuf packet;
    int verdict;
};

/* Runs the frame through aro_net_input in a buffer of its own with tailroom bytes behind it. */
void frame_receive(struct received *received, const struct aro_port *port, const struct wire *wire,
                   uint16_t tailroom);
/* Copies the (rewritten) frame, if ret_answer, and frees the buffer. */
void frame_release(struct received *received, struct wire *ret_answer);
/* Both in one: the verdict, and the answer when it is a reply. */
int frame_verdict(const struct aro_port *port, const struct wire *wire, struct wire *ret_answer);

void rows_check(const struct aro_port *port, const struct row *rows, size_t n);

/* xorshift64*: seeded, the same everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

#endif

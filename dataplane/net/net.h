/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a frame to a datagram for the service port, or to a reason to drop it.
 *
 * Each step checks in the order of its RFC and ends in one of three ways: a request (the datagram
 * is ours), a reply (ARP, neighbour discovery, echo: the frame was rewritten in place into its own
 * answer), or a drop reason. Nothing is allocated: whoever sends a frame can be answered with it.
 *
 * lcore only. No state but the port's constants; about 40 ns for a request.
 */
#ifndef ARO_DATAPLANE_NET_NET_H
#define ARO_DATAPLANE_NET_NET_H

#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/port.h"
#include "dataplane/token.h"

/* A net function returns one of these or an enum aro_drop (>= 0). */
enum {
    ARO_NET_REQUEST = -1,
    ARO_NET_REPLY = -2, /* ARP */
    ARO_NET_REPLY_ND = -3,
    ARO_NET_REPLY_ICMP = -4,
};

/* Where things are in a frame, filled step by step. */
struct aro_frame {
    struct rte_mbuf *packet;     /* one segment, at least an Ethernet header */
    const struct aro_port *port; /* it came from */
    uint8_t family;              /* 4 or 6, from the network step on */
    uint16_t transport_at;       /* offset of the UDP or ICMP header, from the network step on */
    uint16_t transport_bytes;    /* its length with payload, as the network header says */
    uint16_t payload_at;         /* UDP payload, from the transport step on */
    uint16_t payload_bytes;
    struct aro_token_binding peer; /* the requester's address and port and ours, from UDP on */
};

int aro_net_input(struct aro_frame *frame);

/* The steps, in order. Each expects what the one before has checked. */
int aro_arp_input(struct aro_frame *frame);
int aro_ip4_input(struct aro_frame *frame);
int aro_ip6_input(struct aro_frame *frame);
int aro_udp_input(struct aro_frame *frame);
int aro_icmp4_input(struct aro_frame *frame);
int aro_icmp6_input(struct aro_frame *frame); /* echo; hands neighbour discovery on */
int aro_nd_input(struct aro_frame *frame);

/*
 * Turns the received frame around: Ethernet and network addresses swapped, options gone, lengths
 * set for transport_bytes of transport header and payload, hop limit 64, IPv4 checksum. The
 * transport header moves to *ret_transport, right behind; its bytes are the caller's to write.
 */
void aro_net_turn(struct aro_frame *frame, uint16_t transport_bytes, uint8_t **ret_transport);

/* The same for a UDP answer: payload_bytes are already at frame->payload_at; checksum included. */
void aro_udp_turn(struct aro_frame *frame, uint16_t payload_bytes);

static inline uint8_t *aro_frame_at(const struct aro_frame *frame, uint16_t offset)
{
    return rte_pktmbuf_mtod_offset(frame->packet, uint8_t *, offset);
}

static inline bool aro_port_has4(const struct aro_port *port, uint32_t address_be)
{
    for (unsigned i = 0; i < port->addresses4; i++)
        if (port->address4_be[i] == address_be)
            return true;
    return false;
}

static inline bool aro_port_has6(const struct aro_port *port, const uint8_t address[16])
{
    for (unsigned i = 0; i < port->addresses6; i++)
        if (memcmp(port->address6[i], address, 16) == 0)
            return true;
    return false;
}

#endif

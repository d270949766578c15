/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UDP peer on a DPDK port of its own: the client's end of a wire that no kernel sees.
 *
 * One queue, one thread, IPv4 without options. The peer is found by ARP. Received checksums are
 * computed in full, so a sender that gets one wrong (prefix sums) is counted, not believed.
 */
#ifndef ARO_TESTS_PROGRAMS_PORT_UDP_H
#define ARO_TESTS_PROGRAMS_PORT_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_udp;

struct port_udp_stats {
    uint64_t rx_packets; /* UDP from our peer to us */
    uint64_t rx_other;   /* everything else that the port received, ARP included */
    uint64_t bad_ip_checksum;
    uint64_t bad_udp_checksum; /* or none */
    uint64_t tx_refused;       /* the port's ring was full: lost like any packet */
};

/* Payload of one datagram, valid during the call. */
typedef void port_udp_handler(void *arg, const uint8_t *bytes, size_t len);

/*
 * Starts DPDK's first port; EAL is up. Addresses in network order. NULL: the reason is on standard
 * error.
 */
struct port_udp *port_udp_create(uint32_t our_address_be, uint32_t peer_address_be,
                                 uint16_t peer_port);
void port_udp_destroy(struct port_udp *port); /* takes NULL */

/* Sends an ARP request and takes what came; true once the peer answered. */
bool port_udp_resolve(struct port_udp *port);
/* One burst; returns how many packets came, ours or not. */
unsigned port_udp_receive_burst(struct port_udp *port, port_udp_handler *handler, void *arg);
/* Sends count datagrams of len bytes each, which stand one behind the other. */
void port_udp_send_burst(struct port_udp *port, const uint8_t *bytes, size_t len, size_t count);
const struct port_udp_stats *port_udp_stats(const struct port_udp *port);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 input (RFC 8200): no extension headers are needed here, so none is accepted. */
#include "dataplane/net/net.h"

static bool source_is_unicast(const struct aro_port *port, const uint8_t source[16])
{
    static const uint8_t loopback[16] = {[15] = 1};
    static const uint8_t unspecified[16];
    static const uint8_t mapped4[12] = {[10] = 0xff, [11] = 0xff};

    return source[0] != 0xff && memcmp(source, unspecified, 16) != 0 &&
           memcmp(source, loopback, 16) != 0 &&
           memcmp(source, mapped4, 12) != 0 && /* that is how IPv4 peers are named in here */
           !aro_port_has6(port, source);
}

/* One of ours, or the solicited-node group of one of ours (RFC 4291 section 2.7.1). */
static bool is_for_us(const struct aro_port *port, const uint8_t destination[16])
{
    static const uint8_t solicited[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

    if (aro_port_has6(port, destination))
        return true;
    if (memcmp(destination, solicited, sizeof(solicited)) != 0)
        return false;
    for (unsigned i = 0; i < port->addresses6; i++)
        if (memcmp(port->address6[i] + 13, destination + 13, 3) == 0)
            return true;
    return false;
}

int aro_ip6_input(struct aro_frame *frame)
{
    const struct rte_ether_hdr *ether =
        rte_pktmbuf_mtod(frame->packet, const struct rte_ether_hdr *);
    const struct rte_ipv6_hdr *ip = (const void *)(ether + 1);
    uint16_t room = (uint16_t)(frame->packet->data_len - RTE_ETHER_HDR_LEN);
    uint16_t payload_bytes;

    if (room < sizeof(*ip))
        return ARO_DROP_frame_short;
    payload_bytes = rte_be_to_cpu_16(ip->payload_len);
    if ((ip->vtc_flow & RTE_BE32(0xf0000000)) != RTE_BE32(6u << 28) ||
        payload_bytes > room - sizeof(*ip))
        return ARO_DROP_ip6_header;
    if (!source_is_unicast(frame->port, ip->src_addr))
        return ARO_DROP_ip6_source;
    if (!is_for_us(frame->port, ip->dst_addr))
        return ARO_DROP_ip6_destination;
    if (ip->dst_addr[0] != 0xff && rte_is_multicast_ether_addr(&ether->dst_addr))
        return ARO_DROP_frame_destination; /* to one host, but sent to many */

    frame->family = 6;
    frame->transport_at = RTE_ETHER_HDR_LEN + sizeof(*ip);
    frame->transport_bytes = payload_bytes;
    switch (ip->proto) {
    case IPPROTO_UDP:
        /* a group address is good for neighbour discovery only */
        return ip->dst_addr[0] == 0xff ? ARO_DROP_ip6_destination : aro_udp_input(frame);
    case IPPROTO_ICMPV6:
        return aro_icmp6_input(frame);
    case IPPROTO_FRAGMENT:
        return ARO_DROP_ip6_fragment;
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_AH:
    case IPPROTO_ESP:
        return ARO_DROP_ip6_extension;
    default:
        return ARO_DROP_ip_protocol;
    }
}

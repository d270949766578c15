/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/net/net.h"

#include <rte_ether.h>

/* A frame to this station, to everybody (ARP), or to a group (neighbour discovery: 33:33:...). */
static bool is_for_us(const struct aro_port *port, const struct rte_ether_addr *destination)
{
    return rte_is_same_ether_addr(destination, &port->mac) ||
           rte_is_multicast_ether_addr(destination);
}

int aro_net_input(struct aro_frame *frame)
{
    const struct rte_ether_hdr *ether;

    if (frame->packet->nb_segs != 1)
        return ARO_DROP_frame_segments;
    if (frame->packet->data_len < sizeof(*ether))
        return ARO_DROP_frame_short;
    ether = rte_pktmbuf_mtod(frame->packet, const struct rte_ether_hdr *);
    if (rte_is_multicast_ether_addr(&ether->src_addr) || rte_is_zero_ether_addr(&ether->src_addr))
        return ARO_DROP_frame_source;
    if (!is_for_us(frame->port, &ether->dst_addr))
        return ARO_DROP_frame_destination;
    switch (ether->ether_type) {
    case RTE_BE16(RTE_ETHER_TYPE_IPV4):
        if (rte_is_multicast_ether_addr(&ether->dst_addr))
            return ARO_DROP_frame_destination; /* RFC 1122 section 3.3.6: ours is one address */
        return aro_ip4_input(frame);
    case RTE_BE16(RTE_ETHER_TYPE_IPV6):
        return aro_ip6_input(frame);
    case RTE_BE16(RTE_ETHER_TYPE_ARP):
        return aro_arp_input(frame);
    case RTE_BE16(RTE_ETHER_TYPE_VLAN):
    case RTE_BE16(RTE_ETHER_TYPE_QINQ):
        return ARO_DROP_frame_vlan;
    default:
        return ARO_DROP_frame_type;
    }
}

static void ether_turn(const struct aro_frame *frame)
{
    struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame->packet, struct rte_ether_hdr *);

    ether->dst_addr = frame->port->reply_via_gateway ? frame->port->gateway_mac : ether->src_addr;
    ether->src_addr = frame->port->mac;
}

static uint16_t ip4_turn(struct aro_frame *frame, uint16_t transport_bytes)
{
    struct rte_ipv4_hdr *ip =
        rte_pktmbuf_mtod_offset(frame->packet, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
    rte_be32_t source = ip->src_addr;

    ip->version_ihl = RTE_IPV4_VHL_DEF;
    ip->type_of_service = 0;
    ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + transport_bytes));
    ip->packet_id = 0; /* atomic datagram, RFC 6864: DF set, id without meaning */
    ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
    ip->time_to_live = 64;
    ip->src_addr = ip->dst_addr;
    ip->dst_addr = source;
    ip->hdr_checksum = 0;
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    return RTE_ETHER_HDR_LEN + sizeof(*ip);
}

static uint16_t ip6_turn(struct aro_frame *frame, uint16_t transport_bytes)
{
    struct rte_ipv6_hdr *ip =
        rte_pktmbuf_mtod_offset(frame->packet, struct rte_ipv6_hdr *, RTE_ETHER_HDR_LEN);
    uint8_t source[16];

    ip->vtc_flow = RTE_BE32(6u << 28);
    ip->payload_len = rte_cpu_to_be_16(transport_bytes);
    ip->hop_limits = 64;
    memcpy(source, ip->src_addr, 16);
    memcpy(ip->src_addr, ip->dst_addr, 16);
    memcpy(ip->dst_addr, source, 16);
    return RTE_ETHER_HDR_LEN + sizeof(*ip);
}

void aro_net_turn(struct aro_frame *frame, uint16_t transport_bytes, uint8_t **ret_transport)
{
    uint16_t at;

    ether_turn(frame);
    at = frame->family == 4 ? ip4_turn(frame, transport_bytes) : ip6_turn(frame, transport_bytes);
    frame->packet->data_len = (uint16_t)(at + transport_bytes);
    frame->packet->pkt_len = frame->packet->data_len;
    frame->packet->ol_flags = 0;
    *ret_transport = aro_frame_at(frame, at);
}

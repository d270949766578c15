/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 input: the checks of RFC 1122 section 3.2.1 and RFC 1812 section 5.2.2, in their order. */
#include "dataplane/net/net.h"

static bool source_is_unicast(const struct aro_port *port, rte_be32_t source_be)
{
    uint32_t source = rte_be_to_cpu_32(source_be);

    return source >> 24 != 0 && source >> 24 != 127 && source >> 28 < 0xe &&
           !aro_port_has4(port, source_be);
}

static bool checksum_is_good(const struct aro_frame *frame, const struct rte_ipv4_hdr *ip,
                             uint16_t header_bytes)
{
    uint64_t offload = frame->packet->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

    if (frame->port->rx_checksum_device && offload == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
        return true;
    return rte_raw_cksum(ip, header_bytes) == 0xffff;
}

int aro_ip4_input(struct aro_frame *frame)
{
    const struct rte_mbuf *packet = frame->packet;
    const struct rte_ipv4_hdr *ip =
        rte_pktmbuf_mtod_offset(packet, const struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
    uint16_t room = (uint16_t)(packet->data_len - RTE_ETHER_HDR_LEN);
    uint16_t header_bytes, total_bytes;

    if (room < sizeof(*ip))
        return ARO_DROP_frame_short;
    header_bytes = rte_ipv4_hdr_len(ip);
    total_bytes = rte_be_to_cpu_16(ip->total_length);
    if (ip->version_ihl >> 4 != 4 || header_bytes < sizeof(*ip) || total_bytes < header_bytes ||
        total_bytes > room)
        return ARO_DROP_ip4_header;
    if (!checksum_is_good(frame, ip, header_bytes))
        return ARO_DROP_ip4_checksum;
    if (!source_is_unicast(frame->port, ip->src_addr))
        return ARO_DROP_ip4_source;
    if (!aro_port_has4(frame->port, ip->dst_addr))
        return ARO_DROP_ip4_destination;
    if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0)
        return ARO_DROP_ip4_fragment;

    frame->family = 4;
    frame->transport_at = (uint16_t)(RTE_ETHER_HDR_LEN + header_bytes);
    frame->transport_bytes = (uint16_t)(total_bytes - header_bytes);
    if (ip->next_proto_id == IPPROTO_UDP)
        return aro_udp_input(frame);
    if (ip->next_proto_id == IPPROTO_ICMP)
        return aro_icmp4_input(frame);
    return ARO_DROP_ip_protocol;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP input and the way back (RFC 768; over IPv6 RFC 8200 section 8.1: a checksum is mandatory). */
#include "dataplane/net/net.h"

static uint16_t pseudo_sum(const struct aro_frame *frame)
{
    const void *ip = aro_frame_at(frame, RTE_ETHER_HDR_LEN);

    return frame->family == 4 ? rte_ipv4_phdr_cksum(ip, 0) : rte_ipv6_phdr_cksum(ip, 0);
}

static bool checksum_is_good(const struct aro_frame *frame, const struct rte_udp_hdr *udp)
{
    uint64_t offload = frame->packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    uint16_t pseudo;
    uint32_t sum;

    if (udp->dgram_cksum == 0)
        return frame->family == 4;
    if (frame->port->rx_checksum_device && offload == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
        return true;
    pseudo = pseudo_sum(frame);
    if (frame->port->rx_partial_checksum && udp->dgram_cksum == pseudo)
        return true;
    sum = (uint32_t)pseudo + rte_raw_cksum(udp, frame->transport_bytes);
    return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

static void peer_read(struct aro_frame *frame, const struct rte_udp_hdr *udp)
{
    const uint8_t *ip = aro_frame_at(frame, RTE_ETHER_HDR_LEN);

    if (frame->family == 4) {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        memcpy(frame->peer.address, mapped, sizeof(mapped));
        memcpy(frame->peer.address + 12, ip + offsetof(struct rte_ipv4_hdr, src_addr), 4);
    } else {
        memcpy(frame->peer.address, ip + offsetof(struct rte_ipv6_hdr, src_addr), 16);
    }
    frame->peer.source_port_be = udp->src_port;
    frame->peer.destination_port_be = udp->dst_port;
}

int aro_udp_input(struct aro_frame *frame)
{
    const struct rte_udp_hdr *udp = (const void *)aro_frame_at(frame, frame->transport_at);

    if (frame->transport_bytes < sizeof(*udp) ||
        rte_be_to_cpu_16(udp->dgram_len) != frame->transport_bytes)
        return ARO_DROP_udp_header;
    if (udp->dst_port != frame->port->service_port_be)
        return ARO_DROP_udp_port;
    if (!checksum_is_good(frame, udp))
        return ARO_DROP_udp_checksum;
    frame->payload_at = (uint16_t)(frame->transport_at + sizeof(*udp));
    frame->payload_bytes = (uint16_t)(frame->transport_bytes - sizeof(*udp));
    peer_read(frame, udp);
    return ARO_NET_REQUEST;
}

void aro_udp_turn(struct aro_frame *frame, uint16_t payload_bytes)
{
    uint16_t transport_bytes = (uint16_t)(sizeof(struct rte_udp_hdr) + payload_bytes);
    uint8_t *payload = aro_frame_at(frame, frame->payload_at);
    struct rte_udp_hdr *udp;
    uint8_t *transport;
    uint32_t sum;

    aro_net_turn(frame, transport_bytes, &transport);
    udp = (void *)transport;
    memmove(udp + 1, payload, payload_bytes); /* moves only when IPv4 options went */
    udp->src_port = frame->peer.destination_port_be;
    udp->dst_port = frame->peer.source_port_be;
    udp->dgram_len = rte_cpu_to_be_16(transport_bytes);
    udp->dgram_cksum = 0;
    frame->transport_at = (uint16_t)(transport - rte_pktmbuf_mtod(frame->packet, uint8_t *));
    frame->transport_bytes = transport_bytes;
    frame->payload_at = (uint16_t)(frame->transport_at + sizeof(*udp));
    frame->payload_bytes = payload_bytes;
    sum = (uint32_t)pseudo_sum(frame) + rte_raw_cksum(udp, transport_bytes);
    sum = (sum & 0xffff) + (sum >> 16);
    udp->dgram_cksum = sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

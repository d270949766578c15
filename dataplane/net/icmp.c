/* SPDX-License-Identifier: BSD-3-Clause */
/* Echo for IPv4 (RFC 792) and IPv6 (RFC 4443), so that ping works. Nothing else is believed. */
#include "dataplane/net/net.h"

#include <rte_icmp.h>

enum {
    ICMP4_ECHO_REQUEST = 8,
    ICMP4_ECHO_REPLY = 0,
    ICMP6_ECHO_REQUEST = 128,
    ICMP6_ECHO_REPLY = 129,
    ICMP6_ND_FIRST = 133, /* router solicitation .. redirect */
    ICMP6_ND_LAST = 137,
};

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

static void echo_turn(struct aro_frame *frame, uint8_t type)
{
    uint16_t bytes = frame->transport_bytes;
    const uint8_t *received = aro_frame_at(frame, frame->transport_at);
    struct rte_icmp_hdr *icmp;
    uint8_t *transport;
    uint32_t sum;

    aro_net_turn(frame, bytes, &transport);
    memmove(transport, received, bytes);
    icmp = (void *)transport;
    icmp->icmp_type = type;
    icmp->icmp_cksum = 0;
    sum = rte_raw_cksum(icmp, bytes);
    if (frame->family == 6)
        sum += rte_ipv6_phdr_cksum((const void *)aro_frame_at(frame, RTE_ETHER_HDR_LEN), 0);
    icmp->icmp_cksum = (uint16_t)~fold(sum);
}

int aro_icmp4_input(struct aro_frame *frame)
{
    const struct rte_icmp_hdr *icmp = (const void *)aro_frame_at(frame, frame->transport_at);

    if (frame->transport_bytes < sizeof(*icmp) ||
        rte_raw_cksum(icmp, frame->transport_bytes) != 0xffff)
        return ARO_DROP_icmp_malformed;
    if (icmp->icmp_type != ICMP4_ECHO_REQUEST || icmp->icmp_code != 0)
        return ARO_DROP_icmp_other;
    echo_turn(frame, ICMP4_ECHO_REPLY);
    return ARO_NET_REPLY_ICMP;
}

int aro_icmp6_input(struct aro_frame *frame)
{
    const struct rte_icmp_hdr *icmp = (const void *)aro_frame_at(frame, frame->transport_at);
    const struct rte_ipv6_hdr *ip = (const void *)aro_frame_at(frame, RTE_ETHER_HDR_LEN);

    if (frame->transport_bytes < 4 || fold((uint32_t)rte_raw_cksum(icmp, frame->transport_bytes) +
                                           rte_ipv6_phdr_cksum(ip, 0)) != 0xffff)
        return ARO_DROP_icmp_malformed;
    if (icmp->icmp_type >= ICMP6_ND_FIRST && icmp->icmp_type <= ICMP6_ND_LAST)
        return aro_nd_input(frame);
    if (icmp->icmp_type != ICMP6_ECHO_REQUEST || icmp->icmp_code != 0 || ip->dst_addr[0] == 0xff)
        return ARO_DROP_icmp_other;
    if (frame->transport_bytes < sizeof(*icmp))
        return ARO_DROP_icmp_malformed;
    echo_turn(frame, ICMP6_ECHO_REPLY);
    return ARO_NET_REPLY_ICMP;
}

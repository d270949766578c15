/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers ARP requests for the port's IPv4 addresses (RFC 826); learns nothing. */
#include "dataplane/net/net.h"

#include <rte_arp.h>

int aro_arp_input(struct aro_frame *frame)
{
    struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame->packet, struct rte_ether_hdr *);
    struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(ether + 1);
    rte_be32_t asked;

    if (frame->packet->data_len < sizeof(*ether) + sizeof(*arp))
        return ARO_DROP_frame_short;
    if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
        arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || arp->arp_hlen != RTE_ETHER_ADDR_LEN ||
        arp->arp_plen != sizeof(asked))
        return ARO_DROP_arp_malformed;
    asked = arp->arp_data.arp_tip;
    if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) || !aro_port_has4(frame->port, asked))
        return ARO_DROP_arp_other;

    arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
    arp->arp_data.arp_tha = arp->arp_data.arp_sha;
    arp->arp_data.arp_tip = arp->arp_data.arp_sip;
    arp->arp_data.arp_sha = frame->port->mac;
    arp->arp_data.arp_sip = asked;
    ether->dst_addr = ether->src_addr;
    ether->src_addr = frame->port->mac;
    frame->packet->data_len = sizeof(*ether) + sizeof(*arp);
    frame->packet->pkt_len = frame->packet->data_len;
    frame->packet->ol_flags = 0;
    return ARO_NET_REPLY;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers neighbour solicitations for the port's IPv6 addresses (RFC 4861 sections 7.1.1, 7.2.4).
 * Learns nothing. A probe for a duplicate address (unspecified source, section 7.1.1) never gets
 * here: ip6 drops unspecified sources. This node's addresses are configured, not negotiated, so it
 * does not defend them (RFC 4862 section 5.4.3 would): a neighbour that takes one is not told. A
 * neighbour whose own address is still optimistic (RFC 4429) asks without its link-layer option;
 * it is answered all the same, at the Ethernet source.
 */
#include "dataplane/net/net.h"

enum {
    ND_SOLICIT = 135,
    ND_ADVERT = 136,
    ND_OPTION_TARGET_MAC = 2,
    ND_SOLICITED_OVERRIDE = 0x60,
};

struct nd_message {
    uint8_t type, code;
    uint16_t checksum;
    uint8_t flags[4];
    uint8_t target[16];
};

struct nd_advert {
    struct nd_message message;
    uint8_t option_type, option_units; /* units of 8 bytes */
    struct rte_ether_addr mac;
};
static_assert(sizeof(struct nd_advert) == 32, "a neighbour advertisement with one option");

/* Options must have a length and end where the message ends (RFC 4861 section 7.1.1). */
static bool options_are_sound(const uint8_t *option, uint16_t bytes)
{
    while (bytes != 0) {
        uint16_t option_bytes = bytes >= 2 ? (uint16_t)(option[1] * 8) : 0;
        if (option_bytes == 0 || option_bytes > bytes)
            return false;
        option += option_bytes;
        bytes = (uint16_t)(bytes - option_bytes);
    }
    return true;
}

static void advert_write(struct aro_frame *frame, const uint8_t target[16])
{
    struct rte_ether_hdr *ether = rte_pktmbuf_mtod(frame->packet, struct rte_ether_hdr *);
    struct rte_ipv6_hdr *ip = (void *)(ether + 1);
    struct rte_ether_addr asker = ether->src_addr;
    struct nd_advert advert = {
        .message = {.type = ND_ADVERT, .flags = {ND_SOLICITED_OVERRIDE}},
        .option_type = ND_OPTION_TARGET_MAC,
        .option_units = 1,
        .mac = frame->port->mac,
    };
    uint8_t *transport;
    uint32_t sum;

    memcpy(advert.message.target, target, 16);
    aro_net_turn(frame, sizeof(advert), &transport);
    ether->dst_addr = asker;          /* on the link, even where answers go to a gateway */
    memcpy(ip->src_addr, target, 16); /* the solicitation went to the group, not to the address */
    ip->hop_limits = 255;
    sum = (uint32_t)rte_raw_cksum(&advert, sizeof(advert)) + rte_ipv6_phdr_cksum(ip, 0);
    sum = (sum & 0xffff) + (sum >> 16);
    advert.message.checksum = (uint16_t)~sum;
    memcpy(transport, &advert, sizeof(advert));
}

int aro_nd_input(struct aro_frame *frame)
{
    const struct rte_ipv6_hdr *ip = (const void *)aro_frame_at(frame, RTE_ETHER_HDR_LEN);
    const struct nd_message *message = (const void *)aro_frame_at(frame, frame->transport_at);
    uint8_t target[16];

    if (message->type != ND_SOLICIT)
        return ARO_DROP_nd_other;
    if (frame->transport_bytes < sizeof(*message) || ip->hop_limits != 255 || message->code != 0 ||
        !options_are_sound((const uint8_t *)(message + 1),
                           (uint16_t)(frame->transport_bytes - sizeof(*message))))
        return ARO_DROP_nd_malformed;
    if (!aro_port_has6(frame->port, message->target))
        return ARO_DROP_nd_other;
    if (rte_pktmbuf_tailroom(frame->packet) + frame->transport_bytes < sizeof(struct nd_advert))
        return ARO_DROP_reply_no_memory;
    memcpy(target, message->target, 16);
    advert_write(frame, target);
    return ARO_NET_REPLY_ND;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

#include <stdlib.h>

#include "cache/base/bytes.h"

const uint8_t our_mac[6] = {2, 0, 0, 0xa1, 0xb2, 0xc3};
const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 2};
const uint8_t gateway_mac[6] = {0, 0, 0x5e, 0, 1, 7};
const uint8_t our_address4[4] = {10, 9, 0, 1};
const uint8_t our_other_address4[4] = {10, 9, 1, 1};
const uint8_t peer_address4[4] = {10, 9, 0, 2};
const uint8_t our_address6[16] = {0xfd, 9, [13] = 0x12, 0x34, 0x56};
const uint8_t our_link_local[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0xa1, 0xb2, 0xc3};
const uint8_t our_group6[16] = {0xff, 2, [11] = 1, 0xff, 0x12, 0x34, 0x56};
const uint8_t peer_address6[16] = {0xfd, 9, [15] = 2};
static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0x12, 0x34, 0x56};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct aro_port port_make(void)
{
    struct aro_port port = {
        .mtu = 1500,
        .service_port_be = rte_cpu_to_be_16(SERVICE_PORT),
        .addresses4 = 2,
        .addresses6 = 2,
    };

    memcpy(port.mac.addr_bytes, our_mac, 6);
    memcpy(port.gateway_mac.addr_bytes, gateway_mac, 6);
    memcpy(&port.address4_be[0], our_address4, 4);
    memcpy(&port.address4_be[1], our_other_address4, 4);
    memcpy(port.address6[0], our_address6, 16);
    memcpy(port.address6[1], our_link_local, 16);
    return port;
}

static uint8_t *put(struct wire *wire, const void *bytes, size_t n)
{
    uint8_t *at = wire->bytes + wire->len;

    if (bytes != NULL)
        memcpy(at, bytes, n);
    else
        memset(at, 0, n);
    wire->len = (uint16_t)(wire->len + n);
    return at;
}

static void put_ether(struct wire *wire, const uint8_t destination[6], uint16_t type)
{
    put(wire, destination, 6);
    put(wire, peer_mac, 6);
    aro_store_be16(put(wire, NULL, 2), type);
}

static void put_ip4(struct wire *wire, uint8_t protocol, uint16_t option_bytes,
                    uint16_t transport_bytes)
{
    uint8_t *ip;

    put_ether(wire, our_mac, 0x0800);
    ip = put(wire, NULL, 12);
    ip[0] = (uint8_t)(0x45 + option_bytes / 4);
    aro_store_be16(ip + 2, (uint16_t)(20 + option_bytes + transport_bytes));
    aro_store_be16(ip + 4, 0x1234);
    ip[6] = 0x40; /* DF */
    ip[8] = 61;
    ip[9] = protocol;
    put(wire, peer_address4, 4);
    put(wire, our_address4, 4);
    memset(put(wire, NULL, option_bytes), 1, option_bytes); /* no-operation */
}

static void put_ip6(struct wire *wire, uint8_t protocol, const uint8_t destination[16],
                    uint16_t transport_bytes)
{
    uint8_t *ip;

    put_ether(wire, destination[0] == 0xff ? group_mac : our_mac, 0x86dd);
    ip = put(wire, NULL, 8);
    aro_store_be32(ip, 6u << 28 | 3u << 20 | 0x12345); /* some traffic class and flow label */
    aro_store_be16(ip + 4, transport_bytes);
    ip[6] = protocol;
    ip[7] = 255;
    put(wire, peer_address6, 16);
    put(wire, destination, 16);
}

static void put_payload(struct wire *wire, uint16_t n)
{
    uint8_t *payload = put(wire, NULL, n);

    for (uint16_t i = 0; i < n; i++)
        payload[i] = (uint8_t)(i * 7 + 1);
}

static void put_udp(struct wire *wire, uint16_t payload_bytes)
{
    uint8_t *udp = put(wire, NULL, 8);

    aro_store_be16(udp, PEER_PORT);
    aro_store_be16(udp + 2, SERVICE_PORT);
    aro_store_be16(udp + 4, (uint16_t)(8 + payload_bytes));
    put_payload(wire, payload_bytes);
}

static void put_echo(struct wire *wire, uint8_t type, uint16_t payload_bytes)
{
    uint8_t *icmp = put(wire, NULL, 8);

    icmp[0] = type;
    aro_store_be32(icmp + 4, 0xcafe0007); /* identifier, sequence number */
    put_payload(wire, payload_bytes);
}

static void put_arp(struct wire *wire)
{
    static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};

    put_ether(wire, broadcast_mac, 0x0806);
    put(wire, request, 8);
    put(wire, peer_mac, 6);
    put(wire, peer_address4, 4);
    put(wire, NULL, 6);
    put(wire, our_address4, 4);
}

static void put_solicit(struct wire *wire, const uint8_t destination[16], bool option)
{
    static const uint8_t source_mac_option[2] = {1, 1};

    put_ip6(wire, IPPROTO_ICMPV6, destination, option ? 32 : 24);
    *put(wire, NULL, 8) = 135;
    put(wire, our_address6, 16);
    if (option) {
        put(wire, source_mac_option, 2);
        put(wire, peer_mac, 6);
    }
}

void wire_make(struct wire *wire, enum shape shape, uint16_t payload_bytes)
{
    uint16_t transport_bytes = (uint16_t)(8 + payload_bytes);

    wire->len = 0;
    switch (shape) {
    case UDP4:
    case UDP4_OPTIONS:
        put_ip4(wire, IPPROTO_UDP, shape == UDP4 ? 0 : 8, transport_bytes);
        put_udp(wire, payload_bytes);
        break;
    case UDP6:
        put_ip6(wire, IPPROTO_UDP, our_address6, transport_bytes);
        put_udp(wire, payload_bytes);
        break;
    case ECHO4:
        put_ip4(wire, IPPROTO_ICMP, 0, transport_bytes);
        put_echo(wire, 8, payload_bytes);
        break;
    case ECHO6:
        put_ip6(wire, IPPROTO_ICMPV6, our_address6, transport_bytes);
        put_echo(wire, 128, payload_bytes);
        break;
    case ARP:
        put_arp(wire);
        break;
    case SOLICIT:
        put_solicit(wire, our_group6, true);
        break;
    case SOLICIT_UNICAST:
    case SHAPES:
        put_solicit(wire, our_address6, false);
        break;
    }
    wire_seal(wire);
}

void wire_patch(struct wire *wire, uint16_t at, const void *bytes, size_t n)
{
    cr_assert_leq(at + n, wire->len, "a patch outside of its frame");
    memcpy(wire->bytes + at, bytes, n);
}

void wire_resize(struct wire *wire, uint16_t len)
{
    if (len > wire->len)
        memset(wire->bytes + wire->len, 0, (size_t)(len - wire->len));
    wire->len = len;
}

uint16_t wire_load16(const struct wire *wire, size_t at)
{
    return aro_load_be16(wire->bytes + at);
}

uint32_t words_sum(const uint8_t *bytes, size_t n)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return sum;
}

uint16_t sum_fold(uint32_t sum)
{
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Where the transport header is and how long the IP header says it is, cut to the frame. */
static bool transport_find(const struct wire *wire, size_t *ret_at, size_t *ret_n, uint8_t *ret_p)
{
    const uint8_t *ip = wire->bytes + IP_AT;
    size_t at, end;

    if (wire->len >= IP_AT + 20 && wire_load16(wire, 12) == 0x0800) {
        at = IP_AT + (ip[0] & 15u) * 4;
        end = IP_AT + (size_t)aro_load_be16(ip + 2);
        *ret_p = ip[9];
    } else if (wire->len >= IP_AT + 40 && wire_load16(wire, 12) == 0x86dd) {
        at = IP_AT + 40;
        end = at + aro_load_be16(ip + 4);
        *ret_p = ip[6];
    } else {
        return false;
    }
    end = end < wire->len ? end : wire->len;
    *ret_at = at;
    *ret_n = end > at ? end - at : 0;
    return at <= wire->len;
}

uint16_t transport_sum(const struct wire *wire)
{
    const uint8_t *ip = wire->bytes + IP_AT;
    uint32_t sum = 0;
    uint8_t protocol;
    size_t at, n;

    if (!transport_find(wire, &at, &n, &protocol))
        return 0;
    if (ip[0] >> 4 == 6)
        sum = words_sum(ip + 8, 32) + (uint32_t)n + protocol;
    else if (protocol == IPPROTO_UDP)
        sum = words_sum(ip + 12, 8) + (uint32_t)n + protocol;
    return sum_fold(sum + words_sum(wire->bytes + at, n));
}

uint16_t header4_sum(const struct wire *wire)
{
    return sum_fold(words_sum(wire->bytes + IP_AT, (wire->bytes[IP_AT] & 15u) * 4));
}

void wire_seal(struct wire *wire)
{
    size_t at, n, field;
    uint8_t protocol;
    uint16_t sum;

    if (!transport_find(wire, &at, &n, &protocol))
        return;
    field = protocol == IPPROTO_UDP ? 6 : 2;
    if (n >= field + 2) {
        aro_store_be16(wire->bytes + at + field, 0);
        sum = (uint16_t)~transport_sum(wire);
        aro_store_be16(wire->bytes + at + field,
                       sum == 0 && protocol == IPPROTO_UDP ? 0xffff : sum);
    }
    if (wire_load16(wire, 12) == 0x0800 && at >= IP_AT + 20) {
        aro_store_be16(wire->bytes + IP_AT + 10, 0);
        aro_store_be16(wire->bytes + IP_AT + 10, (uint16_t)~header4_sum(wire));
    }
}

void frame_receive(struct received *received, const struct aro_port *port, const struct wire *wire,
                   uint16_t tailroom)
{
    size_t buffer_bytes = (size_t)wire->len + tailroom;
    struct rte_mbuf *packet = &received->packet;

    memset(received, 0, sizeof(*received));
    packet->buf_addr = malloc(buffer_bytes > 0 ? buffer_bytes : 1);
    cr_assert_not_null(packet->buf_addr);
    memcpy(packet->buf_addr, wire->bytes, wire->len);
    packet->buf_len = (uint16_t)buffer_bytes;
    packet->data_len = wire->len;
    packet->pkt_len = wire->len;
    packet->nb_segs = 1;
    received->frame.packet = packet;
    received->frame.port = port;
    received->verdict = aro_net_input(&received->frame);
}

void frame_release(struct received *received, struct wire *ret_answer)
{
    const struct rte_mbuf *packet = &received->packet;

    if (ret_answer != NULL) {
        cr_assert_leq(packet->data_off + packet->data_len, packet->buf_len);
        cr_assert_eq(packet->pkt_len, packet->data_len);
        memcpy(ret_answer->bytes, rte_pktmbuf_mtod(packet, void *), packet->data_len);
        ret_answer->len = packet->data_len;
    }
    free(packet->buf_addr);
}

int frame_verdict(const struct aro_port *port, const struct wire *wire, struct wire *ret_answer)
{
    struct received received;

    frame_receive(&received, port, wire, 64);
    frame_release(&received, received.verdict < ARO_NET_REQUEST ? ret_answer : NULL);
    return received.verdict;
}

void rows_check(const struct aro_port *port, const struct row *rows, size_t n)
{
    for (const struct row *row = rows; row < rows + n; row++) {
        struct received received;
        struct wire wire;
        wire_make(&wire, row->shape, row->payload);
        for (unsigned i = 0; i < RTE_DIM(row->patch); i++)
            if (row->patch[i].n != 0)
                wire_patch(&wire, row->patch[i].at, row->patch[i].bytes, row->patch[i].n);
        if (!row->stale)
            wire_seal(&wire);
        wire_resize(&wire, (uint16_t)(wire.len + row->grow));
        frame_receive(&received, port, &wire, 0);
        frame_release(&received, NULL);
        cr_expect_eq(received.verdict, row->want, "%s: verdict %d, expected %d", row->what,
                     received.verdict, row->want);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

#include "cache/base/bytes.h"

enum { LENGTH4 = UDP4_AT + 4, SUM4 = UDP4_AT + 6, SUM6 = UDP6_AT + 6 };

Test(net_udp, every_datagram_gets_its_verdict)
{
    static const struct row rows[] = {
        {"an empty datagram", UDP4, ARO_NET_REQUEST, .payload = 0},
        {"a full one", UDP4, ARO_NET_REQUEST, .payload = 1472},
        {"an odd length", UDP4, ARO_NET_REQUEST, .payload = 77},
        {"an odd length, IPv6", UDP6, ARO_NET_REQUEST, .payload = 77},
        {"seven bytes", UDP4, ARO_DROP_udp_header, .patch = {PATCH(IP_AT + 2, "\0\x1b")}},
        {"seven bytes, and it says so", UDP4, ARO_DROP_udp_header,
         .patch = {PATCH(IP_AT + 2, "\0\x1b"), PATCH(LENGTH4, "\0\7")}},
        {"longer than the packet", UDP4, ARO_DROP_udp_header, .patch = {PATCH(LENGTH4, "\0\x9")}},
        {"shorter than the packet", UDP4, ARO_DROP_udp_header, .payload = 2,
         .patch = {PATCH(LENGTH4, "\0\x9")}},
        {"length 0", UDP4, ARO_DROP_udp_header, .patch = {PATCH(LENGTH4, "\0\0")}},
        {"length 0, IPv6", UDP6, ARO_DROP_udp_header, .patch = {PATCH(UDP6_AT + 4, "\0\0")}},
        {"the port below", UDP4, ARO_DROP_udp_port, .patch = {PATCH(UDP4_AT + 2, "\x25\x1b")}},
        {"the port above", UDP4, ARO_DROP_udp_port, .patch = {PATCH(UDP4_AT + 2, "\x25\x1d")}},
        {"bytes swapped", UDP4, ARO_DROP_udp_port, .patch = {PATCH(UDP4_AT + 2, "\x1c\x25")}},
        {"port 0", UDP6, ARO_DROP_udp_port, .patch = {PATCH(UDP6_AT + 2, "\0\0")}},
        {"checksum off", UDP4, ARO_DROP_udp_checksum, .payload = 76, .stale = true,
         .patch = {PATCH(UDP4_AT + 20, "\xff")}},
        {"checksum off, IPv6", UDP6, ARO_DROP_udp_checksum, .payload = 76, .stale = true,
         .patch = {PATCH(UDP6_AT + 20, "\xff")}},
        {"checksum off in the odd byte", UDP4, ARO_DROP_udp_checksum, .payload = 77, .stale = true,
         .patch = {PATCH(UDP4_AT + 84, "\xff")}},
        {"no checksum", UDP4, ARO_NET_REQUEST, .stale = true, .patch = {PATCH(SUM4, "\0\0")}},
        {"no checksum, IPv6", UDP6, ARO_DROP_udp_checksum, .stale = true,
         .patch = {PATCH(SUM6, "\0\0")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_udp, an_address_not_covered_by_the_checksum_is_caught)
{
    struct aro_port port = port_make();
    struct wire wire;

    wire_make(&wire, UDP6, 76);
    wire.bytes[IP_AT + 23] ^= 1; /* another source: only the pseudo header knows */
    cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_DROP_udp_checksum);
}

Test(net_udp, a_checksum_of_all_ones_stands_for_zero)
{
    const enum shape shapes[] = {UDP4, UDP6};
    struct aro_port port = port_make();

    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        size_t udp_at = shapes[i] == UDP4 ? UDP4_AT : UDP6_AT;
        struct wire wire;
        wire_make(&wire, shapes[i], 76);
        aro_store_be16(wire.bytes + udp_at + 8, 0);
        wire_seal(&wire);
        memcpy(wire.bytes + udp_at + 8, wire.bytes + udp_at + 6, 2);
        wire_seal(&wire);
        cr_assert_eq(wire_load16(&wire, udp_at + 6), 0xffff);
        cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_NET_REQUEST);
    }
}

/* What a local kernel leaves for a device to finish: the folded sum of the pseudo header. */
static void make_partial(struct wire *wire, enum shape shape)
{
    size_t udp_at = shape == UDP4 ? UDP4_AT : shape == UDP6 ? UDP6_AT : UDP4_AT + 8;
    size_t addresses_at = shape == UDP6 ? IP_AT + 8 : IP_AT + 12;
    uint32_t sum;

    wire_make(wire, shape, 76);
    sum = words_sum(wire->bytes + addresses_at, shape == UDP6 ? 32 : 8) + 84 + IPPROTO_UDP;
    aro_store_be16(wire->bytes + udp_at + 6, sum_fold(sum));
}

Test(net_udp, an_unfinished_checksum_passes_only_where_the_profile_says_so)
{
    const enum shape shapes[] = {UDP4, UDP4_OPTIONS, UDP6};
    struct aro_port port = port_make();

    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        struct wire wire;
        make_partial(&wire, shapes[i]);
        port.rx_partial_checksum = false;
        cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_DROP_udp_checksum);
        port.rx_partial_checksum = true;
        cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_NET_REQUEST, "shape %d", shapes[i]);
        wire_seal(&wire);
        cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_NET_REQUEST);
        wire.bytes[wire.len - 1] ^= 1;
        cr_assert_eq(frame_verdict(&port, &wire, NULL), ARO_DROP_udp_checksum);
    }
}

Test(net_udp, the_device_may_vouch_for_a_checksum_but_not_for_none_over_ip6)
{
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;

    wire_make(&wire, UDP6, 76);
    wire.bytes[SUM6] ^= 1;
    frame_receive(&received, &port, &wire, 0);
    received.packet.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_udp_checksum, "not asked to");
    port.rx_checksum_device = true;
    cr_assert_eq(aro_net_input(&received.frame), ARO_NET_REQUEST);
    received.packet.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_udp_checksum);
    received.packet.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    memset(rte_pktmbuf_mtod_offset(&received.packet, uint8_t *, SUM6), 0, 2);
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_udp_checksum);
    frame_release(&received, NULL);
}

Test(net_udp, the_peer_is_read_as_tokens_are_bound)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;

    wire_make(&wire, UDP4, 76);
    frame_receive(&received, &port, &wire, 0);
    cr_assert_eq(received.frame.family, 4);
    cr_assert_arr_eq(received.frame.peer.address, mapped, 12);
    cr_assert_arr_eq(received.frame.peer.address + 12, peer_address4, 4);
    cr_assert_eq(received.frame.peer.source_port_be, rte_cpu_to_be_16(PEER_PORT));
    cr_assert_eq(received.frame.peer.destination_port_be, rte_cpu_to_be_16(SERVICE_PORT));
    frame_release(&received, NULL);

    wire_make(&wire, UDP6, 76);
    frame_receive(&received, &port, &wire, 0);
    cr_assert_eq(received.frame.family, 6);
    cr_assert_arr_eq(received.frame.peer.address, peer_address6, 16);
    cr_assert_eq(received.frame.payload_at, UDP6_AT + 8);
    cr_assert_eq(received.frame.payload_bytes, 76);
    frame_release(&received, NULL);
}

static void turn_check(enum shape shape, uint16_t payload_bytes, struct wire *answer)
{
    bool is4 = shape != UDP6;
    size_t udp_at = is4 ? UDP4_AT : UDP6_AT;
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;
    uint8_t payload[1472];

    wire_make(&wire, shape, 1472);
    frame_receive(&received, &port, &wire, 0);
    cr_assert_eq(received.verdict, ARO_NET_REQUEST);
    received.packet.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    for (unsigned i = 0; i < payload_bytes; i++)
        payload[i] = (uint8_t)(i * 13 + 5);
    memcpy(aro_frame_at(&received.frame, received.frame.payload_at), payload, payload_bytes);
    aro_udp_turn(&received.frame, payload_bytes);
    cr_assert_eq(received.packet.ol_flags, 0);
    cr_assert_eq(received.frame.payload_at, udp_at + 8);
    cr_assert_eq(received.frame.payload_bytes, payload_bytes);
    frame_release(&received, answer);

    cr_assert_eq(answer->len, udp_at + 8 + payload_bytes);
    cr_assert_arr_eq(answer->bytes, peer_mac, 6);
    cr_assert_arr_eq(answer->bytes + 6, our_mac, 6);
    cr_assert_eq(wire_load16(answer, udp_at), SERVICE_PORT);
    cr_assert_eq(wire_load16(answer, udp_at + 2), PEER_PORT);
    cr_assert_eq(wire_load16(answer, udp_at + 4), 8 + payload_bytes);
    cr_assert_neq(wire_load16(answer, udp_at + 6), 0);
    cr_assert_eq(transport_sum(answer), 0xffff, "%u bytes", payload_bytes);
    cr_assert_eq(memcmp(answer->bytes + udp_at + 8, payload, payload_bytes), 0);
}

Test(net_udp, an_ip4_answer_goes_back_where_the_request_came_from)
{
    static const enum shape shapes[] = {UDP4, UDP4_OPTIONS};
    static const uint16_t sizes[] = {0, 1, 24, 32, 33, 1472};
    struct wire answer;

    for (unsigned i = 0; i < RTE_DIM(shapes) * RTE_DIM(sizes); i++) {
        uint16_t bytes = sizes[i / RTE_DIM(shapes)];
        turn_check(shapes[i % RTE_DIM(shapes)], bytes, &answer);
        cr_assert_eq(answer.bytes[IP_AT], 0x45);
        cr_assert_eq(answer.bytes[IP_AT + 1], 0);
        cr_assert_eq(wire_load16(&answer, IP_AT + 2), 28 + bytes);
        cr_assert_eq(wire_load16(&answer, IP_AT + 6), 0x4000, "DF, no fragment");
        cr_assert_eq(answer.bytes[IP_AT + 8], 64);
        cr_assert_eq(answer.bytes[IP_AT + 9], IPPROTO_UDP);
        cr_assert_eq(header4_sum(&answer), 0xffff);
        cr_assert_arr_eq(answer.bytes + IP_AT + 12, our_address4, 4);
        cr_assert_arr_eq(answer.bytes + IP_AT + 16, peer_address4, 4);
    }
}

Test(net_udp, an_ip6_answer_goes_back_where_the_request_came_from)
{
    static const uint16_t sizes[] = {0, 1, 24, 32, 33, 1472};
    struct wire answer;

    for (unsigned i = 0; i < RTE_DIM(sizes); i++) {
        turn_check(UDP6, sizes[i], &answer);
        cr_assert_eq(wire_load16(&answer, IP_AT), 0x6000);
        cr_assert_eq(wire_load16(&answer, IP_AT + 2), 0);
        cr_assert_eq(wire_load16(&answer, IP_AT + 4), 8 + sizes[i]);
        cr_assert_eq(answer.bytes[IP_AT + 6], IPPROTO_UDP);
        cr_assert_eq(answer.bytes[IP_AT + 7], 64);
        cr_assert_arr_eq(answer.bytes + IP_AT + 8, our_address6, 16);
        cr_assert_arr_eq(answer.bytes + IP_AT + 24, peer_address6, 16);
    }
}

/* RFC 768: a sum that comes out as zero is sent as all ones. */
Test(net_udp, an_answer_never_carries_a_zero_checksum)
{
    static const enum shape shapes[] = {UDP4, UDP6};
    struct aro_port port = port_make();

    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        size_t udp_at = shapes[i] == UDP4 ? UDP4_AT : UDP6_AT;
        uint8_t payload[2] = {0, 0};
        struct wire wire, answer;
        wire_make(&wire, shapes[i], 2);
        for (unsigned round = 0; round < 2; round++) {
            struct received received;
            frame_receive(&received, &port, &wire, 0);
            memcpy(aro_frame_at(&received.frame, received.frame.payload_at), payload, 2);
            aro_udp_turn(&received.frame, 2);
            frame_release(&received, &answer);
            memcpy(payload, answer.bytes + udp_at + 6, 2); /* makes the next sum all ones */
        }
        cr_assert_eq(wire_load16(&answer, udp_at + 6), 0xffff);
        cr_assert_eq(transport_sum(&answer), 0xffff);
    }
}

Test(net_udp, reply_via_gateway_sends_answers_to_the_gateway)
{
    struct aro_port port = port_make();
    struct received received;
    struct wire wire, answer;

    port.reply_via_gateway = true;
    wire_make(&wire, UDP4, 76);
    frame_receive(&received, &port, &wire, 0);
    aro_udp_turn(&received.frame, 32);
    frame_release(&received, &answer);
    cr_assert_arr_eq(answer.bytes, gateway_mac, 6);
    cr_assert_arr_eq(answer.bytes + 6, our_mac, 6);
    cr_assert_arr_eq(answer.bytes + IP_AT + 16, peer_address4, 4);
}

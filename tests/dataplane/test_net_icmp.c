/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

Test(net_icmp, every_message_gets_its_verdict)
{
    static const struct row rows[] = {
        {"echo", ECHO4, ARO_NET_REPLY_ICMP, .payload = 0},
        {"echo, IPv6", ECHO6, ARO_NET_REPLY_ICMP, .payload = 0},
        {"odd echo", ECHO4, ARO_NET_REPLY_ICMP, .payload = 55},
        {"odd echo, IPv6", ECHO6, ARO_NET_REPLY_ICMP, .payload = 55},
        {"padded", ECHO4, ARO_NET_REPLY_ICMP, .payload = 1, .grow = 17},
        {"seven bytes", ECHO4, ARO_DROP_icmp_malformed, .patch = {PATCH(IP_AT + 2, "\0\x1b")}},
        {"no bytes", ECHO4, ARO_DROP_icmp_malformed, .patch = {PATCH(IP_AT + 2, "\0\x14")}},
        {"seven bytes, IPv6", ECHO6, ARO_DROP_icmp_malformed, .patch = {PATCH(IP_AT + 4, "\0\7")}},
        {"three bytes, IPv6", ECHO6, ARO_DROP_icmp_malformed, .patch = {PATCH(IP_AT + 4, "\0\3")}},
        {"no bytes, IPv6", ECHO6, ARO_DROP_icmp_malformed, .patch = {PATCH(IP_AT + 4, "\0\0")}},
        {"checksum off", ECHO4, ARO_DROP_icmp_malformed, .stale = true,
         .patch = {PATCH(ICMP4_AT + 7, "\x55")}},
        {"checksum off, IPv6", ECHO6, ARO_DROP_icmp_malformed, .stale = true,
         .patch = {PATCH(ICMP6_AT + 7, "\x55")}},
        {"checksum 0", ECHO4, ARO_DROP_icmp_malformed, .stale = true,
         .patch = {PATCH(ICMP4_AT + 2, "\0\0")}},
        {"echo reply", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT, "\0")}},
        {"echo reply, IPv6", ECHO6, ARO_DROP_icmp_other, .patch = {PATCH(ICMP6_AT, "\x81")}},
        {"unreachable", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT, "\3")}},
        {"redirect", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT, "\5")}},
        {"timestamp", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT, "\xd")}},
        {"echo with a code", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT + 1, "\1")}},
        {"echo with a code, IPv6", ECHO6, ARO_DROP_icmp_other,
         .patch = {PATCH(ICMP6_AT + 1, "\1")}},
        {"IPv6's type over IPv4", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(ICMP4_AT, "\x80")}},
        {"packet too big", ECHO6, ARO_DROP_icmp_other, .patch = {PATCH(ICMP6_AT, "\2")}},
        {"listener report", ECHO6, ARO_DROP_icmp_other, .patch = {PATCH(ICMP6_AT, "\x84")}},
        {"beyond neighbour discovery", ECHO6, ARO_DROP_icmp_other,
         .patch = {PATCH(ICMP6_AT, "\x8a")}},
        {"echo to a group", ECHO6, ARO_DROP_icmp_other,
         .patch = {PATCH(0, "\x33\x33\xff\x12\x34\x56"),
                   PATCH(IP_AT + 24, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\x12\x34\x56")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

static void echo_check(enum shape shape, uint16_t payload_bytes, bool padded)
{
    size_t icmp_at = shape == ECHO4 ? ICMP4_AT : ICMP6_AT;
    struct aro_port port = port_make();
    struct wire wire, answer;
    uint16_t len;

    wire_make(&wire, shape, payload_bytes);
    len = wire.len;
    if (padded)
        wire_resize(&wire, (uint16_t)(len + 9));
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ICMP);
    cr_assert_eq(answer.len, len, "padding is not sent back");
    cr_assert_eq(answer.bytes[icmp_at], shape == ECHO4 ? 0 : 129);
    cr_assert_eq(answer.bytes[icmp_at + 1], 0);
    cr_assert_eq(transport_sum(&answer), 0xffff, "%u bytes", payload_bytes);
    cr_assert_eq(memcmp(answer.bytes + icmp_at + 4, wire.bytes + icmp_at + 4, payload_bytes + 4),
                 0);
    if (shape == ECHO4) {
        cr_assert_eq(header4_sum(&answer), 0xffff);
        cr_assert_eq(wire_load16(&answer, IP_AT + 2), len - ETHER_BYTES);
        cr_assert_arr_eq(answer.bytes + IP_AT + 12, our_address4, 4);
        cr_assert_arr_eq(answer.bytes + IP_AT + 16, peer_address4, 4);
    } else {
        cr_assert_eq(answer.bytes[IP_AT + 7], 64);
        cr_assert_arr_eq(answer.bytes + IP_AT + 8, our_address6, 16);
        cr_assert_arr_eq(answer.bytes + IP_AT + 24, peer_address6, 16);
    }
}

Test(net_icmp, an_echo_of_any_length_comes_back_whole)
{
    for (uint16_t bytes = 0; bytes < 130; bytes++) {
        echo_check(ECHO4, bytes, false);
        echo_check(ECHO6, bytes, true);
    }
    echo_check(ECHO4, 8972, false);
    echo_check(ECHO6, 8951, false);
    echo_check(ECHO4, 1, true);
}

Test(net_icmp, an_echo_with_options_comes_back_without_them)
{
    static const uint8_t echo[8] = {8, 0, 0, 0, 0xca, 0xfe, 0, 7};
    struct aro_port port = port_make();
    struct wire wire, answer;

    wire_make(&wire, UDP4_OPTIONS, 33);
    wire.bytes[IP_AT + 9] = IPPROTO_ICMP;
    wire_patch(&wire, UDP4_AT + 8, echo, 8);
    wire_seal(&wire);
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ICMP);
    cr_assert_eq(answer.len, wire.len - 8);
    cr_assert_eq(answer.bytes[IP_AT], 0x45);
    cr_assert_eq(header4_sum(&answer), 0xffff);
    cr_assert_eq(transport_sum(&answer), 0xffff);
    cr_assert_arr_eq(answer.bytes + UDP4_AT + 4, wire.bytes + UDP4_AT + 12, 37);
}

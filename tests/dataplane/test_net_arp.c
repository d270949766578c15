/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

enum { ARP_BYTES = 42, HARDWARE = 14, PROTOCOL = 16, LENGTHS = 18, OPCODE = 20, TARGET = 38 };

Test(net_arp, every_frame_gets_its_verdict)
{
    static const struct row rows[] = {
        {"a request for our address", ARP, ARO_NET_REPLY, .payload = 0},
        {"for our other address", ARP, ARO_NET_REPLY, .patch = {PATCH(TARGET, "\x0a\x09\1\1")}},
        {"to our station", ARP, ARO_NET_REPLY, .patch = {PATCH(0, "\2\0\0\xa1\xb2\xc3")}},
        {"padded", ARP, ARO_NET_REPLY, .grow = FRAME_BYTES_MIN - ARP_BYTES},
        {"one byte short", ARP, ARO_DROP_frame_short, .grow = -1},
        {"for somebody else", ARP, ARO_DROP_arp_other, .patch = {PATCH(TARGET + 3, "\3")}},
        {"for nobody", ARP, ARO_DROP_arp_other, .patch = {PATCH(TARGET, "\0\0\0\0")}},
        {"a reply", ARP, ARO_DROP_arp_other, .patch = {PATCH(OPCODE, "\0\2")}},
        {"operation 0", ARP, ARO_DROP_arp_other, .patch = {PATCH(OPCODE, "\0\0")}},
        {"reverse ARP's operation", ARP, ARO_DROP_arp_other, .patch = {PATCH(OPCODE, "\0\3")}},
        {"operation 256", ARP, ARO_DROP_arp_other, .patch = {PATCH(OPCODE, "\1\0")}},
        {"token ring", ARP, ARO_DROP_arp_malformed, .patch = {PATCH(HARDWARE, "\0\6")}},
        {"not IPv4", ARP, ARO_DROP_arp_malformed, .patch = {PATCH(PROTOCOL, "\x86\xdd")}},
        {"hardware length 8", ARP, ARO_DROP_arp_malformed, .patch = {PATCH(LENGTHS, "\10")}},
        {"protocol length 16", ARP, ARO_DROP_arp_malformed, .patch = {PATCH(LENGTHS + 1, "\20")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_arp, the_reply_swaps_sender_and_target)
{
    static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 2};
    struct aro_port port = port_make();
    struct wire wire, answer;

    wire_make(&wire, ARP, 0);
    wire_resize(&wire, FRAME_BYTES_MIN);
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY);
    cr_assert_eq(answer.len, ARP_BYTES);
    cr_assert_arr_eq(answer.bytes, peer_mac, 6);
    cr_assert_arr_eq(answer.bytes + 6, our_mac, 6);
    cr_assert_arr_eq(answer.bytes + 14, head, 8);
    cr_assert_arr_eq(answer.bytes + 22, our_mac, 6);
    cr_assert_arr_eq(answer.bytes + 28, our_address4, 4);
    cr_assert_arr_eq(answer.bytes + 32, peer_mac, 6);
    cr_assert_arr_eq(answer.bytes + 38, peer_address4, 4);
}

/* RFC 5227 section 2.1.1: a probe has sender address zero; whoever holds the address says so. */
Test(net_arp, a_probe_for_our_address_is_answered)
{
    static const uint8_t zero[4];
    struct aro_port port = port_make();
    struct wire wire, answer;

    wire_make(&wire, ARP, 0);
    wire_patch(&wire, 28, zero, 4);
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY);
    cr_assert_arr_eq(answer.bytes + 28, our_address4, 4);
    cr_assert_arr_eq(answer.bytes + 38, zero, 4);
}

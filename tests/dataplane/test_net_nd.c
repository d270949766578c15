/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

enum { TARGET = ICMP6_AT + 8, OPTION = ICMP6_AT + 24, ADVERT_BYTES = ICMP6_AT + 32 };
enum { LENGTH = IP_AT + 4, SOURCE = IP_AT + 8, DESTINATION = IP_AT + 24 };

Test(net_nd, every_message_gets_its_verdict)
{
    static const struct row rows[] = {
        {"a solicitation", SOLICIT, ARO_NET_REPLY_ND, .payload = 0},
        {"for our link-local address", SOLICIT, ARO_NET_REPLY_ND,
         .patch = {PATCH(TARGET, "\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\xa1\xb2\xc3")}},
        {"padded", SOLICIT, ARO_NET_REPLY_ND, .grow = 5},
        {"hop limit 254: it crossed a router", SOLICIT, ARO_DROP_nd_malformed,
         .patch = {PATCH(IP_AT + 7, "\xfe")}},
        {"hop limit 0", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(IP_AT + 7, "\0")}},
        {"code 1", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(ICMP6_AT + 1, "\1")}},
        {"23 bytes", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(LENGTH, "\0\x17")}},
        {"four bytes", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(LENGTH, "\0\4")}},
        {"25 bytes", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(LENGTH, "\0\x19")}},
        {"an option without its end", SOLICIT, ARO_DROP_nd_malformed,
         .patch = {PATCH(LENGTH, "\0\x1f")}},
        {"an option of length 0", SOLICIT, ARO_DROP_nd_malformed,
         .patch = {PATCH(OPTION + 1, "\0")}},
        {"an option past the message", SOLICIT, ARO_DROP_nd_malformed,
         .patch = {PATCH(OPTION + 1, "\2")}},
        {"an option of 2040 bytes", SOLICIT, ARO_DROP_nd_malformed,
         .patch = {PATCH(OPTION + 1, "\xff")}},
        {"an option nobody knows", SOLICIT, ARO_NET_REPLY_ND, .patch = {PATCH(OPTION, "\xfd")}},
        {"checksum off", SOLICIT, ARO_DROP_icmp_malformed, .stale = true,
         .patch = {PATCH(ICMP6_AT + 4, "\1")}},
        {"for another host", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(TARGET + 7, "\1")}},
        {"for a group", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(TARGET, "\xff\2")}},
        {"an advertisement", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(ICMP6_AT, "\x88")}},
        {"router solicitation", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(ICMP6_AT, "\x85")}},
        {"router advertisement", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(ICMP6_AT, "\x86")}},
        {"redirect", SOLICIT_UNICAST, ARO_DROP_nd_other, .patch = {PATCH(ICMP6_AT, "\x89")}},
        {"no room for the option of the answer", SOLICIT_UNICAST, ARO_DROP_reply_no_memory,
         .payload = 0},
        {"a probe for a duplicate address", SOLICIT, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

static void advert_check(const struct wire *answer, const uint8_t target[16])
{
    static const uint8_t head[2] = {136, 0};
    static const uint8_t flags[4] = {0x60};  /* solicited, override, not a router */
    static const uint8_t option[2] = {2, 1}; /* target link-layer address */

    cr_assert_eq(answer->len, ADVERT_BYTES);
    cr_assert_arr_eq(answer->bytes, peer_mac, 6);
    cr_assert_arr_eq(answer->bytes + 6, our_mac, 6);
    cr_assert_eq(wire_load16(answer, LENGTH), 32);
    cr_assert_eq(answer->bytes[IP_AT + 6], IPPROTO_ICMPV6);
    cr_assert_eq(answer->bytes[IP_AT + 7], 255);
    cr_assert_arr_eq(answer->bytes + SOURCE, target, 16);
    cr_assert_arr_eq(answer->bytes + DESTINATION, peer_address6, 16);
    cr_assert_arr_eq(answer->bytes + ICMP6_AT, head, 2);
    cr_assert_arr_eq(answer->bytes + ICMP6_AT + 4, flags, 4);
    cr_assert_arr_eq(answer->bytes + TARGET, target, 16);
    cr_assert_arr_eq(answer->bytes + OPTION, option, 2);
    cr_assert_arr_eq(answer->bytes + OPTION + 2, our_mac, 6);
    cr_assert_eq(transport_sum(answer), 0xffff);
}

Test(net_nd, an_advertisement_answers_the_group_and_the_address)
{
    static const enum shape shapes[] = {SOLICIT, SOLICIT_UNICAST};
    struct aro_port port = port_make();

    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        struct wire wire, answer;
        wire_make(&wire, shapes[i], 0);
        cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ND);
        advert_check(&answer, our_address6);
    }
}

/* The source is the target, whichever of our addresses the solicitation was sent to. */
Test(net_nd, an_advertisement_comes_from_its_target)
{
    struct aro_port port = port_make();
    struct wire wire, answer;

    wire_make(&wire, SOLICIT_UNICAST, 0);
    wire_patch(&wire, TARGET, our_link_local, 16);
    wire_seal(&wire);
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ND);
    advert_check(&answer, our_link_local);
}

Test(net_nd, a_long_solicitation_is_answered_by_a_short_advertisement)
{
    static const uint8_t option[2] = {14, 4}; /* nonce, RFC 3971: 32 bytes */
    struct aro_port port = port_make();
    struct wire wire, answer;

    wire_make(&wire, SOLICIT, 0);
    wire_resize(&wire, (uint16_t)(wire.len + 32));
    wire_patch(&wire, OPTION + 8, option, 2);
    wire.bytes[LENGTH + 1] = 64;
    wire_seal(&wire);
    cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ND);
    advert_check(&answer, our_address6);
}

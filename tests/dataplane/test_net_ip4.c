/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

enum { LENGTH = IP_AT + 2, FRAGMENT = IP_AT + 6, PROTOCOL = IP_AT + 9, SUM = IP_AT + 10 };
enum { SOURCE = IP_AT + 12, DESTINATION = IP_AT + 16 };

Test(net_ip4, every_header_gets_its_verdict)
{
    static const struct row rows[] = {
        {"a datagram", UDP4, ARO_NET_REQUEST, .payload = 0},
        {"with options", UDP4_OPTIONS, ARO_NET_REQUEST, .payload = 76},
        {"time to live 0", UDP4, ARO_NET_REQUEST, .patch = {PATCH(IP_AT + 8, "\0")}},
        {"one byte short of a header", UDP4, ARO_DROP_frame_short, .grow = -9},
        {"version 5", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(IP_AT, "\x55")}},
        {"version 6", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(IP_AT, "\x65")}},
        {"header of 16 bytes", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(IP_AT, "\x44")}},
        {"header of 0 bytes", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(IP_AT, "\x40")}},
        {"header longer than the datagram", UDP4, ARO_DROP_ip4_header, .stale = true,
         .patch = {PATCH(IP_AT, "\x4f")}},
        {"header past the frame", UDP4, ARO_DROP_ip4_header, .stale = true,
         .patch = {PATCH(IP_AT, "\x4f"), PATCH(LENGTH, "\0\x3c")}},
        {"shorter than its header", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(LENGTH, "\0\x13")}},
        {"length 0", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(LENGTH, "\0\0")}},
        {"a header alone", UDP4, ARO_DROP_udp_header, .patch = {PATCH(LENGTH, "\0\x14")}},
        {"one byte more than the frame", UDP4, ARO_DROP_ip4_header,
         .patch = {PATCH(LENGTH, "\0\x1d")}},
        {"65535 bytes", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(LENGTH, "\xff\xff")}},
        {"padding behind it", UDP4, ARO_NET_REQUEST, .grow = FRAME_BYTES_MIN - UDP4_AT - 8},
        {"a jumbo datagram", UDP4, ARO_NET_REQUEST, .payload = 8972},
        {"checksum off by one", UDP4, ARO_DROP_ip4_checksum, .stale = true,
         .patch = {PATCH(IP_AT + 5, "\x35")}},
        {"checksum 0", UDP4, ARO_DROP_ip4_checksum, .stale = true, .patch = {PATCH(SUM, "\0\0")}},
        {"a damaged option", UDP4_OPTIONS, ARO_DROP_ip4_checksum, .stale = true,
         .patch = {PATCH(UDP4_AT + 7, "\0")}},
        {"more fragments", UDP4, ARO_DROP_ip4_fragment, .patch = {PATCH(FRAGMENT, "\x20\0")}},
        {"more fragments in spite of DF", UDP4, ARO_DROP_ip4_fragment,
         .patch = {PATCH(FRAGMENT, "\x60\0")}},
        {"the last fragment", UDP4, ARO_DROP_ip4_fragment, .patch = {PATCH(FRAGMENT, "\0\1")}},
        {"a far fragment", UDP4, ARO_DROP_ip4_fragment, .patch = {PATCH(FRAGMENT, "\x1f\xff")}},
        {"a fragment of an echo", ECHO4, ARO_DROP_ip4_fragment,
         .patch = {PATCH(FRAGMENT, "\x20\0")}},
        {"no DF", UDP4, ARO_NET_REQUEST, .patch = {PATCH(FRAGMENT, "\0\0")}},
        {"the reserved flag", UDP4, ARO_NET_REQUEST, .patch = {PATCH(FRAGMENT, "\x80\0")}},
        {"TCP", UDP4, ARO_DROP_ip_protocol, .patch = {PATCH(PROTOCOL, "\6")}},
        {"protocol 0", UDP4, ARO_DROP_ip_protocol, .patch = {PATCH(PROTOCOL, "\0")}},
        {"ICMPv6 over IPv4", UDP4, ARO_DROP_ip_protocol, .patch = {PATCH(PROTOCOL, "\x3a")}},
        {"UDP-Lite", UDP4, ARO_DROP_ip_protocol, .patch = {PATCH(PROTOCOL, "\x88")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_ip4, every_address_gets_its_verdict)
{
    static const struct row rows[] = {
        {"our other address", UDP4, ARO_NET_REQUEST, .patch = {PATCH(DESTINATION, "\x0a\x09\1\1")}},
        {"another host", UDP4, ARO_DROP_ip4_destination,
         .patch = {PATCH(DESTINATION, "\x0a\x09\0\3")}},
        {"everybody", UDP4, ARO_DROP_ip4_destination,
         .patch = {PATCH(DESTINATION, "\xff\xff\xff\xff")}},
        {"our subnet", UDP4, ARO_DROP_ip4_destination,
         .patch = {PATCH(DESTINATION, "\x0a\x09\0\xff")}},
        {"a group", UDP4, ARO_DROP_ip4_destination, .patch = {PATCH(DESTINATION, "\xe0\0\0\1")}},
        {"loopback", UDP4, ARO_DROP_ip4_destination, .patch = {PATCH(DESTINATION, "\x7f\0\0\1")}},
        {"zero", UDP4, ARO_DROP_ip4_destination, .patch = {PATCH(DESTINATION, "\0\0\0\0")}},
        {"from zero", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\0\0\0\0")}},
        {"from this network", UDP4, ARO_DROP_ip4_source,
         .patch = {PATCH(SOURCE, "\0\xff\xff\xff")}},
        {"from 1.0.0.0", UDP4, ARO_NET_REQUEST, .patch = {PATCH(SOURCE, "\1\0\0\0")}},
        {"from 126.255.255.255", UDP4, ARO_NET_REQUEST,
         .patch = {PATCH(SOURCE, "\x7e\xff\xff\xff")}},
        {"from loopback", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\x7f\0\0\1")}},
        {"from all of loopback", UDP4, ARO_DROP_ip4_source,
         .patch = {PATCH(SOURCE, "\x7f\xff\xff\xff")}},
        {"from 128.0.0.0", UDP4, ARO_NET_REQUEST, .patch = {PATCH(SOURCE, "\x80\0\0\0")}},
        {"from 223.255.255.255", UDP4, ARO_NET_REQUEST,
         .patch = {PATCH(SOURCE, "\xdf\xff\xff\xff")}},
        {"from a group", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\xe0\0\0\0")}},
        {"from class E", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\xf0\0\0\1")}},
        {"from everybody", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\xff\xff\xff\xff")}},
        {"from ourselves", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(SOURCE, "\x0a\x09\0\1")}},
        {"from our other address", UDP4, ARO_DROP_ip4_source,
         .patch = {PATCH(SOURCE, "\x0a\x09\1\1")}},
        {"an echo from everybody", ECHO4, ARO_DROP_ip4_source,
         .patch = {PATCH(SOURCE, "\xff\xff\xff\xff")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

/* RFC 1122 section 3.3.6: what came to everybody on the link must not be for one address. */
Test(net_ip4, a_datagram_in_a_group_frame_is_dropped)
{
    static const struct row rows[] = {
        {"broadcast", UDP4, ARO_DROP_frame_destination,
         .patch = {PATCH(0, "\xff\xff\xff\xff\xff\xff")}},
        {"multicast", UDP4, ARO_DROP_frame_destination, .patch = {PATCH(0, "\1\0\x5e\1\2\3")}},
        {"echo", ECHO4, ARO_DROP_frame_destination,
         .patch = {PATCH(0, "\xff\xff\xff\xff\xff\xff")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_ip4, the_device_may_vouch_for_a_header_checksum)
{
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;

    wire_make(&wire, UDP4, 76);
    wire.bytes[SUM] ^= 1;
    frame_receive(&received, &port, &wire, 0);
    cr_assert_eq(received.verdict, ARO_DROP_ip4_checksum);
    received.packet.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_ip4_checksum, "not asked to");
    port.rx_checksum_device = true;
    cr_assert_eq(aro_net_input(&received.frame), ARO_NET_REQUEST);
    received.packet.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_ip4_checksum);
    received.packet.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_NONE;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_ip4_checksum);
    frame_release(&received, NULL);
}

Test(net_ip4, options_are_skipped_to_find_the_transport)
{
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;

    wire_make(&wire, UDP4_OPTIONS, 76);
    frame_receive(&received, &port, &wire, 0);
    cr_assert_eq(received.verdict, ARO_NET_REQUEST);
    cr_assert_eq(received.frame.transport_at, UDP4_AT + 8);
    cr_assert_eq(received.frame.payload_at, UDP4_AT + 16);
    cr_assert_eq(received.frame.payload_bytes, 76);
    frame_release(&received, NULL);
}

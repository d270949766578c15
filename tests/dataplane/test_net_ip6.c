/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

enum { LENGTH = IP_AT + 4, NEXT = IP_AT + 6, SOURCE = IP_AT + 8, DESTINATION = IP_AT + 24 };

Test(net_ip6, every_header_gets_its_verdict)
{
    static const struct row rows[] = {
        {"a datagram", UDP6, ARO_NET_REQUEST, .payload = 0},
        {"hop limit 0", UDP6, ARO_NET_REQUEST, .patch = {PATCH(IP_AT + 7, "\0")}},
        {"one byte short of a header", UDP6, ARO_DROP_frame_short, .grow = -9},
        {"version 4", UDP6, ARO_DROP_ip6_header, .patch = {PATCH(IP_AT, "\x40")}},
        {"version 7", UDP6, ARO_DROP_ip6_header, .patch = {PATCH(IP_AT, "\x70")}},
        {"any traffic class", UDP6, ARO_NET_REQUEST, .patch = {PATCH(IP_AT, "\x6f\xff\xff\xff")}},
        {"a byte more than the frame", UDP6, ARO_DROP_ip6_header,
         .patch = {PATCH(LENGTH, "\0\x9")}},
        {"65535 bytes", UDP6, ARO_DROP_ip6_header, .patch = {PATCH(LENGTH, "\xff\xff")}},
        {"length 0 (a jumbogram)", UDP6, ARO_DROP_udp_header, .patch = {PATCH(LENGTH, "\0\0")}},
        {"padding behind it", UDP6, ARO_NET_REQUEST, .grow = 7},
        {"a jumbo datagram", UDP6, ARO_NET_REQUEST, .payload = 8952},
        {"hop-by-hop options", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(NEXT, "\0")}},
        {"routing header", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(NEXT, "\x2b")}},
        {"fragment", UDP6, ARO_DROP_ip6_fragment, .patch = {PATCH(NEXT, "\x2c")}},
        {"ESP", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(NEXT, "\x32")}},
        {"AH", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(NEXT, "\x33")}},
        {"destination options", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(NEXT, "\x3c")}},
        {"no next header", UDP6, ARO_DROP_ip_protocol, .patch = {PATCH(NEXT, "\x3b")}},
        {"TCP", UDP6, ARO_DROP_ip_protocol, .patch = {PATCH(NEXT, "\6")}},
        {"ICMP over IPv6", UDP6, ARO_DROP_ip_protocol, .patch = {PATCH(NEXT, "\1")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

#define ZERO_8 "\0\0\0\0\0\0\0\0"

Test(net_ip6, every_address_gets_its_verdict)
{
    static const struct row rows[] = {
        {"our link-local address", UDP6, ARO_NET_REQUEST,
         .patch = {PATCH(DESTINATION, "\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\xa1\xb2\xc3")}},
        {"another host", UDP6, ARO_DROP_ip6_destination,
         .patch = {PATCH(DESTINATION + 15, "\x57")}},
        {"zero", UDP6, ARO_DROP_ip6_destination, .patch = {PATCH(DESTINATION, ZERO_8 ZERO_8)}},
        {"all nodes", UDP6, ARO_DROP_ip6_destination,
         .patch = {PATCH(0, "\x33\x33"), PATCH(DESTINATION, "\xff\2\0\0\0\0\0\0" ZERO_8)}},
        {"a datagram to our group", SOLICIT, ARO_DROP_ip6_destination,
         .patch = {PATCH(NEXT, "\x11")}},
        {"a group of our other address", SOLICIT, ARO_NET_REPLY_ND, .grow = 0,
         .patch = {PATCH(DESTINATION + 13, "\xa1\xb2\xc3"), PATCH(3, "\xa1\xb2\xc3")}},
        {"a group of nobody's", SOLICIT, ARO_DROP_ip6_destination,
         .patch = {PATCH(DESTINATION + 13, "\x12\x34\x57")}},
        {"a wider scope of our group", SOLICIT, ARO_DROP_ip6_destination,
         .patch = {PATCH(DESTINATION + 1, "\5")}},
        {"from zero", UDP6, ARO_DROP_ip6_source, .patch = {PATCH(SOURCE, ZERO_8 ZERO_8)}},
        {"from loopback", UDP6, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE, ZERO_8 "\0\0\0\0\0\0\0\1")}},
        {"from a group", UDP6, ARO_DROP_ip6_source, .patch = {PATCH(SOURCE, "\xff\2")}},
        {"from fe80::", UDP6, ARO_NET_REQUEST, .patch = {PATCH(SOURCE, "\xfe\x80")}},
        {"from ourselves", UDP6, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE + 8, "\0\0\0\0\0\x12\x34\x56")}},
        {"from our link-local address", UDP6, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE, "\xfe\x80\0\0\0\0\0\0\0\0\0\xff\xfe\xa1\xb2\xc3")}},
        {"from a mapped IPv4 address", UDP6, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE, ZERO_8 "\0\0\xff\xff\x0a\x09\0\2")}},
        {"echo from a mapped IPv4 address", ECHO6, ARO_DROP_ip6_source,
         .patch = {PATCH(SOURCE, ZERO_8 "\0\0\xff\xff\x0a\x09\0\2")}},
        {"almost a mapped address", UDP6, ARO_NET_REQUEST,
         .patch = {PATCH(SOURCE, ZERO_8 "\0\1\xff\xff\x0a\x09\0\2")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_ip6, a_datagram_in_a_group_frame_is_dropped)
{
    static const struct row rows[] = {
        {"UDP", UDP6, ARO_DROP_frame_destination, .patch = {PATCH(0, "\x33\x33")}},
        {"echo", ECHO6, ARO_DROP_frame_destination,
         .patch = {PATCH(0, "\xff\xff\xff\xff\xff\xff")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/dataplane/frames.h"

Test(net_ethernet, every_frame_gets_its_verdict)
{
    static const struct row rows[] = {
        {"a frame to our address", UDP4, ARO_NET_REQUEST, .payload = 0},
        {"a frame to everybody", ARP, ARO_NET_REPLY, .payload = 0},
        {"13 bytes", UDP4, ARO_DROP_frame_short, .grow = -(UDP4_AT + 8 - 13)},
        {"an Ethernet header alone", UDP4, ARO_DROP_frame_short, .grow = -28},
        {"an Ethernet header alone, IPv6", UDP6, ARO_DROP_frame_short, .grow = -48},
        {"an Ethernet header alone, ARP", ARP, ARO_DROP_frame_short, .grow = -28},
        {"a header alone of no type",
         UDP4,
         ARO_DROP_frame_type,
         0,
         true,
         -28,
         {PATCH(12, "\x12\x34")}},
        {"another station", UDP4, ARO_DROP_frame_destination, .patch = {PATCH(5, "\xc4")}},
        {"nobody", UDP4, ARO_DROP_frame_destination, .patch = {PATCH(0, "\0\0\0\0\0\0")}},
        {"source zero", UDP4, ARO_DROP_frame_source, .patch = {PATCH(6, "\0\0\0\0\0\0")}},
        {"source multicast", ARP, ARO_DROP_frame_source, .patch = {PATCH(6, "\x01")}},
        {"source broadcast", ARP, ARO_DROP_frame_source,
         .patch = {PATCH(6, "\xff\xff\xff\xff\xff\xff")}},
        {"almost a zero source", UDP4, ARO_NET_REQUEST, .patch = {PATCH(6, "\0\0\0\0\0\1")}},
        {"802.1Q", UDP4, ARO_DROP_frame_vlan, .patch = {PATCH(12, "\x81\0")}},
        {"802.1ad", UDP4, ARO_DROP_frame_vlan, .patch = {PATCH(12, "\x88\xa8")}},
        {"an 802.3 length", UDP4, ARO_DROP_frame_type, .patch = {PATCH(12, "\x00\x1c")}},
        {"LLDP", UDP4, ARO_DROP_frame_type, .patch = {PATCH(12, "\x88\xcc")}},
        {"type zero", UDP4, ARO_DROP_frame_type, .patch = {PATCH(12, "\0\0")}},
        {"type 0xffff", UDP4, ARO_DROP_frame_type, .patch = {PATCH(12, "\xff\xff")}},
    };
    struct aro_port port = port_make();

    rows_check(&port, rows, RTE_DIM(rows));
}

Test(net_ethernet, a_frame_of_two_segments_is_dropped)
{
    struct aro_port port = port_make();
    struct received received;
    struct wire wire;

    wire_make(&wire, UDP4, 76);
    frame_receive(&received, &port, &wire, 0);
    received.packet.nb_segs = 2;
    cr_assert_eq(aro_net_input(&received.frame), ARO_DROP_frame_segments);
    frame_release(&received, NULL);
}

Test(net_ethernet, an_answer_goes_to_the_station_that_asked)
{
    const enum shape shapes[] = {ARP, ECHO4, ECHO6, SOLICIT, SOLICIT_UNICAST};
    struct aro_port port = port_make();

    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        struct wire wire, answer;
        wire_make(&wire, shapes[i], 32);
        cr_assert_lt(frame_verdict(&port, &wire, &answer), ARO_NET_REQUEST);
        cr_assert_arr_eq(answer.bytes, peer_mac, 6);
        cr_assert_arr_eq(answer.bytes + 6, our_mac, 6);
        cr_assert_arr_eq(answer.bytes + 12, wire.bytes + 12, 2);
    }
}

Test(net_ethernet, reply_via_gateway_sends_what_may_leave_the_link_to_the_gateway)
{
    const enum shape shapes[] = {ECHO4, ECHO6};
    struct aro_port port = port_make();

    port.reply_via_gateway = true;
    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        struct wire wire, answer;
        wire_make(&wire, shapes[i], 32);
        cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ICMP);
        cr_assert_arr_eq(answer.bytes, gateway_mac, 6);
        cr_assert_arr_eq(answer.bytes + 6, our_mac, 6);
    }
}

/* A neighbour that asks for our address must hear it itself: routers do not forward these. */
Test(net_ethernet, reply_via_gateway_leaves_arp_and_neighbour_discovery_alone)
{
    const enum shape shapes[] = {ARP, SOLICIT, SOLICIT_UNICAST};
    struct aro_port port = port_make();

    port.reply_via_gateway = true;
    for (unsigned i = 0; i < RTE_DIM(shapes); i++) {
        struct wire wire, answer;
        wire_make(&wire, shapes[i], 0);
        cr_assert_lt(frame_verdict(&port, &wire, &answer), ARO_NET_REQUEST);
        cr_assert_arr_eq(answer.bytes, peer_mac, 6, "shape %d", shapes[i]);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of net/ together: every reason has its frame, every cut and a million odd frames. */
#include "tests/dataplane/frames.h"

enum { RANDOM_FRAMES = 1000000 };

static const struct row reasons[] = {
    {"frame_short", UDP4, ARO_DROP_frame_short, .grow = -(UDP4_AT + 8)},
    {"frame_vlan", UDP4, ARO_DROP_frame_vlan, .patch = {PATCH(12, "\x81\0")}},
    {"frame_type", UDP4, ARO_DROP_frame_type, .patch = {PATCH(12, "\x88\xcc")}},
    {"frame_source", UDP4, ARO_DROP_frame_source, .patch = {PATCH(6, "\1")}},
    {"frame_destination", UDP4, ARO_DROP_frame_destination, .patch = {PATCH(0, "\4")}},
    {"arp_malformed", ARP, ARO_DROP_arp_malformed, .patch = {PATCH(14, "\0\6")}},
    {"arp_other", ARP, ARO_DROP_arp_other, .patch = {PATCH(20, "\0\2")}},
    {"ip4_header", UDP4, ARO_DROP_ip4_header, .patch = {PATCH(14, "\x46")}, .grow = -1},
    {"ip4_checksum", UDP4, ARO_DROP_ip4_checksum, .stale = true, .patch = {PATCH(24, "\0\0")}},
    {"ip4_fragment", UDP4, ARO_DROP_ip4_fragment, .patch = {PATCH(20, "\x20\0")}},
    {"ip4_source", UDP4, ARO_DROP_ip4_source, .patch = {PATCH(26, "\x7f")}},
    {"ip4_destination", UDP4, ARO_DROP_ip4_destination, .patch = {PATCH(33, "\xff")}},
    {"ip6_header", UDP6, ARO_DROP_ip6_header, .patch = {PATCH(14, "\x50")}},
    {"ip6_fragment", UDP6, ARO_DROP_ip6_fragment, .patch = {PATCH(20, "\x2c")}},
    {"ip6_extension", UDP6, ARO_DROP_ip6_extension, .patch = {PATCH(20, "\0")}},
    {"ip6_source", UDP6, ARO_DROP_ip6_source, .patch = {PATCH(22, "\xff")}},
    {"ip6_destination", UDP6, ARO_DROP_ip6_destination, .patch = {PATCH(38, "\xfc")}},
    {"ip_protocol", UDP4, ARO_DROP_ip_protocol, .patch = {PATCH(23, "\6")}},
    {"icmp_malformed", ECHO4, ARO_DROP_icmp_malformed, .stale = true, .patch = {PATCH(36, "\0\0")}},
    {"icmp_other", ECHO4, ARO_DROP_icmp_other, .patch = {PATCH(34, "\3")}},
    {"nd_malformed", SOLICIT, ARO_DROP_nd_malformed, .patch = {PATCH(21, "\x40")}},
    {"nd_other", SOLICIT, ARO_DROP_nd_other, .patch = {PATCH(54, "\x88")}},
    {"udp_header", UDP4, ARO_DROP_udp_header, .patch = {PATCH(38, "\0\0")}},
    {"udp_checksum", UDP6, ARO_DROP_udp_checksum, .stale = true, .patch = {PATCH(60, "\0\0")}},
    {"udp_port", UDP4, ARO_DROP_udp_port, .patch = {PATCH(36, "\0\x50")}},
    {"reply_no_memory", SOLICIT_UNICAST, ARO_DROP_reply_no_memory, .payload = 0},
};

/* Every reason of layer "frame" but frame_segments, which no bytes can make. */
Test(net_input, every_reason_to_drop_a_frame_has_a_frame)
{
    struct aro_port port = port_make();
    bool seen[ARO_DROPS] = {[ARO_DROP_frame_segments] = true};

    rows_check(&port, reasons, RTE_DIM(reasons));
    for (unsigned i = 0; i < RTE_DIM(reasons); i++)
        seen[reasons[i].want] = true;
    for (unsigned i = 0; i < ARO_COUNTERS; i++) {
        const struct aro_counter_info *info = &aro_counter_infos[i];
        size_t reason = (info->offset - offsetof(struct aro_counters, drop)) / 8;
        if (info->layer == 'f')
            cr_expect(seen[reason], "%s has no frame", info->name);
    }
}

Test(net_input, every_cut_of_a_valid_frame_is_dropped)
{
    struct aro_port port = port_make();

    for (enum shape shape = 0; shape < SHAPES; shape++) {
        struct wire wire;
        wire_make(&wire, shape, 76);
        for (uint16_t len = 0; len < wire.len; len++) {
            struct received received;
            struct wire cut = wire;
            wire_resize(&cut, len);
            frame_receive(&received, &port, &cut, 0);
            frame_release(&received, NULL);
            cr_assert_geq(received.verdict, 0, "shape %d cut to %u", shape, len);
            cr_assert_lt(received.verdict, ARO_DROPS);
        }
    }
}

/* The same with lengths and checksums that agree with the cut: only the contents are too short. */
Test(net_input, every_consistent_cut_is_judged_without_reading_past_it)
{
    struct aro_port port = port_make();

    for (enum shape shape = 0; shape < SHAPES; shape++) {
        struct wire wire;
        uint16_t from;
        wire_make(&wire, shape, 0);
        from = wire_load16(&wire, 12) == 0x86dd ? UDP6_AT : UDP4_AT;
        for (uint16_t len = from; len < wire.len && shape != ARP; len++) {
            uint16_t bytes = (uint16_t)(len - (from == UDP6_AT ? UDP6_AT : IP_AT));
            struct received received;
            struct wire cut = wire;
            wire_resize(&cut, len);
            cut.bytes[from == UDP6_AT ? IP_AT + 5 : IP_AT + 3] = (uint8_t)bytes;
            wire_seal(&cut);
            frame_receive(&received, &port, &cut, 0);
            frame_release(&received, NULL);
            cr_assert_geq(received.verdict, 0, "shape %d cut to %u", shape, len);
        }
    }
}

static void random_frame(uint64_t *random, struct wire *wire)
{
    static const uint16_t payloads[] = {0, 1, 18, 76, 77, 300};
    /* bytes that mean something somewhere: types, protocols, flags, edges */
    static const uint8_t telling[] = {0,  1,  6,    17,   43,   44,   51,
                                      58, 60, 0x45, 0x60, 0x80, 0x81, 0xff};
    uint32_t edits = random_below(random, 5);

    wire_make(wire, (enum shape)random_below(random, SHAPES),
              payloads[random_below(random, RTE_DIM(payloads))]);
    for (uint32_t i = 0; i < edits; i++) {
        uint16_t head = RTE_MIN(wire->len, 90);
        uint8_t value = random_below(random, 2) == 0
                            ? (uint8_t)random_next(random)
                            : telling[random_below(random, sizeof(telling))];
        wire->bytes[random_below(random, head)] = value;
    }
    if (random_below(random, 4) == 0)
        wire_resize(wire, (uint16_t)random_below(random, wire->len + 30u));
    if (random_below(random, 4) != 0)
        wire_seal(wire);
    if (random_below(random, 50) == 0) {
        wire_resize(wire, (uint16_t)random_below(random, 200));
        for (uint16_t i = 0; i < wire->len; i++)
            wire->bytes[i] = (uint8_t)random_next(random);
    }
}

static void reply_check(const struct wire *wire, const struct wire *answer, int verdict)
{
    uint16_t most = (uint16_t)(wire->len + (verdict == ARO_NET_REPLY_ND ? 8 : 0));

    cr_assert_leq(answer->len, RTE_MAX(most, FRAME_BYTES_MIN));
    cr_assert_eq(memcmp(answer->bytes, wire->bytes + 6, 6), 0);
    cr_assert_eq(memcmp(answer->bytes + 6, our_mac, 6), 0);
    if (verdict == ARO_NET_REPLY)
        return;
    cr_assert_eq(transport_sum(answer), 0xffff);
    if (answer->bytes[IP_AT] >> 4 == 4)
        cr_assert_eq(header4_sum(answer), 0xffff);
}

/* A request can be answered in its place with what a stranger gets. */
static void request_check(struct received *received, const struct wire *wire, struct wire *answer)
{
    struct aro_frame *frame = &received->frame;
    uint16_t bytes = RTE_MIN(frame->payload_bytes, ARO_TOKEN_MSG_BYTES);

    cr_assert_leq(frame->payload_at + frame->payload_bytes, wire->len);
    aro_udp_turn(frame, bytes);
    frame_release(received, answer);
    reply_check(wire, answer, ARO_NET_REPLY_ICMP);
}

Test(net_input, a_million_odd_frames_are_judged_within_their_bounds)
{
    struct aro_port port = port_make();
    uint64_t random = 0x5eed;
    uint32_t seen[ARO_DROPS] = {0}, replies[4] = {0};
    static struct wire wire, answer;

    for (uint32_t i = 0; i < RANDOM_FRAMES; i++) {
        struct received received;
        random_frame(&random, &wire);
        frame_receive(&received, &port, &wire, 0);
        cr_assert(received.verdict >= ARO_NET_REPLY_ICMP && received.verdict < ARO_DROPS);
        if (received.verdict >= 0) {
            seen[received.verdict]++;
            frame_release(&received, NULL);
            if (received.verdict != ARO_DROP_reply_no_memory)
                continue;
            cr_assert_eq(frame_verdict(&port, &wire, &answer), ARO_NET_REPLY_ND);
            reply_check(&wire, &answer, ARO_NET_REPLY_ND);
            continue;
        }
        replies[-1 - received.verdict]++;
        if (received.verdict == ARO_NET_REQUEST) {
            request_check(&received, &wire, &answer);
            continue;
        }
        frame_release(&received, &answer);
        reply_check(&wire, &answer, received.verdict);
    }
    for (unsigned i = 0; i < RTE_DIM(reasons); i++) /* the frames were odd enough to tell */
        cr_expect_gt(seen[reasons[i].want], 50u, "%s: %u", reasons[i].what, seen[reasons[i].want]);
    for (unsigned i = 0; i < RTE_DIM(replies); i++)
        cr_expect_gt(replies[i], 1000u, "reply %u: %u", i, replies[i]);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/guard.h"

#include <criterion/criterion.h>

static struct aro_guard guard;
static struct aro_token_keys keys;

static const struct aro_limits limits = {
    .ceiling_bytes_per_s = 10000000,
    .ceiling_net_bytes_per_s = 20000000,
    .challenges_per_s = 1000,
    .challenges_net_per_s = 100,
};

static void guard_make(const struct aro_limits *of_node, unsigned lcores)
{
    memset(&keys, 0, sizeof(keys));
    aro_token_rotate(&keys);
    aro_guard_init(&guard, &keys, of_node, lcores, 0x5eed);
}

static struct aro_token_binding peer4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    struct aro_token_binding peer = {
        .address = {[10] = 0xff, 0xff, a, b, c, d},
        .source_port_be = 0x409c,
        .destination_port_be = 0x1c25,
    };

    return peer;
}

/* 2001:db8:<net>:<subnet, 8 bits of /64><host> */
static struct aro_token_binding peer6(uint8_t net, uint8_t subnet, uint8_t host)
{
    struct aro_token_binding peer = {
        .address = {0x20, 1, 0xd, 0xb8, 0, 0, net, subnet, [15] = host},
        .source_port_be = 0x409c,
        .destination_port_be = 0x1c25,
    };

    return peer;
}

static unsigned challenges(struct aro_token_binding peer, unsigned asked)
{
    unsigned n = 0;

    for (unsigned i = 0; i < asked; i++)
        n += aro_guard_challenge(&guard, &peer);
    return n;
}

static enum aro_guard_verdict check(struct aro_token_binding peer)
{
    uint8_t token[ARO_TOKEN_BYTES];

    aro_token_issue(&keys, &peer, guard.now_ms, token);
    return aro_guard_check(&guard, &peer, token);
}

Test(guard, a_token_decides_between_service_and_a_challenge)
{
    struct aro_token_binding peer = peer4(10, 9, 0, 2), other = peer4(10, 9, 0, 3);
    uint8_t token[ARO_TOKEN_BYTES], none[ARO_TOKEN_BYTES] = {0};

    guard_make(&limits, 1);
    aro_token_issue(&keys, &peer, 0, token);
    cr_assert_eq(aro_guard_check(&guard, &peer, token), ARO_GUARD_PASS);
    cr_assert_eq(aro_guard_check(&guard, &other, token), ARO_GUARD_CHALLENGE);
    cr_assert_eq(aro_guard_check(&guard, &peer, none), ARO_GUARD_CHALLENGE);
    guard.now_ms = ARO_TOKEN_REFRESH_MS;
    cr_assert_eq(aro_guard_check(&guard, &peer, token), ARO_GUARD_PASS_REFRESH);
    guard.now_ms = ARO_TOKEN_LIFE_MS + 1;
    cr_assert_eq(aro_guard_check(&guard, &peer, token), ARO_GUARD_CHALLENGE);
}

Test(guard, beyond_the_challenge_limit_there_is_silence)
{
    struct aro_token_binding peer = peer4(10, 9, 0, 2);
    uint8_t none[ARO_TOKEN_BYTES] = {0};

    guard_make(&limits, 1);
    cr_assert_eq(challenges(peer, 100), 100);
    cr_assert_eq(aro_guard_check(&guard, &peer, none), ARO_GUARD_SILENCE);
    cr_assert_eq(check(peer), ARO_GUARD_PASS, "a valid token needs no challenge");
}

Test(guard, a_network_shares_its_challenges)
{
    guard_make(&limits, 1);
    cr_assert_eq(challenges(peer4(10, 9, 0, 2), 60), 60);
    cr_assert_eq(challenges(peer4(10, 9, 0, 255), 60), 40, "the same /24");
    cr_assert_eq(challenges(peer4(10, 9, 1, 2), 60), 60, "the next /24");
    cr_assert_eq(challenges(peer6(1, 0, 1), 60), 60);
    cr_assert_eq(challenges(peer6(1, 255, 1), 60), 40, "the same /56");
    cr_assert_eq(challenges(peer6(2, 0, 1), 60), 60, "the next /56");
    guard.now_ms += 100;
    cr_assert_eq(challenges(peer4(10, 9, 0, 7), 60), 10);
}

Test(guard, the_node_has_a_challenge_limit_of_its_own)
{
    unsigned n = 0;

    guard_make(&limits, 1);
    for (unsigned net = 0; net < 200; net++)
        n += challenges(peer4(10, 9, (uint8_t)net, 2), 10);
    cr_assert_eq(n, 1000);
    cr_assert_eq(challenges(peer4(10, 10, 0, 2), 10), 0);
    guard.now_ms += 5;
    cr_assert_eq(challenges(peer4(10, 10, 1, 2), 10), 5);
    guard.now_ms += 3600000;
    for (unsigned net = n = 0; net < 200; net++)
        n += challenges(peer4(10, 11, (uint8_t)net, 2), 10);
    cr_assert_eq(n, 1000, "an hour of silence earns one burst");
}

Test(guard, a_network_that_is_silenced_costs_the_others_nothing)
{
    guard_make(&limits, 1);
    cr_assert_eq(challenges(peer4(10, 9, 0, 2), 100000), 100);
    for (unsigned net = 1; net <= 9; net++)
        cr_assert_eq(challenges(peer4(10, 9, (uint8_t)net, 2), 100), 100);
    cr_assert_eq(challenges(peer4(10, 9, 10, 2), 100), 0, "that was the node's whole burst");
}

Test(guard, the_slowest_challenge_rate_still_earns)
{
    struct aro_limits slow = limits;
    unsigned n = 0;

    slow.challenges_per_s = slow.challenges_net_per_s = 1;
    guard_make(&slow, 1);
    cr_assert_eq(challenges(peer4(10, 9, 0, 2), 100), 32, "the least burst");
    for (unsigned ms = 0; ms < 20000; ms++) {
        guard.now_ms++;
        n += challenges(peer4(10, 9, 0, 2), 1);
    }
    cr_assert(n == 20 || n == 21, "%u", n);
}

Test(guard, an_lcore_has_its_share_and_never_nothing)
{
    struct aro_limits small = limits;

    guard_make(&limits, 4);
    cr_assert_eq(guard.challenge_per_s, 250);
    cr_assert_eq(guard.challenge_net.rate_per_s, 25);
    cr_assert_eq(guard.ceiling_host.rate_per_s, 2500000);
    cr_assert_eq(guard.ceiling_net.rate_per_s, 5000000);
    small.challenges_per_s = small.challenges_net_per_s = 3;
    small.ceiling_bytes_per_s = 3;
    small.ceiling_net_bytes_per_s = 0;
    guard_make(&small, 4);
    cr_assert_eq(guard.challenge_per_s, 1);
    cr_assert_eq(guard.challenge_net.rate_per_s, 1);
    cr_assert_eq(guard.ceiling_host.rate_per_s, 1);
    cr_assert_eq(guard.ceiling_net.rate_per_s, 0, "0 stays: no limit");
}

Test(guard, above_its_ceiling_a_source_waits_until_it_has_paid)
{
    struct aro_token_binding peer = peer4(10, 9, 0, 2);

    guard_make(&limits, 1);
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
    aro_guard_charge(&guard, &peer, 1000000); /* 100 ms of credit */
    cr_assert_eq(check(peer), ARO_GUARD_CEILING);
    guard.now_ms += 1;
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
    aro_guard_charge(&guard, &peer, 1010000); /* 1 ms of credit: 100 ms of debt */
    guard.now_ms += 100;
    cr_assert_eq(check(peer), ARO_GUARD_CEILING);
    guard.now_ms += 1;
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
}

Test(guard, a_small_ceiling_still_lets_a_few_chunks_pass_at_once)
{
    struct aro_limits small = limits;
    struct aro_token_binding peer = peer4(10, 9, 0, 2);

    small.ceiling_bytes_per_s = 1000;
    guard_make(&small, 1);
    aro_guard_charge(&guard, &peer, (256 << 10) - 1);
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
    aro_guard_charge(&guard, &peer, 1);
    cr_assert_eq(check(peer), ARO_GUARD_CEILING);
}

Test(guard, a_ceiling_of_a_host_is_its_own_and_that_of_a_network_shared)
{
    struct aro_token_binding first = peer6(1, 0, 1), same64 = peer6(1, 0, 2);
    struct aro_token_binding same56 = peer6(1, 1, 1), other = peer6(2, 0, 1);

    guard_make(&limits, 1);
    aro_guard_charge(&guard, &first, 1000000);
    cr_assert_eq(check(first), ARO_GUARD_CEILING);
    cr_assert_eq(check(same64), ARO_GUARD_CEILING);
    cr_assert_eq(check(same56), ARO_GUARD_PASS);
    aro_guard_charge(&guard, &same56, 1000000); /* together 100 ms of the network's credit */
    cr_assert_eq(check(peer6(1, 2, 1)), ARO_GUARD_CEILING);
    cr_assert_eq(check(other), ARO_GUARD_PASS);
}

Test(guard, no_ceiling_is_never_reached)
{
    struct aro_limits none = limits;
    struct aro_token_binding peer = peer4(10, 9, 0, 2);

    none.ceiling_bytes_per_s = none.ceiling_net_bytes_per_s = 0;
    guard_make(&none, 1);
    aro_guard_charge(&guard, &peer, UINT64_MAX / 2);
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
}

Test(guard, the_largest_ceiling_of_the_configuration_works)
{
    struct aro_limits most = limits;
    struct aro_token_binding peer = peer4(10, 9, 0, 2);

    most.ceiling_bytes_per_s = most.ceiling_net_bytes_per_s = UINT64_MAX;
    guard_make(&most, 1);
    aro_guard_charge(&guard, &peer, 1ull << 39);
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
    guard.now_ms += 1u << 31;
    cr_assert_eq(check(peer), ARO_GUARD_PASS);
}

/* 0:0:<a.b>:<c.d>:: has the same 64 bits as a.b.c.d has after its prefix. */
Test(guard, the_families_never_share_a_bucket)
{
    struct aro_token_binding four = peer4(10, 9, 0, 2), six = peer4(10, 9, 0, 2);

    memset(six.address, 0, 16);
    memcpy(six.address + 4, four.address + 12, 4);
    guard_make(&limits, 1);
    aro_guard_charge(&guard, &four, 100000000);
    cr_assert_eq(check(four), ARO_GUARD_CEILING);
    cr_assert_eq(check(six), ARO_GUARD_PASS);
    memset(six.address, 0, 8); /* and the network: 10.9.0 as the last 24 of 56 bits */
    memcpy(six.address + 4, four.address + 12, 3);
    cr_assert_eq(check(six), ARO_GUARD_PASS);
    cr_assert_eq(challenges(four, 100), 100);
    cr_assert_eq(challenges(six, 100), 100);
}

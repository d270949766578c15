/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/guard.h"

#include "cache/base/bytes.h"

enum {
    BURST_MS = 100,              /* a ceiling's credit: this much time at full rate, */
    BURST_BYTES_MIN = 256 << 10, /* but always four default chunks */
    CHALLENGE_BURST_MIN = 32,
};

static const uint64_t CEILING_MAX = 1ull << 43; /* 70 Tbit/s: no wire, and no overflow */

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value < least ? least : value;
}

static uint64_t challenge_burst(uint64_t per_s)
{
    return at_least(per_s, CHALLENGE_BURST_MIN);
}

static void ceiling_init(struct aro_limits_table *table, uint64_t bytes_per_s, unsigned lcores,
                         uint64_t seed)
{
    uint64_t limit = bytes_per_s < CEILING_MAX ? bytes_per_s : CEILING_MAX;
    uint64_t share = limit == 0 ? 0 : at_least(limit / lcores, 1);

    aro_limits_init(table, share, at_least(share * BURST_MS / 1000, BURST_BYTES_MIN), seed);
}

void aro_guard_init(struct aro_guard *guard, const struct aro_token_keys *keys,
                    const struct aro_limits *limits, unsigned lcores, uint64_t seed)
{
    uint64_t net = at_least(limits->challenges_net_per_s / lcores, 1);

    memset(guard, 0, sizeof(*guard));
    guard->keys = keys;
    guard->challenge_per_s = at_least(limits->challenges_per_s / lcores, 1);
    aro_bucket_fill(&guard->challenge_node, challenge_burst(guard->challenge_per_s), 0);
    aro_limits_init(&guard->challenge_net, net, challenge_burst(net), seed);
    ceiling_init(&guard->ceiling_host, limits->ceiling_bytes_per_s, lcores, seed ^ 1);
    ceiling_init(&guard->ceiling_net, limits->ceiling_net_bytes_per_s, lcores, seed ^ 2);
}

static bool is_mapped4(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

/* One 64-bit name per /32 or /64; the families cannot meet. */
static uint64_t host_key(const uint8_t address[16])
{
    return is_mapped4(address) ? aro_load_be32(address + 12) : aro_load_be64(address) | 1ull << 63;
}

uint64_t aro_guard_net(const uint8_t address[16])
{
    return is_mapped4(address) ? aro_load_be32(address + 12) >> 8
                               : aro_load_be64(address) >> 8 | 1ull << 63;
}

bool aro_guard_challenge(struct aro_guard *guard, const struct aro_token_binding *peer)
{
    struct aro_bucket *net;

    aro_bucket_refill(&guard->challenge_node, guard->challenge_per_s,
                      challenge_burst(guard->challenge_per_s), guard->now_ms);
    if (!aro_bucket_open(&guard->challenge_node))
        return false;
    net = aro_limits_bucket(&guard->challenge_net, aro_guard_net(peer->address), guard->now_ms);
    if (!aro_bucket_open(net))
        return false;
    aro_bucket_charge(&guard->challenge_node, 1);
    aro_bucket_charge(net, 1);
    return true;
}

enum aro_guard_verdict aro_guard_check(struct aro_guard *guard,
                                       const struct aro_token_binding *peer,
                                       const uint8_t token[ARO_TOKEN_BYTES])
{
    enum aro_token_state state = aro_token_check(guard->keys, peer, guard->now_ms, token);

    if (state == ARO_TOKEN_INVALID)
        return aro_guard_challenge(guard, peer) ? ARO_GUARD_CHALLENGE : ARO_GUARD_SILENCE;
    if (!aro_bucket_open(
            aro_limits_bucket(&guard->ceiling_host, host_key(peer->address), guard->now_ms)) ||
        !aro_bucket_open(
            aro_limits_bucket(&guard->ceiling_net, aro_guard_net(peer->address), guard->now_ms)))
        return ARO_GUARD_CEILING;
    return state == ARO_TOKEN_AGING ? ARO_GUARD_PASS_REFRESH : ARO_GUARD_PASS;
}

void aro_guard_charge(struct aro_guard *guard, const struct aro_token_binding *peer,
                      uint64_t cost_bytes)
{
    aro_bucket_charge(
        aro_limits_bucket(&guard->ceiling_host, host_key(peer->address), guard->now_ms),
        cost_bytes);
    aro_bucket_charge(
        aro_limits_bucket(&guard->ceiling_net, aro_guard_net(peer->address), guard->now_ms),
        cost_bytes);
}

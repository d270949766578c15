/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address validation and ceilings: what stands between a datagram and the cache.
 *
 * Without a valid token a request brings at most one TOKEN (or one STATUS for a version we do not
 * speak), never larger than itself and only within the challenge limits; beyond them silence.
 * With one, the source still has its ceiling. State: fixed tables per lcore, nothing per client.
 */
#ifndef ARO_DATAPLANE_GUARD_H
#define ARO_DATAPLANE_GUARD_H

#include "dataplane/dataplane.h"
#include "dataplane/buckets.h"
#include "dataplane/token.h"

enum aro_guard_verdict {
    ARO_GUARD_PASS,
    ARO_GUARD_PASS_REFRESH, /* and send a fresh token after the answer */
    ARO_GUARD_CHALLENGE,    /* one TOKEN, nothing else */
    ARO_GUARD_SILENCE,      /* challenge limit reached */
    ARO_GUARD_CEILING,      /* validated, but above its ceiling */
};

enum {
    ARO_COST_PER_PACKET = 64,  /* bytes charged beside a packet's own: headers, descriptor, work */
    ARO_COST_PER_LOOKUP = 128, /* bytes charged per id looked up: cache misses */
};

struct aro_guard {
    const struct aro_token_keys *keys; /* shared, control writes */
    uint32_t now_ms;                   /* monotonic; set once per turn */
    struct aro_bucket challenge_node;
    uint64_t challenge_per_s; /* this lcore's share */
    struct aro_limits_table challenge_net;
    struct aro_limits_table ceiling_host;
    struct aro_limits_table ceiling_net;
};

/* limits: of the node; each lcore gets its share. seed: secret. */
void aro_guard_init(struct aro_guard *guard, const struct aro_token_keys *keys,
                    const struct aro_limits *limits, unsigned lcores, uint64_t seed);

/* A name for the /24 or /56 of an address (v4-mapped or IPv6); the families cannot meet. */
uint64_t aro_guard_net(const uint8_t address[16]);

/* Judges a request that carries token; charges a challenge when it asks for one. */
enum aro_guard_verdict aro_guard_check(struct aro_guard *guard,
                                       const struct aro_token_binding *peer,
                                       const uint8_t token[ARO_TOKEN_BYTES]);
/* May an unvalidated source be answered now? Charges the challenge limits when it may. */
bool aro_guard_challenge(struct aro_guard *guard, const struct aro_token_binding *peer);
/* Charges a validated source for what its answer costs on the wire. */
void aro_guard_charge(struct aro_guard *guard, const struct aro_token_binding *peer,
                      uint64_t cost_bytes);

#endif

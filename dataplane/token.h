/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address tokens: proof that a requester receives what is sent to its address.
 *
 *    0  u8   version 1 << 4 | key id      1  u8[3] zero
 *    4  u32  issue time, milliseconds of the monotonic clock
 *    8  u64  SipHash-2-4 over bytes 0..7, source address and port, destination port
 *
 * Absent, expired, unknown key and wrong tag are the same to a client: no token. Keys come from the
 * kernel's random numbers, live in RAM only, and rotate every 64 s; the previous one stays valid.
 * The clock is monotonic: a jump of wall time changes nothing.
 *
 * Rotation: control thread. Issue and check: any lcore, no lock; about 16 ns.
 */
#ifndef ARO_DATAPLANE_TOKEN_H
#define ARO_DATAPLANE_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/proto/wire.h"

enum {
    ARO_TOKEN_LIFE_MS = 30000,
    ARO_TOKEN_REFRESH_MS = ARO_TOKEN_LIFE_MS / 2,
    ARO_TOKEN_SKEW_MS = 1000, /* lcores read the clock once per turn: one may lag another */
    ARO_TOKEN_ROTATION_MS = 64000,
    ARO_TOKEN_KEYS = 16, /* slots: a key is overwritten 14 rotations after its last use */
    ARO_TOKEN_KEY_BYTES = 16,
};

struct aro_token_keys {
    _Atomic uint32_t current; /* number of rotations; slot = current % ARO_TOKEN_KEYS */
    uint8_t key[ARO_TOKEN_KEYS][ARO_TOKEN_KEY_BYTES];
};

/* What a token is bound to. IPv4 addresses are v4-mapped. All in network order. */
struct aro_token_binding {
    uint8_t address[16];
    uint16_t source_port_be;
    uint16_t destination_port_be;
};

enum aro_token_state {
    ARO_TOKEN_INVALID,
    ARO_TOKEN_VALID,
    ARO_TOKEN_AGING, /* valid, past half its life: send a fresh one after the answer */
};

/* Draws a new current key. Control thread, once before the first lcore. */
void aro_token_rotate(struct aro_token_keys *keys);
void aro_token_issue(const struct aro_token_keys *keys, const struct aro_token_binding *binding,
                     uint32_t now_ms, uint8_t token[ARO_TOKEN_BYTES]);
enum aro_token_state aro_token_check(const struct aro_token_keys *keys,
                                     const struct aro_token_binding *binding, uint32_t now_ms,
                                     const uint8_t token[ARO_TOKEN_BYTES]);

#endif

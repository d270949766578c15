/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/token.h"

#include <criterion/criterion.h>

#include <sodium.h>

#include "cache/base/bytes.h"

enum { FORGED = 1000000, KEY_ID = 0, ISSUED_AT = 4, TAG_AT = 8 };

static struct aro_token_binding peer_make(void)
{
    struct aro_token_binding peer = {
        .address = {[10] = 0xff, 0xff, 10, 9, 0, 2},
        .source_port_be = 0x409c,
        .destination_port_be = 0x1c25,
    };

    return peer;
}

static struct aro_token_keys keys_make(unsigned rotations)
{
    struct aro_token_keys keys = {0};

    for (unsigned i = 0; i < rotations; i++)
        aro_token_rotate(&keys);
    return keys;
}

/* A token made outside: for keys that the server would never use to issue one. */
static void token_forge(const uint8_t *key, uint8_t version_id, uint32_t issued_ms,
                        const struct aro_token_binding *peer, uint8_t token[ARO_TOKEN_BYTES])
{
    uint8_t message[TAG_AT + sizeof(*peer)];

    token[KEY_ID] = version_id;
    token[1] = token[2] = token[3] = 0;
    aro_store_be32(token + ISSUED_AT, issued_ms);
    memcpy(message, token, TAG_AT);
    memcpy(message + TAG_AT, peer, sizeof(*peer));
    crypto_shorthash(token + TAG_AT, message, sizeof(message), key);
}

Test(token, a_token_is_valid_then_aging_then_expired)
{
    static const struct {
        uint32_t age_ms;
        enum aro_token_state state;
    } rows[] = {
        {0, ARO_TOKEN_VALID},          {1, ARO_TOKEN_VALID},
        {14999, ARO_TOKEN_VALID},      {15000, ARO_TOKEN_AGING},
        {29999, ARO_TOKEN_AGING},      {30000, ARO_TOKEN_AGING},
        {30001, ARO_TOKEN_INVALID},    {UINT32_MAX / 2, ARO_TOKEN_INVALID},
        {1u << 31, ARO_TOKEN_INVALID},
    };
    static const uint32_t issued_ms[] = {0, 1, 1000000, UINT32_MAX, UINT32_MAX - 14999, 1u << 31};
    struct aro_token_keys keys = keys_make(1);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    for (unsigned i = 0; i < sizeof(issued_ms) / sizeof(*issued_ms); i++) {
        aro_token_issue(&keys, &peer, issued_ms[i], token);
        for (unsigned j = 0; j < sizeof(rows) / sizeof(*rows); j++)
            cr_expect_eq(aro_token_check(&keys, &peer, issued_ms[i] + rows[j].age_ms, token),
                         rows[j].state, "issued %u, age %u", issued_ms[i], rows[j].age_ms);
    }
}

/* Another lcore's clock may be a turn ahead of ours; a token from further ahead is none. */
Test(token, a_token_from_the_future_is_refused_beyond_the_skew_of_lcores)
{
    static const uint32_t now_ms[] = {5000, 100, 0};
    struct aro_token_keys keys = keys_make(1);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    for (unsigned i = 0; i < sizeof(now_ms) / sizeof(*now_ms); i++) {
        aro_token_issue(&keys, &peer, now_ms[i] + 1, token);
        cr_expect_eq(aro_token_check(&keys, &peer, now_ms[i], token), ARO_TOKEN_VALID);
        aro_token_issue(&keys, &peer, now_ms[i] + ARO_TOKEN_SKEW_MS, token);
        cr_expect_eq(aro_token_check(&keys, &peer, now_ms[i], token), ARO_TOKEN_VALID);
        aro_token_issue(&keys, &peer, now_ms[i] + ARO_TOKEN_SKEW_MS + 1, token);
        cr_expect_eq(aro_token_check(&keys, &peer, now_ms[i], token), ARO_TOKEN_INVALID);
        aro_token_issue(&keys, &peer, now_ms[i] + ARO_TOKEN_LIFE_MS, token);
        cr_expect_eq(aro_token_check(&keys, &peer, now_ms[i], token), ARO_TOKEN_INVALID);
    }
}

Test(token, every_flipped_bit_is_noticed)
{
    struct aro_token_keys keys = keys_make(3);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    aro_token_issue(&keys, &peer, 1000, token);
    for (unsigned bit = 0; bit < ARO_TOKEN_BYTES * 8; bit++) {
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_INVALID, "bit %u", bit);
        token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_VALID);
}

/* Addresses and both ports: every bit of the binding counts. */
Test(token, a_token_is_good_for_its_own_peer_only)
{
    struct aro_token_keys keys = keys_make(1);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES], *bytes = (uint8_t *)&peer;

    aro_token_issue(&keys, &peer, 1000, token);
    for (unsigned bit = 0; bit < sizeof(peer) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_INVALID, "bit %u", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(token, an_absent_token_is_refused)
{
    static const uint8_t none[ARO_TOKEN_BYTES];
    struct aro_token_keys keys = keys_make(1);
    struct aro_token_binding peer = peer_make();

    cr_assert_eq(aro_token_check(&keys, &peer, 0, none), ARO_TOKEN_INVALID);
}

Test(token, the_previous_key_is_good_and_the_one_before_is_not)
{
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    for (unsigned rotations = 1; rotations < 2 * ARO_TOKEN_KEYS; rotations++) {
        struct aro_token_keys keys = keys_make(rotations);
        aro_token_issue(&keys, &peer, 1000, token);
        aro_token_rotate(&keys);
        cr_assert_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_VALID);
        aro_token_rotate(&keys);
        cr_assert_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_INVALID);
        for (unsigned i = 0; i < ARO_TOKEN_KEYS; i++)
            aro_token_rotate(&keys); /* its slot holds other keys now */
        cr_assert_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_INVALID);
    }
}

/* Slots that were never drawn are all zero: anybody can compute their tags. */
Test(token, no_slot_without_a_key_of_ours_is_good)
{
    static const uint8_t zero[ARO_TOKEN_KEY_BYTES];
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    for (unsigned rotations = 1; rotations < 4; rotations++) {
        struct aro_token_keys keys = keys_make(rotations);
        for (uint8_t id = 0; id < ARO_TOKEN_KEYS; id++) {
            token_forge(zero, (uint8_t)(1 << 4 | id), 1000, &peer, token);
            cr_expect_eq(aro_token_check(&keys, &peer, 1000, token), ARO_TOKEN_INVALID,
                         "slot %u after %u rotations", id, rotations);
        }
    }
}

/* Even under the right key: another version may mean other fields. */
Test(token, a_token_of_another_version_is_refused)
{
    struct aro_token_keys keys = keys_make(1);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];

    for (uint8_t version = 0; version < 16; version++) {
        token_forge(keys.key[1], (uint8_t)(version << 4 | 1), 1000, &peer, token);
        cr_expect_eq(aro_token_check(&keys, &peer, 1000, token),
                     version == 1 ? ARO_TOKEN_VALID : ARO_TOKEN_INVALID, "version %u", version);
    }
}

Test(token, keys_are_drawn_anew_each_time)
{
    struct aro_token_keys keys = keys_make(ARO_TOKEN_KEYS);

    for (unsigned i = 0; i < ARO_TOKEN_KEYS; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(memcmp(keys.key[i], keys.key[j], ARO_TOKEN_KEY_BYTES), 0);
}

/* All that a stranger can know is right: version, key id, time. Only the tag is guessed. */
Test(token, a_million_forged_tokens_are_refused)
{
    struct aro_token_keys keys = keys_make(2);
    struct aro_token_binding peer = peer_make();
    uint8_t token[ARO_TOKEN_BYTES];
    uint64_t random = 0x5eed;
    unsigned accepted = 0;

    for (unsigned i = 0; i < FORGED; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        token[KEY_ID] = (uint8_t)(1 << 4 | (1 + i % 2));
        token[1] = token[2] = token[3] = 0;
        aro_store_be32(token + ISSUED_AT, 1000 + i % ARO_TOKEN_LIFE_MS);
        aro_store_be64(token + TAG_AT, random ^ random >> 32);
        accepted += aro_token_check(&keys, &peer, 31000, token) != ARO_TOKEN_INVALID;
    }
    cr_assert_eq(accepted, 0);
}

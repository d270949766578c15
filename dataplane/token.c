/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/token.h"

#include <sodium.h>

#include "cache/base/bytes.h"

static_assert(ARO_TOKEN_KEY_BYTES == crypto_shorthash_KEYBYTES, "SipHash-2-4 key");

enum { TOKEN_VERSION = 1, HEAD_BYTES = 8 };

static uint64_t token_tag(const uint8_t *key, const uint8_t *head,
                          const struct aro_token_binding *binding)
{
    uint8_t message[HEAD_BYTES + sizeof(*binding)];
    uint64_t tag;

    static_assert(sizeof(*binding) == 20, "no padding is hashed");
    memcpy(message, head, HEAD_BYTES);
    memcpy(message + HEAD_BYTES, binding, sizeof(*binding));
    crypto_shorthash((unsigned char *)&tag, message, sizeof(message), key);
    return tag;
}

void aro_token_rotate(struct aro_token_keys *keys)
{
    uint32_t next = atomic_load_explicit(&keys->current, memory_order_relaxed) + 1;

    randombytes_buf(keys->key[next % ARO_TOKEN_KEYS], ARO_TOKEN_KEY_BYTES);
    atomic_store_explicit(&keys->current, next, memory_order_release);
}

void aro_token_issue(const struct aro_token_keys *keys, const struct aro_token_binding *binding,
                     uint32_t now_ms, uint8_t token[ARO_TOKEN_BYTES])
{
    uint32_t id = atomic_load_explicit(&keys->current, memory_order_acquire) % ARO_TOKEN_KEYS;
    uint64_t tag;

    token[0] = (uint8_t)(TOKEN_VERSION << 4 | id);
    token[1] = token[2] = token[3] = 0;
    aro_store_be32(token + 4, now_ms);
    tag = token_tag(keys->key[id], token, binding);
    memcpy(token + HEAD_BYTES, &tag, sizeof(tag));
}

enum aro_token_state aro_token_check(const struct aro_token_keys *keys,
                                     const struct aro_token_binding *binding, uint32_t now_ms,
                                     const uint8_t token[ARO_TOKEN_BYTES])
{
    uint32_t current = atomic_load_explicit(&keys->current, memory_order_acquire);
    uint32_t id = token[0] & 0x0f;
    int32_t age_ms = (int32_t)(now_ms - aro_load_be32(token + 4));
    uint64_t tag;

    if (token[0] >> 4 != TOKEN_VERSION || age_ms > ARO_TOKEN_LIFE_MS || age_ms < -ARO_TOKEN_SKEW_MS)
        return ARO_TOKEN_INVALID;
    /* the first key has no predecessor: its slot's neighbour is all zero and known to everybody */
    if (id != current % ARO_TOKEN_KEYS && (current < 2 || id != (current - 1) % ARO_TOKEN_KEYS))
        return ARO_TOKEN_INVALID;
    tag = token_tag(keys->key[id], token, binding);
    if (memcmp(&tag, token + HEAD_BYTES, sizeof(tag)) != 0)
        return ARO_TOKEN_INVALID;
    return age_ms >= ARO_TOKEN_REFRESH_MS ? ARO_TOKEN_AGING : ARO_TOKEN_VALID;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/sha256_pair.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "cache/base/sha256.h"
#include "cache/base/sha256_blocks.h"

enum { BLOCK_BYTES = ARO_SHA256_BLOCK_BYTES };

/* FIPS 180-4: state, length, and the bytes that do not fill a block yet. */
struct stream {
    struct aro_sha256_state state;
    uint64_t len_bytes;
    uint8_t rest[BLOCK_BYTES];
};

struct aro_sha256_pair {
    struct stream part, whole, before;             /* before: the whole when the part began */
    EVP_MD_CTX *evp_part, *evp_whole, *evp_before; /* instead, without SHA extensions */
    bool extensions;
};

static const struct stream empty = {
    .state = {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
               0x5be0cd19}},
};

static unsigned rest_bytes(const struct stream *stream)
{
    return (unsigned)(stream->len_bytes % BLOCK_BYTES);
}

/* b, or NULL for none: a stream that is equally far into a block, with the same bytes in it. */
static void blocks(struct stream *a, struct stream *b, const uint8_t *bytes, size_t count)
{
    if (b != NULL)
        aro_sha256_blocks_both(&a->state, &b->state, bytes, count);
    else
        aro_sha256_blocks(&a->state, bytes, count);
}

static void streams_update(struct stream *a, struct stream *b, const uint8_t *bytes, size_t len)
{
    unsigned rest = rest_bytes(a);
    size_t take = BLOCK_BYTES - rest < len ? BLOCK_BYTES - rest : len;

    a->len_bytes += len;
    if (b != NULL)
        b->len_bytes += len;
    if (rest != 0) {
        memcpy(a->rest + rest, bytes, take);
        bytes += take;
        len -= take;
        if (rest + take == BLOCK_BYTES)
            blocks(a, b, a->rest, 1);
        else
            len = 0;
    }
    blocks(a, b, bytes, len / BLOCK_BYTES);
    memcpy(a->rest + rest_bytes(a) - len % BLOCK_BYTES, bytes + len / BLOCK_BYTES * BLOCK_BYTES,
           len % BLOCK_BYTES);
    if (b != NULL)
        memcpy(b->rest, a->rest, sizeof(b->rest));
}

static struct aro_id stream_digest(const struct stream *stream)
{
    struct aro_sha256_state state = stream->state;
    unsigned rest = rest_bytes(stream);
    uint8_t end[2 * BLOCK_BYTES] = {0};
    unsigned count = rest < BLOCK_BYTES - 8 ? 1 : 2;
    uint64_t bits_be = __builtin_bswap64(stream->len_bytes * 8);
    struct aro_id id;

    memcpy(end, stream->rest, rest);
    end[rest] = 0x80;
    memcpy(end + count * BLOCK_BYTES - sizeof(bits_be), &bits_be, sizeof(bits_be));
    aro_sha256_blocks(&state, end, count);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word_be = __builtin_bswap32(state.h[i]);
        memcpy((uint8_t *)&id + 4 * i, &word_be, sizeof(word_be));
    }
    return id;
}

static void stream_rest(struct stream *stream, const uint8_t *bytes, size_t len_bytes)
{
    stream->len_bytes = len_bytes;
    memcpy(stream->rest, bytes + len_bytes / BLOCK_BYTES * BLOCK_BYTES, len_bytes % BLOCK_BYTES);
}

void aro_sha256_two(const void *a, const void *b, size_t len_bytes, struct aro_id *ret_a,
                    struct aro_id *ret_b)
{
    struct stream of_a = empty, of_b = empty;

    if (!aro_sha256_extensions()) {
        *ret_a = aro_sha256(a, len_bytes);
        *ret_b = aro_sha256(b, len_bytes);
        return;
    }
    aro_sha256_blocks_two(&of_a.state, a, &of_b.state, b, len_bytes / BLOCK_BYTES);
    stream_rest(&of_a, a, len_bytes);
    stream_rest(&of_b, b, len_bytes);
    *ret_a = stream_digest(&of_a);
    *ret_b = stream_digest(&of_b);
}

static void must(int ok)
{
    if (ok != 1)
        abort(); /* no memory for a copy of a context: nothing sensible can follow */
}

static struct aro_sha256_pair *create(bool extensions)
{
    struct aro_sha256_pair *pair = calloc(1, sizeof(*pair));

    if (pair == NULL)
        return NULL;
    pair->extensions = extensions;
    if (!pair->extensions) {
        pair->evp_part = EVP_MD_CTX_new();
        pair->evp_whole = EVP_MD_CTX_new();
        pair->evp_before = EVP_MD_CTX_new();
        if (pair->evp_part == NULL || pair->evp_whole == NULL || pair->evp_before == NULL ||
            EVP_DigestInit_ex(pair->evp_part, EVP_sha256(), NULL) != 1 ||
            EVP_DigestInit_ex(pair->evp_whole, EVP_sha256(), NULL) != 1) {
            aro_sha256_pair_destroy(pair);
            errno = ENOMEM;
            return NULL;
        }
    }
    aro_sha256_pair_reset(pair);
    return pair;
}

struct aro_sha256_pair *aro_sha256_pair_create(void)
{
    return create(aro_sha256_extensions());
}

struct aro_sha256_pair *aro_sha256_pair_create_plain(void)
{
    return create(false);
}

void aro_sha256_pair_destroy(struct aro_sha256_pair *pair)
{
    if (pair == NULL)
        return;
    EVP_MD_CTX_free(pair->evp_part);
    EVP_MD_CTX_free(pair->evp_whole);
    EVP_MD_CTX_free(pair->evp_before);
    free(pair);
}

void aro_sha256_pair_reset(struct aro_sha256_pair *pair)
{
    if (pair->extensions)
        pair->whole = empty;
    else
        must(EVP_DigestInit_ex(pair->evp_whole, EVP_sha256(), NULL));
    aro_sha256_pair_begin(pair);
}

void aro_sha256_pair_begin(struct aro_sha256_pair *pair)
{
    if (pair->extensions) {
        pair->before = pair->whole;
        pair->part = empty;
    } else {
        must(EVP_MD_CTX_copy_ex(pair->evp_before, pair->evp_whole));
        must(EVP_DigestInit_ex(pair->evp_part, EVP_sha256(), NULL));
    }
}

void aro_sha256_pair_update(struct aro_sha256_pair *pair, const void *bytes, size_t len_bytes)
{
    if (!pair->extensions) {
        must(EVP_DigestUpdate(pair->evp_part, bytes, len_bytes));
        must(EVP_DigestUpdate(pair->evp_whole, bytes, len_bytes));
    } else if (rest_bytes(&pair->part) == rest_bytes(&pair->whole)) {
        streams_update(&pair->part, &pair->whole, bytes, len_bytes);
    } else {
        streams_update(&pair->part, NULL, bytes, len_bytes);
        streams_update(&pair->whole, NULL, bytes, len_bytes);
    }
}

void aro_sha256_pair_drop(struct aro_sha256_pair *pair)
{
    if (pair->extensions)
        pair->whole = pair->before;
    else
        must(EVP_MD_CTX_copy_ex(pair->evp_whole, pair->evp_before));
    aro_sha256_pair_begin(pair);
}

static struct aro_id evp_digest(const EVP_MD_CTX *evp)
{
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    struct aro_id id;

    must(copy != NULL && EVP_MD_CTX_copy_ex(copy, evp) == 1);
    must(EVP_DigestFinal_ex(copy, (unsigned char *)&id, NULL));
    EVP_MD_CTX_free(copy);
    return id;
}

struct aro_id aro_sha256_pair_part(const struct aro_sha256_pair *pair)
{
    return pair->extensions ? stream_digest(&pair->part) : evp_digest(pair->evp_part);
}

struct aro_id aro_sha256_pair_whole(const struct aro_sha256_pair *pair)
{
    return pair->extensions ? stream_digest(&pair->whole) : evp_digest(pair->evp_whole);
}

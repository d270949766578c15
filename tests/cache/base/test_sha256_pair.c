/* SPDX-License-Identifier: BSD-3-Clause */
/* Both digests against libcrypto's, over every way to cut the input. */
#include "cache/base/sha256_pair.h"

#include <criterion/criterion.h>

#include <stdlib.h>

#include "cache/base/sha256.h"

enum { BYTES = 3000 };

static uint8_t bytes[BYTES];

static struct aro_sha256_pair *make(bool plain)
{
    srandom(7);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)random();
    struct aro_sha256_pair *pair =
        plain ? aro_sha256_pair_create_plain() : aro_sha256_pair_create();
    cr_assert_not_null(pair);
    return pair;
}

static void assert_digest(struct aro_id got, const uint8_t *from, size_t len)
{
    struct aro_id expected = aro_sha256(from, len);

    cr_assert(aro_id_equal(&got, &expected), "%zu bytes at %zu", len, (size_t)(from - bytes));
}

static void every_length(bool plain)
{
    struct aro_sha256_pair *pair = make(plain);

    for (size_t len = 0; len <= 300; len++) {
        aro_sha256_pair_reset(pair);
        aro_sha256_pair_update(pair, bytes, len);
        assert_digest(aro_sha256_pair_part(pair), bytes, len);
        assert_digest(aro_sha256_pair_whole(pair), bytes, len);
    }
    aro_sha256_pair_destroy(pair);
}

Test(sha256_pair, two_pieces_of_one_length_each_get_their_own_digest)
{
    struct aro_id a, b;

    aro_sha256_pair_destroy(make(false));
    for (size_t len = 0; len <= 1000; len++) {
        aro_sha256_two(bytes, bytes + 1500, len, &a, &b);
        assert_digest(a, bytes, len);
        assert_digest(b, bytes + 1500, len);
    }
}

/* Parts of any length, in pieces of any length, some dropped. */
static void every_cut(bool plain, unsigned unit)
{
    struct aro_sha256_pair *pair = make(plain);

    for (unsigned round = 0; round < 300; round++) {
        size_t at = 0;
        aro_sha256_pair_reset(pair);
        while (at < BYTES - 600) {
            size_t part = (size_t)(random() % (600 / unit) + 1) * unit, done = 0;
            unsigned fate = (unsigned)random() % 4;
            aro_sha256_pair_begin(pair);
            while (done < part) {
                size_t piece = (size_t)random() % (part - done) + 1;
                aro_sha256_pair_update(pair, bytes + at + done, piece);
                done += piece;
            }
            assert_digest(aro_sha256_pair_part(pair), bytes + at, part);
            if (fate == 1)
                aro_sha256_pair_drop(pair);
            else
                at += part;
        }
        assert_digest(aro_sha256_pair_whole(pair), bytes, at);
    }
    aro_sha256_pair_destroy(pair);
}

Test(sha256_pair, digests_of_every_length_agree_with_libcrypto)
{
    every_length(false);
    every_length(true);
}

Test(sha256_pair, parts_of_whole_blocks_and_of_any_length_agree_with_libcrypto)
{
    for (unsigned plain = 0; plain < 2; plain++) {
        every_cut(plain != 0, 64);
        every_cut(plain != 0, 1);
    }
}

Test(sha256_pair, destroying_nothing_is_harmless)
{
    aro_sha256_pair_destroy(NULL);
}

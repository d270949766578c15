/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/sums.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"

enum { LEN_MAX = 20000 };

/* The loop of RFC 1071, section 4.1, in memory order. */
static uint16_t obvious_sum(const uint8_t *bytes, uint32_t len_bytes)
{
    uint64_t sum = 0;

    for (; len_bytes > 1; len_bytes -= 2, bytes += 2) {
        uint16_t word;
        memcpy(&word, bytes, sizeof(word));
        sum += word;
    }
    if (len_bytes > 0)
        sum += *bytes; /* little-endian: the first byte of the word */
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void fill_random(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(random() >> 7);
}

/* Each step by the obvious loop, added up in one's complement. */
static void check_every_prefix(const uint8_t *bytes, uint32_t len, const uint16_t *sums)
{
    uint32_t count = aro_sums_count(len);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i * ARO_SUM_STEP;
        cr_assert_eq(sums[i], sum, "length %u, prefix %u", len, i);
        if (at < len)
            sum += obvious_sum(bytes + at, len - at < ARO_SUM_STEP ? len - at : ARO_SUM_STEP);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    cr_assert_eq(sums[count - 1], obvious_sum(bytes, len));
}

Test(sums, agree_with_rfc_1071_at_random_lengths_and_alignments)
{
    static uint8_t bytes[LEN_MAX + 64];
    uint16_t sums[LEN_MAX / ARO_SUM_STEP + 2];

    srandom(1);
    fill_random(bytes, sizeof(bytes));
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t len = 1 + (uint32_t)random() % (round % 2 ? LEN_MAX : 300);
        const uint8_t *from = bytes + random() % 64;
        sums[0] = 0;
        aro_sums_extend(sums, 0, from, len);
        check_every_prefix(from, len, sums);
    }
}

Test(sums, do_not_overflow_on_the_largest_chunk_of_ones)
{
    uint8_t *bytes = malloc(ARO_CHUNK_BYTES_MAX);
    uint16_t *sums = calloc(aro_sums_count(ARO_CHUNK_BYTES_MAX), sizeof(*sums));

    memset(bytes, 0xff, ARO_CHUNK_BYTES_MAX);
    aro_sums_extend(sums, 0, bytes, ARO_CHUNK_BYTES_MAX);
    check_every_prefix(bytes, ARO_CHUNK_BYTES_MAX, sums);
    free(sums);
    free(bytes);
}

Test(sums, in_pieces_are_those_of_the_whole)
{
    static uint8_t bytes[LEN_MAX];
    uint16_t whole[LEN_MAX / ARO_SUM_STEP + 2] = {0};
    uint16_t pieces[LEN_MAX / ARO_SUM_STEP + 2] = {0};
    uint32_t len = 19999;

    srandom(2);
    fill_random(bytes, len);
    aro_sums_extend(whole, 0, bytes, len);
    for (uint32_t step = 0; step * ARO_SUM_STEP < len;) {
        uint32_t at = step * ARO_SUM_STEP;
        uint32_t steps = 1 + (uint32_t)random() % 20;
        uint32_t piece = steps * ARO_SUM_STEP < len - at ? steps * ARO_SUM_STEP : len - at;
        aro_sums_extend(pieces, step, bytes + at, piece);
        step += steps;
    }
    cr_assert_arr_eq(pieces, whole, aro_sums_count(len) * sizeof(whole[0]));
}

Test(sums, between_two_prefixes_is_the_slice)
{
    static uint8_t bytes[LEN_MAX];
    uint16_t sums[LEN_MAX / ARO_SUM_STEP + 2] = {0};
    uint32_t count = aro_sums_count(LEN_MAX - 1);

    srandom(3);
    fill_random(bytes, sizeof(bytes));
    aro_sums_extend(sums, 0, bytes, LEN_MAX - 1);
    for (uint32_t from = 0; from < count - 1; from++) {
        uint32_t to = from + 1 + (uint32_t)random() % (count - 1 - from);
        uint32_t end = to * ARO_SUM_STEP < LEN_MAX - 1 ? to * ARO_SUM_STEP : LEN_MAX - 1;
        uint16_t slice = obvious_sum(bytes + from * ARO_SUM_STEP, end - from * ARO_SUM_STEP);
        /* the two zeroes of one's complement are equal */
        cr_assert_eq(aro_sums_between(sums[from], sums[to]) % 0xffff, slice % 0xffff);
    }
}

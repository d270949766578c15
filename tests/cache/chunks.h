/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks that follow from their number, for the plain stress programs: id, length, and one word in
 * each line of 64 bytes. Memory that went to another chunk, was poisoned or is half written shows
 * wherever one looks, and filling a chunk does not cost more than what is being tested.
 */
#ifndef ARO_TESTS_CACHE_CHUNKS_H
#define ARO_TESTS_CACHE_CHUNKS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/sums.h"

enum {
    CHUNKS_HOT = 24,        /* the first few, of one page each: asked for by everybody at once */
    CHUNK_USUAL_MAX = 4096, /* bytes of most; one of sixteen is up to CHUNK_LARGE_MAX */
    CHUNK_LARGE_MAX = 65536,
    CHUNK_LINE = 64,
};

#define REQUIRE(what)                                                                              \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline struct aro_id chunk_id(unsigned number)
{
    return (struct aro_id){{number, number * UINT64_C(0x9e3779b97f4a7c15), ~(uint64_t)number, 1}};
}

static inline uint32_t chunk_len(unsigned number)
{
    if (number < CHUNKS_HOT)
        return 4096;
    return 1 + number * 7919 % (number % 16 == 0 ? CHUNK_LARGE_MAX : CHUNK_USUAL_MAX);
}

static inline uint32_t chunk_lines(unsigned number)
{
    return (chunk_len(number) + CHUNK_LINE - 1) / CHUNK_LINE;
}

static inline uint64_t chunk_word(unsigned number, uint32_t line)
{
    return ((number + 1) * UINT64_C(0x2545f4914f6cdd1d)) ^ (line * UINT64_C(0xff51afd7ed558ccd));
}

/* wrong: as a read that is half done would leave it. The last line may be shorter than a word. */
static inline void chunk_fill(struct aro_entry *entry, unsigned number, bool wrong)
{
    uint32_t whole = chunk_len(number) / CHUNK_LINE;
    uint8_t *at = entry->data;

    for (uint32_t line = 0; line < whole; line++, at += CHUNK_LINE) {
        uint64_t word = chunk_word(number, line) ^ wrong;
        memcpy(at, &word, sizeof(word));
    }
    memset(at, (int)(number + wrong), chunk_len(number) % CHUNK_LINE);
}

static inline void chunk_check_line(const struct aro_entry *entry, unsigned number, uint32_t line)
{
    const uint8_t *at = entry->data + line * CHUNK_LINE;
    uint64_t word;

    if (line == chunk_len(number) / CHUNK_LINE) {
        REQUIRE(*at == (uint8_t)number);
        return;
    }
    memcpy(&word, at, sizeof(word));
    REQUIRE(word == chunk_word(number, line));
}

/* First, last and some lines, one prefix sum: cheap enough for every hit. */
static inline void chunk_check(const struct aro_entry *entry, const uint16_t *sums, unsigned number,
                               uint64_t *random)
{
    struct aro_id id = chunk_id(number);
    uint32_t len = chunk_len(number);
    uint32_t step = (uint32_t)(random_next(random) % (aro_sums_count(len) - 1));
    uint32_t left = len - step * ARO_SUM_STEP;
    uint16_t sum[2] = {0};
    uint16_t between;

    REQUIRE(aro_id_equal(&entry->id, &id));
    REQUIRE(entry->len_bytes == len);
    chunk_check_line(entry, number, 0);
    chunk_check_line(entry, number, chunk_lines(number) - 1);
    for (unsigned i = 0; i < 4; i++)
        chunk_check_line(entry, number, (uint32_t)(random_next(random) % chunk_lines(number)));
    aro_sums_extend(sum, 0, entry->data + step * ARO_SUM_STEP,
                    left < ARO_SUM_STEP ? left : ARO_SUM_STEP);
    between = aro_sums_between(sums[step], sums[step + 1]);
    REQUIRE(between % 0xffff == sum[1] % 0xffff);
}

#endif

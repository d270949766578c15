/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/ghost.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/*
 * The table is buckets of one line, sixteen words. A word: position in the ring + 1 from its low
 * end, a tag above; 0: empty. A mark's word stands in one of its two buckets, the one that had more
 * room - so a look is two lines, fetched ahead, compared at once and without a guess, and it goes
 * on to the ring only for a tag that agrees. With eight of nine places taken, one in fifty finds
 * both full: then a word of theirs moves to its own other bucket, which its mark tells.
 */
enum { LEN_BITS = 24, PRINT_BITS = 64 - LEN_BITS };
enum { SLOTS = 16, PAIR = 2 };
enum { AHEAD = 6 }; /* marks whose turn to be forgotten is near: their buckets are fetched */
#define LEN_MAX ((UINT64_C(1) << LEN_BITS) - 1)
static_assert(sizeof(struct aro_ghost_bucket) == SLOTS * sizeof(uint32_t), "one line");

/* A mark is the fingerprint's high bits above the length. */
static uint64_t print_of(uint64_t mark)
{
    return mark >> LEN_BITS;
}

static size_t table_bytes(const struct aro_ghost *ghost)
{
    return ghost->buckets * sizeof(struct aro_ghost_bucket);
}

int aro_ghost_init(struct aro_ghost *ghost, uint64_t bytes_max, uint32_t entries_max)
{
    uint32_t size = entries_max < 1u << 26 ? entries_max : (1u << 26) - 1;

    ghost->ring_size = size;
    ghost->buckets = (size + size / 8) / SLOTS + 1; /* at most eight of nine places taken */
    if (ghost->buckets < PAIR)
        ghost->buckets = PAIR;
    ghost->ring = calloc(ghost->ring_size, sizeof(*ghost->ring));
    ghost->table =
        mmap(NULL, table_bytes(ghost), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ghost->table == MAP_FAILED)
        ghost->table = NULL;
    else
        madvise(ghost->table, table_bytes(ghost),
                MADV_HUGEPAGE); /* fewer TLB misses; may be refused */
    ghost->bytes_max = bytes_max;
    ghost->tag_shift = 1;
    while (size >> ghost->tag_shift != 0)
        ghost->tag_shift++;
    return ghost->ring == NULL || ghost->table == NULL ? -ENOMEM : 0;
}

void aro_ghost_fini(struct aro_ghost *ghost)
{
    free(ghost->ring);
    if (ghost->table != NULL)
        munmap(ghost->table, table_bytes(ghost));
}

/* ---- a bucket ---- */

/* The slots whose word agrees with `word` in the bits of `mask`; bit i: slot i. */
static unsigned bucket_match(const struct aro_ghost_bucket *bucket, uint32_t mask, uint32_t word)
{
#ifdef __SSE2__
    const __m128i *four = (const __m128i *)(const void *)bucket;
    __m128i masks = _mm_set1_epi32((int)mask), words = _mm_set1_epi32((int)word), same[4];

    for (unsigned i = 0; i < 4; i++)
        same[i] = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(&four[i]), masks), words);
    return (unsigned)_mm_movemask_epi8(
        _mm_packs_epi16(_mm_packs_epi32(same[0], same[1]), _mm_packs_epi32(same[2], same[3])));
#else
    unsigned same = 0;

    for (unsigned i = 0; i < SLOTS; i++)
        same |= (unsigned)((bucket->word[i] & mask) == word) << i;
    return same;
#endif
}

static unsigned bucket_empties(const struct aro_ghost_bucket *bucket)
{
    return bucket_match(bucket, UINT32_MAX, 0);
}

/* ---- the table ---- */

/* Where the word of a fingerprint may stand: chosen by its high bits, and by all mixed. */
struct pair {
    struct aro_ghost_bucket *bucket[PAIR];
};

static struct pair pair_of(const struct aro_ghost *ghost, uint64_t print)
{
    uint32_t other = (uint32_t)(print * UINT64_C(0x9e3779b97f4a7c15) >> 32); /* of all bits */
    uint32_t first = (uint32_t)((print * ghost->buckets) >> PRINT_BITS);
    uint32_t second = (uint32_t)(((uint64_t)other * ghost->buckets) >> 32);

    if (second == first)
        second = first + 1 < ghost->buckets ? first + 1 : 0;
    return (struct pair){{&ghost->table[first], &ghost->table[second]}};
}

static uint32_t position_mask(const struct aro_ghost *ghost)
{
    return (UINT32_C(1) << ghost->tag_shift) - 1;
}

static uint32_t position_of(const struct aro_ghost *ghost, uint32_t word)
{
    return (word & position_mask(ghost)) - 1;
}

/* The word of a fingerprint, without a position: a tag of its low bits. */
static uint32_t tag_of(const struct aro_ghost *ghost, uint64_t print)
{
    return (uint32_t)(print << ghost->tag_shift);
}

/* Since when a mark is remembered: less is longer ago. */
static uint32_t age_of(const struct aro_ghost *ghost, uint32_t position)
{
    return position - ghost->oldest + (position < ghost->oldest ? ghost->ring_size : 0);
}

/* Where the fingerprint stands in the table, the oldest if it does so twice; NULL: nowhere. */
static uint32_t *table_seek(const struct aro_ghost *ghost, uint64_t print)
{
    struct pair pair = pair_of(ghost, print);
    uint32_t tag = tag_of(ghost, print);
    uint32_t *oldest = NULL;

    for (unsigned b = 0; b < PAIR; b++) {
        unsigned same = bucket_match(pair.bucket[b], ~position_mask(ghost), tag);
        for (; same != 0; same &= same - 1) {
            uint32_t *word = &pair.bucket[b]->word[__builtin_ctz(same)];
            uint32_t position = position_of(ghost, *word);
            if (*word == 0 || print_of(ghost->ring[position]) != print)
                continue;
            if (oldest == NULL ||
                age_of(ghost, position) < age_of(ghost, position_of(ghost, *oldest)))
                oldest = word;
        }
    }
    return oldest;
}

/* Both are full: moves a word of theirs to its other bucket. Its place, empty; NULL: none can. */
static uint32_t *pair_make_room(const struct aro_ghost *ghost, const struct pair *pair)
{
    for (unsigned i = 0; i < PAIR * SLOTS; i++) {
        struct aro_ghost_bucket *here = pair->bucket[i / SLOTS];
        uint32_t *word = &here->word[i % SLOTS];
        struct pair its = pair_of(ghost, print_of(ghost->ring[position_of(ghost, *word)]));
        struct aro_ghost_bucket *there = its.bucket[its.bucket[0] == here];
        unsigned empties = bucket_empties(there);
        if (empties == 0)
            continue;
        there->word[__builtin_ctz(empties)] = *word;
        *word = 0;
        return word;
    }
    return NULL;
}

/* False: there is no room where it may stand. */
static bool table_put(struct aro_ghost *ghost, uint64_t print, uint32_t position)
{
    struct pair pair = pair_of(ghost, print);
    unsigned first = bucket_empties(pair.bucket[0]), second = bucket_empties(pair.bucket[1]);
    uint32_t *place;

    if ((first | second) == 0)
        place = pair_make_room(ghost, &pair);
    else if (__builtin_popcount(first) >= __builtin_popcount(second))
        place = &pair.bucket[0]->word[__builtin_ctz(first)];
    else
        place = &pair.bucket[1]->word[__builtin_ctz(second)];
    if (place == NULL)
        return false;
    *place = tag_of(ghost, print) | (position + 1);
    return true;
}

/* ---- marks ---- */

/* `word`, of the table, and its mark. */
static void mark_forget(struct aro_ghost *ghost, uint32_t *word)
{
    uint64_t *mark = &ghost->ring[position_of(ghost, *word)];

    *word = 0;
    ghost->entries--;
    ghost->bytes -= *mark & LEN_MAX;
    *mark = 0;
}

void aro_ghost_prefetch(const struct aro_ghost *ghost, uint64_t fingerprint)
{
    struct pair pair = pair_of(ghost, print_of(fingerprint));

    __builtin_prefetch(pair.bucket[0], 1);
    __builtin_prefetch(pair.bucket[1], 1);
}

/* The word of a mark is known whole: no other agrees with it. */
static void oldest_forget(struct aro_ghost *ghost)
{
    uint64_t print = print_of(ghost->ring[ghost->oldest]);
    uint32_t soon = ghost->oldest + AHEAD;

    if (soon < ghost->ring_size)
        aro_ghost_prefetch(ghost, ghost->ring[soon]);
    if (ghost->ring[ghost->oldest] != 0) {
        struct pair pair = pair_of(ghost, print);
        uint32_t word = tag_of(ghost, print) | (ghost->oldest + 1);
        unsigned first = bucket_match(pair.bucket[0], UINT32_MAX, word);
        unsigned second = bucket_match(pair.bucket[1], UINT32_MAX, word);
        unsigned b = first == 0;
        mark_forget(ghost, &pair.bucket[b]->word[__builtin_ctz(b == 0 ? first : second)]);
    }
    ghost->oldest = ghost->oldest + 1 == ghost->ring_size ? 0 : ghost->oldest + 1;
    ghost->count--;
}

bool aro_ghost_take(struct aro_ghost *ghost, uint64_t fingerprint)
{
    uint32_t *word = table_seek(ghost, print_of(fingerprint));

    if (word == NULL)
        return false;
    mark_forget(ghost, word);
    return true;
}

void aro_ghost_add(struct aro_ghost *ghost, uint64_t fingerprint, uint32_t len_bytes)
{
    uint64_t len = len_bytes < LEN_MAX ? len_bytes : LEN_MAX;
    uint64_t print = print_of(fingerprint);
    uint64_t position;

    if (len > ghost->bytes_max || ghost->ring_size == 0)
        return;
    while (ghost->bytes + len > ghost->bytes_max || ghost->count == ghost->ring_size)
        oldest_forget(ghost);
    position = (uint64_t)ghost->oldest + ghost->count++;
    position -= position >= ghost->ring_size ? ghost->ring_size : 0;
    ghost->ring[position] = 0;
    if (!table_put(ghost, print, (uint32_t)position))
        return; /* forgotten at once */
    ghost->ring[position] = print << LEN_BITS | len;
    ghost->entries++;
    ghost->bytes += len;
}

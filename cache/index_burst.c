/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding many ids at once, in passes, so that no load is waited for alone: hash all and fetch the
 * first buckets; match and fetch the entries, or the second bucket of the few that are not in their
 * first; match these; compare ids.
 *
 * What bounds the rate is how many lines are on their way at once, and that is bounded by how many
 * loads and instructions a processor looks ahead. So the fewer instructions per id, the better -
 * most of all in the pass that waits for buckets, where eight loads and a branch per slot cost more
 * than all the rest. Where the processor can, one or two loads look at eight slots. They are no
 * atomics, and nothing rests on them: they say where to look, each word is then read again as an
 * atomic, and who was not found is looked for once more by atomics alone.
 */
#include "cache/index_table.h"

/* ThreadSanitizer would report the loads that nothing rests on. */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define ARO_INDEX_WIDE 1
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef ARO_INDEX_WIDE
#endif
#endif
#endif

/* One place in the code, whichever way it is reached. */
static void before_ids(void)
{
    aro_delay_point();
}

static unsigned burst_find(const struct aro_index *index, const struct aro_id *const ids[],
                           unsigned n, struct aro_entry *ret[])
{
    uint64_t hash[ARO_FIND_BURST_MAX];
    uint64_t second = 0; /* bit i: id i is not in its first bucket */
    unsigned found = 0, at;

    for (unsigned i = 0; i < n; i++) {
        hash[i] = aro_index_hash(index, ids[i]);
        __builtin_prefetch(aro_bucket_first(index, hash[i]));
    }
    for (unsigned i = 0; i < n; i++) {
        ret[i] = aro_bucket_match(aro_bucket_first(index, hash[i]), aro_tag_of(hash[i]), 0, &at);
        second |= (uint64_t)(ret[i] == NULL) << i;
        __builtin_prefetch(ret[i] != NULL ? (const void *)ret[i]
                                          : aro_bucket_second(index, hash[i]));
    }
    for (uint64_t left = second; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        ret[i] = aro_bucket_match(aro_bucket_second(index, hash[i]), aro_tag_of(hash[i]), 0, &at);
        if (ret[i] != NULL)
            __builtin_prefetch(ret[i]);
    }
    before_ids();
    for (unsigned i = 0; i < n; i++) {
        if (ret[i] != NULL && !aro_id_equal(&ret[i]->id, ids[i]))
            ret[i] = aro_index_seek(index, hash[i], ids[i]); /* tags agreed by chance */
        found += ret[i] != NULL;
    }
    return found;
}

#ifdef ARO_INDEX_WIDE
#include <immintrin.h>

#define BY_FOUR  __attribute__((target("avx2,bmi")))
#define BY_EIGHT __attribute__((target("avx512f,avx512vl,avx512dq,avx2,bmi")))
#define IN_LINE  static inline __attribute__((always_inline))

/* Which slots of a bucket seem to hold `wanted`, whatever their entries; bit i: slot i. */
typedef unsigned match_fn(const struct aro_bucket *bucket, uint64_t wanted);
/* Ids of entries are constant while a reader can see them. */
typedef bool equal_fn(const struct aro_id *a, const struct aro_id *b);

BY_FOUR static inline unsigned four_match(const struct aro_bucket *bucket, uint64_t wanted)
{
    const __m256i *slots = (const __m256i *)(const void *)bucket;
    __m256i others = _mm256_set1_epi64x((long long)~ARO_WORD_ENTRY);
    __m256i all = _mm256_set1_epi64x((long long)wanted);
    __m256i low = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(&slots[0]), others), all);
    __m256i high = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(&slots[1]), others), all);

    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
           (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
}

BY_FOUR static inline bool four_equal(const struct aro_id *a, const struct aro_id *b)
{
    __m256i differ = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)a),
                                      _mm256_loadu_si256((const __m256i *)(const void *)b));

    return _mm256_testz_si256(differ, differ);
}

BY_EIGHT static inline unsigned eight_match(const struct aro_bucket *bucket, uint64_t wanted)
{
    __m512i differ = _mm512_xor_si512(_mm512_load_si512((const void *)bucket),
                                      _mm512_set1_epi64((long long)wanted));

    return _mm512_testn_epi64_mask(differ, _mm512_set1_epi64((long long)~ARO_WORD_ENTRY));
}

BY_EIGHT static inline bool eight_equal(const struct aro_id *a, const struct aro_id *b)
{
    return _mm256_cmpneq_epu64_mask(_mm256_loadu_si256((const __m256i *)(const void *)a),
                                    _mm256_loadu_si256((const __m256i *)(const void *)b)) == 0;
}

IN_LINE unsigned burst_find_wide(const struct aro_index *index, const struct aro_id *const ids[],
                                 unsigned n, struct aro_entry *ret[], match_fn *match,
                                 equal_fn *equal)
{
    struct aro_bucket *bucket[ARO_FIND_BURST_MAX];
    uint64_t hash[ARO_FIND_BURST_MAX];
    uint64_t wanted[ARO_FIND_BURST_MAX];
    uint64_t word[ARO_FIND_BURST_MAX];
    uint64_t second = 0; /* bit i: id i is not in its first bucket */
    uint64_t open = 0;   /* bit i: not found, or tags agreed by chance */
    unsigned found = n;

    for (unsigned i = 0; i < n; i++) {
        hash[i] = aro_index_hash(index, ids[i]);
        bucket[i] = aro_bucket_first(index, hash[i]);
        __builtin_prefetch(bucket[i]);
        wanted[i] = aro_tag_of(hash[i]) | ARO_WORD_MEMBER;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned seen = match(bucket[i], wanted[i]);
        if (__builtin_expect(seen == 0, 0)) {
            second |= UINT64_C(1) << i;
            bucket[i] = aro_bucket_second(index, hash[i]);
            __builtin_prefetch(bucket[i]);
            continue;
        }
        word[i] = atomic_load_explicit(&bucket[i]->slot[__builtin_ctz(seen)], memory_order_acquire);
        __builtin_prefetch(aro_word_entry(word[i]));
    }
    for (uint64_t left = second; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        unsigned seen = match(bucket[i], wanted[i]);
        word[i] = seen == 0 ? 0
                            : atomic_load_explicit(&bucket[i]->slot[__builtin_ctz(seen)],
                                                   memory_order_acquire);
        __builtin_prefetch(aro_word_entry(word[i]));
    }
    before_ids();
    for (unsigned i = 0; i < n; i++) {
        ret[i] = aro_word_entry(word[i]);
        if ((word[i] & ~ARO_WORD_ENTRY) != wanted[i] || !equal(&ret[i]->id, ids[i]))
            open |= UINT64_C(1) << i;
    }
    for (uint64_t left = open; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        ret[i] = aro_index_seek(index, hash[i], ids[i]);
        found -= ret[i] == NULL;
    }
    return found;
}

BY_FOUR static unsigned burst_find_by_four(const struct aro_index *index,
                                           const struct aro_id *const ids[], unsigned n,
                                           struct aro_entry *ret[])
{
    return burst_find_wide(index, ids, n, ret, four_match, four_equal);
}

BY_EIGHT static unsigned burst_find_by_eight(const struct aro_index *index,
                                             const struct aro_id *const ids[], unsigned n,
                                             struct aro_entry *ret[])
{
    return burst_find_wide(index, ids, n, ret, eight_match, eight_equal);
}
#endif

unsigned aro_index_find_burst(const struct aro_index *index, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[])
{
#ifdef ARO_INDEX_WIDE
    if (index->width == 8)
        return burst_find_by_eight(index, ids, n, ret);
    if (index->width == 4)
        return burst_find_by_four(index, ids, n, ret);
#endif
    return burst_find(index, ids, n, ret);
}

unsigned aro_index_width(void)
{
#ifdef ARO_INDEX_WIDE
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return 8;
    if (__builtin_cpu_supports("avx2"))
        return 4;
#endif
    return 1;
}

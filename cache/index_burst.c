/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding many ids at once, in passes, so that no load is waited for alone: hash all and fetch the
 * first buckets; match and fetch the entries, or the second bucket of the few that are not in their
 * first; match these; compare ids.
 *
 * What bounds the rate is how many lines are on their way at once, and that is bounded by how many
 * loads and instructions a processor looks ahead. So the fewer instructions per id, the better -
 * most of all in the pass that waits for buckets, where eight loads and a branch per slot cost more
 * than all the rest. Where the processor can, two loads look at eight slots. They are no atomics,
 * and nothing rests on them: they say where to look, each word is then read again as an atomic, and
 * who was not found is looked for once more by atomics alone.
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

#define WIDE __attribute__((target("avx2,bmi")))

/* Which slots of the bucket seem to hold `wanted`, whatever their entries; bit i: slot i. */
WIDE static inline unsigned wide_match(const struct aro_bucket *bucket, uint64_t wanted)
{
    const __m256i *slots = (const __m256i *)(const void *)bucket;
    __m256i others = _mm256_set1_epi64x((long long)~ARO_WORD_ENTRY);
    __m256i all = _mm256_set1_epi64x((long long)wanted);
    __m256i low = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(&slots[0]), others), all);
    __m256i high = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_load_si256(&slots[1]), others), all);

    return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(low)) |
           (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
}

/* Ids of entries are constant while a reader can see them. */
WIDE static inline bool wide_equal(const struct aro_id *a, const struct aro_id *b)
{
    __m256i differ = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)a),
                                      _mm256_loadu_si256((const __m256i *)(const void *)b));

    return _mm256_testz_si256(differ, differ);
}

WIDE static unsigned burst_find_wide(const struct aro_index *index,
                                     const struct aro_id *const ids[], unsigned n,
                                     struct aro_entry *ret[])
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
        unsigned seen = wide_match(bucket[i], wanted[i]);
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
        unsigned seen = wide_match(bucket[i], wanted[i]);
        word[i] = seen == 0 ? 0
                            : atomic_load_explicit(&bucket[i]->slot[__builtin_ctz(seen)],
                                                   memory_order_acquire);
        __builtin_prefetch(aro_word_entry(word[i]));
    }
    before_ids();
    for (unsigned i = 0; i < n; i++) {
        ret[i] = aro_word_entry(word[i]);
        if ((word[i] & ~ARO_WORD_ENTRY) != wanted[i] || !wide_equal(&ret[i]->id, ids[i]))
            open |= UINT64_C(1) << i;
    }
    for (uint64_t left = open; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        ret[i] = aro_index_seek(index, hash[i], ids[i]);
        found -= ret[i] == NULL;
    }
    return found;
}
#endif

unsigned aro_index_find_burst(const struct aro_index *index, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[])
{
#ifdef ARO_INDEX_WIDE
    if (index->wide)
        return burst_find_wide(index, ids, n, ret);
#endif
    return burst_find(index, ids, n, ret);
}

bool aro_index_can_be_wide(void)
{
#ifdef ARO_INDEX_WIDE
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
}

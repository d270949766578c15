/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the index lies in memory; for the files of the index only. The words are described in
 * index.h.
 */
#ifndef ARO_CACHE_INDEX_TABLE_H
#define ARO_CACHE_INDEX_TABLE_H

#include "cache/base/hash.h"
#include "cache/delay.h"
#include "cache/index.h"

enum {
    ARO_SLOTS_SEEN = 2 * ARO_INDEX_SLOTS, /* by one id: 0..7 first bucket, 8..15 second */
    ARO_WORD_TENTATIVE = 1,
    ARO_WORD_MEMBER = 2,
    ARO_WORD_KIND = 3,
    ARO_WORD_ATTEMPT_SHIFT = 2,
};
#define ARO_WORD_ENTRY UINT64_C(0x0000ffffffffffc0)
#define ARO_WORD_TAG   UINT64_C(0xffff000000000000)

static_assert(ARO_INDEX_CLAIMED_MAX << ARO_WORD_ATTEMPT_SHIFT == alignof(struct aro_entry),
              "the attempt fits below the address");

struct aro_bucket {
    alignas(64) _Atomic uint64_t slot[ARO_INDEX_SLOTS];
};
static_assert(sizeof(struct aro_bucket) == 64, "one line");

struct aro_index {
    struct aro_bucket *buckets;
    uint64_t count; /* of buckets, 2..2^25 */
    uint64_t seed;
    unsigned width; /* slots compared at once by a burst: 1, 4 or 8 */
};

static inline uint64_t aro_index_hash(const struct aro_index *index, const struct aro_id *id)
{
    return aro_hash_id(id, index->seed);
}

/* In its final position. */
static inline uint64_t aro_tag_of(uint64_t hash)
{
    return hash & ARO_WORD_TAG;
}

static inline struct aro_bucket *aro_bucket_first(const struct aro_index *index, uint64_t hash)
{
    return &index->buckets[((hash & UINT32_MAX) * index->count) >> 32];
}

/* From other bits than the first and the tag, but for some shared with the first where buckets are
 * many; never the same bucket. */
static inline struct aro_bucket *aro_bucket_second(const struct aro_index *index, uint64_t hash)
{
    uint64_t number = ((hash >> 16 & UINT32_MAX) * index->count) >> 32;

    if (number == ((hash & UINT32_MAX) * index->count) >> 32)
        number = number + 1 < index->count ? number + 1 : 0;
    return &index->buckets[number];
}

static inline struct aro_entry *aro_word_entry(uint64_t word)
{
    return (struct aro_entry *)(uintptr_t)(word & ARO_WORD_ENTRY);
}

static inline bool aro_word_matches(uint64_t word, uint64_t tag)
{
    return (word & ~ARO_WORD_ENTRY) == (tag | ARO_WORD_MEMBER);
}

/* First member in the bucket whose tag agrees, from slot `from` on, and its slot. */
static inline struct aro_entry *aro_bucket_match(struct aro_bucket *bucket, uint64_t tag,
                                                 unsigned from, unsigned *ret_at)
{
    for (unsigned i = from; i < ARO_INDEX_SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&bucket->slot[i], memory_order_acquire);
        if (aro_word_matches(word, tag)) {
            *ret_at = i;
            return aro_word_entry(word);
        }
    }
    return NULL;
}

/* The member with this id and hash, or NULL: looks at every slot where it may be. */
static inline struct aro_entry *aro_index_seek(const struct aro_index *index, uint64_t hash,
                                               const struct aro_id *id)
{
    uint64_t tag = aro_tag_of(hash);

    for (unsigned b = 0; b < 2; b++) {
        struct aro_bucket *bucket =
            b == 0 ? aro_bucket_first(index, hash) : aro_bucket_second(index, hash);
        unsigned at = 0;
        struct aro_entry *entry = aro_bucket_match(bucket, tag, 0, &at);
        aro_delay_point();
        while (entry != NULL && !aro_id_equal(&entry->id, id))
            entry = aro_bucket_match(bucket, tag, at + 1, &at);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

#endif

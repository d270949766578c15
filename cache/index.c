/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/index.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cache/base/hash.h"
#include "cache/delay.h"

/*
 * Why no id ever has two members. Call an incarnation one appearance of a tentative word in a slot.
 * An insert claims an empty slot with a tentative word and then settles it: it looks at all slots
 * of both buckets for other words of the same id.
 *   - a member: our word is withdrawn;
 *   - a tentative word in an earlier slot: ours is withdrawn and the other settled in its place, as
 *     a helper, so that a thread that was held up holds nobody up;
 *   - a tentative word in a later slot: that one is withdrawn (if the CAS fails it is read again).
 * If none of these ended it, the word becomes a member by CAS. All of this is seq_cst, so:
 * let X and Y be incarnations of one id and X's claim come first. Whoever makes Y a member looked
 * at X's slot after Y's claim, hence after X's. It cannot have met X as a member or in an earlier
 * slot (it would have given Y up), and if it met X tentative in a later slot it has withdrawn X.
 * So when Y becomes a member X is gone for good: a word that was withdrawn never comes back,
 * because each attempt of an insert numbers its word differently and an entry is reused only after
 * a grace period. Thus the members of one id follow each other and never overlap.
 *
 * Lock-free: settling moves to strictly earlier slots at most fifteen times, then some insert of
 * this id has succeeded or met a member. An owner learns its fate from its slot: a member is
 * erased by its owner only.
 */

enum {
    FIRST_SLOTS = 6, /* taken in the first bucket before the second one is thought of */
    SLOTS_SEEN = 2 * ARO_INDEX_SLOTS, /* by one id: 0..7 first bucket, 8..15 second */
    WORD_TENTATIVE = 1,
    WORD_MEMBER = 2,
    WORD_KIND = 3,
    ATTEMPT_SHIFT = 2,
    TAG_SHIFT = 48,
    SECOND_SHIFT = 24, /* of the hash: where the second bucket's number starts */
    BUCKETS_MAX = 1 << 24,
};
#define WORD_ENTRY UINT64_C(0x0000ffffffffffc0)
#define WORD_TAG   UINT64_C(0xffff000000000000)

static_assert(ARO_INDEX_CLAIMED_MAX << ATTEMPT_SHIFT == alignof(struct aro_entry),
              "the attempt fits below the address");
static_assert(BUCKETS_MAX * (uint64_t)ARO_INDEX_SLOTS >= 2ull * ARO_INDEX_ENTRIES_MAX,
              "half full at most");

struct bucket {
    alignas(64) _Atomic uint64_t slot[ARO_INDEX_SLOTS];
};
static_assert(sizeof(struct bucket) == 64, "one line");

struct aro_index {
    struct bucket *buckets;
    uint64_t mask;
    uint64_t seed;
    size_t bytes;
};

/* Where an id may be. */
struct place {
    struct bucket *bucket[2];
    uint64_t tag; /* in its final position */
};

struct aro_index *aro_index_create(uint32_t entries_max, uint64_t seed)
{
    struct aro_index *index;
    uint64_t buckets = 2; /* two choices */

    if (entries_max == 0 || entries_max > ARO_INDEX_ENTRIES_MAX) {
        errno = EINVAL;
        return NULL;
    }
    index = calloc(1, sizeof(*index));
    if (index == NULL)
        return NULL;
    while (buckets * ARO_INDEX_SLOTS < 2 * (uint64_t)entries_max)
        buckets *= 2;
    index->mask = buckets - 1;
    index->seed = seed;
    index->bytes = buckets * sizeof(struct bucket);
    index->buckets =
        mmap(NULL, index->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (index->buckets == MAP_FAILED) {
        free(index);
        errno = ENOMEM;
        return NULL;
    }
    madvise(index->buckets, index->bytes, MADV_HUGEPAGE); /* fewer TLB misses; may be refused */
    return index;
}

void aro_index_destroy(struct aro_index *index)
{
    if (index == NULL)
        return;
    munmap(index->buckets, index->bytes);
    free(index);
}

static struct place place_of(const struct aro_index *index, uint64_t hash)
{
    uint64_t first = hash & index->mask;
    uint64_t second = (hash >> SECOND_SHIFT) & index->mask;

    if (second == first)
        second ^= 1;
    return (struct place){.bucket = {&index->buckets[first], &index->buckets[second]},
                          .tag = hash & WORD_TAG};
}

static _Atomic uint64_t *slot_of(const struct place *place, unsigned number)
{
    return &place->bucket[number / ARO_INDEX_SLOTS]->slot[number % ARO_INDEX_SLOTS];
}

static struct aro_entry *entry_of(uint64_t word)
{
    return (struct aro_entry *)(uintptr_t)(word & WORD_ENTRY);
}

/* First member in the bucket whose tag agrees, from slot `from` on; *at is its slot. */
static struct aro_entry *bucket_match(struct bucket *bucket, uint64_t tag, unsigned from,
                                      unsigned *at)
{
    for (unsigned i = from; i < ARO_INDEX_SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&bucket->slot[i], memory_order_acquire);
        if ((word & ~WORD_ENTRY) == (tag | WORD_MEMBER)) {
            *at = i;
            return entry_of(word);
        }
    }
    return NULL;
}

static struct aro_entry *place_find(const struct place *place, const struct aro_id *id)
{
    for (unsigned b = 0; b < 2; b++) {
        unsigned at = 0;
        struct aro_entry *entry = bucket_match(place->bucket[b], place->tag, 0, &at);
        aro_delay_point();
        while (entry != NULL && !aro_id_equal(&entry->id, id))
            entry = bucket_match(place->bucket[b], place->tag, at + 1, &at);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

struct aro_entry *aro_index_find(const struct aro_index *index, const struct aro_id *id)
{
    struct place place = place_of(index, aro_hash_id(id, index->seed));

    return place_find(&place, id);
}

/*
 * Four passes, so that no load is waited for alone: hash all and fetch the first buckets; match and
 * fetch the entries, or the second bucket of the few that are not in their first; match these;
 * compare ids.
 */
unsigned aro_index_find_burst(const struct aro_index *index, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[])
{
    struct place places[ARO_FIND_BURST_MAX];
    uint64_t second = 0; /* bit i: id i is not in its first bucket */
    unsigned found = 0, at;

    for (unsigned i = 0; i < n; i++) {
        places[i] = place_of(index, aro_hash_id(ids[i], index->seed));
        __builtin_prefetch(places[i].bucket[0]);
    }
    for (unsigned i = 0; i < n; i++) {
        ret[i] = bucket_match(places[i].bucket[0], places[i].tag, 0, &at);
        second |= (uint64_t)(ret[i] == NULL) << i;
        __builtin_prefetch(ret[i] != NULL ? (const void *)ret[i] : places[i].bucket[1]);
    }
    for (uint64_t left = second; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        ret[i] = bucket_match(places[i].bucket[1], places[i].tag, 0, &at);
        if (ret[i] != NULL)
            __builtin_prefetch(ret[i]);
    }
    aro_delay_point();
    for (unsigned i = 0; i < n; i++) {
        if (ret[i] != NULL && !aro_id_equal(&ret[i]->id, ids[i]))
            ret[i] = place_find(&places[i], ids[i]); /* tags agreed by chance */
        found += ret[i] != NULL;
    }
    return found;
}

/*
 * Puts word into an empty slot of the first bucket, while that has few, or of the emptier one: at
 * half load 95 of 100 are in their first, and no bucket overflows. Returns the slot's number or
 * -ENOSPC. */
static int place_claim(const struct place *place, uint64_t word)
{
    for (;;) {
        int empty[2] = {-1, -1};
        unsigned empties[2] = {0, 0};
        uint64_t none = 0;
        int number;

        for (int i = SLOTS_SEEN - 1; i >= 0; i--) {
            int b = i / ARO_INDEX_SLOTS;
            if (atomic_load_explicit(slot_of(place, i), memory_order_relaxed) == 0) {
                empty[b] = i;
                empties[b]++;
            }
        }
        number = empties[0] > ARO_INDEX_SLOTS - FIRST_SLOTS || empties[0] >= empties[1] ? empty[0]
                                                                                        : empty[1];
        if (number < 0)
            return -ENOSPC;
        aro_delay_point();
        if (atomic_compare_exchange_strong(slot_of(place, number), &none, word))
            return number;
    }
}

static bool withdraw(const struct place *place, unsigned number, uint64_t word)
{
    aro_delay_point();
    return atomic_compare_exchange_strong(slot_of(place, number), &word, 0);
}

/* Brings the tentative word in slot `number` to its end, or the earlier one that it must yield to.
 */
static void place_settle(const struct place *place, unsigned number, uint64_t word)
{
    const struct aro_id *id = &entry_of(word)->id;
    unsigned i = 0;

    while (i < SLOTS_SEEN) {
        uint64_t other = atomic_load(slot_of(place, i));
        aro_delay_point();
        if (i == number || (other & WORD_KIND) == 0 || (other & WORD_TAG) != place->tag ||
            !aro_id_equal(&entry_of(other)->id, id)) {
            i++;
        } else if ((other & WORD_KIND) == WORD_MEMBER) {
            withdraw(place, number, word);
            return;
        } else if (i < number) {
            withdraw(place, number, word);
            number = i; /* help it */
            word = other;
            i = 0;
        } else if (withdraw(place, i, other)) {
            i++;
        } /* else: it changed, look at slot i again */
    }
    aro_delay_point();
    atomic_compare_exchange_strong(slot_of(place, number), &word,
                                   (word & (WORD_TAG | WORD_ENTRY)) | WORD_MEMBER);
}

int aro_index_insert(struct aro_index *index, struct aro_entry *entry,
                     struct aro_entry **ret_member)
{
    struct place place = place_of(index, aro_hash_id(&entry->id, index->seed));
    uint64_t word = place.tag | (uintptr_t)entry;

    for (uint64_t attempt = 0; attempt < ARO_INDEX_CLAIMED_MAX; attempt++) {
        struct aro_entry *member = place_find(&place, &entry->id);
        uint64_t tentative = word | attempt << ATTEMPT_SHIFT | WORD_TENTATIVE;
        int number;

        if (member != NULL) {
            *ret_member = member;
            return -EEXIST;
        }
        number = place_claim(&place, tentative);
        if (number < 0)
            return number;
        place_settle(&place, number, tentative);
        if (atomic_load(slot_of(&place, number)) == (word | WORD_MEMBER))
            return 0;
    }
    return -EAGAIN;
}

bool aro_index_erase(struct aro_index *index, struct aro_entry *entry)
{
    struct place place = place_of(index, aro_hash_id(&entry->id, index->seed));
    uint64_t word = place.tag | (uintptr_t)entry | WORD_MEMBER;

    for (unsigned i = 0; i < SLOTS_SEEN; i++) {
        uint64_t expected = word;
        if (atomic_load_explicit(slot_of(&place, i), memory_order_relaxed) != word)
            continue;
        aro_delay_point();
        return atomic_compare_exchange_strong(slot_of(&place, i), &expected, 0);
    }
    return false;
}

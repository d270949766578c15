/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/index_table.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

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
    /* 19 entries per 5 buckets when the index holds entries_max, 16.9 B each. Of 64 M ids none met
     * two full buckets then (simulated); at 4 per bucket one of 10^8 does. */
    FULL_ENTRIES = 19,
    FULL_BUCKETS = 5,
};

/* Where an id may be. */
struct place {
    struct aro_bucket *bucket[2];
    uint64_t tag; /* in its final position */
};

struct aro_index *aro_index_create(uint32_t entries_max, uint64_t seed)
{
    struct aro_index *index;
    size_t bytes;

    if (entries_max == 0 || entries_max > ARO_INDEX_ENTRIES_MAX) {
        errno = EINVAL;
        return NULL;
    }
    index = calloc(1, sizeof(*index));
    if (index == NULL)
        return NULL;
    index->count = ((uint64_t)entries_max * FULL_BUCKETS + FULL_ENTRIES - 1) / FULL_ENTRIES;
    if (index->count < 2)
        index->count = 2; /* two choices */
    index->seed = seed;
    index->width = aro_index_width();
    bytes = index->count * sizeof(struct aro_bucket);
    index->buckets = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (index->buckets == MAP_FAILED) {
        free(index);
        errno = ENOMEM;
        return NULL;
    }
    madvise(index->buckets, bytes, MADV_HUGEPAGE); /* fewer TLB misses; may be refused */
    return index;
}

void aro_index_destroy(struct aro_index *index)
{
    if (index == NULL)
        return;
    munmap(index->buckets, index->count * sizeof(struct aro_bucket));
    free(index);
}

static struct place place_of(const struct aro_index *index, const struct aro_id *id)
{
    uint64_t hash = aro_index_hash(index, id);

    return (struct place){.bucket = {aro_bucket_first(index, hash), aro_bucket_second(index, hash)},
                          .tag = aro_tag_of(hash)};
}

/* By number, 0..15. */
static _Atomic uint64_t *slot_of(const struct place *place, unsigned number)
{
    return &place->bucket[number / ARO_INDEX_SLOTS]->slot[number % ARO_INDEX_SLOTS];
}

void aro_index_prefetch(const struct aro_index *index, const struct aro_id *id, bool insert)
{
    uint64_t hash = aro_index_hash(index, id);

    __builtin_prefetch(aro_bucket_first(index, hash));
    if (insert)
        __builtin_prefetch(aro_bucket_second(index, hash));
}

struct aro_entry *aro_index_find(const struct aro_index *index, const struct aro_id *id)
{
    return aro_index_seek(index, aro_index_hash(index, id), id);
}

/* What one look at the slots of an id shows. */
struct look {
    struct aro_entry *member; /* of this id, or NULL */
    int room;                 /* the slot to claim, or -ENOSPC */
};

/*
 * Room is in the first bucket, while that has few, or in the emptier one: at half load 95 of 100
 * are in their first, and no bucket overflows.
 */
static struct look place_look(const struct place *place, const struct aro_id *id)
{
    struct look look = {.room = -ENOSPC};
    unsigned none[2] = {0, 0}; /* bit i: slot i is empty */
    unsigned empties[2] = {0, 0};
    unsigned same = 0; /* bit i: the tag of slot i agrees */
    unsigned b;

    for (unsigned i = 0; i < ARO_SLOTS_SEEN; i++) { /* branches here would be guesses */
        uint64_t word = atomic_load_explicit(slot_of(place, i), memory_order_acquire);
        none[i / ARO_INDEX_SLOTS] |= (unsigned)(word == 0) << i;
        empties[i / ARO_INDEX_SLOTS] += word == 0;
        same |= (unsigned)aro_word_matches(word, place->tag) << i;
    }
    for (; same != 0; same &= same - 1) {
        unsigned i = (unsigned)__builtin_ctz(same);
        uint64_t word = atomic_load_explicit(slot_of(place, i), memory_order_acquire);
        if (aro_word_matches(word, place->tag) && aro_id_equal(&aro_word_entry(word)->id, id)) {
            look.member = aro_word_entry(word);
            return look;
        }
    }
    b = empties[0] <= ARO_INDEX_SLOTS - FIRST_SLOTS && empties[0] < empties[1];
    if (none[b] != 0)
        look.room = __builtin_ctz(none[b]);
    return look;
}

static bool withdraw(const struct place *place, unsigned number, uint64_t word)
{
    aro_delay_point();
    return atomic_compare_exchange_strong(slot_of(place, number), &word, 0);
}

/* In which slots but `number` stand words of this tag; each was looked at once. */
static unsigned place_rivals(const struct place *place, unsigned number)
{
    unsigned rivals = 0;

    for (unsigned i = 0; i < ARO_SLOTS_SEEN; i++) { /* nearly always only our own */
        uint64_t word = atomic_load(slot_of(place, i));
        rivals |= (unsigned)((word ^ place->tag) < ~ARO_WORD_TAG) << i;
        aro_delay_point();
    }
    return rivals & ~(1u << number);
}

/* Brings the tentative word in slot `number` to its end, or the earlier one that it must yield to.
 */
static void place_settle(const struct place *place, unsigned number, uint64_t word)
{
    const struct aro_id *id = &aro_word_entry(word)->id;
    unsigned left = place_rivals(place, number);

    while (left != 0) {
        unsigned i = (unsigned)__builtin_ctz(left);
        uint64_t other = atomic_load(slot_of(place, i));
        aro_delay_point();
        if ((other & ARO_WORD_KIND) == 0 || (other & ARO_WORD_TAG) != place->tag ||
            !aro_id_equal(&aro_word_entry(other)->id, id)) {
            left &= left - 1;
        } else if ((other & ARO_WORD_KIND) == ARO_WORD_MEMBER) {
            withdraw(place, number, word);
            return;
        } else if (i < number) {
            withdraw(place, number, word);
            number = i; /* help it */
            word = other;
            left = place_rivals(place, number);
        } else if (withdraw(place, i, other)) {
            left &= left - 1;
        } /* else: it changed, look at slot i again */
    }
    aro_delay_point();
    atomic_compare_exchange_strong(slot_of(place, number), &word,
                                   (word & (ARO_WORD_TAG | ARO_WORD_ENTRY)) | ARO_WORD_MEMBER);
}

int aro_index_insert(struct aro_index *index, struct aro_entry *entry,
                     struct aro_entry **ret_member)
{
    struct place place = place_of(index, &entry->id);
    uint64_t word = place.tag | (uintptr_t)entry;

    for (uint64_t attempt = 0; attempt < ARO_INDEX_CLAIMED_MAX; attempt++) {
        uint64_t tentative = word | attempt << ARO_WORD_ATTEMPT_SHIFT | ARO_WORD_TENTATIVE;
        uint64_t none;
        struct look look;
        do {
            look = place_look(&place, &entry->id);
            if (look.member != NULL) {
                *ret_member = look.member;
                return -EEXIST;
            }
            if (look.room < 0)
                return look.room;
            none = 0;
            aro_delay_point();
        } while (!atomic_compare_exchange_strong(slot_of(&place, (unsigned)look.room), &none,
                                                 tentative));
        place_settle(&place, (unsigned)look.room, tentative);
        if (atomic_load(slot_of(&place, (unsigned)look.room)) == (word | ARO_WORD_MEMBER))
            return 0;
    }
    return -EAGAIN;
}

/* The slot that holds exactly this word, or NULL. */
static _Atomic uint64_t *place_slot(const struct place *place, uint64_t word)
{
    for (unsigned b = 0; b < 2; b++) {
        unsigned seen = 0;
        for (unsigned i = 0; i < ARO_INDEX_SLOTS; i++)
            seen |= (unsigned)(atomic_load_explicit(&place->bucket[b]->slot[i],
                                                    memory_order_relaxed) == word)
                    << i;
        if (seen != 0)
            return &place->bucket[b]->slot[__builtin_ctz(seen)];
    }
    return NULL;
}

/* Members do not move, so one look is enough. */
static bool word_change(const struct place *place, uint64_t from, uint64_t to)
{
    _Atomic uint64_t *slot = place_slot(place, from);

    aro_delay_point();
    return slot != NULL && atomic_compare_exchange_strong(slot, &from, to);
}

bool aro_index_erase(struct aro_index *index, struct aro_entry *entry)
{
    struct place place = place_of(index, &entry->id);

    return word_change(&place, place.tag | (uintptr_t)entry | ARO_WORD_MEMBER, 0);
}

/*
 * In one CAS, so that the id has a member throughout, and no proof is needed but that of the member
 * it follows.
 */
bool aro_index_replace(struct aro_index *index, struct aro_entry *member, struct aro_entry *by)
{
    struct place place = place_of(index, &member->id);

    return word_change(&place, place.tag | (uintptr_t)member | ARO_WORD_MEMBER,
                       place.tag | (uintptr_t)by | ARO_WORD_MEMBER);
}

unsigned aro_index_crowd(const struct aro_index *index, const struct aro_id *id,
                         struct aro_entry *ret[ARO_INDEX_CROWD])
{
    struct place place = place_of(index, id);
    unsigned n = 0;

    for (unsigned i = 0; i < ARO_SLOTS_SEEN; i++) {
        uint64_t word = atomic_load_explicit(slot_of(&place, i), memory_order_acquire);
        if ((word & ARO_WORD_KIND) == ARO_WORD_MEMBER)
            ret[n++] = aro_word_entry(word);
    }
    return n;
}

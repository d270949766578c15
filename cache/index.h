/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index: chunk id -> entry, lock-free for readers and writers, all memory in hand.
 *
 * Buckets are one cache line of eight slots; an id may live in any slot of its two buckets (seeded
 * hash): in the first while that has few, else in the emptier one, and it never moves. A slot is
 * one word, so that every change is one CAS:
 *
 *     bits 63..48 tag | 47..6 entry address | 5..2 attempt | 1..0 empty, tentative, member
 *
 * Inserting is in two steps, so that two threads with the same id cannot both succeed: a tentative
 * word first, which no find returns, then - after a look at all sixteen slots - a member. index.c
 * has the proof. There is at most one member per id at any time.
 *
 * The index keeps no entry alive: whoever frees entries waits for a grace period after erasing or
 * after a failed insert (others may have looked at the entry), and whoever calls anything here is
 * inside a read section - or is the thread that frees.
 */
#ifndef ARO_CACHE_INDEX_H
#define ARO_CACHE_INDEX_H

#include "cache/cache.h"

enum {
    ARO_INDEX_SLOTS = 8,                   /* per bucket */
    ARO_INDEX_CROWD = 2 * ARO_INDEX_SLOTS, /* in the buckets of one id */
    ARO_INDEX_ENTRIES_MAX =
        ARO_CACHE_ENTRIES_MAX, /* a hash has bits for two of its buckets and a tag */
    ARO_INDEX_AHEAD = 6,
    ARO_INDEX_CLAIMED_MAX = 1u << 4, /* times one insert may try: attempts are told apart */
};

struct aro_index;

/* Room for entries_max (1..ARO_INDEX_ENTRIES_MAX) at a load below one half. NULL with errno. */
struct aro_index *aro_index_create(uint32_t entries_max, uint64_t seed);
void aro_index_destroy(struct aro_index *index); /* takes NULL */

/* The member with this id, or NULL. Any thread. */
struct aro_entry *aro_index_find(const struct aro_index *index, const struct aro_id *id);

/* The same for n <= ARO_FIND_BURST_MAX ids, ret[:n] written; returns how many are not NULL. */
unsigned aro_index_find_burst(const struct aro_index *index, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[]);

/*
 * Fetches what inserting (true) or erasing an id will look at. Who has several of them calls it
 * ARO_INDEX_AHEAD ids before: that is twice as fast; further ahead the fetches are more than a
 * processor keeps in mind. Any thread.
 */
void aro_index_prefetch(const struct aro_index *index, const struct aro_id *id, bool insert);

/*
 * Makes entry (64-byte-aligned; id set and constant) the member of its id. Any thread. Returns
 *   0        done
 *   -EEXIST  *ret_member has been the member of this id during the call
 *   -ENOSPC  both buckets are full
 *   -EAGAIN  others came and went in between ARO_INDEX_CLAIMED_MAX times: give up for now
 * After a failure the entry may have been seen: it needs a grace period before reuse.
 */
int aro_index_insert(struct aro_index *index, struct aro_entry *entry,
                     struct aro_entry **ret_member);

/*
 * Takes a member out; false if it is none. Any thread, but not before its insert has returned: the
 * inserter learns its success from the slot.
 */
bool aro_index_erase(struct aro_index *index, struct aro_entry *entry);

/* Puts `by`, which has the same id and is no member, in the place of a member; false if that is
 * none (any more). Any thread; there is a member throughout. */
bool aro_index_replace(struct aro_index *index, struct aro_entry *member, struct aro_entry *by);

/* The members in the two buckets of an id; returns how many. Any thread. */
unsigned aro_index_crowd(const struct aro_index *index, const struct aro_id *id,
                         struct aro_entry *ret[ARO_INDEX_CROWD]);

/* Slots that a burst may compare at once, by the processor: 1, 4 (AVX2) or 8 (AVX-512). */
unsigned aro_index_width(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The slots of one id (cache/index.c, cache/cache.c, cache/keeper.c): claim, settle and help, erase,
 * who brings an erased entry to the keeper, and the reuse of the entry after a grace period.
 *
 * Modelled: each load and each CAS of a slot, and each change of a state, is a step of its own; all
 * are seq_cst in the source, or need no more order than that of the slot. A worker does in a round
 * one of the things that a reader or the keeper does: insert (reserve and publish, reserve and
 * abandon, or the keeper's insert), erase (a reader's, or eviction and removal), or take one entry
 * from the inbox. A member that is GONE is helped out by whoever meets it. Several workers may act as
 * the keeper at once, which is more than the product allows. Each round is a read section; an entry
 * is reused when every section has ended that was open when it was retired (pin.pml shows how).
 *
 * Held to be true in every state:
 *   - the id has one member at most;
 *   - what leaves the index as a member is GONE, or leaves by its reader's own hand;
 *   - an insert knows its fate: when it has settled, its word is no longer tentative; what it
 *     abandons is still there;
 *   - what is retired stands in no slot, and is retired once.
 *
 * Left out: other ids (an id's words are told from them by tag and then by id; the entries may be
 * compared because they are not reused); the choice between two buckets (a claim takes any empty
 * slot) and what a full pair evicts; that a look takes all tags first and then reads the words that
 * match a second time - but in settling, where it matters, it is there; aro_index_replace (one CAS
 * from member to member: as many as before); the order of inbox and outbox (what a thread pushes is
 * retired at once, the earliest that can be).
 *
 * -DFILLS leaves out what readers bring in: three workers at once are within reach then. Without one
 * of the defences (-DNO_...) this must fail: tests/cache/models/check runs them all.
 */
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define SLOTS 3
#define ENTRIES 3
#define ATTEMPTS 2

#define KIND_MEMBER 1
#define WORD(entry, attempt) (1 + ((entry) * ATTEMPTS + (attempt)) * 2)
#define ENTRY_OF(word) (((word) - 1) / (2 * ATTEMPTS))
#define IS_MEMBER(word) ((word) != 0 && ((word) - 1) % 2 == KIND_MEMBER)
#define MEMBER(word) (WORD(ENTRY_OF(word), 0) + KIND_MEMBER)

#ifdef NO_ATTEMPTS /* every attempt of an insert writes the same word */
#define TENTATIVE(entry, attempt) WORD(entry, 0)
#else
#define TENTATIVE(entry, attempt) WORD(entry, attempt)
#endif

#define IS_POSTED(state) ((state) == RESIDENT_POSTED || (state) == GONE_POSTED)

#define FREE 0
#define PRIVATE 1 /* READING, or RESIDENT and INSERTING: its owner's alone */
#define RESIDENT 2
#define RESIDENT_POSTED 3 /* published, on its way to the inbox */
#define GONE 4
#define GONE_POSTED 5 /* erased on its way: whoever takes it from the inbox retires it */

byte slot[SLOTS];
byte state[ENTRIES];
byte waits[ENTRIES]; /* bit i: worker i has been in a read section since this entry was retired */
byte section;        /* bit i: worker i is in one */
byte members;

inline withdraw(number, expected)
{
    atomic {
        won = slot[number] == expected;
        if
        :: won -> slot[number] = 0
        :: else
        fi
    }
}

inline promote(number, expected)
{
    atomic {
        if
        :: slot[number] == expected ->
            slot[number] = MEMBER(expected);
            members++;
            assert(members <= 1)
        :: else
        fi
    }
}

/* A member's word leaves its slot: by whoever erases, or by anybody who helps. */
inline take_out(expected)
{
    i = 0;
    do
    :: i == SLOTS -> break
    :: i < SLOTS && slot[i] != expected -> i++
    :: i < SLOTS && slot[i] == expected ->
        atomic {
            if
            :: slot[i] == expected ->
                assert(state[ENTRY_OF(expected)] >= GONE);
                slot[i] = 0;
                members--
            :: else
            fi
        }
        break
    od
}

/* word: the first member met, or 0. */
inline find()
{
    i = 0;
    word = 0;
    do
    :: i == SLOTS -> break
    :: else ->
        other = slot[i];
        if
        :: IS_MEMBER(other) -> word = other; break
        :: else -> i++
        fi
    od
}

/* The same, and members that are GONE are helped out first. */
inline find_live()
{
    do
    :: find();
        if
        :: word != 0 && state[ENTRY_OF(word)] >= GONE -> take_out(word)
        :: else -> break
        fi
    od
}

/* place_rivals: each slot is looked at once. */
inline rivals()
{
    left = 0;
    i = 0;
    do
    :: i == SLOTS -> break
    :: else ->
        atomic {
            if
            :: slot[i] != 0 && i != at -> left = left | (1 << i)
            :: else
            fi;
            i++
        }
    od
}

/* place_settle */
inline settle()
{
#ifndef NO_LOOK
    rivals();
    do
    :: left == 0 -> break
    :: else ->
        atomic {
            i = (left & 1 -> 0 : (left & 2 -> 1 : 2));
            other = slot[i]
        }
        if
        :: other == 0 -> left = left & ~(1 << i)
        :: IS_MEMBER(other) ->
#ifndef NO_YIELD
            withdraw(at, word);
            word = 0;
            break
#else
            left = left & ~(1 << i)
#endif
        :: other != 0 && !IS_MEMBER(other) && i < at ->
            withdraw(at, word);
            at = i;
            word = other;
            rivals()
        :: other != 0 && !IS_MEMBER(other) && i > at ->
#ifdef NO_LATER /* yields to earlier ones, and goes by the later ones */
            left = left & ~(1 << i)
#else
            withdraw(i, other);
            if
            :: won -> left = left & ~(1 << i)
            :: else
            fi
#endif
        fi
    od;
#endif
    if
    :: word != 0 -> promote(at, word)
    :: else
    fi
}

inline retire(entry)
{
    atomic {
        assert(slot[0] == 0 || ENTRY_OF(slot[0]) != entry);
        assert(slot[1] == 0 || ENTRY_OF(slot[1]) != entry);
        assert(slot[2] == 0 || ENTRY_OF(slot[2]) != entry);
        assert(state[entry] != FREE);
        state[entry] = FREE;
#ifndef NO_GRACE
        waits[entry] = section
#endif
    }
}

inline claim()
{
    atomic {
        if
        :: slot[0] == 0 -> number = 0
        :: slot[1] == 0 -> number = 1
        :: slot[2] == 0 -> number = 2
        :: else -> number = SLOTS
        fi;
        if
        :: number < SLOTS -> slot[number] = TENTATIVE(entry, attempt)
        :: else
        fi
    }
}

/* The member is ours, and in the end everybody's, or nobody's: the read has failed. */
inline settled()
{
    if
#ifdef NO_INSERTING
    :: skip
#else
    :: state[entry] = RESIDENT
#endif
#ifndef FILLS
    :: state[entry] = RESIDENT_POSTED
    :: atomic {
           assert(slot[number] == other);
           slot[number] = 0;
           members--
       }
       retire(entry)
#endif
    fi
}

inline insert()
{
    find_live();
    if
    :: word == 0 ->
        atomic {
            entry = 0; /* free ones are alike: the first will do */
            do
            :: entry < ENTRIES && (state[entry] != FREE || waits[entry] != 0) -> entry++
            :: else -> break
            od;
            if
            :: entry < ENTRIES ->
#ifdef NO_INSERTING /* it may be erased before its inserter has heard that it is in */
                state[entry] = RESIDENT
#else
                state[entry] = PRIVATE
#endif
            :: else
            fi
        }
        attempt = 0;
        do
        :: entry == ENTRIES -> break
        :: attempt == ATTEMPTS -> retire(entry); break
        :: else ->
            find();
            if
            :: word != 0 -> retire(entry); break
            :: else
            fi;
            claim();
            if
            :: number == SLOTS -> retire(entry); break
            :: else
            fi;
            at = number;
            word = TENTATIVE(entry, attempt);
            settle();
            other = slot[number];
            assert(other != TENTATIVE(entry, attempt));
            if
            :: other == MEMBER(WORD(entry, 0)) -> settled(); break
            :: else -> attempt++
            fi
        od
    :: else
    fi
}

inline erase()
{
    find_live();
    if
    :: word != 0 ->
        entry = ENTRY_OF(word);
        atomic {
            other = state[entry];
            won = other == RESIDENT || other == RESIDENT_POSTED;
            if
            :: won -> state[entry] = other + GONE - RESIDENT
            :: else
            fi
        }
        if
        :: won ->
            take_out(word);
            if
            :: other == RESIDENT -> retire(entry)
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

/* inbox_drain, one entry */
inline inbox()
{
    atomic {
        if
        :: IS_POSTED(state[0]) -> entry = 0
        :: IS_POSTED(state[1]) -> entry = 1
        :: IS_POSTED(state[2]) -> entry = 2
        :: else -> entry = ENTRIES
        fi;
        if
        :: entry < ENTRIES -> state[entry] = state[entry] - 1; won = state[entry] == GONE
        :: else -> won = false
        fi
    }
    if
    :: won ->
#ifndef NO_FINISH /* its eraser has not come to the index */
        word = MEMBER(WORD(entry, 0));
        take_out(word);
#endif
        retire(entry)
    :: else
    fi
}

proctype worker(byte me)
{
    byte round, entry, attempt, number, at, word, other, left, i;
    bool won;

    do
    :: round == ROUNDS -> break
    :: else ->
        section = section | (1 << me);
        if
        :: insert()
        :: erase()
#ifndef FILLS
        :: inbox()
#endif
        fi;
        atomic {
            section = section & ~(1 << me);
            waits[0] = waits[0] & ~(1 << me);
            waits[1] = waits[1] & ~(1 << me);
            waits[2] = waits[2] & ~(1 << me);
            entry = 0; attempt = 0; number = 0; at = 0; word = 0; other = 0; left = 0; i = 0; won = false
        }
        round++
    od
}

init {
    byte n;

    atomic {
        do
        :: n < WORKERS -> run worker(n); n++
        :: else -> break
        od
    }
}

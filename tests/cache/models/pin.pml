/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last unpin against reuse (cache/qsbr.h, cache/cache.c, cache/reclaim.c): readers find the
 * chunk, read it, pin it, report quiescence, read it on, unpin; the keeper unlinks it, waits for a
 * grace period, scans the pins and gives its memory to the next chunk.
 *
 * Modelled: each load, and each store as it leaves the reader and again as it reaches the others.
 * Readers' stores are release or relaxed: they wait in a buffer of the reader's own and arrive later,
 * in order. The fence of coming online waits until the buffer is empty. What the keeper does to the
 * index and the epoch is seq_cst: at once. A reader may hold a pin through reports, or while it is
 * offline.
 *
 * Held to be true: whatever a reader reads, by a reference or by a pin, is the chunk that it found.
 *
 * Left out: how the entry leaves the index and who does it - a reader that erases has done it before
 * it hands the entry over, or the keeper does it before it takes the ticket (slot.pml); the lists of
 * limbo, waiting and held, which only the keeper sees; several entries under one ticket; loads that
 * come early (acquire and release forbid what would matter: the tests under TSan look at that).
 *
 * Without one of the defences (-DNO_... and others) this must fail: tests/cache/models/check.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* of each reader */
#endif
#ifndef LIVES
#define LIVES 2 /* chunks that the memory goes to */
#endif
#define PINS 2
#define OFFLINE 0

#define SEEN PINS /* what a store is to: a pin slot, or the reader's quiescent report */
#define QUEUES 2
#ifdef NO_RELEASE /* a report may overtake the pin that was stored before it */
#define QUEUE(what) ((what) == SEEN -> 1 : 0)
#else
#define QUEUE(what) 0
#endif

byte epoch = 1;
byte seen[READERS];
bool pin[READERS * PINS];
chan buffer[READERS * QUEUES] = [4] of { byte, byte };

bool indexed = true;
bool is_free;
byte life; /* which chunk the memory holds */

inline store(what, value)
{
    buffer[me * QUEUES + QUEUE(what)]!what, value
}

inline use()
{
    assert(!is_free && life == found)
}

inline report()
{
    now = epoch;
    store(SEEN, now)
}

/* Stores reach the others: at any later time, in the order of their queue. */
proctype memory(byte me)
{
    byte what, value;

end:
    do
    :: atomic {
           if
           :: buffer[me * QUEUES]?what, value
           :: buffer[me * QUEUES + 1]?what, value
           fi;
           if
           :: what == SEEN -> seen[me] = value
           :: else -> pin[me * PINS + what] = value
           fi;
           what = 0;
           value = 0
       }
    od
}

inline hold()
{
    store(1, 1);
    use();
    report();
    use();
#ifdef MOVE /* the pin goes to another slot on the strength of this one, past the scan */
    store(0, 1);
    store(1, 0);
    use();
    store(0, 0)
#else
    if
    :: report()
    :: store(SEEN, OFFLINE)
    :: skip
    fi;
    use();
    store(1, 0)
#endif
}

proctype reader(byte me)
{
    byte round, found, now;

    do
    :: round == ROUNDS -> break
    :: else ->
        report(); /* online */
#ifndef NO_FENCE
        empty(buffer[me * QUEUES]) && empty(buffer[me * QUEUES + 1]);
#endif
        if
        :: atomic { indexed -> found = life }
            use();
            if
            :: hold()
            :: skip
            fi
        :: !indexed
        fi;
        store(SEEN, OFFLINE);
        found = 0;
        now = 0;
        round++
    od
}

inline grace()
{
    r = 0;
    do
    :: r == READERS -> break
    :: r < READERS && (seen[r] == OFFLINE || seen[r] >= ticket) -> r++
    od
}

/* Until no slot holds it: slot by slot, which allows more than a whole scan that is repeated. */
inline scan()
{
    r = 0;
    do
    :: r == READERS * PINS -> break
    :: r < READERS * PINS && !pin[r] -> r++
    od
}

proctype keeper()
{
    byte ticket, r;

    do
    :: life == LIVES -> break
    :: else ->
#ifdef TICKET_FIRST
        atomic { epoch++; ticket = epoch };
        indexed = false;
#else
        indexed = false;
        atomic { epoch++; ticket = epoch };
#endif
#ifdef SCAN_FIRST
        scan();
        grace();
#else
#ifndef NO_GRACE
        grace();
#endif
#ifndef NO_SCAN
        scan();
#endif
#endif
        is_free = true;
        atomic { life++; is_free = false };
        indexed = true
    od
}

init {
    byte n;

    atomic {
        run keeper();
        do
        :: n < READERS -> run reader(n); run memory(n); n++
        :: else -> break
        od
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The in-memory chunk cache: pinned byte ranges inside memory that somebody else gave.
 *
 * An index maps chunk ids to entries; an entry describes one chunk in the region. Two kinds of
 * thread use it:
 *
 *   reader   an lcore (or the control thread when it looks at chunks). Finds, pins, reserves for a
 *            disk read, publishes. Never locks, never enters an allocator, never frees.
 *   keeper   exactly one thread, control. Allocates, inserts fills, evicts, reclaims, restocks.
 *
 * Life of an entry:  (stock or alloc) -> READING -> RESIDENT -> GONE -> memory reused
 *   READING   in the index, bytes not valid yet; whoever finds it joins instead of reading again
 *   RESIDENT  bytes are verified and immutable
 *   GONE      unlinked (evicted, removed, or its read failed); still readable by who pinned it
 * Memory is reused only when no pin holds the entry and every reader has been quiescent since.
 *
 * A reference that find returned lasts until the reader's next aro_cache_quiescent; to keep it
 * longer, pin it first. A pin is one store on the reader's own line.
 */
#ifndef ARO_CACHE_CACHE_H
#define ARO_CACHE_CACHE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cache/base/id.h"
#include "cache/qsbr.h"

struct aro_cache;
struct aro_reader; /* one per reading thread */
struct aro_error;

enum aro_entry_state {
    ARO_ENTRY_READING = 1,
    ARO_ENTRY_RESIDENT = 2,
    ARO_ENTRY_GONE = 3,
    /* cache/ only: flags beside the state, so that they change with it in one step */
    ARO_ENTRY_STATE = 0x0f,
    ARO_ENTRY_POSTED = 0x10,    /* somebody brings it to the keeper */
    ARO_ENTRY_INSERTING = 0x20, /* its inserter has not heard that it is in */
    ARO_ENTRY_CROWDED = 0x40,   /* GONE because its buckets were full */
};

enum {
    ARO_SUM_STEP = 128,      /* prefix sums stand every so many bytes */
    ARO_FREQUENCY_MAX = 3,   /* hits an entry remembers */
    ARO_CHUNK_ALIGN = 4096,  /* of data: O_DIRECT reads land here */
    ARO_FIND_BURST_MAX = 64, /* ids per aro_cache_find_burst */
    ARO_CACHE_ENTRIES_MIN = 64,
    ARO_CACHE_ENTRIES_MAX = 64 << 20,
    ARO_SIZE_CLASSES = 9, /* class i: at most ARO_CHUNK_ALIGN << i bytes */
};

/*
 * One chunk, one cache line: a lookup that met the line has all that an answer needs. Readers may
 * read id, data, len_bytes and state; `cache/` owns the rest. Entries stand in one array and name
 * each other by number: place in the array + 1, 0 is nobody.
 */
struct aro_entry {
    alignas(64) struct aro_id id; /* constant while in the index */
    uint8_t *data;                /* ARO_CHUNK_ALIGN-aligned; capacity is len rounded up to it */
    uint32_t len_bytes;           /* of the chunk, 1..1 MiB */
    _Atomic uint8_t state;        /* enum aro_entry_state and flags; release on publication */
    _Atomic uint8_t frequency;    /* 0..ARO_FREQUENCY_MAX, relaxed */
    uint8_t policy_queue;         /* keeper: where the eviction policy holds it; 0: nowhere */
    _Atomic uint32_t waiters;     /* bit i % 32: reader i wants to hear about this entry */
    uint32_t link;                /* the next one on the way to the keeper, retired or free */
    union {
        struct { /* while the eviction policy holds it */
            uint32_t policy_next;
            uint32_t policy_prev;
        };
        struct { /* once retired */
            uint32_t retire_ticket;
            uint32_t pin_scan; /* the last scan of the pins that met it */
        };
    };
};
static_assert(sizeof(struct aro_entry) == 64, "one cache line");

static inline enum aro_entry_state aro_entry_state(const struct aro_entry *entry)
{
    return (enum aro_entry_state)(atomic_load_explicit(&entry->state, memory_order_acquire) &
                                  ARO_ENTRY_STATE);
}

/* A hit: remembers it; writes nothing once the entry is at its maximum. Any reader. */
static inline void aro_entry_touch(struct aro_entry *entry)
{
    uint8_t seen = atomic_load_explicit(&entry->frequency, memory_order_relaxed);

    if (seen < ARO_FREQUENCY_MAX)
        atomic_store_explicit(&entry->frequency, (uint8_t)(seen + 1), memory_order_relaxed);
}

struct aro_cache_config {
    void *region;             /* page-aligned chunk memory, zeroed or not; not owned */
    size_t region_bytes;      /* >= 8 MiB */
    uint32_t entries_max;     /* chunks in memory, 64..2^26; 0: one per 16 KiB of region */
    uint32_t readers_max;     /* 1..63 */
    uint32_t pins_per_reader; /* pin slots each reader gets, 1..2^20 */
    uint64_t seed;            /* secret: strangers choose ids */
    const char *policy;       /* "s3fifo", "sieve", "lru", "fifo"; NULL: s3fifo */
};

struct aro_size_count {
    uint64_t entries;
    uint64_t bytes; /* payload */
};

/*
 * Cumulative unless it says now. Read by the keeper; the other threads' parts may lag. With no
 * publication under way entries_now = admitted - evicted - removed.
 */
struct aro_cache_stats {
    const char *policy;
    uint64_t bytes_total;      /* size of the region */
    uint64_t bytes_used_now;   /* handed out, stock included (sums are on the heap: 1/64 more) */
    uint64_t bytes_chunks_now; /* payload of entries in the index */
    uint64_t entries_now;
    uint64_t entries_max;
    uint64_t pinned_now; /* pins held; several may hold one entry */
    uint64_t kept_now;   /* entries that the policy may not evict */
    uint64_t bytes_kept_now;
    uint64_t retired_now; /* unlinked, waiting for pins or a grace period */
    /* how the policy holds what it may evict; one of a single queue has only main */
    uint64_t small_now; /* on probation */
    uint64_t bytes_small_now;
    uint64_t main_now;
    uint64_t bytes_main_now;
    uint64_t ghosts_now;     /* evicted ones that it remembers */
    uint64_t admitted;       /* publications that the policy took */
    uint64_t rejected;       /* publications that it did not: not worth keeping */
    uint64_t ghost_hits;     /* of admitted: straight to main, because it was remembered */
    uint64_t promoted;       /* from small to main, because of its hits */
    uint64_t evicted;        /* by the policy */
    uint64_t evicted_unread; /* of evicted: never hit, see policy.h */
    uint64_t removed;        /* by request */
    uint64_t abandoned;      /* reads that failed */
    uint64_t stock_empty;    /* reserve found no memory at hand */
    uint64_t index_full;     /* insert found no slot, or lost it to others again and again */
    uint64_t alloc_failed;   /* keeper found no memory */
    struct aro_size_count size_now[ARO_SIZE_CLASSES];
};

/* Keeper, before the readers. NULL with *error (4xxx) set. The region outlives the cache. */
struct aro_cache *aro_cache_create(const struct aro_cache_config *config, struct aro_error *error);
void aro_cache_destroy(struct aro_cache *cache); /* no reader left; takes NULL */

/* ---- readers ---- */

/* Keeper thread, at start: a handle for one reading thread; NULL with errno (ENOSPC, ENOMEM). */
struct aro_reader *aro_cache_reader_create(struct aro_cache *cache);
/* 0-based number of the reader = its bit in waiters. */
unsigned aro_reader_index(const struct aro_reader *reader);

/* Begin and end of life on the thread that owns the handle, and around sleeps. */
void aro_cache_online(struct aro_reader *reader);
void aro_cache_offline(struct aro_reader *reader);
/* Once per loop: unpinned references end here. One load, one store. */
void aro_cache_quiescent(struct aro_reader *reader);

/*
 * Finds n <= ARO_FIND_BURST_MAX ids; ret[i] is the entry (READING or RESIDENT) or NULL. Returns how
 * many were found. Bytes and sums may be read once aro_entry_state said RESIDENT. An entry may be
 * unlinked at any moment, even before this returns (the state then says GONE: a miss); what was
 * RESIDENT stays readable for as long as the reference or a pin does. Prefetches across the burst.
 */
unsigned aro_cache_find_burst(struct aro_reader *reader, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[]);

/*
 * Holds entry in pin slot `slot` (< pins_per_reader, free) beyond quiescence. Only with a reference
 * from find or reserve that is valid now: another pin is not enough (the keeper's scan could miss
 * both), so a pin that changes hands keeps its slot. Unpin by the same thread.
 */
void aro_cache_pin(struct aro_reader *reader, unsigned slot, struct aro_entry *entry);
void aro_cache_unpin(struct aro_reader *reader, unsigned slot);

/*
 * Takes memory for a chunk of len_bytes from the reader's stock and puts it into the index as
 * READING with frequency 0, so that this caller alone reads it. Returns
 *   0         *ret is ours to fill and then to publish or abandon (until then it cannot be evicted)
 *   -EALREADY *ret is somebody else's READING or RESIDENT entry: join it
 *   -ENOBUFS  no memory of that size at hand; the keeper has been told (see aro_cache_wanting)
 *   -ENOSPC   no index slot; the keeper will evict one of those in the way
 *   -EINVAL   no chunk is of no bytes, or larger than 1 MiB
 */
int aro_cache_reserve(struct aro_reader *reader, const struct aro_id *id, uint32_t len_bytes,
                      struct aro_entry **ret);
/*
 * Bytes and sums are complete and verified: RESIDENT. Returns the waiters at that instant: bit i
 * for reader i, and because readers 32 apart share a bit of the entry, some who did not ask.
 */
uint64_t aro_cache_publish(struct aro_reader *reader, struct aro_entry *entry);
/* The read failed: GONE and unlinked. Returns the waiters. The entry must not be used after. */
uint64_t aro_cache_abandon(struct aro_reader *reader, struct aro_entry *entry);

/*
 * Asks to be told about a READING entry (which the caller has pinned): sets the reader's bit and
 * returns the state afterwards. READING: whoever publishes or abandons it will see the bit.
 */
enum aro_entry_state aro_cache_wait(struct aro_reader *reader, struct aro_entry *entry);

/*
 * Takes a RESIDENT chunk out, kept or not. 0, -ENOENT, or -EBUSY: it is READING, or just being
 * inserted. Never waits: the index gives it up now, the keeper its memory when it comes round.
 */
int aro_cache_erase(struct aro_reader *reader, const struct aro_id *id);

/* ---- keeper ---- */

/*
 * True when stock was taken, publications wait or memory was short: aro_cache_maintain has work.
 * Any thread. It may stay true while all memory is pinned: come back in a millisecond, do not spin.
 */
bool aro_cache_wanting(const struct aro_cache *cache);

/*
 * Housekeeping: links new publications into the policy, evicts until the spare memory is free (or
 * on its way), reclaims, refills the readers' stock. Each of the four handles at most work_max
 * entries per call; when a long chunk found no room in one piece, the at most 256 that lie in its
 * way go besides. Returns true if work_max stopped one. Call it when aro_cache_wanting says so
 * and every few milliseconds: memory waits for readers in between.
 */
bool aro_cache_maintain(struct aro_cache *cache, unsigned work_max);

/*
 * A private entry with room for len_bytes, not in the index: fill data, set id, then insert or
 * discard. -ENOBUFS: memory is tight (call maintain and come back; eviction is under way);
 * -EINVAL: of no bytes, or larger than 1 MiB.
 */
int aro_cache_alloc(struct aro_cache *cache, uint32_t len_bytes, struct aro_entry **ret);
/*
 * Publishes a private entry whose id, data and len are right; computes its sums. -EEXIST: the chunk
 * is there already (or being read), the entry was discarded; -ENOSPC: no slot, discarded, and one
 * of those in the way evicted.
 */
int aro_cache_insert(struct aro_cache *cache, struct aro_entry *entry);
void aro_cache_discard(struct aro_cache *cache, struct aro_entry *entry);

/*
 * Keeps a RESIDENT chunk in memory whatever the policy says, until unkeep or remove; flush leaves
 * it. 0 (also when it is kept already), -ENOENT, or -EAGAIN: it is READING, or published and not
 * yet seen by aro_cache_maintain. How much may be kept is the caller's to bound: what the policy
 * cannot evict is missing for everybody else.
 */
int aro_cache_keep(struct aro_cache *cache, const struct aro_id *id);
/* Gives it back to the policy, as if it had just come. 0, or -ENOENT: gone, or not kept. */
int aro_cache_unkeep(struct aro_cache *cache, const struct aro_id *id);

/*
 * Whom to ask before eviction takes a RESIDENT chunk; NULL: nobody. entry's frequency is 0 if it
 * was never hit, and at least 2 if the policy had kept it for its hits. True: not yet - it stays
 * found and readable, out of the policy's hands, until aro_cache_leave. may_wait false: as much
 * waits as may, a quarter of the spare memory, and it goes whatever the answer is. Keeper thread;
 * must not call the cache, but may pin entry with a reader of the same thread.
 */
void aro_cache_on_leave(struct aro_cache *cache,
                        bool (*leaves)(void *arg, struct aro_entry *entry, bool may_wait),
                        void *arg);
/* It need not wait any more. Only while that pin holds it; harmless when it went by other ways. */
void aro_cache_leave(struct aro_cache *cache, struct aro_entry *entry);

/* Unlinks a chunk. 0, -ENOENT, or -EBUSY while it is READING. Memory follows by reclamation. */
int aro_cache_remove(struct aro_cache *cache, const struct aro_id *id);
/* Unlinks every RESIDENT chunk that is not kept; returns how many. Pinned memory returns when the
 * pins go. */
uint64_t aro_cache_flush(struct aro_cache *cache);

void aro_cache_stats(struct aro_cache *cache, struct aro_cache_stats *ret);

/*
 * Prefix sums of an entry: [i] is the folded one's-complement sum (16-bit words in memory order) of
 * bytes [0, i * 128), and [ceil(len / 128)] that of the whole chunk; valid when RESIDENT, written
 * by whoever fills the chunk ([0] is set to 0 by reserve). They lie beside the region, at a place
 * that follows from the data's. Any thread.
 */
uint16_t *aro_cache_sums(const struct aro_cache *cache, const struct aro_entry *entry);

/* The domain that readers report to, for others who unlink things that readers use. */
struct aro_qsbr *aro_cache_qsbr(struct aro_cache *cache);

#endif

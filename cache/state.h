/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a cache and its readers are made of; for the files of cache/ only.
 *
 *   cache.c    create, destroy, and what readers do
 *   keeper.c   what the keeper does: fills, removal, housekeeping
 *   reclaim.c  unlinked entries on their way back to free memory
 *   restock.c  the readers' stock within its budget
 *   keep.c     entries that the policy may not evict
 *   leave.c    entries that it evicted and that somebody wants to write first
 *   room.c     room in one piece for long chunks
 *   stats.c    what all of them counted
 *
 * An entry's state changes by CAS or exchange, together with its flags, so that whoever made it
 * GONE is one thread, and whether somebody brings it to the keeper is never in doubt:
 *
 *     READING -> RESIDENT+POSTED     publish; the owner pushes it into the outbox
 *     READING -> GONE+POSTED         abandon; likewise
 *     RESIDENT+INSERTING -> RESIDENT the keeper's insert is over
 *     +POSTED -> without             the keeper took it from the inbox
 *     RESIDENT -> GONE               the keeper unlinked it, and retires it
 *     RESIDENT -> GONE+POSTED        a reader erased it, and pushes it into the outbox
 *     RESIDENT+POSTED -> GONE+POSTED either, before the keeper had seen it: it is on its way
 *
 * Who writes what: [r] the reader that owns it, [k] the keeper, [a] anybody; the rest is constant
 * after create.
 */
#ifndef ARO_CACHE_STATE_H
#define ARO_CACHE_STATE_H

#include "cache/entries.h"
#include "cache/index.h"
#include "cache/policy.h"
#include "cache/stock.h"

enum {
    ARO_READERS_MAX = 63,
    ARO_PINS_MAX = 1 << 20, /* per reader */
    /* policy_queue of entries that no policy holds: */
    ARO_QUEUE_POLICY_MAX = 0x0f, /* a policy's queues are 1..7, and ARO_QUEUE_HIT */
    ARO_QUEUE_KEPT = 0x10,
    ARO_QUEUE_HELD = 0x11,    /* retired and unreachable, but for pins */
    ARO_QUEUE_LEAVING = 0x12, /* evicted, and waits to be written */
};

struct aro_reader {
    struct aro_cache *cache;
    unsigned index;
    uint32_t pins;
    /* [r] counters, read by the keeper */
    alignas(64) _Atomic uint64_t stock_empty;
    _Atomic uint64_t index_full;
    _Atomic uint64_t abandoned;
    _Atomic uint64_t erased;
    _Atomic uint64_t erased_new; /* of these, before the keeper had seen them */
    struct aro_stock stock[ARO_STOCK_CLASSES];
    alignas(64) _Atomic(struct aro_entry *) pin[]; /* [r] read by the keeper */
};

struct aro_entry_list {
    uint32_t first; /* numbers, by link */
    uint32_t last;
    uint64_t entries;
    uint64_t bytes; /* memory */
};

struct aro_cache {
    struct aro_index *index;
    uint64_t region_bytes;
    uint32_t readers_max;
    uint32_t pins_per_reader;
    struct aro_qsbr qsbr;

    /* [a] entries that readers published or gave up, newest first, by number */
    alignas(64) _Atomic uint32_t outbox;
    /* [a] set: some stock changed since the last housekeeping */
    alignas(64) _Atomic bool stock_used;
    _Atomic bool starved; /* [k] housekeeping could not finish for want of memory */

    /* [k] all below */
    alignas(64) struct aro_entries entries;
    struct aro_policy *policy;
    uint32_t inbox; /* from the outbox, oldest first, still to be looked at */
    /* unlinked: limbo (no ticket yet) -> waiting (for a grace period) -> held (by pins) -> free */
    struct aro_entry_list limbo, waiting, held;
    uint32_t pin_scans;
    uint64_t newest_ticket;
    uint64_t wanted_bytes; /* keep so much free; more after an allocation failed */
    uint64_t spare_bytes;  /* the usual wanted_bytes */
    uint32_t room_bytes;   /* wanted in one piece; 0: nothing */
    uint64_t room_due;     /* retired entries when room was last made */
    uint64_t retired;      /* entries, so far */
    uint32_t spare_entries;
    unsigned readers;
    uint64_t kept_entries;
    bool (*leaves)(void *arg, struct aro_entry *entry, bool may_wait);
    void *leaves_arg;
    uint64_t leaving_entries, leaving_bytes; /* LEAVING; the bytes: memory */
    uint64_t leaving_payload_bytes;
    uint64_t admitted, rejected, ghost_hits, evicted, evicted_unread, removed, index_full,
        alloc_failed;
    struct aro_size_count size[ARO_SIZE_CLASSES]; /* of what is admitted or kept */
    struct aro_reader *reader[ARO_READERS_MAX];   /* [:readers] */
};

/* Bumps a counter that only its owner writes. */
static inline void aro_count_sw(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- reclaim.c ---- */

/* The entry is in no index, policy, inbox or outbox any more: its memory may follow. */
void aro_reclaim_retire(struct aro_cache *cache, struct aro_entry *entry);
/* Frees what nobody can reach, at most work_max entries plus those some pin held; true: more. */
bool aro_reclaim_run(struct aro_cache *cache, unsigned work_max);
/* Memory that comes back without anybody's help but the readers' quiescence. */
uint64_t aro_reclaim_coming_bytes(const struct aro_cache *cache);
uint64_t aro_reclaim_coming_entries(const struct aro_cache *cache);
/* How many entries pins hold now. */
uint64_t aro_reclaim_pinned(struct aro_cache *cache);

/* ---- restock.c ---- */

/* Fills stocks up to their targets, at most work_max entries. True: stopped by work_max. */
bool aro_restock_run(struct aro_cache *cache, unsigned work_max);

/* ---- room.c ---- */

/* So many bytes are free, but not in one piece: aro_room_make is to see to it. */
void aro_room_want(struct aro_cache *cache, uint32_t bytes);
/* Evicts what lies in the way, once per grace period. False: nothing to evict was found. */
bool aro_room_make(struct aro_cache *cache);

/* ---- keep.c ---- */

/* The entry leaves the cache: it is kept no more. */
void aro_keep_forget(struct aro_cache *cache, struct aro_entry *entry);

/* ---- leave.c ---- */

/* The policy knows this victim no more. True: it is LEAVING, and goes later. */
bool aro_leave_waits(struct aro_cache *cache, struct aro_entry *entry);
/* The entry is LEAVING no more. */
void aro_leave_forget(struct aro_cache *cache, struct aro_entry *entry);

/* ---- cache.c ---- */

/*
 * The member with this id, or NULL. One that is GONE is helped out of the index first: whoever was
 * about to take it out may have been stopped.
 */
struct aro_entry *aro_cache_member(const struct aro_cache *cache, const struct aro_id *id);

/* ---- keeper.c ---- */

/* Out of the index by the policy's will, unless a reader was first; the policy does not know it. */
void aro_keeper_drop(struct aro_cache *cache, struct aro_entry *entry);
/* The same, at once: nobody is asked. */
void aro_keeper_drop_now(struct aro_cache *cache, struct aro_entry *entry);
/* An entry from the arena; on failure raises wanted_bytes so that eviction makes room. */
struct aro_entry *aro_keeper_take(struct aro_cache *cache, uint32_t capacity_bytes);

#endif

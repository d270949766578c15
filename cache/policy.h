/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eviction policies behind one seam: what to keep, decided from ids, lengths and hits alone - a
 * policy knows no memory, so a trace can drive it as well as the cache does.
 *
 *     recall  a chunk that is not here is wanted: was it evicted not long ago?
 *     admit   an entry became RESIDENT
 *     evict   choose a victim and forget it
 *     remove  an entry goes for other reasons
 *     (hit)   aro_entry_touch, by readers, without a call; a replay on one thread may call hit
 *             instead, where a policy has it
 *
 * Used fields of an entry: id and len_bytes (constant while admitted), frequency, policy_queue
 * (0: not admitted), policy_next, policy_prev: numbers of entries. One thread: the keeper.
 *
 * Evicted unread is what nobody hit since it came into memory. A policy lowers the frequency, so
 * that zero at the end would prove nothing: it remembers that there was a hit in policy_queue, and
 * gives one back to the frequency when it lets the entry go. The requests that waited while the
 * chunk was read are no hits; a hit in the instant of a change may be missed.
 */
#ifndef ARO_CACHE_POLICY_H
#define ARO_CACHE_POLICY_H

#include "cache/entries.h"

struct aro_policy_config {
    struct aro_entry *entries; /* the array that admitted entries stand in; not owned */
    uint64_t capacity_bytes;   /* sum of len_bytes that the cache is expected to hold */
    uint64_t small_bytes;      /* s3fifo: size of the small queue; 0: a tenth of the capacity */
    uint32_t entries_max; /* admitted at once; also bounds what is remembered of evicted ones */
    uint64_t seed;
};

/* Every policy begins with this. */
struct aro_policy {
    const struct aro_policy_ops *ops;
    struct aro_entry *array; /* constant: what numbers of entries refer to */
    uint64_t bytes;          /* sum of len_bytes of admitted entries */
    uint32_t entries;        /* how many there are */
    /* of the capacity: taken by entries that were given to it and are kept elsewhere now; keeper */
    uint64_t withheld_bytes;
    uint64_t promoted; /* moved from small to main */
};

/* How a policy holds its entries: what is not in small is in main. */
struct aro_policy_parts {
    uint64_t small_bytes;
    uint32_t small_entries;
    uint32_t ghosts;
};

struct aro_policy_ops {
    const char *name;
    /* NULL with errno. */
    struct aro_policy *(*create)(const struct aro_policy_config *config);
    void (*destroy)(struct aro_policy *policy);
    /* For callers with several to ask for: fetches what recall will look at. NULL: nothing. */
    void (*fetch)(const struct aro_policy *policy, const struct aro_id *id);
    /* Also forgets it. Before room is made for the chunk, where the caller can choose. */
    bool (*recall)(struct aro_policy *policy, const struct aro_id *id);
    /* recalled: what recall said. False: not worth keeping, the policy does not know it. */
    bool (*admit)(struct aro_policy *policy, struct aro_entry *entry, bool recalled);
    /* NULL: nothing is admitted. */
    struct aro_entry *(*evict)(struct aro_policy *policy);
    void (*remove)(struct aro_policy *policy, struct aro_entry *entry);
    /* For replays: an admitted entry was asked for. NULL: aro_entry_touch says it all. */
    void (*hit)(struct aro_policy *policy, struct aro_entry *entry);
    /* NULL: a single queue. */
    void (*parts)(const struct aro_policy *policy, struct aro_policy_parts *ret);
};

extern const struct aro_policy_ops aro_policy_fifo;
extern const struct aro_policy_ops aro_policy_lru;
extern const struct aro_policy_ops aro_policy_sieve;
extern const struct aro_policy_ops aro_policy_s3fifo;

/* By name; NULL means s3fifo. NULL for an unknown one. */
const struct aro_policy_ops *aro_policy_named(const char *name);

/* ---- for policies: hits ---- */

enum { ARO_QUEUE_HIT = 0x08 }; /* in policy_queue: was hit, whatever its frequency says now */

/* Gives an entry that is being admitted, or is, another frequency. */
static inline void aro_policy_frequency_set(struct aro_entry *entry, uint8_t frequency)
{
    if (atomic_load_explicit(&entry->frequency, memory_order_relaxed) != 0)
        entry->policy_queue |= ARO_QUEUE_HIT;
    atomic_store_explicit(&entry->frequency, frequency, memory_order_relaxed);
}

/* The entry is in no queue any more; its frequency is 0 only if it never was hit. */
static inline void aro_policy_leave(struct aro_entry *entry)
{
    if ((entry->policy_queue & ARO_QUEUE_HIT) != 0 &&
        atomic_load_explicit(&entry->frequency, memory_order_relaxed) == 0)
        atomic_store_explicit(&entry->frequency, 1, memory_order_relaxed);
    entry->policy_queue = 0;
}

/* ---- for policies: a queue through policy_next and policy_prev, oldest first ---- */

struct aro_policy_queue {
    uint32_t oldest; /* numbers */
    uint32_t newest;
    uint64_t bytes;
};

static inline struct aro_entry *aro_policy_oldest(const struct aro_policy *policy,
                                                  const struct aro_policy_queue *queue)
{
    return aro_entry_by(policy->array, queue->oldest);
}

static inline void aro_policy_push(const struct aro_policy *policy, struct aro_policy_queue *queue,
                                   struct aro_entry *entry)
{
    uint32_t number = aro_entry_number(policy->array, entry);

    entry->policy_next = 0;
    entry->policy_prev = queue->newest;
    if (queue->newest != 0)
        aro_entry_by(policy->array, queue->newest)->policy_next = number;
    else
        queue->oldest = number;
    queue->newest = number;
    queue->bytes += entry->len_bytes;
}

static inline void aro_policy_unlink(const struct aro_policy *policy,
                                     struct aro_policy_queue *queue, struct aro_entry *entry)
{
    if (entry->policy_prev != 0)
        aro_entry_by(policy->array, entry->policy_prev)->policy_next = entry->policy_next;
    else
        queue->oldest = entry->policy_next;
    if (entry->policy_next != 0)
        aro_entry_by(policy->array, entry->policy_next)->policy_prev = entry->policy_prev;
    else
        queue->newest = entry->policy_prev;
    queue->bytes -= entry->len_bytes;
}

/* ---- for policies of a single queue that remember nothing of the evicted: policy.c ---- */

struct aro_policy_single {
    struct aro_policy policy;
    struct aro_policy_queue queue;
    uint32_t hand; /* sieve: number of the next to be looked at; 0: the oldest */
};

struct aro_policy *aro_policy_single_create(const struct aro_policy_ops *ops,
                                            const struct aro_policy_config *config);
void aro_policy_single_destroy(struct aro_policy *policy);
bool aro_policy_single_recall(struct aro_policy *policy, const struct aro_id *id);
bool aro_policy_single_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled);
void aro_policy_single_remove(struct aro_policy *policy, struct aro_entry *entry);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * S3-FIFO (Yang et al., SOSP'23), sizes in bytes. New chunks enter a small queue (a tenth); at its
 * end those hit at least twice move to main and the rest go, leaving a ghost. A chunk that comes
 * back while its ghost is remembered enters main at once. Main is a FIFO with second chances: a
 * chunk that was hit goes round again with one hit less. Evict from main while it holds more than
 * its nine tenths or small is empty, else from small.
 *
 * Memory that is withheld (cache/keep.c) counts as main's: small keeps its tenth.
 *
 * A chunk as large as the small queue would flush it whole: it is refused. The cache makes the
 * small queue larger than any chunk, so that there this never happens.
 */
#include "cache/policy.h"

#include <stdlib.h>

#include "cache/base/hash.h"
#include "cache/ghost.h"

enum queue_name { QUEUE_SMALL = 1, QUEUE_MAIN = 2 };
enum { PROMOTE_HITS = 2 };
enum { AHEAD_MAX = 32 }; /* entries of main whose turn is near: they are fetched */

struct s3fifo {
    struct aro_policy policy;
    struct aro_policy_queue queue[QUEUE_MAIN + 1]; /* by name; [0] stays empty */
    struct aro_ghost ghost;
    uint32_t small_entries;
    uint32_t ahead;         /* number of the last one in main that was fetched ahead; 0: none */
    uint32_t ahead_entries; /* before it; more when some of them were removed */
    uint64_t small_bytes;
    uint64_t main_bytes;
    uint64_t seed, other_seed;
};

static void s3fifo_destroy(struct aro_policy *policy)
{
    aro_ghost_fini(&((struct s3fifo *)policy)->ghost);
    free(policy);
}

static struct aro_policy *s3fifo_create(const struct aro_policy_config *config)
{
    struct s3fifo *s3fifo = calloc(1, sizeof(*s3fifo));

    if (s3fifo == NULL)
        return NULL;
    s3fifo->policy.ops = &aro_policy_s3fifo;
    s3fifo->policy.array = config->entries;
    s3fifo->small_bytes = config->small_bytes ? config->small_bytes : config->capacity_bytes / 10;
    s3fifo->main_bytes = config->capacity_bytes - s3fifo->small_bytes;
    s3fifo->seed = config->seed;
    s3fifo->other_seed = aro_hash_bytes(&config->seed, sizeof(config->seed), config->seed);
    if (aro_ghost_init(&s3fifo->ghost, config->capacity_bytes / 10 * 9,
                       (uint32_t)((uint64_t)config->entries_max * 5 / 6)) != 0) {
        s3fifo_destroy(&s3fifo->policy);
        return NULL;
    }
    return &s3fifo->policy;
}

static void enqueue(struct s3fifo *s3fifo, enum queue_name name, struct aro_entry *entry,
                    uint8_t frequency)
{
    entry->policy_queue = (uint8_t)name;
    aro_policy_frequency_set(entry, frequency);
    aro_policy_push(&s3fifo->policy, &s3fifo->queue[name], entry);
    s3fifo->small_entries += name == QUEUE_SMALL;
}

static void dequeue(struct s3fifo *s3fifo, struct aro_entry *entry)
{
    enum queue_name name = entry->policy_queue & ~ARO_QUEUE_HIT;

    if (aro_entry_number(s3fifo->policy.array, entry) == s3fifo->ahead)
        s3fifo->ahead = s3fifo->ahead_entries = 0;
    aro_policy_unlink(&s3fifo->policy, &s3fifo->queue[name], entry);
    s3fifo->small_entries -= name == QUEUE_SMALL;
}

/*
 * Half of an id is told from others by it, and one multiplication spreads it. The seed is secret:
 * nobody can choose ids that share a fingerprint, or crowd into a bucket.
 */
static uint64_t print_of(const struct s3fifo *s3fifo, const struct aro_id *id)
{
    __uint128_t product =
        (__uint128_t)(id->word[0] ^ s3fifo->seed) * (id->word[1] ^ s3fifo->other_seed);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void s3fifo_fetch(const struct aro_policy *policy, const struct aro_id *id)
{
    const struct s3fifo *s3fifo = (const struct s3fifo *)policy;

    aro_ghost_prefetch(&s3fifo->ghost, print_of(s3fifo, id));
}

static bool s3fifo_recall(struct aro_policy *policy, const struct aro_id *id)
{
    struct s3fifo *s3fifo = (struct s3fifo *)policy;

    return aro_ghost_take(&s3fifo->ghost, print_of(s3fifo, id));
}

static bool s3fifo_admit(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    struct s3fifo *s3fifo = (struct s3fifo *)policy;

    if (!recalled && entry->len_bytes >= s3fifo->small_bytes)
        return false;
    enqueue(s3fifo, recalled ? QUEUE_MAIN : QUEUE_SMALL, entry, 0);
    policy->bytes += entry->len_bytes;
    policy->entries++;
    return true;
}

static void s3fifo_remove(struct aro_policy *policy, struct aro_entry *entry)
{
    struct s3fifo *s3fifo = (struct s3fifo *)policy;

    dequeue(s3fifo, entry);
    aro_policy_leave(entry);
    policy->bytes -= entry->len_bytes;
    policy->entries--;
}

/* What came into main, and was hit, was asked for more than once: its frequency is to say so. */
static void leave_main(struct aro_entry *entry)
{
    if (atomic_load_explicit(&entry->frequency, memory_order_relaxed) != 0)
        atomic_store_explicit(&entry->frequency, PROMOTE_HITS, memory_order_relaxed);
}

/* Each turn of an entry costs it a hit: at most ARO_FREQUENCY_MAX turns of the queue. */
static struct aro_entry *main_evict(struct s3fifo *s3fifo)
{
    struct aro_policy_queue *queue = &s3fifo->queue[QUEUE_MAIN];
    struct aro_entry *entry;

    while ((entry = aro_policy_oldest(&s3fifo->policy, queue)) != NULL) {
        uint8_t frequency = atomic_load_explicit(&entry->frequency, memory_order_relaxed);
        s3fifo->ahead_entries -= s3fifo->ahead_entries != 0;
        if (frequency == 0) {
            s3fifo_remove(&s3fifo->policy, entry);
            leave_main(entry);
            break;
        }
        dequeue(s3fifo, entry);
        enqueue(s3fifo, QUEUE_MAIN, entry, (uint8_t)(frequency - 1));
    }
    return entry;
}

static struct aro_entry *small_evict(struct s3fifo *s3fifo)
{
    struct aro_policy_queue *queue = &s3fifo->queue[QUEUE_SMALL];
    struct aro_entry *entry;

    while ((entry = aro_policy_oldest(&s3fifo->policy, queue)) != NULL) {
        uint8_t frequency = atomic_load_explicit(&entry->frequency, memory_order_relaxed);
        if (frequency < PROMOTE_HITS) {
            aro_ghost_add(&s3fifo->ghost, print_of(s3fifo, &entry->id), entry->len_bytes);
            s3fifo_remove(&s3fifo->policy, entry);
            break;
        }
        dequeue(s3fifo, entry);
        enqueue(s3fifo, QUEUE_MAIN, entry, 0);
        s3fifo->policy.promoted++;
    }
    return entry;
}

/*
 * One step per victim: on average an entry of main has its turn at every second. In a single look
 * for a victim several of them may, each named by the one before alone, so that a walk which had
 * to fetch them would wait for every one.
 */
static void main_fetch_ahead(struct s3fifo *s3fifo)
{
    const struct aro_policy *policy = &s3fifo->policy;
    const struct aro_entry *entry = s3fifo->ahead != 0
                                        ? aro_entry_by(policy->array, s3fifo->ahead)
                                        : aro_policy_oldest(policy, &s3fifo->queue[QUEUE_MAIN]);

    if (entry == NULL || entry->policy_next == 0 || s3fifo->ahead_entries >= AHEAD_MAX)
        return;
    s3fifo->ahead = entry->policy_next;
    s3fifo->ahead_entries++;
    __builtin_prefetch(aro_entry_by(policy->array, s3fifo->ahead), 1);
}

/* The next victim of small is nearly certain: its ghost's place, and the entry behind it. */
static void fetch_ahead(struct s3fifo *s3fifo)
{
    const struct aro_policy *policy = &s3fifo->policy;
    const struct aro_entry *next = aro_policy_oldest(policy, &s3fifo->queue[QUEUE_SMALL]);

    main_fetch_ahead(s3fifo);
    if (next == NULL)
        return;
    aro_ghost_prefetch(&s3fifo->ghost, print_of(s3fifo, &next->id));
    __builtin_prefetch(aro_entry_by(policy->array, next->policy_next), 1);
}

static struct aro_entry *s3fifo_evict(struct aro_policy *policy)
{
    struct s3fifo *s3fifo = (struct s3fifo *)policy;
    struct aro_entry *victim = NULL;

    if (s3fifo->queue[QUEUE_MAIN].bytes + policy->withheld_bytes <= s3fifo->main_bytes)
        victim = small_evict(s3fifo);
    if (victim == NULL)
        victim = main_evict(s3fifo);
    fetch_ahead(s3fifo);
    return victim;
}

static void s3fifo_parts(const struct aro_policy *policy, struct aro_policy_parts *ret)
{
    const struct s3fifo *s3fifo = (const struct s3fifo *)policy;

    ret->small_bytes = s3fifo->queue[QUEUE_SMALL].bytes;
    ret->small_entries = s3fifo->small_entries;
    ret->ghosts = s3fifo->ghost.entries;
}

const struct aro_policy_ops aro_policy_s3fifo = {
    .name = "s3fifo",
    .create = s3fifo_create,
    .destroy = s3fifo_destroy,
    .fetch = s3fifo_fetch,
    .recall = s3fifo_recall,
    .admit = s3fifo_admit,
    .evict = s3fifo_evict,
    .remove = s3fifo_remove,
    .parts = s3fifo_parts,
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/error.h"
#include "cache/delay.h"
#include "cache/state.h"

enum {
    REGION_BYTES_MIN = 8 << 20,
    REGION_PER_ENTRY_BYTES = 16 << 10, /* default of entries_max */
};

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* ---- life ---- */

static int config_check(const struct aro_cache_config *config, struct aro_error *error)
{
    uint64_t entries_max = config->entries_max;

    if (config->region_bytes < REGION_BYTES_MIN)
        return aro_error_set(error, ARO_E_CACHE_TOO_SMALL,
                             "the cache got %zu bytes of memory and needs at least %d MiB",
                             config->region_bytes, REGION_BYTES_MIN >> 20);
    if (config->region == NULL || (uintptr_t)config->region % ARO_ARENA_PAGE != 0 ||
        config->region_bytes % ARO_ARENA_PAGE != 0)
        return aro_error_set(error, ARO_E_CACHE_LIMIT,
                             "the cache's memory does not start and end on a page of 4 KiB");
    if (entries_max != 0 &&
        (entries_max < ARO_CACHE_ENTRIES_MIN || entries_max > ARO_INDEX_ENTRIES_MAX))
        return aro_error_set(error, ARO_E_CACHE_LIMIT, "%u cache entries is not within %d..%d",
                             config->entries_max, ARO_CACHE_ENTRIES_MIN, ARO_INDEX_ENTRIES_MAX);
    if (config->readers_max < 1 || config->readers_max > ARO_READERS_MAX)
        return aro_error_set(error, ARO_E_CACHE_LIMIT, "%u cache readers is not within 1..%d",
                             config->readers_max, ARO_READERS_MAX);
    if (config->pins_per_reader < 1 || config->pins_per_reader > ARO_PINS_MAX)
        return aro_error_set(error, ARO_E_CACHE_LIMIT, "%u pins per reader is not within 1..%d",
                             config->pins_per_reader, ARO_PINS_MAX);
    if (aro_policy_named(config->policy) == NULL)
        return aro_error_set(error, ARO_E_CACHE_LIMIT,
                             "\"%s\" is no eviction policy (s3fifo, sieve, lru and fifo are)",
                             config->policy);
    return 0;
}

/* What the policy may expect to keep: not the spare memory, the stock, nor the sums. */
static struct aro_policy *policy_make(const struct aro_cache *cache,
                                      const struct aro_cache_config *config, uint32_t entries_max)
{
    uint64_t capacity_bytes = (cache->region_bytes - cache->spare_bytes) / 8 * 7;
    struct aro_policy_config policy_config = {
        .entries = cache->entries.array,
        .capacity_bytes = capacity_bytes,
        .small_bytes = clamp(capacity_bytes / 10, 2 * ARO_CHUNK_BYTES_MAX, capacity_bytes),
        .entries_max = entries_max,
        .seed = config->seed,
    };

    return aro_policy_named(config->policy)->create(&policy_config);
}

static int cache_fill(struct aro_cache *cache, const struct aro_cache_config *config)
{
    uint64_t entries_max = config->entries_max;
    int rc;

    if (entries_max == 0)
        entries_max = clamp(config->region_bytes / REGION_PER_ENTRY_BYTES, ARO_CACHE_ENTRIES_MIN,
                            ARO_INDEX_ENTRIES_MAX);
    cache->region_bytes = config->region_bytes;
    cache->readers_max = config->readers_max;
    cache->pins_per_reader = config->pins_per_reader;
    cache->spare_bytes = clamp(config->region_bytes / 16, 1 << 20, 64 << 20);
    cache->wanted_bytes = cache->spare_bytes;
    cache->spare_entries = (uint32_t)clamp(entries_max / 16, 8, 1024);
    aro_qsbr_init(&cache->qsbr, config->readers_max);
    rc = aro_entries_init(&cache->entries, config->region, config->region_bytes,
                          (uint32_t)entries_max);
    if (rc != 0)
        return rc;
    cache->index = aro_index_create((uint32_t)entries_max, config->seed);
    if (cache->index == NULL)
        return -errno;
    cache->policy = policy_make(cache, config, (uint32_t)entries_max);
    return cache->policy == NULL ? -errno : 0;
}

struct aro_cache *aro_cache_create(const struct aro_cache_config *config, struct aro_error *error)
{
    struct aro_cache *cache;
    int rc = -ENOMEM;

    if (config_check(config, error) != 0)
        return NULL;
    cache = aligned_alloc(alignof(struct aro_cache), sizeof(*cache));
    if (cache != NULL) {
        memset(cache, 0, sizeof(*cache));
        rc = cache_fill(cache, config);
    }
    if (rc == 0)
        return cache;
    aro_error_set(error, ARO_E_CACHE_MEMORY, "no memory for the cache's own records: %s",
                  strerror(-rc));
    aro_cache_destroy(cache);
    return NULL;
}

void aro_cache_destroy(struct aro_cache *cache)
{
    if (cache == NULL)
        return;
    for (unsigned i = 0; i < cache->readers; i++)
        free(cache->reader[i]);
    if (cache->policy != NULL)
        cache->policy->ops->destroy(cache->policy);
    aro_index_destroy(cache->index);
    aro_entries_fini(&cache->entries);
    free(cache);
}

struct aro_reader *aro_cache_reader_create(struct aro_cache *cache)
{
    struct aro_reader *reader;
    size_t bytes = sizeof(*reader) + cache->pins_per_reader * sizeof(reader->pin[0]);

    if (cache->readers == cache->readers_max) {
        errno = ENOSPC;
        return NULL;
    }
    bytes = (bytes + alignof(struct aro_reader) - 1) & ~(alignof(struct aro_reader) - 1);
    reader = aligned_alloc(alignof(struct aro_reader), bytes);
    if (reader == NULL)
        return NULL;
    memset(reader, 0, bytes);
    reader->cache = cache;
    reader->index = cache->readers;
    reader->pins = cache->pins_per_reader;
    for (unsigned i = 0; i < ARO_STOCK_CLASSES; i++)
        aro_stock_init(&reader->stock[i], i);
    cache->reader[cache->readers++] = reader;
    atomic_store(&cache->stock_used, true);
    return reader;
}

uint16_t *aro_cache_sums(const struct aro_cache *cache, const struct aro_entry *entry)
{
    return aro_entries_sums(&cache->entries, entry);
}

unsigned aro_reader_index(const struct aro_reader *reader)
{
    return reader->index;
}

struct aro_qsbr *aro_cache_qsbr(struct aro_cache *cache)
{
    return &cache->qsbr;
}

/* ---- reading ---- */

void aro_cache_online(struct aro_reader *reader)
{
    aro_qsbr_online(&reader->cache->qsbr, reader->index);
}

void aro_cache_offline(struct aro_reader *reader)
{
    aro_qsbr_offline(&reader->cache->qsbr, reader->index);
}

void aro_cache_quiescent(struct aro_reader *reader)
{
    aro_qsbr_quiescent(&reader->cache->qsbr, reader->index);
}

unsigned aro_cache_find_burst(struct aro_reader *reader, const struct aro_id *const ids[],
                              unsigned n, struct aro_entry *ret[])
{
    assert(n <= ARO_FIND_BURST_MAX);
    return aro_index_find_burst(reader->cache->index, ids, n, ret);
}

struct aro_entry *aro_cache_member(const struct aro_cache *cache, const struct aro_id *id)
{
    struct aro_entry *member;

    while ((member = aro_index_find(cache->index, id)) != NULL &&
           aro_entry_state(member) == ARO_ENTRY_GONE)
        aro_index_erase(cache->index, member);
    return member;
}

void aro_cache_pin(struct aro_reader *reader, unsigned slot, struct aro_entry *entry)
{
    assert(slot < reader->pins);
    assert(atomic_load_explicit(&reader->pin[slot], memory_order_relaxed) == NULL);
    aro_delay_point();
    /* seen by the keeper's scan at the latest with our next quiescent report (release) */
    atomic_store_explicit(&reader->pin[slot], entry, memory_order_release);
}

void aro_cache_unpin(struct aro_reader *reader, unsigned slot)
{
    assert(slot < reader->pins);
    aro_delay_point();
    /* pairs with the acquire of the scan: our reads of the chunk come before its reuse */
    atomic_store_explicit(&reader->pin[slot], NULL, memory_order_release);
}

/* ---- bringing in ---- */

/*
 * Hands an entry to the keeper. Release: pairs with the keeper's taking of the whole stack. Nothing
 * is ever popped singly, so there is no ABA.
 */
static void outbox_push(struct aro_cache *cache, struct aro_entry *entry)
{
    uint32_t number = aro_entry_number(cache->entries.array, entry);
    uint32_t top = atomic_load_explicit(&cache->outbox, memory_order_relaxed);

    do {
        entry->link = top;
        aro_delay_point();
    } while (!atomic_compare_exchange_weak_explicit(&cache->outbox, &top, number,
                                                    memory_order_release, memory_order_relaxed));
}

/*
 * The entry's last state by the thread that reads it. Against aro_cache_wait: we store the state
 * and then take the waiters, it sets its bit and then loads the state, all seq_cst - so either we
 * see the bit or it sees the state. The release in the store is what makes bytes and sums visible
 * to whoever loads the state (acquire).
 */
static uint64_t entry_settle(const struct aro_cache *cache, struct aro_entry *entry, unsigned state)
{
    uint64_t readers = UINT64_MAX >> (64 - cache->readers_max);
    uint64_t waiters;

    aro_delay_point();
    atomic_store(&entry->state, (uint8_t)(state | ARO_ENTRY_POSTED));
    aro_delay_point();
    waiters = atomic_exchange(&entry->waiters, 0);
    return (waiters << 32 | waiters) & readers;
}

/* Demand: checked first, so that the line moves between cores only once per housekeeping. */
static void stock_used_set(struct aro_cache *cache)
{
    if (!atomic_load(&cache->stock_used))
        atomic_store(&cache->stock_used, true);
}

int aro_cache_reserve(struct aro_reader *reader, const struct aro_id *id, uint32_t len_bytes,
                      struct aro_entry **ret)
{
    struct aro_cache *cache = reader->cache;
    struct aro_entry *member = aro_cache_member(cache, id);
    struct aro_entry *entry;
    int rc;

    if (len_bytes < ARO_CHUNK_BYTES_MIN || len_bytes > ARO_CHUNK_BYTES_MAX)
        return -EINVAL;
    if (member != NULL) {
        *ret = member;
        return -EALREADY;
    }
    entry = aro_stock_take(&reader->stock[aro_stock_class(len_bytes)]);
    stock_used_set(cache);
    if (entry == NULL) {
        aro_count_sw(&reader->stock_empty);
        return -ENOBUFS;
    }
    entry->id = *id;
    entry->len_bytes = len_bytes;
    aro_cache_sums(cache, entry)[0] = 0;
    atomic_store_explicit(&entry->state, ARO_ENTRY_READING, memory_order_relaxed);
    rc = aro_index_insert(cache->index, entry, &member); /* releases the entry's fields */
    if (rc == 0) {
        *ret = entry;
        return 0;
    }
    /* others may have looked at it: the long way back */
    entry_settle(cache, entry, ARO_ENTRY_GONE | (rc == -ENOSPC ? ARO_ENTRY_CROWDED : 0));
    outbox_push(cache, entry);
    if (rc == -EEXIST) {
        *ret = member;
        return -EALREADY;
    }
    aro_count_sw(&reader->index_full);
    return rc == -ENOSPC ? -ENOSPC : -ENOBUFS;
}

uint64_t aro_cache_publish(struct aro_reader *reader, struct aro_entry *entry)
{
    uint64_t waiters;

    assert(aro_entry_state(entry) == ARO_ENTRY_READING);
    waiters = entry_settle(reader->cache, entry, ARO_ENTRY_RESIDENT);
    outbox_push(reader->cache, entry);
    return waiters;
}

/* Unlinked before the state says GONE: what is in the index is never GONE. */
uint64_t aro_cache_abandon(struct aro_reader *reader, struct aro_entry *entry)
{
    bool erased = aro_index_erase(reader->cache->index, entry);
    uint64_t waiters;

    assert(aro_entry_state(entry) == ARO_ENTRY_READING && erased);
    (void)erased;
    waiters = entry_settle(reader->cache, entry, ARO_ENTRY_GONE);
    aro_count_sw(&reader->abandoned);
    outbox_push(reader->cache, entry);
    return waiters;
}

enum aro_entry_state aro_cache_wait(struct aro_reader *reader, struct aro_entry *entry)
{
    atomic_fetch_or(&entry->waiters, UINT32_C(1) << reader->index % 32);
    aro_delay_point();
    return (enum aro_entry_state)(atomic_load(&entry->state) & ARO_ENTRY_STATE);
}

/*
 * Who makes the state GONE has erased the entry; all the rest can wait for a thread that was
 * stopped here: others help it out of the index (aro_cache_member), and so does the keeper, which
 * may meet it in its inbox before that.
 */
int aro_cache_erase(struct aro_reader *reader, const struct aro_id *id)
{
    struct aro_cache *cache = reader->cache;
    struct aro_entry *entry = aro_cache_member(cache, id);
    uint8_t state;

    if (entry == NULL)
        return -ENOENT;
    state = atomic_load(&entry->state);
    do {
        if ((state & ARO_ENTRY_STATE) == ARO_ENTRY_GONE)
            return -ENOENT;
        if ((state & ~ARO_ENTRY_POSTED) != ARO_ENTRY_RESIDENT)
            return -EBUSY;
        aro_delay_point();
    } while (
        !atomic_compare_exchange_weak(&entry->state, &state, ARO_ENTRY_GONE | ARO_ENTRY_POSTED));
    aro_delay_point();
    aro_index_erase(cache->index, entry);
    aro_count_sw(&reader->erased);
    if (state & ARO_ENTRY_POSTED)
        aro_count_sw(&reader->erased_new);
    else
        outbox_push(cache, entry);
    return 0;
}

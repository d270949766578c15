/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rte_hash at its best: 32-byte keys compared by its own vector compare, lookups in bulk with the
 * hash given (bits of the id), readers lock-free. It gets a heap of its own over memory that was
 * advised to be in large pages: EAL without hugepages would put it on small ones. It is at most
 * half full, which was up to a tenth faster here than as full as it goes. A key's place is freed as
 * soon as the key is deleted, without a grace period: nobody reads meanwhile.
 */
#include "perf/baseline.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

enum { LARGE_PAGE = 2 << 20 };
static const char heap_name[] = "baseline";

struct table {
    struct rte_hash *hash;
    void *memory; /* of the heap */
    size_t memory_bytes;
};

/* Once per process; the calling thread becomes the lcore of its CPU. EAL moves the pointers about.
 */
static bool eal_started(void)
{
    static char words[][24] = {
        "arobench",       "--no-huge",      "--no-shconf",         "--no-pci", "-m64",
        "--no-telemetry", "--iova-mode=va", "--log-level=*:error", "--lcores", ""};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    static bool tried, started;
    char *argv[WORDS];

    if (tried)
        return started;
    tried = true;
    snprintf(words[WORDS - 1], sizeof(words[0]), "0@%d", sched_getcpu());
    for (unsigned i = 0; i < WORDS; i++)
        argv[i] = words[i];
    started = rte_eal_init(WORDS, argv) >= 0;
    return started;
}

/* Buckets of 8 in 64 bytes and the ring of free places, each a power of two; keys of 48 bytes. */
static size_t memory_wanted(uint32_t places)
{
    size_t power = 1;

    while (power < places)
        power *= 2;
    return (power * (8 + 8) + (size_t)places * 48 + (64 << 20)) / LARGE_PAGE * LARGE_PAGE;
}

static int heap_make(struct table *table, uint32_t places)
{
    size_t bytes = memory_wanted(places);
    void *memory = mmap(NULL, bytes + LARGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *aligned;

    if (memory == MAP_FAILED)
        return -1;
    table->memory = memory;
    table->memory_bytes = bytes;
    madvise(memory, bytes + LARGE_PAGE, MADV_HUGEPAGE);
    aligned = (uint8_t *)(((uintptr_t)memory + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1));
    if (rte_malloc_heap_create(heap_name) != 0)
        return -1;
    return rte_malloc_heap_memory_add(heap_name, aligned, bytes, NULL, 0, LARGE_PAGE);
}

static void rte_table_destroy(void *at)
{
    struct table *table = at;

    if (table->hash != NULL)
        rte_hash_free(table->hash);
    if (table->memory != NULL) {
        uintptr_t aligned = ((uintptr_t)table->memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
        rte_malloc_heap_memory_remove(heap_name, (void *)aligned, table->memory_bytes);
        rte_malloc_heap_destroy(heap_name);
        munmap(table->memory, table->memory_bytes + LARGE_PAGE);
    }
    free(table);
}

static void *rte_table_create(uint32_t entries_max, bool writers)
{
    struct rte_hash_parameters parameters = {
        .name = "baseline",
        .entries = 2 * entries_max,
        .key_len = BASELINE_ID_BYTES,
        .extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
    };
    struct table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    if (writers)
        parameters.extra_flag |= RTE_HASH_EXTRA_FLAGS_MULTI_WRITER_ADD;
    if (eal_started() && heap_make(table, parameters.entries) == 0) {
        parameters.socket_id = rte_malloc_heap_get_socket(heap_name);
        table->hash = rte_hash_create(&parameters);
    }
    if (table->hash != NULL)
        return table;
    fprintf(stderr, "arobench: rte_hash: %s\n", rte_strerror(rte_errno));
    rte_table_destroy(table);
    return NULL;
}

static hash_sig_t hash_of(const uint8_t *id)
{
    hash_sig_t hash;

    memcpy(&hash, id, sizeof(hash));
    return hash;
}

static bool rte_table_insert(void *table, const uint8_t *id, void *value)
{
    return rte_hash_add_key_with_hash_data(((struct table *)table)->hash, id, hash_of(id), value) ==
           0;
}

static bool rte_table_erase(void *at, const uint8_t *id)
{
    struct table *table = at;
    int32_t place = rte_hash_del_key_with_hash(table->hash, id, hash_of(id));

    return place >= 0 && rte_hash_free_key_with_position(table->hash, place) == 0;
}

static unsigned rte_table_lookup_burst(void *table, const uint8_t *ids, unsigned n, void *ret[])
{
    const void *keys[BASELINE_BURST_MAX];
    hash_sig_t hashes[BASELINE_BURST_MAX];
    uint64_t hits = 0;
    int found;

    for (unsigned i = 0; i < n; i++) {
        keys[i] = ids + i * BASELINE_ID_BYTES;
        hashes[i] = hash_of(ids + i * BASELINE_ID_BYTES);
    }
    found = rte_hash_lookup_with_hash_bulk_data(((struct table *)table)->hash, keys, hashes, n,
                                                &hits, ret);
    return found < 0 ? 0 : (unsigned)found;
}

const struct baseline_table_ops baseline_rte_hash = {
    .name = "rte_hash",
    .create = rte_table_create,
    .destroy = rte_table_destroy,
    .insert = rte_table_insert,
    .erase = rte_table_erase,
    .lookup_burst = rte_table_lookup_burst,
};

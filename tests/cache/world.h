/* SPDX-License-Identifier: BSD-3-Clause */
/* A small cache with one reader, driven by one thread, and chunks whose bytes are their number. */
#ifndef ARO_TESTS_CACHE_WORLD_H
#define ARO_TESTS_CACHE_WORLD_H

#include <criterion/criterion.h>

#include <string.h>
#include <sys/mman.h>

#include "cache/base/error.h"
#include "cache/cache.h"

enum { REGION_BYTES = 8 << 20, WORK = 1000 };

struct world {
    void *region;
    struct aro_cache *cache;
    struct aro_reader *reader;
};

static inline struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number * 0x9e3779b97f4a7c15, number, 1, 2}};
}

static inline void *region_make(size_t bytes)
{
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(region, MAP_FAILED);
    return region;
}

static inline struct world world_make(void)
{
    struct world world = {.region = region_make(REGION_BYTES)};
    struct aro_error error;
    struct aro_cache_config config = {
        .region = world.region,
        .region_bytes = REGION_BYTES,
        .readers_max = 2,
        .pins_per_reader = 16,
        .seed = 7,
    };

    world.cache = aro_cache_create(&config, &error);
    cr_assert_not_null(world.cache, "%s", error.text);
    world.reader = aro_cache_reader_create(world.cache);
    cr_assert_not_null(world.reader);
    aro_cache_online(world.reader);
    while (aro_cache_maintain(world.cache, WORK)) {
    }
    return world;
}

static inline void world_end(struct world *world)
{
    aro_cache_offline(world->reader);
    aro_cache_destroy(world->cache);
    munmap(world->region, REGION_BYTES);
}

/* Lets every unlinked entry that nobody pins come back. */
static inline void world_settle(struct world *world)
{
    for (int i = 0; i < 4; i++) {
        aro_cache_quiescent(world->reader);
        while (aro_cache_maintain(world->cache, WORK)) {
        }
    }
}

static inline struct aro_entry *find(struct world *world, uint64_t number)
{
    struct aro_id id = id_of(number);
    const struct aro_id *ids[1] = {&id};
    struct aro_entry *entry;
    unsigned n = aro_cache_find_burst(world->reader, ids, 1, &entry);

    cr_assert_eq(n, (unsigned)(entry != NULL));
    return entry;
}

static inline int put(struct world *world, uint64_t number, uint32_t len)
{
    struct aro_entry *entry;
    int rc = aro_cache_alloc(world->cache, len, &entry);

    if (rc != 0)
        return rc;
    entry->id = id_of(number);
    memset(entry->data, (int)(number & 0xff), len);
    return aro_cache_insert(world->cache, entry);
}

static inline struct aro_cache_stats stats(struct world *world)
{
    struct aro_cache_stats now;

    aro_cache_stats(world->cache, &now);
    return now;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory in one piece for long chunks, and none beyond a chunk's own pages. */
#include "cache/cache.h"

#include <errno.h>

#include "tests/cache/world.h"

enum { ROOM_BYTES = 16 << 20, PAGE = 4096, LONG = 1 << 20, ENTRIES = 8192 };

static struct world room_make(void)
{
    struct world world = {.region = region_make(ROOM_BYTES)};
    struct aro_cache_config config = {.region = world.region,
                                      .region_bytes = ROOM_BYTES,
                                      .entries_max = ENTRIES,
                                      .readers_max = 1,
                                      .pins_per_reader = 16,
                                      .seed = 7};

    world.cache = aro_cache_create(&config, NULL);
    world.reader = aro_cache_reader_create(world.cache);
    aro_cache_online(world.reader);
    world_settle(&world);
    return world;
}

static void room_end(struct world *world)
{
    aro_cache_offline(world->reader);
    aro_cache_destroy(world->cache);
    munmap(world->region, ROOM_BYTES);
}

/* Comes in, whatever it costs within reason. */
static void put_surely(struct world *world, uint64_t number, uint32_t len)
{
    int rc;

    for (int i = 0; (rc = put(world, number, len)) != 0; i++) {
        cr_assert_eq(rc, -ENOBUFS);
        cr_assert_lt(i, 50, "no room for chunk %lu", number);
        world_settle(world);
    }
}

/* Full of single pages; what the policy would evict lies between what it would not. */
static void fill_with_pages(struct world *world)
{
    for (uint64_t n = 0; n < 4500; n++) {
        put_surely(world, n, PAGE);
        for (int hits = 0; n % 2 == 0 && hits < ARO_FREQUENCY_MAX; hits++)
            aro_entry_touch(find(world, n));
    }
    world_settle(world);
}

Test(room, a_long_chunk_costs_its_own_length_in_short_ones)
{
    struct world world = room_make();

    fill_with_pages(&world);
    for (uint64_t n = 0; n < 6; n++) {
        uint64_t evicted = stats(&world).evicted;
        put_surely(&world, 10000 + n, LONG);
        world_settle(&world);
        /* twice its length for the amount, once for the piece */
        cr_assert_leq(stats(&world).evicted - evicted, 3ul * LONG / PAGE);
    }
    room_end(&world);
}

/* A hole of so many pages behind chunk number first - 1. */
static void hole_make(struct world *world, uint64_t first, unsigned pages)
{
    for (uint64_t n = first; n < first + pages; n++) {
        struct aro_id id = id_of(n);
        cr_assert_eq(aro_cache_remove(world->cache, &id), 0);
    }
}

/*
 * Chunks 1, 2, 3, ... side by side but for 128 pages at the end. Then holes, so that there is room
 * for 130 pages, but not in one piece.
 */
static void fill_in_order(struct world *world)
{
    for (uint64_t n = 1; stats(world).bytes_used_now < ROOM_BYTES - 128ul * PAGE; n++)
        cr_assert_eq(put(world, n, PAGE), 0);
    hole_make(world, 31, 30);
    for (uint64_t first = 2000; first < 2500; first += 100)
        hole_make(world, first, 29);
    world_settle(world); /* now: before, it would evict */
}

/* A chunk longer than any hole comes in behind the shorter one: the longer's neighbour stays. */
static void check_goes_round(struct world *world)
{
    uint64_t evicted = stats(world).evicted;

    world_settle(world);
    cr_assert_eq(evicted, 0u);
    put_surely(world, 10000, 130 * PAGE);
    cr_assert_eq(stats(world).evicted - evicted, 100u);
    room_end(world);
}

Test(room, a_kept_neighbour_stays)
{
    struct world world = room_make();
    struct aro_id id = id_of(1061);

    fill_in_order(&world);
    hole_make(&world, 1001, 60);
    cr_assert_eq(aro_cache_keep(world.cache, &id), 0);
    check_goes_round(&world);
}

Test(room, a_pinned_neighbour_is_not_waited_for)
{
    struct world world = room_make();

    fill_in_order(&world);
    aro_cache_pin(world.reader, 0, find(&world, 1061));
    hole_make(&world, 1001, 61);
    check_goes_round(&world);
}

Test(room, a_private_neighbour_stays)
{
    struct world world = room_make();
    struct aro_entry *entry;

    fill_in_order(&world);
    hole_make(&world, 1061, 1);
    world_settle(&world);
    cr_assert_eq(aro_cache_alloc(world.cache, PAGE, &entry), 0);
    hole_make(&world, 1001, 60);
    check_goes_round(&world);
    (void)entry;
}

Test(room, a_chunk_that_was_read_keeps_only_its_own_pages)
{
    struct world world = room_make();
    uint64_t used = stats(&world).bytes_used_now;
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_reserve(world.reader, &id, 33000, &entry), 0);
    memset(entry->data, 1, 33000);
    aro_cache_publish(world.reader, entry);
    world_settle(&world);
    cr_assert_eq(stats(&world).bytes_used_now - used, 9ul * PAGE);
    for (unsigned b = 0; b < 33000; b++)
        cr_assert_eq(find(&world, 1)->data[b], 1);
    cr_assert_eq(aro_cache_flush(world.cache), 1u);
    world_settle(&world);
    cr_assert_eq(stats(&world).bytes_used_now, used);
    room_end(&world);
}

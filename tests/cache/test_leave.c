/* SPDX-License-Identifier: BSD-3-Clause */
/* Victims that somebody wants to write before they go. */
#include "cache/cache.h"

#include <errno.h>

#include "tests/cache/world.h"

enum { CHUNK = 64 << 10, SPARE = 1 << 20 /* of REGION_BYTES */, ASKED_MAX = 512 };

/* Who asks to wait: at most wanted of them, pinned in slots of their own from 1 on. */
struct asked {
    struct world *world;
    unsigned wanted;
    struct aro_entry *waiting[8];
    unsigned waits;
    uint8_t frequency[ASKED_MAX]; /* by number of the chunk, plus one; 0: not asked about */
    unsigned told_full;
};

static bool on_leave(void *arg, struct aro_entry *entry, bool may_wait)
{
    struct asked *asked = arg;
    uint64_t number = entry->id.word[1];

    asked->told_full += !may_wait;
    asked->frequency[number] =
        (uint8_t)(1 + atomic_load_explicit(&entry->frequency, memory_order_relaxed));
    if (asked->waits == asked->wanted || !may_wait)
        return !may_wait; /* said in vain */
    aro_cache_pin(asked->world->reader, 1 + asked->waits, entry);
    asked->waiting[asked->waits++] = entry;
    return true;
}

static void put_surely(struct world *world, uint64_t number)
{
    int rc;

    for (int i = 0; (rc = put(world, number, CHUNK)) != 0; i++) {
        cr_assert_eq(rc, -ENOBUFS);
        cr_assert_lt(i, 50, "no room for chunk %lu", number);
        world_settle(world);
    }
}

/* Puts chunks from number first on until so many have asked. Returns the next number. */
static uint64_t press(struct world *world, struct asked *asked, uint64_t first, unsigned waits)
{
    while (asked->waits < waits)
        put_surely(world, first++);
    return first;
}

static void let_go(struct asked *asked, unsigned i)
{
    aro_cache_leave(asked->world->cache, asked->waiting[i]);
    aro_cache_unpin(asked->world->reader, 1 + i);
}

Test(leave, a_victim_that_waits_stays_readable_until_it_is_let_go)
{
    struct world world = world_make();
    struct asked asked = {.world = &world, .wanted = 1};
    struct aro_cache_stats before, after;
    struct aro_entry *entry;

    aro_cache_on_leave(world.cache, on_leave, &asked);
    (void)press(&world, &asked, 0, 1);
    world_settle(&world);
    entry = asked.waiting[0];
    cr_assert_eq(find(&world, entry->id.word[1]), entry);
    cr_assert_eq(entry->data[CHUNK - 1], (uint8_t)entry->id.word[1]);
    before = stats(&world);
    cr_assert_eq(before.entries_now, before.admitted - before.evicted - before.removed);
    cr_assert_eq(before.bytes_chunks_now, before.entries_now * CHUNK);
    let_go(&asked, 0);
    after = stats(&world);
    cr_assert_eq(after.entries_now, before.entries_now - 1);
    cr_assert_eq(after.evicted, before.evicted + 1);
    cr_assert_null(find(&world, entry->id.word[1]));
    world_end(&world);
}

Test(leave, eviction_waits_for_a_quarter_of_the_spare_memory_and_no_more)
{
    struct world world = world_make();
    struct asked asked = {.world = &world, .wanted = 8};
    uint64_t next;

    aro_cache_on_leave(world.cache, on_leave, &asked);
    next = press(&world, &asked, 0, SPARE / 4 / CHUNK);
    for (unsigned i = 0; i < 16; i++) /* nobody lets anything go: others leave, asked in vain */
        put_surely(&world, next++);
    cr_assert_gt(asked.told_full, 0u);
    cr_assert_eq(asked.waits, 4u);
    for (unsigned i = 0; i < asked.waits; i++)
        let_go(&asked, i);
    world_settle(&world);
    cr_assert_eq(stats(&world).entries_now,
                 stats(&world).admitted - stats(&world).evicted - stats(&world).removed);
    world_end(&world);
}

/* So many chunks left memory, or are on their way, after the same puts. */
static uint64_t gone_with(unsigned waits)
{
    struct world world = world_make();
    struct asked asked = {.world = &world, .wanted = waits};
    uint64_t gone;

    aro_cache_on_leave(world.cache, on_leave, &asked);
    for (uint64_t n = 0; n < 130; n++)
        put_surely(&world, n);
    world_settle(&world);
    gone = stats(&world).evicted + asked.waits;
    for (unsigned i = 0; i < asked.waits; i++)
        let_go(&asked, i);
    world_end(&world);
    return gone;
}

Test(leave, what_waits_counts_as_memory_on_its_way)
{
    cr_assert_eq(gone_with(4), gone_with(0));
}

/* How it may go meanwhile; its memory waits for the pin all the same. */
static void go_meanwhile(struct world *world, struct aro_entry *entry, unsigned way)
{
    struct aro_id id = entry->id;

    if (way == 0) {
        cr_assert_eq(aro_cache_remove(world->cache, &id), 0);
    } else if (way == 1) {
        cr_assert_eq(aro_cache_erase(world->reader, &id), 0);
    } else if (way == 2) {
        cr_assert_eq(aro_cache_erase(world->reader, &id), 0);
        world_settle(world); /* the keeper has seen it */
    } else if (way == 3) {
        cr_assert_eq(aro_cache_keep(world->cache, &id), 0);
    }
}

Test(leave, one_that_went_by_other_ways_is_let_go_without_harm)
{
    for (unsigned way = 0; way < 4; way++) {
        struct world world = world_make();
        struct asked asked = {.world = &world, .wanted = 1};
        struct aro_cache_stats now;
        struct aro_entry *entry;

        aro_cache_on_leave(world.cache, on_leave, &asked);
        (void)press(&world, &asked, 0, 1);
        entry = asked.waiting[0];
        go_meanwhile(&world, entry, way);
        cr_assert_eq(entry->data[0], (uint8_t)entry->id.word[1], "way %u", way);
        let_go(&asked, 0);
        world_settle(&world);
        now = stats(&world);
        cr_assert_eq(now.entries_now, now.small_now + now.main_now + now.kept_now, "way %u", way);
        cr_assert_eq(now.entries_now, now.admitted - now.evicted - now.removed, "way %u", way);
        cr_assert_eq(now.kept_now, way == 3, "way %u", way);
        cr_assert_eq(find(&world, entry->id.word[1]) != NULL, way == 3, "way %u", way);
        world_end(&world);
    }
}

/* Never, once, twice: 0, 1, at least 2. */
Test(leave, the_frequency_tells_what_was_hit_once_from_what_the_policy_kept)
{
    struct world world = world_make();
    struct asked asked = {.world = &world};

    aro_cache_on_leave(world.cache, on_leave, &asked);
    for (uint64_t n = 0; n < 9; n++) {
        put_surely(&world, n);
        for (uint64_t hits = 0; hits < n % 3; hits++)
            aro_entry_touch(find(&world, n));
    }
    for (uint64_t n = 9; n < ASKED_MAX; n++) {
        put_surely(&world, n);
        for (unsigned hits = 0; n % 2 == 0 && hits < 2; hits++)
            aro_entry_touch(find(&world, n)); /* enough in main that its oldest go, too */
    }
    for (uint64_t n = 0; n < 9; n++) {
        cr_assert_neq(asked.frequency[n], 0, "%lu is still here", n);
        if (n % 3 < 2)
            cr_assert_eq(asked.frequency[n] - 1, n % 3, "%lu", n);
        else
            cr_assert_geq(asked.frequency[n] - 1, 2, "%lu", n);
    }
    world_end(&world);
}

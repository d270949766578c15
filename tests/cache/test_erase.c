/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks that go for other reasons than the keeper's will. */
#include "cache/state.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "cache/index_table.h"
#include "cache/sums.h"
#include "tests/cache/world.h"

static int keep(struct world *world, uint64_t number)
{
    struct aro_id id = id_of(number);

    return aro_cache_keep(world->cache, &id);
}

/* ---- erased by a reader ---- */

static int erase(struct world *world, uint64_t number)
{
    struct aro_id id = id_of(number);

    return aro_cache_erase(world->reader, &id);
}

Test(cache_erase, a_reader_erases_what_the_policy_holds_or_keeps)
{
    struct world world = world_make();
    struct aro_entry *entry;

    put(&world, 1, 5000);
    put(&world, 2, 5000);
    cr_assert_eq(keep(&world, 2), 0);
    entry = find(&world, 1);
    cr_assert_eq(erase(&world, 1), 0);
    cr_assert_eq(erase(&world, 2), 0);
    cr_assert_eq(erase(&world, 1), -ENOENT);
    cr_assert_null(find(&world, 1));
    cr_assert(aro_cache_wanting(world.cache));
    aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(entry->data[4999], 1, "readable until the reader is quiescent");
    cr_assert_eq(stats(&world).retired_now, 2u);
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_eq(stats(&world).entries_now, 0u);
    cr_assert_eq(stats(&world).kept_now, 0u);
    cr_assert_eq(stats(&world).removed, 2u);
    world_end(&world);
}

Test(cache_erase, a_reader_erases_what_the_keeper_has_not_seen_yet)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0);
    cr_assert_eq(erase(&world, 1), -EBUSY, "READING");
    memset(entry->data, 1, 4096);
    aro_sums_extend(aro_cache_sums(world.cache, entry), 0, entry->data, 4096);
    aro_cache_publish(world.reader, entry);
    cr_assert_eq(erase(&world, 1), 0);
    cr_assert_eq(put(&world, 1, 4096), 0, "its place is free at once");
    world_settle(&world);
    cr_assert_eq(stats(&world).entries_now, 1u);
    cr_assert_eq(stats(&world).admitted, 2u);
    cr_assert_eq(stats(&world).removed, 1u);
    cr_assert_eq(stats(&world).retired_now, 0u);
    world_end(&world);
}

/* As a thread leaves it that was stopped in the middle of aro_cache_erase. */
static void erase_half(struct world *world, uint64_t number)
{
    atomic_store(&find(world, number)->state, ARO_ENTRY_GONE | ARO_ENTRY_POSTED);
}

Test(cache_erase, an_eraser_that_is_stopped_holds_nobody_up)
{
    struct world world = world_make();
    struct aro_entry *entry;
    struct aro_id id = id_of(1);

    cr_assert_eq(put(&world, 1, 4096), 0);
    erase_half(&world, 1);
    cr_assert_eq(erase(&world, 1), -ENOENT);
    cr_assert_eq(put(&world, 1, 4096), 0, "the keeper's insert");
    erase_half(&world, 1);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0, "a reader's");
    cr_assert_eq(aro_cache_abandon(world.reader, entry), 0u);
    cr_assert_eq(put(&world, 2, 4096), 0);
    erase_half(&world, 2);
    id = id_of(2);
    cr_assert_eq(aro_cache_remove(world.cache, &id), -ENOENT);
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    world_end(&world);
}

Test(cache_erase, what_the_keeper_retires_is_found_no_more_although_its_eraser_is_stopped)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0);
    aro_cache_publish(world.reader, entry);
    erase_half(&world, 1); /* before the keeper has seen it: it is on its way */
    cr_assert_eq(find(&world, 1), entry);
    aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(stats(&world).retired_now, 1u);
    cr_assert_null(find(&world, 1), "who finds it now is not waited for");
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    world_end(&world);
}

/* ---- a full pair of buckets ---- */

/* The next number whose chunk lives in the two buckets of chunk 0. */
static uint64_t neighbour(const struct aro_index *index, uint64_t after)
{
    struct aro_id first = id_of(0);
    uint64_t wanted = aro_index_hash(index, &first);

    for (uint64_t number = after + 1;; number++) {
        struct aro_id id = id_of(number);
        uint64_t hash = aro_index_hash(index, &id);
        if (aro_bucket_first(index, hash) == aro_bucket_first(index, wanted) &&
            aro_bucket_second(index, hash) == aro_bucket_second(index, wanted))
            return number;
    }
}

Test(cache_erase, where_the_index_is_full_the_least_asked_for_gives_way)
{
    struct world world = world_make();
    const struct aro_index *index = world.cache->index;
    struct aro_entry *entry;
    uint64_t number = 0;
    struct aro_id id;

    cr_assert_eq(put(&world, 0, 4096), 0);
    for (unsigned i = 1; i < ARO_INDEX_CROWD; i++)
        cr_assert_eq(put(&world, number = neighbour(index, number), 4096), 0);
    for (uint64_t i = 0, n = 0; i < ARO_INDEX_CROWD; i++, n = neighbour(index, n))
        if (i != 5)
            aro_entry_touch(find(&world, n));
    id = id_of(number = neighbour(index, number));
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), -ENOSPC);
    cr_assert_eq(stats(&world).index_full, 1u);
    world_settle(&world);
    cr_assert_eq(stats(&world).evicted, 1u);
    cr_assert_eq(stats(&world).entries_now, ARO_INDEX_CROWD - 1u);
    for (uint64_t i = 0, n = 0; i < ARO_INDEX_CROWD; i++, n = neighbour(index, n))
        cr_assert_eq(find(&world, n) == NULL, i == 5, "chunk %lu", i);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0, "there is room now");
    aro_cache_abandon(world.reader, entry);
    world_settle(&world);
    cr_assert_eq(put(&world, number, 4096), 0);
    number = neighbour(index, number);
    cr_assert_eq(put(&world, number, 4096), -ENOSPC, "the keeper's own insert");
    cr_assert_eq(put(&world, number, 4096), 0);
    world_end(&world);
}

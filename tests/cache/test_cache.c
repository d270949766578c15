/* SPDX-License-Identifier: BSD-3-Clause */
/* One reader and the keeper on one thread: what each call promises. */
#include "cache/cache.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>

#include "cache/sums.h"
#include "tests/cache/world.h"

Test(cache, create_says_what_is_wrong_with_its_limits)
{
    void *region = region_make(REGION_BYTES);
    struct aro_cache_config good = {
        .region = region, .region_bytes = REGION_BYTES, .readers_max = 1, .pins_per_reader = 1};
    struct aro_cache_config bad[] = {good, good, good, good, good, good, good};
    struct aro_error error;

    bad[0].region_bytes -= 4096;
    bad[1].region = (char *)region + 8;
    bad[2].readers_max = 0;
    bad[3].readers_max = 64;
    bad[4].pins_per_reader = 0;
    bad[5].policy = "arc";
    bad[6].entries_max = 10;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error.id = ARO_E_NONE;
        cr_assert_null(aro_cache_create(&bad[i], &error));
        cr_assert_eq(error.id, i == 0 ? ARO_E_CACHE_TOO_SMALL : ARO_E_CACHE_LIMIT, "case %u", i);
    }
    aro_cache_destroy(NULL);
    munmap(region, REGION_BYTES);
}

Test(cache, a_length_that_no_chunk_has_is_refused_and_nothing_is_lost)
{
    static const uint32_t lengths[] = {0, ARO_CHUNK_BYTES_MAX + 1, UINT32_MAX};
    struct world world = world_make();
    struct aro_cache_stats before, after;
    struct aro_id id = id_of(1);
    struct aro_entry *entry = NULL;

    aro_cache_stats(world.cache, &before);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(aro_cache_reserve(world.reader, &id, lengths[i], &entry), -EINVAL);
        cr_assert_eq(aro_cache_alloc(world.cache, lengths[i], &entry), -EINVAL);
        cr_assert_null(entry);
    }
    aro_cache_stats(world.cache, &after);
    cr_assert_eq(after.bytes_used_now, before.bytes_used_now);
    cr_assert_eq(after.entries_now, 0u);
    cr_assert_eq(aro_cache_alloc(world.cache, ARO_CHUNK_BYTES_MAX, &entry), 0, "the limit itself");
    aro_cache_discard(world.cache, entry);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, ARO_CHUNK_BYTES_MIN, &entry), 0);
    aro_cache_abandon(world.reader, entry);
    world_end(&world);
}

Test(cache, no_more_readers_than_configured)
{
    struct world world = world_make();

    cr_assert_eq(aro_reader_index(world.reader), 0u);
    cr_assert_eq(aro_reader_index(aro_cache_reader_create(world.cache)), 1u);
    cr_assert_null(aro_cache_reader_create(world.cache));
    cr_assert_eq(errno, ENOSPC);
    world_end(&world);
}

Test(cache, what_the_keeper_inserts_is_found_resident_with_its_sums)
{
    struct world world = world_make();
    uint16_t sums[1000 / 128 + 2] = {0};
    struct aro_entry *entry;

    cr_assert_null(find(&world, 5));
    cr_assert_eq(put(&world, 5, 1000), 0);
    entry = find(&world, 5);
    cr_assert_not_null(entry);
    cr_assert_eq(aro_entry_state(entry), ARO_ENTRY_RESIDENT);
    cr_assert_eq(entry->len_bytes, 1000u);
    cr_assert_eq((uintptr_t)entry->data % ARO_CHUNK_ALIGN, 0u);
    aro_sums_extend(sums, 0, entry->data, 1000);
    cr_assert_arr_eq(aro_cache_sums(world.cache, entry), sums,
                     aro_sums_count(1000) * sizeof(sums[0]));
    world_end(&world);
}

Test(cache, a_fill_of_what_is_there_waits_for_readers_who_may_have_seen_it)
{
    struct world world = world_make();

    cr_assert_eq(put(&world, 5, 1000), 0);
    cr_assert_eq(put(&world, 5, 1000), -EEXIST);
    cr_assert_eq(stats(&world).retired_now, 1u);
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_eq(stats(&world).entries_now, 1u);
    world_end(&world);
}

Test(cache, a_reserved_chunk_is_reading_until_published)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry, *other;

    cr_assert_eq(aro_cache_reserve(world.reader, &id, 65536, &entry), 0);
    cr_assert_eq(aro_entry_state(find(&world, 1)), ARO_ENTRY_READING);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 65536, &other), -EALREADY);
    cr_assert_eq(other, entry);
    cr_assert_eq(aro_cache_remove(world.cache, &id), -EBUSY);
    cr_assert_eq(aro_cache_flush(world.cache), 0u);
    cr_assert_eq(put(&world, 1, 65536), -EEXIST);
    cr_assert_eq(aro_cache_wait(world.reader, entry), ARO_ENTRY_READING);
    cr_assert_eq(aro_cache_publish(world.reader, entry), 1u);
    cr_assert(aro_cache_wanting(world.cache));
    cr_assert_eq(aro_entry_state(find(&world, 1)), ARO_ENTRY_RESIDENT);
    cr_assert_eq(aro_cache_wait(world.reader, entry), ARO_ENTRY_RESIDENT);
    aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(stats(&world).entries_now, 1u);
    cr_assert_eq(stats(&world).admitted, 1u);
    world_end(&world);
}

Test(cache, readers_32_apart_share_a_waiters_bit)
{
    enum { ROOM = 256 << 20 }; /* for the stock of so many */
    struct aro_cache_config config = {.region = region_make(ROOM),
                                      .region_bytes = ROOM,
                                      .readers_max = 40,
                                      .pins_per_reader = 1,
                                      .seed = 7};
    struct aro_cache *cache = aro_cache_create(&config, NULL);
    struct aro_id id = id_of(1);
    struct aro_reader *reader[40];
    struct aro_entry *entry;

    for (unsigned i = 0; i < 40; i++)
        reader[i] = aro_cache_reader_create(cache);
    while (aro_cache_maintain(cache, WORK)) {
    }
    cr_assert_eq(aro_cache_reserve(reader[0], &id, 4096, &entry), 0);
    cr_assert_eq(aro_cache_wait(reader[35], entry), ARO_ENTRY_READING);
    cr_assert_eq(aro_cache_wait(reader[9], entry), ARO_ENTRY_READING);
    memset(entry->data, 0, 4096);
    cr_assert_eq(aro_cache_publish(reader[0], entry), 1ull << 3 | 1ull << 35 | 1ull << 9);
    aro_cache_destroy(cache);
    munmap(config.region, ROOM);
}

Test(cache, an_abandoned_read_leaves_nothing_behind_but_its_waiters)
{
    struct world world = world_make();
    uint64_t used = stats(&world).bytes_used_now;
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    for (int i = 0; i < 200; i++) {
        cr_assert_eq(aro_cache_reserve(world.reader, &id, 65536, &entry), 0);
        aro_cache_wait(world.reader, entry);
        cr_assert_eq(aro_cache_abandon(world.reader, entry), 1u);
        cr_assert_eq(aro_entry_state(entry), ARO_ENTRY_GONE);
        cr_assert_null(find(&world, 1));
        world_settle(&world);
    }
    cr_assert_eq(stats(&world).abandoned, 200u);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_eq(stats(&world).entries_now, 0u);
    cr_assert_leq(stats(&world).bytes_used_now, used + (1 << 20));
    world_end(&world);
}

Test(cache, a_published_chunk_can_be_removed_before_the_keeper_has_heard_of_it)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0);
    aro_cache_publish(world.reader, entry);
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    cr_assert_eq(aro_cache_remove(world.cache, &id), -ENOENT);
    cr_assert_null(find(&world, 1));
    world_settle(&world);
    cr_assert_eq(stats(&world).entries_now, 0u);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_eq(stats(&world).removed, 1u);
    world_end(&world);
}

Test(cache, a_removed_chunk_keeps_its_bytes_until_the_reader_is_quiescent)
{
    struct world world = world_make();
    struct aro_entry *entry;
    struct aro_id id = id_of(9);

    put(&world, 9, 5000);
    entry = find(&world, 9);
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    for (int i = 0; i < 10; i++)
        aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(entry->data[4999], 9);
    cr_assert_eq(stats(&world).retired_now, 1u);
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_null(entry->data);
    world_end(&world);
}

Test(cache, a_pinned_chunk_keeps_its_bytes_beyond_quiescence)
{
    struct world world = world_make();
    struct aro_entry *entry;

    put(&world, 9, 5000);
    entry = find(&world, 9);
    aro_cache_pin(world.reader, 15, entry);
    cr_assert_eq(aro_cache_flush(world.cache), 1u);
    world_settle(&world);
    cr_assert_eq(entry->data[4999], 9);
    cr_assert_eq(stats(&world).retired_now, 1u);
    cr_assert_eq(stats(&world).pinned_now, 1u);
    aro_cache_unpin(world.reader, 15);
    world_settle(&world);
    cr_assert_eq(stats(&world).retired_now, 0u);
    cr_assert_null(entry->data);
    world_end(&world);
}

Test(cache, an_offline_reader_delays_nobody)
{
    struct world world = world_make();
    struct aro_id id = id_of(9);

    put(&world, 9, 5000);
    aro_cache_offline(world.reader);
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    aro_cache_maintain(world.cache, WORK);
    cr_assert_eq(stats(&world).retired_now, 0u);
    world_end(&world);
}

Test(cache, flush_removes_every_resident_chunk_and_the_memory_comes_back)
{
    struct world world = world_make();
    uint64_t used = stats(&world).bytes_used_now;

    for (uint64_t i = 0; i < 50; i++)
        cr_assert_eq(put(&world, i, 65536), 0);
    cr_assert_eq(stats(&world).entries_now, 50u);
    cr_assert_eq(stats(&world).bytes_chunks_now, 50u * 65536);
    cr_assert_eq(aro_cache_flush(world.cache), 50u);
    for (uint64_t i = 0; i < 50; i++)
        cr_assert_null(find(&world, i));
    world_settle(&world);
    cr_assert_eq(stats(&world).bytes_used_now, used);
    world_end(&world);
}

Test(cache, a_discarded_entry_gives_its_memory_back_at_once)
{
    struct world world = world_make();
    uint64_t used = stats(&world).bytes_used_now;
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_alloc(world.cache, 100000, &entry), 0);
    cr_assert_geq(stats(&world).bytes_used_now, used + 100000);
    aro_cache_discard(world.cache, entry);
    cr_assert_eq(stats(&world).bytes_used_now, used);
    world_end(&world);
}

Test(cache, puts_go_on_far_beyond_the_region_and_evict)
{
    struct world world = world_make();
    unsigned refused = 0;

    srandom(4);
    for (uint64_t i = 0; i < 3000; i++) {
        uint32_t len = 1 + (uint32_t)random() % ARO_CHUNK_BYTES_MAX;
        for (unsigned tries = 0; put(&world, i, len) == -ENOBUFS; tries++) {
            refused++;
            cr_assert_lt(tries, 30u, "no room for %u bytes", len);
            world_settle(&world);
        }
        cr_assert_not_null(find(&world, i));
        world_settle(&world);
    }
    cr_assert_gt(stats(&world).evicted, 2900u);
    cr_assert_lt(refused, 3000u);
    world_end(&world);
}

Test(cache, a_stopped_reader_stops_reclamation_but_costs_a_bounded_part_of_the_cache)
{
    struct world world = world_make();
    uint64_t number = 0;

    while (put(&world, number, 65536) == 0)
        number++;
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(put(&world, 100000, 65536), -ENOBUFS);
        while (aro_cache_maintain(world.cache, WORK)) {
        }
    }
    cr_assert_gt(stats(&world).entries_now, number * 3 / 4);
    world_settle(&world);
    cr_assert_eq(put(&world, 100000, 65536), 0);
    world_end(&world);
}

Test(cache, fills_leave_memory_to_reads)
{
    struct world world = world_make();
    uint64_t number = 0;
    struct aro_entry *entry;
    struct aro_id id = id_of(1000);

    while (put(&world, number, 65536) == 0)
        number++;
    for (unsigned i = 0; aro_cache_reserve(world.reader, &id, 65536, &entry) == 0; i++)
        id = id_of(1001 + i);
    aro_cache_maintain(world.cache, WORK); /* nothing comes back: the reader was not quiescent */
    cr_assert_eq(put(&world, number, 65536), -ENOBUFS);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 65536, &entry), 0);
    world_end(&world);
}

Test(cache, an_empty_class_is_stocked_after_it_was_asked_for)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    cr_assert_not(aro_cache_wanting(world.cache));
    cr_assert_eq(aro_cache_reserve(world.reader, &id, ARO_CHUNK_BYTES_MAX, &entry), -ENOBUFS);
    cr_assert(aro_cache_wanting(world.cache));
    cr_assert_eq(stats(&world).stock_empty, 1u);
    world_settle(&world);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, ARO_CHUNK_BYTES_MAX, &entry), 0);
    aro_cache_publish(world.reader, entry);
    world_end(&world);
}

Test(cache, reads_of_every_size_get_memory_even_when_the_cache_is_full)
{
    struct world world = world_make();

    srandom(5);
    for (uint64_t i = 0; i < 2000; i++) {
        uint32_t len = 1 + ((uint32_t)random() % ARO_CHUNK_BYTES_MAX >> random() % 16);
        struct aro_id id = id_of(i);
        struct aro_entry *entry;
        for (unsigned tries = 0;; tries++) {
            int rc = aro_cache_reserve(world.reader, &id, len, &entry);
            world_settle(&world);
            if (rc == 0)
                break;
            cr_assert_eq(rc, -ENOBUFS);
            cr_assert_lt(tries, 30u, "no stock for %u bytes", len);
        }
        memset(entry->data, 1, len);
        aro_cache_publish(world.reader, entry);
    }
    cr_assert_leq(stats(&world).bytes_used_now, (uint64_t)REGION_BYTES);
    world_end(&world);
}

/* ---- kept chunks ---- */

enum { CHUNK = 64 << 10, FIT = REGION_BYTES / CHUNK };

static int keep(struct world *world, uint64_t number)
{
    struct aro_id id = id_of(number);

    return aro_cache_keep(world->cache, &id);
}

static int unkeep(struct world *world, uint64_t number)
{
    struct aro_id id = id_of(number);

    return aro_cache_unkeep(world->cache, &id);
}

/* So many chunks more than fit, so that the policy must evict. */
static void flood(struct world *world, uint64_t from)
{
    for (uint64_t i = from; i < from + 3 * FIT; i++) {
        while (put(world, i, CHUNK) == -ENOBUFS)
            world_settle(world);
        world_settle(world);
    }
}

Test(cache, a_kept_chunk_stays_while_everything_else_is_evicted)
{
    struct world world = world_make();

    for (uint64_t i = 1; i <= 20; i++)
        cr_assert_eq(put(&world, i, CHUNK), 0);
    for (uint64_t i = 1; i <= 10; i++)
        cr_assert_eq(keep(&world, i), 0);
    cr_assert_eq(keep(&world, 1), 0, "twice is as once");
    cr_assert_eq(stats(&world).kept_now, 10);
    cr_assert_eq(stats(&world).bytes_kept_now, 10 * CHUNK);
    cr_assert_eq(stats(&world).entries_now, 20);
    cr_assert_eq(stats(&world).bytes_chunks_now, 20 * CHUNK);
    flood(&world, 1000);
    for (uint64_t i = 1; i <= 20; i++)
        cr_assert_eq(find(&world, i) != NULL, i <= 10, "%lu", i);
    cr_assert_eq(stats(&world).kept_now, 10);
    for (uint64_t i = 1; i <= 10; i++)
        cr_assert_eq(unkeep(&world, i), 0);
    cr_assert_eq(unkeep(&world, 1), -ENOENT);
    cr_assert_eq(stats(&world).kept_now + stats(&world).bytes_kept_now, 0);
    flood(&world, 5000);
    flood(&world, 9000);
    for (uint64_t i = 1; i <= 10; i++)
        cr_assert_null(find(&world, i), "%lu", i);
    world_end(&world);
}

Test(cache, flush_leaves_what_is_kept_and_remove_takes_it)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);

    cr_assert_eq(put(&world, 1, CHUNK), 0);
    cr_assert_eq(put(&world, 2, CHUNK), 0);
    cr_assert_eq(keep(&world, 1), 0);
    cr_assert_eq(aro_cache_flush(world.cache), 1);
    cr_assert_not_null(find(&world, 1));
    cr_assert_null(find(&world, 2));
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    cr_assert_null(find(&world, 1));
    cr_assert_eq(stats(&world).kept_now + stats(&world).bytes_kept_now, 0);
    world_settle(&world);
    cr_assert_eq(stats(&world).entries_now, 0);
    cr_assert_eq(unkeep(&world, 1), -ENOENT);
    world_end(&world);
}

Test(cache, what_is_being_read_is_kept_only_once_it_is_there)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;

    cr_assert_eq(keep(&world, 1), -ENOENT);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, 4096, &entry), 0);
    cr_assert_eq(keep(&world, 1), -EAGAIN, "READING");
    memset(entry->data, 1, 4096);
    aro_sums_extend(aro_cache_sums(world.cache, entry), 0, entry->data, 4096);
    aro_cache_publish(world.reader, entry);
    cr_assert_eq(keep(&world, 1), -EAGAIN, "on its way to the policy");
    world_settle(&world);
    cr_assert_eq(keep(&world, 1), 0);
    world_end(&world);
}

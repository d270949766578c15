/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cache counts, against sequences whose outcome is known: S3-FIFO, 64 KiB chunks. */
#include "cache/state.h"

#include <criterion/criterion.h>

#include <string.h>
#include <sys/mman.h>

enum { REGION_BYTES = 8 << 20, CHUNK = 64 << 10, WORK = 1000, READ = 5 /* ids 0..4 */ };

struct world {
    void *region;
    struct aro_cache *cache;
    struct aro_reader *reader;
};

static struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number * 0x9e3779b97f4a7c15, number, 1, 2}};
}

static void housekeep(struct world *world)
{
    for (int i = 0; i < 4; i++) {
        aro_cache_quiescent(world->reader);
        while (aro_cache_maintain(world->cache, WORK)) {
        }
    }
}

static struct world world_make(void)
{
    struct world world = {.region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    struct aro_cache_config config = {.region = world.region,
                                      .region_bytes = REGION_BYTES,
                                      .readers_max = 1,
                                      .pins_per_reader = 4};

    world.cache = aro_cache_create(&config, NULL);
    cr_assert_not_null(world.cache);
    world.reader = aro_cache_reader_create(world.cache);
    aro_cache_online(world.reader);
    housekeep(&world);
    return world;
}

static void world_end(struct world *world)
{
    aro_cache_offline(world->reader);
    aro_cache_destroy(world->cache);
    munmap(world->region, REGION_BYTES);
}

static struct aro_cache_stats stats(struct world *world)
{
    struct aro_cache_stats now;

    aro_cache_stats(world->cache, &now);
    return now;
}

static int put(struct world *world, uint64_t number, uint32_t len_bytes)
{
    struct aro_entry *entry;
    int rc = aro_cache_alloc(world->cache, len_bytes, &entry);

    if (rc != 0)
        return rc;
    entry->id = id_of(number);
    return aro_cache_insert(world->cache, entry);
}

static void hit(struct world *world, uint64_t number, unsigned times)
{
    struct aro_id id = id_of(number);
    const struct aro_id *ids[1] = {&id};
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_find_burst(world->reader, ids, 1, &entry), 1u);
    while (times-- > 0)
        aro_entry_touch(entry);
}

/* Puts new chunks from *number on until so many were evicted. */
static void press(struct world *world, uint64_t *number, uint64_t evicted)
{
    while (stats(world).evicted < evicted) {
        if (put(world, *number, CHUNK) == 0)
            (*number)++;
        housekeep(world);
    }
}

/* Ids 0..READ-1 are hit twice but for the last, which is hit once; then `evicted` chunks go. */
static struct world world_pressed(uint64_t *number, uint64_t evicted)
{
    struct world world = world_make();

    for (*number = 0; *number < 2 * READ; (*number)++)
        cr_assert_eq(put(&world, *number, CHUNK), 0);
    for (unsigned i = 0; i < READ; i++)
        hit(&world, i, i < READ - 1 ? 2 : 1);
    press(&world, number, evicted);
    return world;
}

static void books_balance(const struct aro_cache_stats *now)
{
    uint64_t entries = 0, bytes = 0;

    for (unsigned i = 0; i < ARO_SIZE_CLASSES; i++) {
        entries += now->size_now[i].entries;
        bytes += now->size_now[i].bytes;
    }
    cr_assert_eq(entries, now->entries_now);
    cr_assert_eq(bytes, now->bytes_chunks_now);
    cr_assert_eq(now->small_now + now->main_now + now->kept_now, now->entries_now);
    cr_assert_eq(now->bytes_small_now + now->bytes_main_now + now->bytes_kept_now,
                 now->bytes_chunks_now);
    cr_assert_eq(now->admitted - now->evicted - now->removed, now->entries_now);
}

Test(stats, promotions_evictions_and_unread_ones_are_told_apart)
{
    uint64_t number;
    struct world world = world_pressed(&number, 4);
    struct aro_cache_stats now = stats(&world);

    cr_assert_str_eq(now.policy, "s3fifo");
    cr_assert_eq(now.admitted, number);
    cr_assert_eq(now.promoted, READ - 1u);
    cr_assert_eq(now.main_now, READ - 1u);
    cr_assert_eq(now.bytes_main_now, (READ - 1u) * CHUNK);
    cr_assert_eq(now.evicted, 4u);
    cr_assert_eq(now.evicted_unread, 3u, "one of them was hit once");
    cr_assert_eq(now.ghosts_now, 4u);
    cr_assert_eq(now.ghost_hits, 0u);
    cr_assert_eq(now.rejected, 0u);
    books_balance(&now);
    world_end(&world);
}

Test(stats, entries_used_anew_know_nothing_of_the_hits_before)
{
    uint64_t number;
    struct world world = world_pressed(&number, 600); /* there are 512 entries */
    struct aro_cache_stats now = stats(&world);

    cr_assert_gt(now.evicted, now.entries_max);
    cr_assert_eq(now.evicted_unread, now.evicted - 1);
    books_balance(&now);
    world_end(&world);
}

Test(stats, what_comes_back_while_remembered_is_a_ghost_hit)
{
    uint64_t number;
    struct world world = world_pressed(&number, 4);
    struct aro_cache_stats now;

    cr_assert_eq(put(&world, READ, CHUNK), 0); /* the second that went, unread */
    now = stats(&world);
    cr_assert_eq(now.ghost_hits, 1u);
    cr_assert_eq(now.admitted, number + 1);
    cr_assert_eq(now.main_now, (unsigned)READ, "straight to main");
    cr_assert_eq(now.promoted, READ - 1u);
    cr_assert_eq(now.ghosts_now, 3u);
    books_balance(&now);
    world_end(&world);
}

static bool refuse(struct aro_policy *policy, struct aro_entry *entry, bool recalled)
{
    (void)policy;
    (void)entry;
    (void)recalled;
    return false;
}

Test(stats, what_the_policy_refuses_is_rejected_and_not_evicted)
{
    struct world world = world_make();
    struct aro_policy_ops ops = *world.cache->policy->ops;
    struct aro_id id = id_of(7);
    struct aro_entry *entry;
    struct aro_cache_stats now;

    ops.admit = refuse; /* s3fifo itself refuses only what the cache makes its small queue for */
    world.cache->policy->ops = &ops;
    cr_assert_eq(put(&world, 6, CHUNK), 0);
    cr_assert_eq(aro_cache_reserve(world.reader, &id, CHUNK, &entry), 0);
    aro_cache_publish(world.reader, entry);
    housekeep(&world);
    now = stats(&world);
    cr_assert_eq(now.rejected, 2u);
    cr_assert_eq(now.admitted, 0u);
    cr_assert_eq(now.evicted, 0u);
    cr_assert_eq(now.entries_now, 0u);
    cr_assert_eq(now.retired_now, 0u, "their memory came back");
    books_balance(&now);
    world_end(&world);
}

Test(stats, chunks_are_counted_by_size_until_they_go)
{
    static const struct {
        uint32_t len_bytes;
        unsigned size;
    } list[] = {{1, 0}, {4096, 0}, {4097, 1}, {65536, 4}, {65537, 5}, {1 << 20, 8}};
    struct world world = world_make();
    struct aro_cache_stats now;
    struct aro_id id;

    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(put(&world, i, list[i].len_bytes), 0);
        now = stats(&world);
        cr_assert_eq(now.size_now[list[i].size].entries, i == 1 ? 2u : 1u, "%u", i);
        books_balance(&now);
    }
    cr_assert_eq(now.size_now[0].bytes, 4097u);
    id = id_of(3);
    cr_assert_eq(aro_cache_keep(world.cache, &id), 0);
    now = stats(&world);
    books_balance(&now);
    id = id_of(0);
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    cr_assert_eq(aro_cache_flush(world.cache), 4u);
    now = stats(&world);
    cr_assert_eq(now.size_now[4].entries, 1u, "kept");
    books_balance(&now);
    id = id_of(3);
    cr_assert_eq(aro_cache_unkeep(world.cache, &id), 0);
    cr_assert_eq(aro_cache_flush(world.cache), 1u);
    now = stats(&world);
    cr_assert_eq(now.removed, 6u);
    cr_assert_eq(now.entries_now, 0u);
    books_balance(&now);
    world_end(&world);
}

Test(stats, a_chunk_removed_before_the_policy_heard_of_it_balances)
{
    struct world world = world_make();
    struct aro_id id = id_of(1);
    struct aro_entry *entry;
    struct aro_cache_stats now;

    cr_assert_eq(aro_cache_reserve(world.reader, &id, CHUNK, &entry), 0);
    aro_cache_publish(world.reader, entry);
    cr_assert_eq(aro_cache_remove(world.cache, &id), 0);
    housekeep(&world);
    now = stats(&world);
    cr_assert_eq(now.admitted, 1u);
    cr_assert_eq(now.removed, 1u);
    books_balance(&now);
    world_end(&world);
}

Test(stats, other_policies_have_no_small_queue)
{
    struct world world = world_make();
    struct aro_policy_ops ops = *world.cache->policy->ops;
    struct aro_cache_stats now;

    ops.parts = NULL;
    world.cache->policy->ops = &ops;
    cr_assert_eq(put(&world, 1, CHUNK), 0);
    now = stats(&world);
    cr_assert_eq(now.small_now, 0u);
    cr_assert_eq(now.main_now, 1u);
    books_balance(&now);
    world_end(&world);
}

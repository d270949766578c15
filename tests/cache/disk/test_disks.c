/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/readers.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/probe.h"
#include "tests/cache/disk/fixture.h"

enum { LEN = 65536, DEPTH = 8 };

static struct fixture f[3];
static struct aro_disks *disks;
static unsigned count;

/* The next disk; its store can be driven by f[number]. */
static struct fixture *add(const char *name, uint64_t size_bytes)
{
    struct fixture *one = &f[count++];

    fixture_begin(one);
    one->config.size_bytes = size_bytes;
    cr_assert(fixture_open(one), "%s", one->error.text);
    cr_assert_eq(aro_disks_add(disks, name, one->store), 0);
    return one;
}

static void begin(void)
{
    disks = aro_disks_create();
    cr_assert_not_null(disks);
}

static void end(void)
{
    aro_disks_destroy(disks);
    for (unsigned i = 0; i < count; i++) {
        f[i].store = NULL;
        fixture_end(&f[i]);
    }
}

TestSuite(disks, .init = begin, .fini = end, .timeout = 60);

static int choose(uint32_t first, uint64_t bytes, uint32_t refused)
{
    struct aro_id id = fixture_id(first, LEN);

    return aro_disks_choose(disks, &id, bytes, refused);
}

/* Reads the place through readers of all disks: these must be chunk n's bytes. */
static void check_read(struct aro_disk_readers *readers, const struct aro_place *place, uint32_t n)
{
    uint8_t *buffer = aligned_alloc(ARO_BLOCK_BYTES, LEN);
    struct aro_disk_done done = {0};
    struct aro_id id;

    cr_assert_eq(aro_disk_readers_read(readers, place, buffer, n), 0);
    do
        aro_disk_readers_submit(readers);
    while (aro_disk_readers_reap_burst(readers, &done, 1) == 0);
    cr_assert_eq(done.cookie, (uint64_t)n);
    cr_assert_eq(done.result, 0);
    cr_assert_eq(memcmp(buffer, fixture_chunk(n, LEN, &id), LEN), 0);
    free(buffer);
}

Test(disks, a_chunk_is_found_and_read_on_every_disk_that_has_it)
{
    static const struct {
        uint32_t chunk;
        unsigned on[3]; /* disks, then 9 */
    } rows[] = {{1, {0, 9}}, {2, {1, 9}}, {3, {0, 1, 9}}, {4, {9}}};
    struct aro_disk_readers_config config = {.disks = disks, .depth = DEPTH};
    struct aro_disk_readers *readers;
    struct aro_disk_reader_stats stats;

    add("a", 16 << 20);
    add("b", 16 << 20);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; rows[i].on[k] != 9; k++)
            cr_assert_eq(fixture_append(&f[rows[i].on[k]], rows[i].chunk, LEN), 0);
    readers = aro_disk_readers_create(&config);
    cr_assert_not_null(readers);
    for (unsigned i = 0; i < 4; i++) {
        struct aro_id id = fixture_id(rows[i].chunk, LEN);
        struct aro_disk_cursor at = {0};
        struct aro_place place;
        for (unsigned k = 0; rows[i].on[k] != 9; k++) {
            cr_assert_eq(aro_disks_find(disks, &id, &at, &place), 0);
            cr_assert_eq(place.disk, rows[i].on[k]);
            check_read(readers, &place, rows[i].chunk);
        }
        cr_assert_eq(aro_disks_find(disks, &id, &at, &place), -ENOENT);
    }
    for (unsigned disk = 0; disk < 2; disk++) {
        aro_disk_readers_stats(readers, disk, &stats);
        cr_assert_eq(stats.reads, 2u);
        cr_assert_eq(aro_disk_readers_in_flight(readers, disk), 0u);
    }
    aro_disk_readers_destroy(readers);
}

Test(disks, reads_of_all_disks_are_reaped_in_one_burst)
{
    struct aro_disk_readers_config config = {.disks = disks, .depth = DEPTH};
    uint8_t *buffer = aligned_alloc(ARO_BLOCK_BYTES, (size_t)2 * LEN);
    struct aro_disk_readers *readers;
    struct aro_disk_done done[4];
    uint64_t seen = 0;

    add("a", 16 << 20);
    add("b", 16 << 20);
    readers = aro_disk_readers_create(&config);
    for (uint32_t n = 0; n < 2; n++) {
        struct aro_id id = fixture_id(n, LEN);
        struct aro_disk_cursor at = {0};
        struct aro_place place;
        cr_assert_eq(fixture_append(&f[n], n, LEN), 0);
        cr_assert_eq(aro_disks_find(disks, &id, &at, &place), 0);
        cr_assert_eq(aro_disk_readers_read(readers, &place, buffer + n * LEN, 1 + n), 0);
    }
    while (seen != 3) {
        aro_disk_readers_submit(readers);
        unsigned n = aro_disk_readers_reap_burst(readers, done, 4);
        for (unsigned i = 0; i < n; i++)
            seen |= done[i].cookie;
    }
    aro_disk_readers_destroy(readers);
    free(buffer);
}

Test(disks, objects_are_listed_disk_by_disk_and_found_on_any)
{
    struct aro_object object = fixture_object(2, LEN), found;
    unsigned disk = 9;

    add("a", 16 << 20);
    add("b", 16 << 20);
    for (uint32_t n = 0; n < 4; n++) { /* 0 and 1 on a; 2 and 3 on b */
        uint64_t mark = aro_store_mark(f[n / 2].store);
        cr_assert_eq(fixture_append(&f[n / 2], n, LEN), 0);
        cr_assert_eq(fixture_object_add(&f[n / 2], n, LEN, mark), 0);
    }
    for (uint32_t n = 0; n < 4; n++) {
        struct aro_id id = fixture_id(n, LEN);
        const struct aro_object *at = aro_disks_object_at(disks, n, &disk);
        cr_assert_not_null(at);
        cr_assert(aro_id_equal(&at->id, &id));
        cr_assert_eq(disk, n / 2);
        cr_assert_eq(aro_disks_object_find(disks, &id, &found), (int)n / 2);
    }
    cr_assert_null(aro_disks_object_at(disks, 4, &disk));
    cr_assert_eq(aro_disks_digest_find(disks, &object.digest, &found), 1);
    object = fixture_object(7, LEN);
    cr_assert_eq(aro_disks_object_find(disks, &object.id, &found), -ENOENT);
    cr_assert_eq(aro_disks_named(disks, "b"), 1);
    cr_assert_eq(aro_disks_named(disks, "c"), -ENOENT);
}

Test(disks, content_goes_where_most_of_the_budget_is_free)
{
    cr_assert_eq(choose(0, 1, 0), -ENOENT);
    add("c", 16 << 20);
    add("b", 16 << 20);
    add("a", 32 << 20);
    cr_assert_eq(choose(0, 1, 0), 2, "equal: by name");
    cr_assert_eq(choose(0, 1, 4), 1);
    cr_assert_eq(choose(0, 1, 6), 0);
    cr_assert_eq(choose(0, 1, 7), -ENOENT);
    for (uint32_t n = 0; n < 5; n++)
        cr_assert_eq(fixture_append(&f[2], n, 1 << 20), 0);
    cr_assert_eq(choose(9, 1, 0), 1, "a has more bytes free, but a smaller part");
}

Test(disks, content_follows_its_first_chunk_while_there_is_room_for_it)
{
    add("a", 16 << 20);
    add("b", 16 << 20);
    cr_assert_eq(fixture_append(&f[0], 0, LEN), 0);
    cr_assert_eq(choose(1, LEN, 0), 1);
    cr_assert_eq(choose(0, LEN, 0), 0, "it is there already");
    cr_assert_eq(choose(0, 15 << 20, 0), 1, "there is no room for it");
    cr_assert_eq(choose(0, 64 << 20, 0), 0, "there is no room anywhere");
    cr_assert_eq(choose(0, 0, 0), 0, "unknown size");
    for (uint32_t n = 10; n < 24; n++)
        fixture_append(&f[0], n, 1 << 20);
    cr_assert_eq(choose(0, 0, 0), 1, "unknown size, and little room");
}

Test(disks, what_they_count_adds_up)
{
    struct aro_store_stats sum;

    aro_disks_stats(NULL, &sum);
    cr_assert_eq(sum.size_bytes, 0u);
    cr_assert_not(sum.writable);
    add("a", 16 << 20);
    add("b", 32 << 20);
    cr_assert_eq(fixture_append(&f[0], 0, LEN), 0);
    cr_assert_eq(fixture_append(&f[1], 0, LEN), 0);
    cr_assert_eq(fixture_append(&f[1], 1, LEN), 0);
    aro_disks_stats(disks, &sum);
    cr_assert_eq(sum.size_bytes, (uint64_t)48 << 20);
    cr_assert_eq(sum.chunks_now, 3u);
    cr_assert_eq(sum.writes, 3u);
    cr_assert(sum.writable);
    cr_assert_not(sum.recovering);
}

Test(disks, all_is_known_when_every_index_is_whole)
{
    struct aro_store_stats sum;

    add("a", 16 << 20);
    cr_assert(aro_disks_are_whole(disks));
    fixture_begin(&f[count]);
    fixture_start(&f[count]);
    cr_assert_eq(aro_disks_add(disks, "b", f[count++].store), 0);
    add("c", 16 << 20);
    cr_assert_not(aro_disks_are_whole(disks));
    aro_disks_stats(disks, &sum);
    cr_assert(sum.recovering);
    cr_assert_eq(choose(0, 1, 0), 0, "what is being recovered takes no writes yet");
    while (!aro_disks_are_whole(disks))
        fixture_turn(&f[1]);
    cr_assert(aro_disks_are_whole(disks));
    cr_assert(aro_disks_are_whole(NULL));
}

Test(disks, what_is_away_is_not_found_and_not_chosen_and_listed_all_the_same)
{
    struct aro_id id = fixture_id(1, LEN);
    struct aro_store_stats stats;
    struct aro_object object;
    struct aro_place place;
    unsigned disk;

    add("a", 64 << 20);
    add("b", 16 << 20);
    cr_assert_eq(fixture_append(&f[0], 1, LEN), 0);
    cr_assert_eq(fixture_object_add(&f[0], 1, LEN, 0), 0);
    cr_assert_eq(choose(1, 1, 0), 0);
    aro_disks_use(disks, 0, ARO_DISK_AWAY);
    cr_assert_eq(aro_disks_find(disks, &id, &(struct aro_disk_cursor){0}, &place), -ENOENT);
    cr_assert_eq(aro_disks_object_find(disks, &id, &object), -ENOENT);
    cr_assert_eq(choose(1, 1, 0), 1);
    cr_assert_eq(choose(1, 1, 2), -ENOENT);
    cr_assert_not_null(aro_disks_object_at(disks, 0, &disk));
    aro_disks_use(disks, 1, ARO_DISK_AWAY);
    aro_disks_stats(disks, &stats);
    cr_assert_not(stats.writable);
    aro_disks_use(disks, 0, ARO_DISK_USED);
    cr_assert_eq(aro_disks_find(disks, &id, &(struct aro_disk_cursor){0}, &place), 0);
    cr_assert_eq(aro_disks_object_find(disks, &id, &object), 0);
}

Test(disks, what_is_spared_is_read_and_written_only_when_no_other_is_left)
{
    struct aro_id id = fixture_id(1, LEN);
    struct aro_place place;

    add("a", 64 << 20);
    add("b", 16 << 20);
    cr_assert_eq(fixture_append(&f[0], 1, LEN), 0);
    aro_disks_use(disks, 0, ARO_DISK_SPARED);
    cr_assert_eq(aro_disks_find(disks, &id, &(struct aro_disk_cursor){0}, &place), 0);
    cr_assert_eq(choose(1, LEN, 0), 1);
    cr_assert_eq(choose(1, LEN, 2), 0);
}

static int probed;

static void on_probed(struct aro_probe *probe, int result)
{
    (void)probe;
    probed = result;
}

static int wait_for_probe(int started)
{
    cr_assert_eq(started, 0);
    for (probed = 1; probed == 1;)
        fixture_turn(&f[0]);
    return probed;
}

Test(disks, a_probe_reads_what_was_written_and_writes_nothing_of_ours)
{
    struct aro_probe probe = {.done = on_probed,
                              .block = aligned_alloc(ARO_BLOCK_BYTES, ARO_BLOCK_BYTES)};
    struct aro_store_stats before = {0}, after;

    add("a", 16 << 20);
    cr_assert_eq(aro_store_probe_read(f[0].store, &probe, 0), -ENOENT);
    cr_assert_eq(wait_for_probe(aro_store_probe_write(f[0].store, &probe)), 0);
    for (uint32_t n = 0; n < 20; n++)
        cr_assert_eq(fixture_append(&f[0], n, LEN), 0);
    aro_store_stats(f[0].store, &before);
    for (uint64_t draw = 0; draw < 100; draw++)
        cr_assert_eq(
            wait_for_probe(aro_store_probe_read(f[0].store, &probe, draw * 0x9e3779b97f4a7c15)), 0);
    cr_assert_eq(wait_for_probe(aro_store_probe_write(f[0].store, &probe)), 0);
    aro_store_stats(f[0].store, &after);
    cr_assert_eq(after.writes, before.writes);
    cr_assert_eq(after.bytes_files_now, before.bytes_files_now);
    free(probe.block);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is particular to a store on a device: how it is made, its heads, slots that had another
 * owner before, tables that have an end. Everything else is tested on both forms.
 */
#include "cache/disk/device.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cache/base/bytes.h"
#include "cache/base/sha256.h"
#include "cache/disk/check.h"
#include "tests/cache/disk/faults.h"

enum { CHUNK = 65536, FULL = 32, SMALL = 4096, HEAD_BITS = 8 * ARO_BLOCK_BYTES };

static struct fixture f;
static const char *held; /* what the probe finds */
static unsigned wiped;

static void begin(void)
{
    fixture_begin(&f);
    held = NULL;
    wiped = 0;
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(device, .init = begin, .fini = end, .timeout = 120);

static struct aro_id digest_of_image(void)
{
    static uint8_t bytes[32 << 20];
    int fd = open(f.path, O_RDONLY);
    ssize_t n = read(fd, bytes, sizeof(bytes));

    close(fd);
    cr_assert_gt(n, 0);
    return aro_sha256(bytes, (size_t)n);
}

static void flip(uint64_t byte)
{
    fixture_flip_bit(&f, "device", byte * 8 + 3);
}

/* Chunks from..to - 1, 64 KiB each: 32 fill a segment. */
static void append(uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++)
        cr_assert_eq(fixture_append(&f, n, CHUNK), 0, "chunk %u", n);
    cr_assert_eq(fixture_sync(&f, 0), 0);
}

static void remove_chunks(uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++) {
        struct aro_id id = fixture_id(n, CHUNK);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    }
    cr_assert_eq(fixture_sync(&f, 0), 0);
}

static uint32_t found(uint32_t from, uint32_t to, uint32_t len_bytes)
{
    uint32_t count = 0;

    for (uint32_t n = from; n < to; n++)
        count += fixture_check(&f, n, len_bytes) == 1;
    return count;
}

/* ---- geometry ---- */

Test(device, a_plan_fits_the_device_and_reads_back)
{
    static const struct {
        uint64_t device_bytes, segment_bytes;
        uint32_t slots_min, data_blocks;
    } rows[] = {
        {64ull << 20, 256ull << 20, 7, 2048},    {200ull << 20, 16ull << 20, 11, 4096},
        {1ull << 40, 256ull << 20, 3960, 65536}, {1ull << 50, 4ull << 30, 250000, 1 << 20},
        {10ull << 20, 2ull << 20, 3, 512},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_geometry plan, again;
        struct aro_layout layout;
        cr_assert(aro_geometry_plan(rows[i].device_bytes, rows[i].segment_bytes, &plan), "%zu", i);
        cr_assert_geq(plan.slots, rows[i].slots_min, "%zu: %u", i, plan.slots);
        cr_assert_eq(plan.data_blocks, rows[i].data_blocks, "%zu: %u", i, plan.data_blocks);
        cr_assert_leq(aro_slot_at(&plan, plan.slots), rows[i].device_bytes);
        cr_assert_leq(aro_head_at(ARO_DEVICE_LOGS + plan.slots), aro_log_at(&plan, 0));
        cr_assert_leq(aro_log_at(&plan, ARO_DEVICE_LOGS), aro_slot_at(&plan, 0));
        aro_geometry_save(&plan, &layout);
        cr_assert(aro_geometry_load(&layout, rows[i].device_bytes, &again));
        cr_assert_eq(memcmp(&plan, &again, sizeof(plan)), 0);
        cr_assert_not(aro_geometry_load(&layout, rows[i].device_bytes - ARO_BLOCK_BYTES, &again));
        aro_store_le32(layout.slots, plan.slots + plan.slots / 4 + 1);
        cr_assert_not(aro_geometry_load(&layout, rows[i].device_bytes, &again));
    }
}

Test(device, what_is_too_small_has_no_plan)
{
    struct aro_geometry plan;

    cr_assert_not(aro_geometry_plan(0, 2 << 20, &plan));
    cr_assert_not(aro_geometry_plan(4096, 2 << 20, &plan));
    cr_assert_not(aro_geometry_plan(8 << 20, 256 << 20, &plan));
}

/* ---- making ---- */

static int probe(int fd, bool wipe, char ret_name[64])
{
    (void)fd;
    wiped += wipe;
    if (held == NULL)
        return 0;
    strcpy(ret_name, held);
    if (wipe)
        held = NULL;
    return 1;
}

static int make(bool overwrite)
{
    struct aro_device_make how = {.path = f.path,
                                  .segment_bytes = f.config.segment_bytes,
                                  .overwrite = overwrite,
                                  .file_as_device = true,
                                  .probe = probe};
    struct aro_geometry geometry;

    return aro_device_make(&how, &geometry, &f.error);
}

static void blank(uint64_t size_bytes)
{
    fixture_write_file(&f, "device", "something", 9, 70000);
    cr_assert_eq(truncate(f.path, (off_t)size_bytes), 0);
}

static bool open_as_it_is(void)
{
    f.store = aro_store_open(&f.config, NULL, NULL, &f.error);
    return f.store != NULL;
}

Test(device, a_daemon_makes_no_store_where_none_is)
{
    struct aro_id before;

    blank(20 << 20);
    before = digest_of_image();
    cr_assert_not(open_as_it_is());
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_UNMADE, "%s", f.error.text);
    f.config.read_only = true;
    cr_assert_not(open_as_it_is());
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_UNMADE);
    f.config.read_only = false;
    struct aro_id after = digest_of_image();
    cr_assert(aro_id_equal(&after, &before));
}

Test(device, what_holds_something_is_refused_unless_told_to_overwrite)
{
    struct aro_id before, after;

    blank(20 << 20);
    held = "ext4";
    before = digest_of_image();
    cr_assert_eq(make(false), -1);
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_DEVICE_USED);
    cr_assert_not_null(strstr(f.error.text, "ext4"));
    after = digest_of_image();
    cr_assert(aro_id_equal(&after, &before));
    cr_assert_eq(wiped, 0u);
    cr_assert_eq(make(true), 0, "%s", f.error.text);
    cr_assert_eq(wiped, 1u);
    cr_assert_eq(make(false), -1); /* now it is a store that it holds */
    cr_assert_not_null(strstr(f.error.text, "arocache store"));
    cr_assert(open_as_it_is(), "%s", f.error.text);
    append(0, 3);
    cr_assert_eq(make(true), -1);
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_LOCKED, "%s", f.error.text);
    cr_assert_eq(found(0, 3, CHUNK), 3u);
}

Test(device, a_store_made_anew_knows_nothing_of_the_old_one)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    append(0, 40);
    cr_assert_eq(fixture_object_add(&f, 3, CHUNK, 0), 0);
    fixture_close(&f);
    cr_assert_eq(make(true), 0, "%s", f.error.text);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_stats(&f).chunks_now + fixture_stats(&f).objects_now +
                     fixture_stats(&f).recovered_lost,
                 0u);
    append(10, 12);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).chunks_now, 2u);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

Test(device, too_small_is_an_error_of_its_own)
{
    blank(5 << 20);
    cr_assert_eq(make(false), -1);
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_DEVICE_UNFIT);
}

/* ---- superblock and heads ---- */

Test(device, a_damaged_superblock_or_layout_is_read_from_its_copy)
{
    for (unsigned at = 16; at < 128; at += 56) { /* uuid, layout */
        cr_assert(fixture_open(&f), "%s", f.error.text);
        fixture_close(&f);
        flip(at);
        cr_assert(fixture_open(&f), "byte %u: %s", at, f.error.text);
        fixture_close(&f);
        flip(ARO_SUPER_STEP_BYTES + at); /* the other one was mended */
        cr_assert(fixture_open(&f), "byte %u: %s", at, f.error.text);
        fixture_close(&f);
        cr_assert_eq(make(true), 0);
    }
    flip(16);
    flip(ARO_SUPER_STEP_BYTES + 70);
    cr_assert_not(fixture_open(&f));
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_DAMAGED);
}

Test(device, a_device_that_shrank_is_refused)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    fixture_close(&f);
    cr_assert_eq(truncate(f.path, 10 << 20), 0);
    cr_assert_not(open_as_it_is());
    cr_assert_eq((int)f.error.id, (int)ARO_E_STORE_DAMAGED);
}

static unsigned problems;
static const char *problem;

static void report(void *arg, const struct aro_walk_item *item, bool quarantined)
{
    (void)arg;
    (void)quarantined;
    problems++;
    problem = item->problem;
}

static void check(void)
{
    struct aro_check_config config = {.store = f.store, .payloads = true, .report = report};
    struct aro_check *run = aro_check_create(&config);
    enum aro_check_state state;

    problems = 0;
    while ((state = aro_check_turn(run, 1 << 20)) != ARO_CHECK_OVER)
        if (state == ARO_CHECK_WAITS && aro_uring_wait(f.ring) == 0)
            aro_uring_reap(f.ring, 64);
    aro_check_destroy(run);
}

Test(device, one_damaged_copy_of_a_head_is_mended_and_two_are_reported)
{
    uint64_t head = aro_head_at(ARO_DEVICE_LOGS); /* of the first slot */

    cr_assert(fixture_open(&f), "%s", f.error.text);
    append(0, 2 * FULL);
    for (uint64_t copy = 0; copy < ARO_HEAD_COPIES; copy++) {
        fixture_close(&f);
        flip(head + copy * ARO_BLOCK_BYTES + 20);
        cr_assert(fixture_open(&f), "%s", f.error.text);
        cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
        cr_assert_eq(found(0, 2 * FULL, CHUNK), 2u * FULL);
    }
    fixture_close(&f);
    flip(head + 20);
    flip(head + ARO_BLOCK_BYTES + 20);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
    cr_assert_eq(found(0, FULL, CHUNK), 0u);
    cr_assert_eq(found(FULL, 2 * FULL, CHUNK), 1u * FULL);
    check();
    cr_assert_eq(problems, 1u);
    cr_assert_not_null(strstr(problem, "head"));
    append(100, 100 + 6 * FULL); /* every other slot, but not that one */
    cr_assert_eq(fixture_append(&f, 999, CHUNK), -ENOSPC);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
}

Test(device, a_damaged_head_of_a_log_is_reported)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    append(0, 3);
    fixture_close(&f);
    for (uint64_t copy = 0; copy < ARO_HEAD_COPIES; copy++) /* of the empty area */
        fixture_write_file(&f, "device", "junk", 4, aro_head_at(1) + copy * ARO_BLOCK_BYTES);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
    cr_assert_eq(found(0, 3, CHUNK), 3u);
}

Test(device, whoever_only_looks_mends_nothing)
{
    struct aro_id before, after;

    cr_assert(fixture_open(&f), "%s", f.error.text);
    append(0, FULL + 3);
    fixture_close(&f);
    flip(aro_head_at(ARO_DEVICE_LOGS) + 20);
    flip(30);
    before = digest_of_image();
    f.config.read_only = true;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    check();
    cr_assert_eq(problems, 0u);
    fixture_close(&f);
    f.config.read_only = false;
    after = digest_of_image();
    cr_assert(aro_id_equal(&after, &before));
}

/* ---- slots ---- */

/* The very number comes back in the very slot: without a salt its old records would check. */
Test(device, records_of_a_former_segment_of_the_slot_never_count)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < FULL; n++)
        append(n, n + 1);
    remove_chunks(0, FULL);
    fixture_reopen(&f); /* full and empty: retires */
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).segments_now, 0u);
    fixture_reopen(&f);
    append(100, 101);
    fixture_reopen(&f);
    cr_assert_eq(found(100, 101, CHUNK), 1u);
    cr_assert_eq(fixture_stats(&f).chunks_now, 1u);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
    append(101, 103);
    fixture_reopen(&f);
    cr_assert_eq(found(100, 103, CHUNK), 3u);
    cr_assert_eq(fixture_stats(&f).chunks_now, 3u);
}

Test(device, a_table_grows_is_full_before_its_payloads_are_and_all_is_found)
{
    uint32_t n = 0;

    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (; fixture_stats(&f).segments_now < 3; n++) { /* a commit each: 256 bytes per chunk */
        cr_assert_eq(fixture_append(&f, n, SMALL), 0);
        cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    cr_assert_geq(n, 2 * 240u);
    cr_assert_lt(n, 2 * 512u);
    for (uint32_t i = 0; i < 200; i++) { /* and there is room to forget what is in the full one */
        struct aro_id id = fixture_id(i, SMALL);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
        cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    fixture_reopen(&f);
    cr_assert_eq(found(0, 200, SMALL), 0u);
    cr_assert_eq(found(200, n, SMALL), n - 200);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

/* Nobody cuts a table here: a record that stays could be believed behind a later COMMIT. */
Test(device, records_struck_out_at_the_end_of_a_table_are_written_over)
{
    static const uint8_t nothing[ARO_RECORD_BYTES];
    uint8_t record[ARO_RECORD_BYTES];
    uint64_t at = 0;
    int fd;

    cr_assert(fixture_open(&f), "%s", f.error.text);
    append(0, 1); /* records 0, 1 */
    append(1, 3); /* 2, 3, 4 */
    fixture_close(&f);
    for (uint64_t n = 1; n < 3; n++)
        fixture_flip_bit(&f, "seg-00000001.data", n * CHUNK * 8 + 5);
    fixture_write_file(&f, "seg-00000001.table", nothing, sizeof(nothing), 4 * sizeof(nothing));
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(found(0, 3, CHUNK), 1u);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 2u);
    cr_assert(fixture_device_find(&f, "seg-00000001.table", &at));
    fd = open(f.path, O_RDONLY);
    cr_assert_eq(pread(fd, record, sizeof(record), (off_t)at + 3 * ARO_RECORD_BYTES), 64);
    close(fd);
    cr_assert_eq(memcmp(record, nothing, sizeof(nothing)), 0);
}

Test(device, a_smaller_size_uses_so_many_slots_less)
{
    uint32_t n = 0;

    cr_assert(fixture_open(&f), "%s", f.error.text);
    fixture_close(&f);
    f.config.size_bytes = 12 << 20;
    f.config.chunks_max = 1000;
    cr_assert(open_as_it_is(), "%s", f.error.text);
    while (fixture_append(&f, n, CHUNK) == 0)
        n++;
    cr_assert_eq(n, 4u * FULL); /* 3 MiB in front, then 4 times 2 MiB and 64 KiB */
    cr_assert_leq(fixture_stats(&f).bytes_taken_now, f.config.size_bytes);
    cr_assert_eq(fixture_stats(&f).size_bytes, f.config.size_bytes);
}

Test(device, a_table_that_cannot_grow_loses_what_was_to_be_written_and_nothing_else)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < 15; n++) {
        cr_assert_eq(fixture_append(&f, n, SMALL), 0);
        cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    faults_order(FAULT_WRITE, "heads", 0, 1, -EIO);
    for (uint32_t n = 15; n < 20; n++)
        cr_assert_eq(fixture_append(&f, n, SMALL), 0);
    cr_assert_eq(fixture_sync(&f, 0), -EIO);
    cr_assert_eq(faults_hit(), 1u);
    cr_assert_eq(found(15, 20, SMALL), 0u);
    for (uint32_t n = 15; n < 60; n++)
        cr_assert_eq(fixture_append(&f, n, SMALL), 0);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
    fixture_reopen(&f);
    cr_assert_eq(found(0, 60, SMALL), 60u);
}

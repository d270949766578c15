/* SPDX-License-Identifier: BSD-3-Clause */
/* A store that serves while its index is being built: what is seen of it, step by step. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "cache/disk/reader.h"
#include "tests/cache/disk/faults.h"

/* A segment takes 32: the last of five has room. Every tenth chunk is an object's manifest. */
enum { LEN = 65536, SEGMENTS = 5, CHUNKS = 150 };

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < CHUNKS; n++) {
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
        if (n % 10 == 9)
            cr_assert_eq(fixture_object_add(&f, n, LEN, 0), 0);
    }
    fixture_close(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(start, .init = begin, .fini = end, .timeout = 120);

static bool is_found(uint32_t n)
{
    struct aro_id id = fixture_id(n, LEN);
    struct aro_place place;

    return aro_store_find(f.store, &id, 0, &place) == 0;
}

static void finish(void)
{
    while (!aro_store_is_whole(f.store))
        fixture_turn(&f);
}

Test(start, chunks_are_found_as_the_index_grows_and_all_of_them_when_it_is_whole)
{
    bool found[CHUNKS] = {false};
    unsigned turns = 0, partly = 0;

    fixture_start(&f);
    cr_assert_not(aro_store_is_whole(f.store));
    cr_assert(fixture_stats(&f).recovering);
    while (!aro_store_is_whole(f.store)) {
        unsigned now = 0;
        for (uint32_t n = 0; n < CHUNKS; n++) {
            bool here = is_found(n);
            cr_assert(here || !found[n], "chunk %u was found, and is not any more", n);
            found[n] = here;
            now += here;
        }
        partly += now > 0 && now < CHUNKS;
        fixture_turn(&f);
        turns++;
    }
    for (uint32_t n = 0; n < CHUNKS; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 1, "chunk %u", n);
    cr_assert_gt(partly, 3u, "%u turns", turns);
    cr_assert_not(fixture_stats(&f).recovering);
    cr_assert_eq(fixture_stats(&f).recovered_chunks, (unsigned)CHUNKS);
    cr_assert_eq(fixture_stats(&f).recovered_segments, fixture_stats(&f).recovery_segments);
}

Test(start, what_is_found_early_can_be_read_and_the_youngest_comes_first)
{
    fixture_start(&f);
    while (!is_found(CHUNKS - 1))
        fixture_turn(&f);
    cr_assert_not(is_found(0));
    cr_assert_not(aro_store_is_whole(f.store));
    cr_assert_eq(fixture_check(&f, CHUNKS - 1, LEN), 1);
}

Test(start, a_removed_chunk_is_not_found_at_any_instant)
{
    struct aro_id id = fixture_id(4, LEN);

    cr_assert(fixture_open(&f));
    cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_close(&f);
    fixture_start(&f);
    while (!aro_store_is_whole(f.store)) {
        cr_assert_not(is_found(4));
        fixture_turn(&f);
    }
    cr_assert_not(is_found(4));
}

Test(start, appends_are_told_to_come_again_and_syncs_wait_until_the_index_is_whole)
{
    struct aro_store_op sync = {.done = fixture_note}, append = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data;

    fixture_start(&f);
    cr_assert_eq(aro_store_sync(f.store, &sync, aro_store_mark(f.store)), 0);
    while (!aro_store_is_whole(f.store)) {
        data = fixture_chunk(0, LEN, &id);
        cr_assert_eq(aro_store_append(f.store, &append, &id, data, LEN), -EAGAIN);
        data = fixture_chunk(5000, LEN, &id);
        cr_assert_eq(aro_store_append(f.store, &append, &id, data, LEN), -EAGAIN);
        cr_assert_not_null(sync.store);
        fixture_turn(&f);
    }
    cr_assert_eq(fixture_wait(&f, &sync), 0);
    cr_assert_eq(fixture_append(&f, 0, LEN), -EEXIST); /* now it is known to be here */
    cr_assert_eq(fixture_append(&f, 5000, LEN), 0);
    cr_assert_eq(fixture_object_add(&f, 5000, LEN, 0), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 5000, LEN), 1);
    cr_assert_eq(fixture_stats(&f).segments_now, (unsigned)SEGMENTS);
}

Test(start, damage_that_is_met_meanwhile_is_remembered)
{
    struct aro_id id = fixture_id(CHUNKS - 1, LEN);
    struct aro_place place;

    fixture_start(&f);
    while (aro_store_find(f.store, &id, 0, &place) != 0)
        fixture_turn(&f);
    aro_store_quarantine(f.store, &id, &place);
    cr_assert_not(is_found(CHUNKS - 1));
    finish();
    cr_assert_not(is_found(CHUNKS - 1));
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
    fixture_reopen(&f);
    cr_assert_not(is_found(CHUNKS - 1));
    cr_assert_eq(fixture_stats(&f).recovered_chunks, CHUNKS - 1u);
}

Test(start, an_end_at_any_instant_changes_nothing)
{
    for (unsigned turns = 0; turns < 60; turns++) {
        fixture_start(&f);
        for (unsigned i = 0; i < turns && !aro_store_is_whole(f.store); i++)
            fixture_turn(&f);
        fixture_close(&f);
    }
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_chunks, (unsigned)CHUNKS);
    cr_assert_eq(fixture_stats(&f).objects_now, CHUNKS / 10u);
    for (uint32_t n = 0; n < CHUNKS; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 1, "chunk %u", n);
}

/* ---- the disk says no ---- */

Test(start, a_table_that_cannot_be_read_is_set_aside_and_comes_back)
{
    faults_order(FAULT_READ, "seg-00000002.table", 0, 1, -EIO);
    fixture_start(&f);
    finish();
    cr_assert_eq(faults_hit(), 1u);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
    cr_assert_eq(fixture_stats(&f).objects_dropped, 0u, "their manifests may be in there");
    cr_assert_eq(fixture_stats(&f).objects_now, CHUNKS / 10u);
    cr_assert_not(is_found(40));
    cr_assert(is_found(0));
    cr_assert_eq(fixture_append(&f, 7000, LEN), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
    cr_assert_eq(fixture_check(&f, 40, LEN), 1);
}

Test(start, a_table_that_cannot_be_put_right_is_set_aside_and_comes_back)
{
    const char *const what[] = {"seg-00000005.table", "seg-00000005.data"};
    const char *last = "seg-00000005.table";

    uint64_t uncommitted_bytes = fixture_file_size(&f, last) - 64;

    for (unsigned i = 0; i < 3; i++) {
        fixture_truncate(&f, last, uncommitted_bytes); /* the COMMIT is gone */
        faults_order(i == 0 ? FAULT_WRITE : FAULT_SYNC, what[i == 2], 0, 1, -EIO);
        fixture_start(&f);
        finish();
        cr_assert_eq(faults_hit(), 1u, "%u", i);
        cr_assert_eq(fixture_stats(&f).recovered_lost, 1u, "%u", i);
        cr_assert_not(is_found(CHUNKS - 1));
        fixture_close(&f);
    }
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
    cr_assert_eq(fixture_check(&f, CHUNKS - 1, LEN), 1);
}

Test(start, objects_without_a_manifest_are_gone_for_good_before_anything_is_written)
{
    fixture_truncate(&f, "seg-00000001.table", 0);
    faults_order(FAULT_WRITE, "objects.log", 0, 1, -EIO);
    fixture_start(&f);
    while (faults_hit() == 0)
        fixture_turn(&f);
    for (unsigned i = 0; i < 10; i++)
        fixture_turn(&f);
    cr_assert_not(aro_store_is_whole(f.store));
    cr_assert_not(fixture_stats(&f).writable);
    cr_assert_eq(fixture_append(&f, 7000, LEN), -EAGAIN);
    finish(); /* a second later it tries again */
    cr_assert(fixture_stats(&f).writable);
    cr_assert_eq(fixture_stats(&f).objects_dropped, 3u);
    for (uint32_t n = 0; n < 32; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).objects_now, CHUNKS / 10u - 3);
    cr_assert_eq(fixture_stats(&f).objects_dropped, 0u);
}

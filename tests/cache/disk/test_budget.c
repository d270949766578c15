/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The size of a store is the most that its files ever take of the file system: looked at after
 * every single completion of workloads that fill it.
 */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "tests/cache/disk/fixture.h"

enum { SMALL = 4 << 20 };

static struct fixture f;
static uint64_t looks;

/* Files grow to what was counted for them at most, and that stays within the size. */
static void look(struct fixture *fixture)
{
    struct aro_store_stats stats = fixture_stats(fixture);
    uint64_t bytes = fixture_disk_bytes(fixture);

    looks++;
    cr_assert_leq(bytes, stats.bytes_taken_now);
    cr_assert_leq(stats.bytes_taken_now, stats.size_bytes);
}

static void begin(void)
{
    fixture_begin(&f);
    f.config.size_bytes = SMALL;
    f.config.chunks_max = 5000;
    f.each = look;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    look(&f);
}

static void end(void)
{
    cr_assert_gt(looks, 10u);
    fixture_end(&f);
}

TestSuite(budget, .init = begin, .fini = end, .timeout = 120);

/* Appends until there is no room; each with its sync if `synced`. Returns how many. */
static uint32_t fill(uint32_t from, uint32_t len_bytes, bool synced)
{
    uint32_t n = 0;
    int result;

    while ((result = fixture_append(&f, from + n, len_bytes)) == 0) {
        if (synced)
            cr_assert_eq(fixture_sync(&f, 0), 0);
        n++;
    }
    cr_assert_eq(result, -ENOSPC);
    return n;
}

static void remove_all(uint32_t from, uint32_t count, uint32_t len_bytes)
{
    for (uint32_t n = from; n < from + count; n++) {
        struct aro_id id = fixture_id(n, len_bytes);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
        if (n % 16 == 0)
            cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    look(&f);
}

Test(budget, holds_when_each_smallest_chunk_has_a_commit_of_its_own)
{
    uint32_t n = fill(0, 100, true);

    cr_assert_gt(n, 600u); /* of 1024 blocks; the rest is records */
    remove_all(0, n, 100);
    cr_assert_gt(fill(0, 100, true), 600u);
}

Test(budget, holds_with_large_chunks_and_leaves_little_unused)
{
    uint32_t n = fill(0, 65536, false);

    cr_assert_geq(n, 60u); /* of 64 */
    cr_assert_eq(fixture_sync(&f, 0), 0);
    remove_all(0, n, 65536);
    cr_assert_geq(fill(100, 65536, false), 60u);
}

Test(budget, counts_the_log_of_objects_and_lets_them_go_when_full)
{
    uint32_t n = 0;
    int result;

    cr_assert_eq(fixture_append(&f, 0, 1000), 0);
    fill(1, 65536, false);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    while ((result = fixture_object_add(&f, n, 900, 0)) == 0)
        n++;
    cr_assert_eq(result, -ENOSPC);
    cr_assert_gt(n, 5u);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(fixture_object_remove(&f, i, 900), 0);
    look(&f);
}

Test(budget, holds_over_restarts_and_counts_what_was_set_aside)
{
    uint64_t before;

    fill(0, 65536, true);
    fixture_reopen(&f);
    look(&f);
    cr_assert_eq(fixture_append(&f, 1000, 65536), -ENOSPC);
    before = fixture_stats(&f).bytes_taken_now;
    fixture_close(&f);
    fixture_write_file(&f, "seg-00000777.data", "x", 1, 999999); /* its table is missing */
    f.config.size_bytes = 2 * SMALL;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
    cr_assert_gt(fixture_stats(&f).bytes_taken_now, before + 1000000);
    fill(1000, 65536, true);
    look(&f);
}

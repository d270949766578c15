/* SPDX-License-Identifier: BSD-3-Clause */
/* The disk says no: EIO, ENOSPC, failed syncs. What was promised holds, and the store goes on. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/cache/disk/faults.h"

enum { LEN = 5000 };

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(faults, .init = begin, .fini = end, .timeout = 60);

static bool object_is_there(uint32_t n)
{
    struct aro_id id = fixture_id(n, LEN);
    struct aro_object object;

    return aro_store_object_find(f.store, &id, &object) == 0;
}

static void failed_sync_of(const char *file)
{
    struct aro_store_stats stats;
    unsigned tried;

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(fixture_append(&f, 2, LEN), 0);
    tried = faults_count(FAULT_SYNC, file);
    faults_order(FAULT_SYNC, file, 0, 1, -EIO);
    cr_assert_eq(fixture_object_add(&f, 2, LEN, 0), -EIO);
    cr_assert_eq(faults_hit(), 1u);
    cr_assert_eq(faults_count(FAULT_SYNC, file), tried, "a failed sync was tried again");
    stats = fixture_stats(&f);
    cr_assert_eq(stats.sync_failures, 1u);
    cr_assert_not(stats.writable);
    cr_assert_eq(fixture_check(&f, 1, LEN), 1); /* durable before */
    cr_assert_eq(fixture_check(&f, 2, LEN), 0); /* dropped */
    cr_assert_not(object_is_there(2));
    /* goes on in a new segment */
    cr_assert_eq(fixture_append(&f, 2, LEN), 0);
    cr_assert_eq(fixture_object_add(&f, 2, LEN, aro_store_mark(f.store)), 0);
    cr_assert(fixture_stats(&f).writable);
    cr_assert_eq(fixture_stats(&f).segments_now, 2u);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, LEN), 1);
    cr_assert_eq(fixture_check(&f, 2, LEN), 1);
    cr_assert(object_is_there(2));
}

Test(faults, a_failed_sync_of_payloads_drops_them_and_is_not_repeated)
{
    failed_sync_of(".data");
}

Test(faults, a_failed_sync_of_a_table_drops_what_it_covered)
{
    failed_sync_of(".table");
}

Test(faults, a_failed_write_of_a_table_drops_what_it_covered)
{
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    faults_order(FAULT_WRITE, ".table", 0, 1, -ENOSPC);
    cr_assert_eq(fixture_sync(&f, 0), -EIO);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
}

Test(faults, a_failed_sync_of_the_directory_drops_the_new_segment)
{
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    faults_order(FAULT_SYNC, ".", 0, 1, -EIO);
    cr_assert_eq(fixture_sync(&f, 0), -EIO);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
}

Test(faults, no_put_is_acknowledged_for_chunks_that_another_put_lost)
{
    struct aro_store_op first = {.done = fixture_note};
    uint64_t first_mark = aro_store_mark(f.store), second_mark = aro_store_mark(f.store);

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_append(&f, 1, LEN), -EEXIST); /* the second put relies on the first */
    faults_order(FAULT_SYNC, ".data", 0, 1, -EIO);
    cr_assert_eq(aro_store_sync(f.store, &first, first_mark), 0);
    cr_assert_eq(fixture_wait(&f, &first), -EIO);
    cr_assert_eq(fixture_object_add(&f, 1, LEN, second_mark), -EIO);
    cr_assert_not(object_is_there(1));
}

Test(faults, no_put_is_acknowledged_for_a_write_of_another_put_that_failed)
{
    struct aro_store_op first = {.done = fixture_note};
    uint64_t mark = aro_store_mark(f.store);
    struct aro_id id;
    const uint8_t *data = fixture_chunk(1, LEN, &id);

    faults_order(FAULT_WRITE, ".data", 0, 1, -EIO);
    cr_assert_eq(aro_store_append(f.store, &first, &id, data, LEN), 0);
    cr_assert_eq(fixture_append(&f, 1, LEN), -EEXIST);
    cr_assert_eq(fixture_wait(&f, &first), -EIO);
    cr_assert_eq(fixture_sync(&f, mark), -EIO);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
}

Test(faults, a_failed_payload_write_fails_that_append_alone)
{
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    faults_order(FAULT_WRITE, ".data", 0, 1, -EIO);
    cr_assert_eq(fixture_append(&f, 2, LEN), -EIO);
    cr_assert_eq(fixture_append(&f, 3, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(fixture_stats(&f).write_failures, 1u);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, LEN), 1);
    cr_assert_eq(fixture_check(&f, 2, LEN), 0);
    cr_assert_eq(fixture_check(&f, 3, LEN), 1);
}

Test(faults, a_full_disk_fails_the_append_and_heals_when_there_is_room)
{
    faults_order(FAULT_ALLOCATE, ".data", 0, 2, -ENOSPC);
    cr_assert_eq(fixture_append(&f, 1, LEN), -ENOSPC);
    cr_assert_not(fixture_stats(&f).writable);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).segments_now, 0u);
    cr_assert_eq(fixture_stats(&f).bytes_files_now, 0u);
    cr_assert_eq(fixture_append(&f, 1, LEN), -ENOSPC);
    cr_assert_eq(fixture_stats(&f).rejected, 2u);
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert(fixture_stats(&f).writable);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
}

Test(faults, a_file_system_without_allocation_gets_sparse_files)
{
    faults_order(FAULT_ALLOCATE, ".data", 0, 1, -EOPNOTSUPP);
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_check(&f, 1, LEN), 1);
}

Test(faults, the_budget_is_a_full_disk_too)
{
    uint32_t n = 0;
    int result;

    while ((result = fixture_append(&f, n, 500000)) == 0)
        n++;
    cr_assert_eq(result, -ENOSPC);
    cr_assert_eq(n, 7u * 4 + 3); /* the last segment is shorter: tables and log need room too */
    cr_assert_leq(fixture_stats(&f).bytes_taken_now, f.config.size_bytes);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    for (uint32_t i = 0; i < n; i++)
        cr_assert_eq(fixture_check(&f, i, 500000), 1);
}

Test(faults, a_really_full_file_system_takes_chunks_again_once_there_is_room)
{
    uint32_t n = 0;
    int result;

    fixture_close(&f);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f.dir, "tmpfs", 0, "size=5m") != 0) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("needs root to mount a small file system");
    }
    cr_assert(fixture_open(&f), "%s", f.error.text);
    while ((result = fixture_append(&f, n, 500000)) == 0)
        n++;
    cr_assert_eq(result, -ENOSPC);
    cr_assert_eq(n, 2u * 4); /* two segments of 2 MiB */
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(fixture_append(&f, n, 500000), -ENOSPC);
    cr_assert_eq(mount("none", f.dir, "tmpfs", MS_REMOUNT, "size=12m"), 0);
    cr_assert_eq(fixture_append(&f, n, 500000), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    for (uint32_t i = 0; i <= n; i++)
        cr_assert_eq(fixture_check(&f, i, 500000), 1);
    fixture_close(&f);
    umount(f.dir);
}

static void failed_log(enum fault_kind kind)
{
    uint64_t inode;

    for (uint32_t n = 1; n < 5; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    cr_assert_eq(fixture_object_add(&f, 1, LEN, 0), 0);
    inode = fixture_inode(&f, "objects.log");
    faults_order(kind, "objects.log", 0, 1, -EIO);
    cr_assert_eq(fixture_object_add(&f, 2, LEN, 0), -EIO);
    cr_assert_not(object_is_there(2));
    cr_assert(object_is_there(1));
    cr_assert_eq(fixture_object_add(&f, 3, LEN, 0), 0); /* into a new file */
    cr_assert_eq(fixture_object_add(&f, 4, LEN, 0), 0);
    cr_assert_eq(fixture_file_size(&f, "objects.log"), 3u * 256);
    cr_assert_neq(fixture_inode(&f, "objects.log"), inode);
    fixture_reopen(&f);
    cr_assert(object_is_there(1));
    cr_assert_not(object_is_there(2));
    cr_assert(object_is_there(3));
    cr_assert(object_is_there(4));
}

Test(faults, a_failed_sync_of_the_object_log_replaces_the_file)
{
    failed_log(FAULT_SYNC);
}

Test(faults, a_failed_write_of_the_object_log_replaces_the_file)
{
    failed_log(FAULT_WRITE);
}

Test(faults, a_disk_that_fails_everything_heals_when_it_stops)
{
    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    for (int round = 0; round < 5; round++) {
        cr_assert_eq(fixture_append(&f, 2, LEN), 0);
        faults_order(FAULT_SYNC, "", 0, 100, -EIO);
        cr_assert_eq(fixture_sync(&f, 0), -EIO);
        cr_assert_eq(fixture_check(&f, 1, LEN), 1);
        cr_assert_eq(fixture_check(&f, 2, LEN), 0);
    }
    faults_order(FAULT_SYNC, "", 0, 0, 0);
    cr_assert_eq(fixture_append(&f, 2, LEN), 0);
    cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).segments_now, 2u); /* the empty ones went */
}

Test(faults, a_sync_waits_for_the_appends_before_it_and_not_for_those_after)
{
    struct aro_store_op append = {.done = fixture_note}, sync = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data = fixture_chunk(1, LEN, &id);

    faults_hold(FAULT_WRITE, ".data");
    cr_assert_eq(aro_store_append(f.store, &append, &id, data, LEN), 0);
    cr_assert_eq(aro_store_sync(f.store, &sync, 0), 0);
    fixture_settle(&f);
    cr_assert(faults_holding());
    cr_assert_not_null(sync.store);
    faults_release();
    cr_assert_eq(fixture_wait(&f, &append), 0);
    cr_assert_eq(fixture_wait(&f, &sync), 0);
}

Test(faults, a_write_under_way_in_a_segment_whose_sync_fails_is_lost_too)
{
    struct aro_store_op append = {.done = fixture_note}, sync = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data;

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    faults_hold(FAULT_SYNC, ".");
    cr_assert_eq(aro_store_sync(f.store, &sync, 0), 0);
    fixture_settle(&f);
    cr_assert(faults_holding());
    data = fixture_chunk(2, LEN, &id);
    faults_order(FAULT_SYNC, ".data", 0, 1, -EIO);
    faults_release();
    faults_hold(FAULT_WRITE, ".data");
    cr_assert_eq(aro_store_append(f.store, &append, &id, data, LEN), 0);
    fixture_settle(&f);
    cr_assert_eq(faults_hit(), 1u);
    faults_release();
    cr_assert_eq(fixture_wait(&f, &append), -EIO);
    cr_assert_eq(fixture_wait(&f, &sync), -EIO);
    cr_assert_eq(fixture_check(&f, 2, LEN), 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of objects on a device: two areas in turn, each with an end, and heads that say which one
 * counts - also when a head could not be written or synced, or the power goes.
 */
#include "cache/disk/device.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cache/base/bytes.h"
#include "tests/cache/disk/faults.h"

enum { SMALL = 4096 };

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(device_log, .init = begin, .fini = end, .timeout = 120);

enum { BATCH = 64 };

/* Objects from..to - 1 (their manifest is chunk 0 of all of them, under another id): many at once.
 */
static int add_objects(uint32_t from, uint32_t to)
{
    static struct aro_store_op op[BATCH];
    int error = 0;

    while (from < to && error == 0) {
        uint32_t n = to - from < BATCH ? to - from : BATCH;
        for (uint32_t i = 0; i < n; i++) {
            struct aro_object object = fixture_object(from + i, SMALL);
            op[i] = (struct aro_store_op){.done = fixture_note};
            error = error != 0 ? error : aro_store_object_add(f.store, &op[i], &object, 0);
        }
        for (uint32_t i = 0; i < n; i++)
            if (op[i].store != NULL && fixture_wait(&f, &op[i]) != 0)
                error = op[i].result;
        from += n;
    }
    return error;
}

static void forget_objects(uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++)
        cr_assert_eq(fixture_object_remove(&f, n, SMALL), 0);
}

static void have_objects(uint32_t from, uint32_t to)
{
    cr_assert_eq(fixture_stats(&f).objects_now, to - from);
    for (uint32_t n = from; n < to; n++) {
        struct aro_id id = fixture_id(n, SMALL);
        struct aro_object object;
        cr_assert_eq(aro_store_object_find(f.store, &id, &object), 0, "object %u", n);
    }
}

static void manifests(uint32_t to)
{
    for (uint32_t n = 0; n < to; n++)
        cr_assert_eq(fixture_append(&f, n, SMALL), 0);
}

static uint32_t log_number(uint32_t log)
{
    struct aro_head raw;
    int fd = open(f.path, O_RDONLY);

    cr_assert_eq(pread(fd, &raw, sizeof(raw), (off_t)aro_head_at(log)), (ssize_t)sizeof(raw));
    close(fd);
    return aro_load_le32(raw.number);
}

Test(device_log, the_log_goes_from_one_area_to_the_other_and_back)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    manifests(400);
    for (uint32_t round = 0; round < 12; round++) {
        cr_assert_eq(add_objects(0, round == 0 ? 400 : 100), 0);
        forget_objects(0, 100);
        have_objects(100, 400);
    }
    cr_assert_geq(log_number(0), 3u);
    cr_assert_geq(log_number(1), 2u);
    fixture_reopen(&f);
    have_objects(100, 400);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

Test(device_log, objects_find_an_end_and_go_on_when_some_are_forgotten)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    manifests(500);
    cr_assert_eq(add_objects(0, 500), -ENOSPC);
    cr_assert_eq(fixture_stats(&f).objects_now, 448u); /* of 1024 records, and an eighth spare */
    forget_objects(0, 48);
    cr_assert_eq(add_objects(448, 496), 0);
    have_objects(48, 496);
    fixture_reopen(&f);
    have_objects(48, 496);
}

/* Nobody knows which log a start would take: the next cycle makes sure before it writes. */
static void fail_at_rename(enum fault_kind kind, const char *name, unsigned after)
{
    cr_assert(fixture_open(&f), "%s", f.error.text);
    manifests(410);
    faults_order(FAULT_WRITE, "objects.log", 0, 1, -EIO); /* so the log is replaced */
    cr_assert_eq(add_objects(0, 1), -EIO);
    faults_order(kind, name, after, 1, -EIO);
    cr_assert_eq(add_objects(1, 2), -EIO);
    cr_assert_eq(faults_hit(), 1u);
    faults_order(kind, name, 0, 1, -EIO); /* and again while it makes sure */
    cr_assert_eq(add_objects(1, 2), -EIO);
    faults_order(kind, name, 0, 0, 0);
    cr_assert_eq(add_objects(0, 300), 0);
    forget_objects(0, 200);
    cr_assert_eq(add_objects(300, 410), 0);
    have_objects(200, 410);
    fixture_reopen(&f);
    have_objects(200, 410);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

Test(device_log, a_head_of_the_log_that_cannot_be_written_is_written_first)
{
    fail_at_rename(FAULT_WRITE, "heads", 0);
}

Test(device_log, a_head_of_the_log_that_cannot_be_synced_is_written_again_first)
{
    fail_at_rename(FAULT_SYNC, ".table", 1);
}

/* ---- power cuts ---- */

enum { STEADY = 380, COMING = 12 };

static unsigned acknowledged[COMING]; /* event */

static void check_after(unsigned cut, uint32_t seed)
{
    struct fixture after;
    struct aro_object object;

    faults_power_cut(cut, seed, &after);
    cr_assert(fixture_open(&after), "cut %u: %s", cut, after.error.text);
    for (uint32_t n = 0; n < STEADY + COMING; n++) {
        struct aro_id id = fixture_id(n, SMALL);
        bool owed =
            n < STEADY || (acknowledged[n - STEADY] != 0 && acknowledged[n - STEADY] <= cut);
        bool is = aro_store_object_find(after.store, &id, &object) == 0;
        cr_assert(is || !owed, "cut %u seed %u: object %u", cut, seed, n);
    }
    fixture_end(&after);
}

Test(device_log, a_power_cut_while_the_log_is_replaced_loses_no_object)
{
    unsigned events;

    cr_assert(fixture_open(&f), "%s", f.error.text);
    manifests(STEADY + COMING);
    cr_assert_eq(add_objects(0, STEADY), 0);
    for (uint32_t n = 0; n < 250; n++) { /* up to its end, nearly */
        cr_assert_eq(fixture_object_remove(&f, n % STEADY, SMALL), 0);
        cr_assert_eq(add_objects(n % STEADY, n % STEADY + 1), 0);
        if (log_number(1) > 0 && log_number(0) == 1)
            break;
    }
    fixture_reopen(&f);
    faults_record(&f);
    for (uint32_t n = 0; n < COMING; n++) {
        if (n % 2 == 1) { /* a broken log is replaced */
            faults_order(FAULT_WRITE, "objects.log", 0, 1, -EIO);
            cr_assert_eq(add_objects(STEADY + n, STEADY + n + 1), -EIO);
        }
        if (n % 4 == 3) { /* the replacement synced, its head not */
            faults_order(FAULT_SYNC, ".table", 1, 1, -EIO);
            cr_assert_eq(add_objects(STEADY + n, STEADY + n + 1), -EIO);
        }
        faults_order(FAULT_WRITE, "none", 0, 0, 0);
        cr_assert_eq(add_objects(STEADY + n, STEADY + n + 1), 0);
        acknowledged[n] = faults_events();
    }
    faults_pause();
    events = faults_events();
    for (unsigned cut = 0; cut <= events; cut++)
        check_after(cut, cut * 31 + 7);
    faults_stop();
}

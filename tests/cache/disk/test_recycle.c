/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A full store empties segments: what must stay is carried over, the rest goes, the size holds. The
 * owner here judges at once: chunks with a low number must stay, the next ones are hot.
 */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cache/disk/reader.h"
#include "tests/cache/disk/faults.h"

enum { LEN = 60000, MANY = 400, PER_SEGMENT = 34 };

static struct fixture f;
static struct aro_id ids[MANY];
static uint32_t must, hot; /* [0, must) must stay; [must, hot) is hot */
static uint32_t judged;
static bool judge_later;

static void judge(void *arg, const struct aro_victim *victim)
{
    (void)arg;
    judged++;
    for (uint32_t i = 0; i < victim->count; i++)
        for (uint32_t n = 0; n < hot; n++)
            if (aro_id_equal(&victim->chunk[i].id, &ids[n]))
                victim->chunk[i].keep = n < must ? ARO_KEEP_MUST : ARO_KEEP_HOT;
    if (!judge_later && aro_store_victim_fits(f.store))
        aro_store_victim_settle(f.store, 0);
}

static void look(struct fixture *fixture)
{
    struct aro_store_stats stats = fixture_stats(fixture);

    cr_assert_leq(fixture_disk_bytes(fixture), stats.bytes_taken_now);
    cr_assert_leq(stats.bytes_taken_now, stats.size_bytes);
}

static void begin(void)
{
    fixture_begin(&f);
    f.config.size_bytes = 8 << 20;
    f.config.judge = judge;
    f.each = look;
    for (uint32_t n = 0; n < MANY; n++)
        ids[n] = fixture_id(n, LEN);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

static void end(void)
{
    faults_release();
    fixture_end(&f);
}

TestSuite(recycle, .init = begin, .fini = end, .timeout = 60);

/* Not on a device: no file system is below, and its parts have no names. */
static void only_files(void)
{
    if (!fixture_on_device)
        return;
    end(); /* a skipped test has no .fini */
    cr_skip_test("only files do that");
}

static void append(uint32_t from, uint32_t to)
{
    for (uint32_t n = from; n < to; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0, "chunk %u", n);
}

static uint32_t found(uint32_t from, uint32_t to)
{
    uint32_t count = 0;

    for (uint32_t n = from; n < to; n++)
        count += fixture_check(&f, n, LEN) == 1;
    return count;
}

Test(recycle, a_full_store_goes_on_and_the_oldest_goes)
{
    append(0, MANY);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(found(0, PER_SEGMENT), 0u);
    cr_assert_eq(found(MANY - 2 * PER_SEGMENT, MANY), 2u * PER_SEGMENT);
    cr_assert_geq(found(0, MANY), 2u * PER_SEGMENT + PER_SEGMENT / 2);
    cr_assert_gt(fixture_stats(&f).recycled, 5u);
    cr_assert_eq(fixture_stats(&f).recycle_dropped, MANY - fixture_stats(&f).chunks_now);
    cr_assert_eq(fixture_stats(&f).rejected, 0u);
    fixture_reopen(&f);
    cr_assert_eq(found(MANY - 2 * PER_SEGMENT, MANY), 2u * PER_SEGMENT);
}

static struct aro_disk_reader *reader;

/* An lcore's turn: it read something of the segment that was filled last. */
static void reader_turn(struct fixture *fixture)
{
    static _Alignas(4096) uint8_t buffer[1 << 16];
    struct aro_disk_done done;
    struct aro_place place;

    look(fixture);
    for (uint32_t n = MANY; n-- > 0;)
        if (aro_store_find(fixture->store, &ids[n], 0, &place) == 0) {
            (void)aro_disk_read(reader, &place, buffer, n);
            break;
        }
    aro_disk_submit(reader);
    (void)aro_disk_reap_burst(reader, &done, 1);
}

Test(recycle, a_disk_with_no_room_to_spare_is_enough_while_a_reader_registers_its_files)
{
    struct aro_disk_reader_config config = {.depth = 64, .files = true};

    fixture_close(&f);
    if (!fixture_on_device && !fixture_mount(&f, f.config.size_bytes + (256 << 10)))
        cr_skip_test("this user may not mount");
    cr_assert(fixture_open(&f), "%s", f.error.text);
    config.store = f.store;
    reader = aro_disk_reader_create(&config);
    f.each = reader_turn;
    append(0, MANY);
    cr_assert_gt(fixture_stats(&f).recycled, 5u);
    aro_disk_reader_destroy(reader);
    f.each = look;
}

Test(recycle, what_must_stay_is_carried_over_again_and_again)
{
    must = hot = 12;
    append(0, MANY);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(found(0, must), must);
    cr_assert_geq(fixture_stats(&f).carried, 2u * must);
    cr_assert_eq(fixture_stats(&f).bytes_carried, fixture_stats(&f).carried * LEN);
    fixture_reopen(&f);
    cr_assert_eq(found(0, must), must);
    append(MANY - 50, MANY - 50); /* and goes on after a restart */
    for (uint32_t n = 50; n < 150; n++)
        cr_assert_neq(fixture_append(&f, n, LEN), -ENOSPC);
    cr_assert_eq(found(0, must), must);
}

Test(recycle, of_what_is_hot_half_a_segment_stays)
{
    hot = 30;
    append(0, 170); /* the first segment was emptied once */
    fixture_settle(&f);
    cr_assert_gt(found(0, hot), 10u);
    cr_assert_leq(found(0, hot), PER_SEGMENT / 2u);
    must = hot = 0;
    append(170, 350);
    cr_assert_eq(found(0, 30), 0u); /* hot no more */
}

Test(recycle, a_store_of_which_everything_must_stay_refuses_and_loses_nothing)
{
    uint32_t n = 0;
    int result;

    must = hot = MANY;
    while ((result = fixture_append(&f, n, LEN)) == 0)
        n++;
    cr_assert_eq(result, -ENOSPC);
    cr_assert_gt(n, 120u);
    cr_assert_eq(fixture_append(&f, n, LEN), -ENOSPC);
    cr_assert_geq(fixture_stats(&f).rejected, 2u);
    cr_assert_eq(found(0, n), n);
    fixture_reopen(&f);
    cr_assert_eq(found(0, n), n);
    must = hot = 60; /* the pins went */
    while (n < 250)
        n += fixture_append(&f, n, LEN) == 0;
    cr_assert_eq(found(0, 60), 60u);
}

Test(recycle, a_segment_that_keeps_more_than_half_is_passed_over)
{
    must = hot = 25; /* of the 34 of the first one */
    append(0, 190);
    fixture_settle(&f);
    cr_assert_eq(found(0, must), must);
    cr_assert_eq(fixture_stats(&f).carried, 0u);
    cr_assert_eq(found(PER_SEGMENT, 2 * PER_SEGMENT - 2), 0u); /* the second one went instead */
}

/*
 * With everything synced the oldest segment is judged as soon as the last one begins; otherwise an
 * append might already wait for that.
 */
static uint32_t append_until_judged(void)
{
    uint32_t n = 0;

    judge_later = true;
    while (judged == 0) {
        append(n, n + 1), n++;
        cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    return n;
}

Test(recycle, while_a_segment_is_judged_nobody_relies_on_its_chunks_and_appends_wait)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data;
    uint32_t n = append_until_judged();

    cr_assert_not_null(aro_store_victim(f.store));
    cr_assert_eq(fixture_append(&f, 0, LEN), 0); /* again, though it is there */
    cr_assert_eq(fixture_append(&f, n - 1, LEN), -EEXIST);
    for (uint32_t end = n + PER_SEGMENT; n < end && op.store == NULL; n++) {
        data = fixture_chunk(n, LEN, &id);
        cr_assert_eq(aro_store_append(f.store, &op, &id, data, LEN), 0);
        fixture_settle(&f);
    }
    cr_assert_not_null(op.store, "it waits");
    cr_assert_eq(fixture_sync(&f, 0), 0, "and holds no sync up");
    judge_later = false;
    aro_store_victim_settle(f.store, 0);
    cr_assert_eq(fixture_wait(&f, &op), 0);
    cr_assert_eq(fixture_check(&f, 0, LEN), 1);
}

Test(recycle, closing_while_an_append_waits_ends_it)
{
    struct aro_store_op op[40];
    struct aro_id id;
    static _Alignas(4096) uint8_t copy[40][65536];
    uint32_t n = append_until_judged();

    for (unsigned i = 0; i < 40; i++) {
        memcpy(copy[i], fixture_chunk(n + i, LEN, &id), LEN);
        op[i] = (struct aro_store_op){.done = fixture_note};
        cr_assert_eq(aro_store_append(f.store, &op[i], &id, copy[i], LEN), 0);
    }
    fixture_close(&f);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_null(op[i].store);
    cr_assert_eq(op[39].result, -ENOSPC);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

/* Number of the segment that takes appends: the youngest. */
static unsigned youngest(void)
{
    char name[32], path[300];
    unsigned n = 0;

    do {
        snprintf(name, sizeof(name), "seg-%08u.data", n + 1);
        snprintf(path, sizeof(path), "%s/%s", f.dir, name);
    } while (access(path, F_OK) == 0 && ++n < 99);
    return n;
}

/* Its own table is committed, another segment's sync is slow: its turn waits for that one. */
Test(recycle, a_segment_is_not_deleted_before_its_turn_is_over)
{
    uint32_t n;
    char name[32];

    only_files();
    n = append_until_judged();
    append(n, n + 1);
    snprintf(name, sizeof(name), "seg-%08u.data", youngest());
    faults_hold(FAULT_SYNC, name);
    aro_store_victim_settle(f.store, 0);
    fixture_settle(&f);
    cr_assert(faults_holding());
    cr_assert_eq(faults_count(FAULT_UNLINK, "seg-00000001"), 0u);
    cr_assert_eq(fixture_stats(&f).recycled, 0u);
    faults_release();
    fixture_settle(&f);
    cr_assert_eq(faults_count(FAULT_UNLINK, "seg-00000001"), 2u);
    cr_assert_eq(fixture_stats(&f).recycled, 1u);
}

/* What was to be carried over is removed by others, the removals committed, while it is read. */
Test(recycle, a_segment_that_others_empty_stays_while_it_is_read)
{
    only_files();
    must = hot = 6;
    append_until_judged();
    faults_hold(FAULT_READ, "seg-00000001.data");
    cr_assert(aro_store_victim_fits(f.store));
    for (uint32_t i = 0; i < aro_store_victim(f.store)->count; i++)
        aro_store_victim(f.store)->chunk[i].keep = i < must ? ARO_KEEP_MUST : ARO_KEEP_NOT;
    aro_store_victim_settle(f.store, 0);
    fixture_settle(&f);
    cr_assert(faults_holding());
    for (uint32_t n = 0; n < must; n++)
        aro_store_chunk_remove(f.store, &ids[n]);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(faults_count(FAULT_UNLINK, "seg-00000001"), 0u);
    faults_release();
    fixture_settle(&f);
    cr_assert_eq(faults_count(FAULT_UNLINK, "seg-00000001"), 2u);
    cr_assert_eq(found(0, must), 0u);
    judge_later = false;
    append(MANY - 100, MANY);
}

Test(recycle, the_manifest_of_a_listed_object_stays)
{
    struct aro_id id = fixture_id(3, LEN);
    struct aro_object object;

    append(0, 10);
    cr_assert_eq(fixture_object_add(&f, 3, LEN, 0), 0);
    append(10, MANY);
    cr_assert_eq(aro_store_object_find(f.store, &id, &object), 0);
    cr_assert_eq(fixture_check(&f, 3, LEN), 1);
}

Test(recycle, an_index_that_is_short_empties_segments_too)
{
    fixture_close(&f);
    f.config.chunks_max = 80; /* of about 130 */
    cr_assert(fixture_open(&f), "%s", f.error.text);
    must = hot = 5;
    append(0, MANY);
    cr_assert_eq(found(0, must), must);
    cr_assert_leq(fixture_stats(&f).chunks_now, 80u);
}

Test(recycle, a_chunk_that_cannot_be_read_stays_where_it_is)
{
    must = hot = 5;
    faults_order(FAULT_READ, "seg-00000001.data", 2, 1, -EIO);
    append(0, 200);
    cr_assert_eq(faults_hit(), 1u);
    fixture_settle(&f);
    cr_assert_eq(found(0, must), must);
    fixture_reopen(&f);
    cr_assert_eq(found(0, must), must);
}

Test(recycle, a_damaged_chunk_is_not_carried_over)
{
    must = hot = 5;
    append(0, 60);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_flip_bit(&f, "seg-00000001.data", 15 * 4096 * 8 + 77); /* of the second chunk */
    append(60, 200);
    fixture_settle(&f);
    cr_assert_eq(found(0, must), must - 1);
    cr_assert_eq(fixture_stats(&f).quarantined, 1u);
}

static void failing(enum fault_kind kind, const char *file)
{
    must = hot = 8;
    append(0, 100);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    for (uint32_t n = 100; n < 300; n++) {
        if (n % 7 == 0)
            faults_order(kind, file, n % 5, 1, -EIO);
        (void)fixture_append(&f, n, LEN);
        if (n % 9 == 0)
            (void)fixture_sync(&f, 0);
        cr_assert_eq(found(0, must), must, "after %u", n);
    }
    faults_order(kind, file, 0, 0, 0);
    fixture_reopen(&f);
    cr_assert_eq(found(0, must), must);
}

Test(recycle, failing_writes_lose_nothing_that_must_stay)
{
    failing(FAULT_WRITE, ".data");
}

Test(recycle, failing_syncs_lose_nothing_that_must_stay)
{
    failing(FAULT_SYNC, ".data");
}

Test(recycle, failing_tables_lose_nothing_that_must_stay)
{
    failing(FAULT_WRITE, ".table");
}

/* ---- a file system that is full before the store is ---- */

static void refuse_segments(uint32_t chunks, unsigned times)
{
    append(0, chunks);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).recycled, 0u);
    faults_order(FAULT_ALLOCATE, ".data", 0, times, -ENOSPC);
}

Test(recycle, a_file_system_that_is_full_is_a_store_that_is_full)
{
    only_files();
    refuse_segments(100, 1);
    append(100, 120); /* the one that waits for a segment meanwhile included */
    cr_assert_eq(faults_hit(), 1u);
    cr_assert_eq(fixture_stats(&f).recycled, 1u);
    cr_assert_eq(fixture_stats(&f).rejected, 0u);
    cr_assert(fixture_stats(&f).writable);
    cr_assert_eq(found(0, PER_SEGMENT), 0u);
    cr_assert_eq(found(PER_SEGMENT, 120), 120u - PER_SEGMENT);
}

Test(recycle, a_file_system_that_stays_full_does_not_empty_the_store)
{
    uint32_t n = 300;

    only_files();
    fixture_close(&f);
    f.config.size_bytes = 40 << 20;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    refuse_segments(n, 1000);
    while (fixture_append(&f, n, LEN) == 0)
        n++;
    for (unsigned again = 0; again < 50; again++)
        cr_assert_eq(fixture_append(&f, n + again, LEN), -ENOSPC);
    cr_assert_leq(fixture_stats(&f).recycled, 3u);
    cr_assert_geq(found(0, n), n - 3 * PER_SEGMENT);
    faults_order(FAULT_ALLOCATE, ".data", 0, 0, 0);
    while (fixture_append(&f, n, LEN) != 0) /* within a second */
        fixture_settle(&f);
    cr_assert(fixture_stats(&f).writable);
}

/* Smaller than the budget by far; what must stay, some of it in every segment, is carried over. */
Test(recycle, a_small_file_system_is_what_the_store_makes_do_with)
{
    only_files();
    must = hot = 8;
    fixture_close(&f);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f.dir, "tmpfs", 0, "size=7m") != 0) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("needs root to mount a small file system");
    }
    f.config.size_bytes = 64 << 20;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < must; n++) {
        append(n, n + 1);
        append(must + n * 25, must + (n + 1) * 25);
    }
    append(must + must * 25, MANY);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).rejected, 0u);
    cr_assert_geq(fixture_stats(&f).recycled, 5u);
    cr_assert_eq(found(0, must), must);
    cr_assert_geq(found(0, MANY), PER_SEGMENT + PER_SEGMENT / 2);
    fixture_close(&f);
    umount(f.dir);
}

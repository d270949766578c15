/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunks that go, segments that go, and readers that are still looking. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/disk/reader.h"
#include "tests/cache/disk/fixture.h"

enum { BIG = 500000, PER_SEGMENT = 4, LEN = 5000 };

static struct fixture f;
static _Alignas(4096) uint8_t buffer[ARO_CHUNK_BYTES_MAX];

static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(remove, .init = begin, .fini = end, .timeout = 60);

static void fill_segment(uint32_t from)
{
    for (uint32_t n = from; n < from + PER_SEGMENT; n++)
        cr_assert_eq(fixture_append(&f, n, BIG), 0, "chunk %u", n);
}

static void remove_segment(uint32_t from)
{
    for (uint32_t n = from; n < from + PER_SEGMENT; n++) {
        struct aro_id id = fixture_id(n, BIG);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    }
}

Test(remove, a_removed_chunk_is_not_found_and_stays_away_once_synced)
{
    struct aro_id id = fixture_id(1, LEN);

    for (uint32_t n = 0; n < 3; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    cr_assert_eq(aro_store_chunk_remove(f.store, &id), -ENOENT);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 0, LEN), 1);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
    cr_assert_eq(fixture_check(&f, 2, LEN), 1);
    cr_assert_eq(fixture_stats(&f).chunks_now, 2u);
    cr_assert_eq(fixture_append(&f, 1, LEN), 0); /* and may come back */
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, LEN), 1);
}

Test(remove, a_chunk_can_be_removed_before_it_was_ever_synced)
{
    struct aro_id id = fixture_id(1, LEN);

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
}

Test(remove, a_segment_without_live_chunks_gives_its_space_back)
{
    uint64_t full;

    fixture_close(&f);
    f.config.size_bytes += 512 << 10; /* for the tables: all eight segments are whole */
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t s = 0; s < 8; s++)
        fill_segment(s * 10);
    full = fixture_stats(&f).bytes_files_now;
    cr_assert_eq(fixture_append(&f, 999, BIG), -ENOSPC);
    remove_segment(20);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).bytes_files_now, full - f.config.segment_bytes);
    cr_assert_not(fixture_exists(&f, "seg-00000003.data"));
    cr_assert_not(fixture_exists(&f, "seg-00000003.table"));
    cr_assert_eq(fixture_append(&f, 999, BIG), 0); /* usable again, without a restart */
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 999, BIG), 1);
    cr_assert_eq(fixture_check(&f, 20, BIG), 0);
    cr_assert_eq(fixture_check(&f, 10, BIG), 1);
}

Test(remove, a_segment_stays_until_its_removals_are_synced)
{
    fill_segment(0);
    fill_segment(10);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    remove_segment(0);
    aro_store_poll(f.store);
    cr_assert(fixture_exists(&f, "seg-00000001.data"));
}

Test(remove, a_segment_stays_while_a_reader_may_hold_a_place_in_it)
{
    struct aro_disk_reader_config config = {.store = f.store, .depth = 8};
    struct aro_disk_reader *reader = aro_disk_reader_create(&config);
    struct aro_id id = fixture_id(1, BIG);
    struct aro_disk_done done;
    struct aro_place place;

    fill_segment(0);
    fill_segment(10);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    aro_qsbr_online(&f.qsbr, 0);
    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    cr_assert_eq(aro_disk_read(reader, &place, buffer, 42), 0); /* prepared, not submitted */
    remove_segment(0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert(fixture_exists(&f, "seg-00000001.data"), "the reader was not quiescent");
    cr_assert_eq(aro_disk_read(reader, &place, buffer, 43), -ESTALE);
    aro_qsbr_quiescent(&f.qsbr, 0);
    fixture_settle(&f);
    cr_assert(fixture_exists(&f, "seg-00000001.data"), "its read was not submitted");
    aro_disk_submit(reader);
    fixture_settle(&f);
    cr_assert(!fixture_on_device || fixture_exists(&f, "seg-00000001.data"),
              "its read has not ended");
    fixture_settle(&f); /* by threads the read may not even have begun */
    while (aro_disk_reap_burst(reader, &done, 1) == 0)
        aro_disk_submit(reader);
    fixture_settle(&f);
    cr_assert_not(fixture_exists(&f, "seg-00000001.data"));
    cr_assert_eq(done.cookie, 42u);
    cr_assert_eq(done.result, 0);
    cr_assert_eq(memcmp(buffer, fixture_chunk(1, BIG, &id), BIG), 0);
    aro_disk_reader_destroy(reader);
}

static void read_one(struct aro_disk_reader *reader, uint32_t n)
{
    struct aro_id id = fixture_id(n, BIG);
    struct aro_disk_done done;
    struct aro_place place;

    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    cr_assert_eq(aro_disk_read(reader, &place, buffer, n), 0);
    do {
        aro_disk_submit(reader);
    } while (aro_disk_reap_burst(reader, &done, 1) == 0);
    cr_assert_eq(done.result, 0);
    cr_assert_eq(memcmp(buffer, fixture_chunk(n, BIG, &id), BIG), 0);
}

Test(remove, a_reader_that_registered_a_file_lets_go_of_it_before_it_is_deleted)
{
    struct aro_disk_reader_config config = {.depth = 8, .files = true};
    struct aro_disk_reader_stats stats;
    struct aro_disk_reader *reader;
    uint64_t full;

    if (fixture_on_device) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("a device has no files");
    }
    fixture_close(&f);
    if (!fixture_mount(&f, 64 << 20))
        cr_skip_test("this user may not mount");
    cr_assert(fixture_open(&f), "%s", f.error.text);
    config.store = f.store;
    reader = aro_disk_reader_create(&config);
    fill_segment(0);
    fill_segment(10);
    fill_segment(20);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    read_one(reader, 0);
    read_one(reader, 10);
    full = fixture_mount_used(&f);
    remove_segment(0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    aro_disk_reader_stats(reader, &stats);
    if (stats.fixed_files)
        cr_assert(fixture_exists(&f, "seg-00000001.data"), "the reader's ring holds the file");
    aro_disk_submit(reader);
    fixture_settle(&f);
    cr_assert_not(fixture_exists(&f, "seg-00000001.data"));
    cr_assert_leq(fixture_mount_used(&f), full - f.config.segment_bytes);
    read_one(reader, 10);
    aro_disk_reader_destroy(reader);
}

Test(remove, debris_of_a_half_removed_segment_goes_at_the_next_start)
{
    char path[512];

    if (fixture_on_device) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("a slot is removed at once, or not at all");
    }
    fill_segment(0);
    fill_segment(10);
    remove_segment(0);
    aro_qsbr_online(&f.qsbr, 0); /* keeps the files */
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_close(&f);
    aro_qsbr_offline(&f.qsbr, 0);
    snprintf(path, sizeof(path), "%s/seg-00000001.data", f.dir);
    cr_assert_eq(unlink(path), 0); /* as far as the crash let it come */
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
    cr_assert_not(fixture_exists(&f, "seg-00000001.table"));
    cr_assert_eq(fixture_check(&f, 10, BIG), 1);
}

Test(remove, a_quarantined_chunk_is_gone_for_good_and_counted)
{
    struct aro_id id = fixture_id(1, LEN), other = fixture_id(2, LEN);
    struct aro_place place;
    uint64_t mark = aro_store_mark(f.store);

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    aro_store_quarantine(f.store, &other, &place); /* not that one's place */
    cr_assert_eq(fixture_check(&f, 1, LEN), 1);
    cr_assert_eq(fixture_stats(&f).quarantined, 0u);
    aro_store_quarantine(f.store, &id, &place);
    aro_store_quarantine(f.store, &id, &place);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
    cr_assert_eq(fixture_stats(&f).quarantined, 1u);
    cr_assert_eq(fixture_sync(&f, mark), -EIO); /* somebody may have counted on it */
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
}

Test(remove, a_chunk_whose_record_is_gone_is_quarantined_all_the_same)
{
    const uint8_t nothing[64] = {0};
    struct aro_id id = fixture_id(1, LEN);
    struct aro_place place;

    cr_assert_eq(fixture_append(&f, 1, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    fixture_write_file(&f, "seg-00000001.table", nothing, sizeof(nothing), 0);
    aro_store_quarantine(f.store, &id, &place);
    cr_assert_eq(fixture_check(&f, 1, LEN), 0);
    cr_assert_eq(fixture_stats(&f).quarantined, 1u);
}

Test(remove, chunks_whose_fingerprints_collide_do_not_touch_each_other)
{
    enum { N = 60 };

    fixture_close(&f);
    f.config.fingerprint_mask = 1u << 8; /* two fingerprints */
    f.config.chunks_max = 64;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < N; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    for (uint32_t n = 0; n < N; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), -EEXIST);
    for (uint32_t n = N; n < 2 * N; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 0); /* candidates, but none verifies */
    for (uint32_t n = 0; n < N; n += 2) {
        struct aro_id id = fixture_id(n, LEN);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
        cr_assert_eq(aro_store_chunk_remove(f.store, &id), -ENOENT);
    }
    for (int round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < N; n++)
            cr_assert_eq(fixture_check(&f, n, LEN), n % 2 == 1, "chunk %u", n);
        cr_assert_eq(fixture_sync(&f, 0), 0);
        fixture_reopen(&f);
    }
}

Test(remove, a_full_index_refuses_and_takes_again_after_a_removal)
{
    struct aro_id id = fixture_id(3, LEN);

    fixture_close(&f);
    f.config.chunks_max = 10;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < 10; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    cr_assert_eq(fixture_append(&f, 10, LEN), -ENOSPC);
    cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    cr_assert_eq(fixture_append(&f, 10, LEN), 0);
    cr_assert_eq(fixture_stats(&f).writes, 11u);
    cr_assert_eq(fixture_stats(&f).rejected, 1u);
    cr_assert_eq(fixture_stats(&f).removed, 1u);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 10, LEN), 1);
}

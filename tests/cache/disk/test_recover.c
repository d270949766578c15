/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tables say after damage: cut, flipped, swapped, forged, missing. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/disk/format.h"
#include "cache/disk/reader.h"
#include "cache/disk/record.h"
#include "tests/cache/disk/fixture.h"

#define TABLE   "seg-00000001.table"
#define DATA    "seg-00000001.data"
#define OBJECTS "objects.log"

enum { CHUNKS = 6, LEN = 5000 };

static struct fixture f;

/*
 * Six chunks, synced two by two: the table reads C C commit C C commit C C commit. A killed process
 * left it: a clean stop would add a commit.
 */
static void begin(void)
{
    struct fixture killed;

    fixture_begin(&killed);
    cr_assert(fixture_open(&killed), "%s", killed.error.text);
    for (uint32_t n = 0; n < CHUNKS; n++) {
        cr_assert_eq(fixture_append(&killed, n, LEN), 0);
        if (n % 2 == 1)
            cr_assert_eq(fixture_object_add(&killed, n, LEN, 0), 0);
    }
    fixture_copy(&killed, &f);
    fixture_end(&killed);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(recover, .init = begin, .fini = end, .timeout = 120);

static unsigned count_right(struct fixture *g)
{
    unsigned right = 0;

    for (uint32_t n = 0; n < CHUNKS; n++)
        right += (unsigned)fixture_check(g, n, LEN);
    return right;
}

Test(recover, a_table_cut_at_any_byte_keeps_every_whole_record)
{
    uint64_t size = fixture_file_size(&f, TABLE);

    cr_assert_eq(size, 9u * ARO_RECORD_BYTES);
    for (uint64_t cut = 0; cut < size; cut += cut % 64 == 0 || cut % 64 == 62 ? 1 : 61) {
        struct fixture g;
        uint64_t records = cut / ARO_RECORD_BYTES;
        fixture_copy(&f, &g);
        fixture_truncate(&g, TABLE, cut);
        cr_assert(fixture_open(&g), "cut %lu: %s", (unsigned long)cut, g.error.text);
        cr_assert_eq(count_right(&g), records - records / 3, "cut %lu", (unsigned long)cut);
        fixture_reopen(&g); /* and what was decided stays decided */
        cr_assert_eq(count_right(&g), records - records / 3, "cut %lu", (unsigned long)cut);
        cr_assert_eq(fixture_stats(&g).recovered_torn, 0u);
        fixture_end(&g);
    }
}

Test(recover, objects_log_cut_at_any_byte_keeps_every_whole_record)
{
    uint64_t size = fixture_file_size(&f, OBJECTS);

    cr_assert_eq(size, 3u * ARO_OBJECT_RECORD_BYTES);
    for (uint64_t cut = 0; cut < size; cut += cut % 256 == 0 || cut % 256 == 254 ? 1 : 253) {
        struct fixture g;
        fixture_copy(&f, &g);
        fixture_truncate(&g, OBJECTS, cut);
        cr_assert(fixture_open(&g), "%s", g.error.text);
        cr_assert_eq(fixture_stats(&g).objects_now, cut / ARO_OBJECT_RECORD_BYTES);
        cr_assert_eq(fixture_append(&g, 99, LEN), 0);
        cr_assert_eq(fixture_object_add(&g, 99, LEN, 0), 0);
        fixture_reopen(&g);
        cr_assert_eq(fixture_stats(&g).objects_now, cut / ARO_OBJECT_RECORD_BYTES + 1);
        fixture_end(&g);
    }
}

Test(recover, objects_log_that_is_gone_is_told_unless_there_never_was_anything)
{
    struct fixture g;

    fixture_unlink(&f, OBJECTS);
    for (unsigned start = 0; start < 2; start++) {
        fixture_reopen(&f);
        cr_assert_eq(fixture_stats(&f).recovered_lost, start == 0 ? 1u : 0u);
        cr_assert_eq(fixture_stats(&f).objects_now, 0u);
        cr_assert_eq(count_right(&f), (unsigned)CHUNKS);
    }
    fixture_begin(&g);
    cr_assert(fixture_open(&g));
    fixture_close(&g);
    fixture_unlink(&g, OBJECTS);
    fixture_reopen(&g);
    cr_assert_eq(fixture_stats(&g).recovered_lost, 0u);
    fixture_end(&g);
}

Test(recover, any_flipped_bit_in_a_table_costs_at_most_its_record)
{
    for (uint64_t bit = 0; bit < 9 * ARO_RECORD_BYTES * 8; bit += 61) {
        struct fixture g;
        unsigned right;
        fixture_copy(&f, &g);
        fixture_flip_bit(&g, TABLE, bit);
        cr_assert(fixture_open(&g), "bit %lu: %s", (unsigned long)bit, g.error.text);
        right = count_right(&g);
        cr_assert_geq(right, (unsigned)CHUNKS - 1, "bit %lu", (unsigned long)bit);
        cr_assert_eq(fixture_stats(&g).recovered_torn, 1u, "bit %lu", (unsigned long)bit);
        fixture_end(&g);
    }
}

Test(recover, any_flipped_bit_in_an_object_record_hides_that_object_alone)
{
    for (uint64_t bit = 0; bit < 3 * ARO_OBJECT_RECORD_BYTES * 8; bit += 101) {
        struct fixture g;
        fixture_copy(&f, &g);
        fixture_flip_bit(&g, OBJECTS, bit);
        cr_assert(fixture_open(&g), "%s", g.error.text);
        cr_assert_eq(fixture_stats(&g).objects_now, 2u);
        cr_assert_eq(fixture_stats(&g).recovered_torn, 1u);
        fixture_end(&g);
    }
}

Test(recover, a_flipped_bit_in_a_payload_is_never_answered_with)
{
    for (uint32_t n = 0; n < CHUNKS; n++) {
        fixture_flip_bit(&f, DATA, (uint64_t)n * 2 * ARO_BLOCK_BYTES * 8 + n * 4001);
        cr_assert(fixture_open(&f));
        cr_assert_eq(count_right(&f), CHUNKS - 1 - n);
        fixture_close(&f);
    }
}

/* A record after the last commit, as a crash between the writes may leave it. */
static void forge_uncommitted(uint32_t n, bool payload_too)
{
    uint8_t super[ARO_SUPER_BYTES];
    struct aro_place place = {.segment = 1, .block = 100, .len_bytes = LEN};
    struct aro_record record;
    struct aro_id id;
    const uint8_t *bytes = fixture_chunk(n, LEN, &id);
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/STORE", f.dir);
    file = fopen(path, "r");
    cr_assert_eq(fread(super, 1, sizeof(super), file), sizeof(super));
    fclose(file);
    place.checksum = aro_place_checksum(&id, 1, 100, bytes, LEN);
    record = aro_record_make(ARO_RECORD_CHUNK, 1, &place, &id);
    aro_record_seal(&record, aro_hash_bytes(super + offsetof(struct aro_super, uuid), 16, 0), 1, 9);
    fixture_write_file(&f, TABLE, &record, sizeof(record), 9 * sizeof(record));
    if (payload_too)
        fixture_write_file(&f, DATA, bytes, LEN, 100 * ARO_BLOCK_BYTES);
}

Test(recover, a_record_after_the_last_commit_is_kept_if_its_payload_verifies)
{
    forge_uncommitted(50, true);
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_chunks, CHUNKS + 1u);
    cr_assert_eq(fixture_check(&f, 50, LEN), 1);
    cr_assert_eq(fixture_file_size(&f, TABLE), 11u * ARO_RECORD_BYTES); /* a fresh commit */
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 50, LEN), 1);
}

Test(recover, a_record_after_the_last_commit_is_dropped_if_its_payload_does_not)
{
    struct aro_place place;
    struct aro_id id = fixture_id(50, LEN);

    forge_uncommitted(50, false);
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_torn, 1u);
    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), -ENOENT);
    cr_assert_eq(count_right(&f), (unsigned)CHUNKS);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

Test(recover, a_record_that_was_struck_out_is_no_damage_to_the_next_start)
{
    fixture_flip_bit(&f, TABLE, 8 * ARO_RECORD_BYTES * 8 + 9); /* the last commit */
    fixture_flip_bit(&f, DATA, 4 * 2 * ARO_BLOCK_BYTES * 8);   /* the last chunk but one */
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_torn, 2u);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
    cr_assert_eq(count_right(&f), CHUNKS - 1u);
}

Test(recover, an_erased_record_before_a_commit_is_damage)
{
    const uint8_t nothing[ARO_RECORD_BYTES] = {0};

    fixture_write_file(&f, TABLE, nothing, sizeof(nothing), 0);
    for (int start = 0; start < 2; start++) {
        fixture_reopen(&f);
        cr_assert_eq(count_right(&f), CHUNKS - 1u);
        cr_assert_eq(fixture_stats(&f).recovered_torn, 1u);
    }
}

Test(recover, an_erased_end_of_a_table_is_told_once)
{
    const uint8_t nothing[3 * ARO_RECORD_BYTES] = {0};

    fixture_write_file(&f, TABLE, nothing, sizeof(nothing), 6 * (uint64_t)ARO_RECORD_BYTES);
    for (unsigned start = 0; start < 2; start++) {
        fixture_reopen(&f);
        cr_assert_eq(count_right(&f), CHUNKS - 2u);
        cr_assert_eq(fixture_stats(&f).recovered_torn, start == 0 ? 3u : 0u);
    }
}

Test(recover, a_record_copied_to_another_place_is_no_record)
{
    uint8_t record[ARO_RECORD_BYTES];
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/" TABLE, f.dir);
    file = fopen(path, "r");
    cr_assert_eq(fread(record, 1, sizeof(record), file), sizeof(record));
    fclose(file);
    fixture_write_file(&f, TABLE, record, sizeof(record), 3 * sizeof(record));
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).recovered_torn, 1u);
    cr_assert_eq(count_right(&f), CHUNKS - 1u);
}

Test(recover, a_data_file_cut_short_costs_the_chunks_it_held)
{
    fixture_truncate(&f, DATA, 4 * ARO_BLOCK_BYTES); /* two chunks of two blocks */
    cr_assert(fixture_open(&f));
    cr_assert_eq(count_right(&f), 2u);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 4u);
}

Test(recover, a_missing_file_of_a_segment_is_counted_and_nothing_deleted)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/" DATA, f.dir);
    cr_assert_eq(unlink(path), 0);
    for (int round = 0; round < 2; round++) {
        cr_assert(fixture_open(&f), "%s", f.error.text);
        cr_assert_eq(fixture_stats(&f).recovered_lost, 1u);
        cr_assert_eq(fixture_stats(&f).objects_dropped, round == 0 ? 3u : 0u);
        cr_assert_eq(fixture_append(&f, 70, LEN), round == 0 ? 0 : -EEXIST);
        fixture_close(&f);
        cr_assert_eq(fixture_file_size(&f, TABLE), 9u * ARO_RECORD_BYTES);
    }
}

Test(recover, appends_go_on_in_the_last_segment)
{
    for (uint32_t round = 0; round < 20; round++) {
        cr_assert(fixture_open(&f), "%s", f.error.text);
        cr_assert_eq(fixture_append(&f, 100 + round, LEN), 0);
        fixture_close(&f);
    }
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_stats(&f).segments_now, 1u);
    for (uint32_t round = 0; round < 20; round++)
        cr_assert_eq(fixture_check(&f, 100 + round, LEN), 1);
    cr_assert_eq(count_right(&f), (unsigned)CHUNKS);
}

static void note_progress(void *arg, uint64_t done, uint64_t total)
{
    uint64_t *last = arg;

    cr_assert_leq(*last, done);
    cr_assert_leq(done, total);
    *last = done;
}

Test(recover, progress_reaches_the_total)
{
    struct aro_error error;
    uint64_t last = 0;

    f.config.path = f.dir;
    f.store = aro_store_open(&f.config, note_progress, &last, &error);
    cr_assert_not_null(f.store);
    cr_assert_eq(last, 9u * ARO_RECORD_BYTES);
}

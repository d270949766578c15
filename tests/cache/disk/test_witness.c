/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files cut off between two records, where nothing that is left looks damaged: on a device, zeros
 * instead of the records.
 */
#include "cache/disk/state.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/disk/check.h"
#include "tests/cache/disk/fixture.h"

#define OBJECTS "objects.log"

enum { PUTS = 8, CHUNKS = 6, LEN = 60000 };

static struct fixture f;
static struct fixture killed; /* the same store, but the process was killed */

static uint32_t chunk_of(uint32_t put, uint32_t i)
{
    return put * 100 + i;
}

static void put(struct fixture *g, uint32_t p)
{
    for (uint32_t i = 0; i < CHUNKS; i++)
        cr_assert_eq(fixture_append(g, chunk_of(p, i), LEN), 0);
    cr_assert_eq(fixture_object_add(g, chunk_of(p, 0), LEN, aro_store_mark(g->store)), 0);
}

/* Two segments; closed, and killed. */
static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t p = 0; p < PUTS; p++)
        put(&f, p);
    cr_assert_eq(fixture_stats(&f).segments_now, 2u);
    fixture_copy(&f, &killed);
    fixture_close(&f);
}

static void end(void)
{
    fixture_end(&f);
    fixture_end(&killed);
}

TestSuite(witness, .init = begin, .fini = end, .timeout = 120);

static uint32_t records_of(const struct fixture *g, uint32_t number)
{
    struct fixture copy;
    uint32_t records = 0;

    fixture_copy(g, &copy);
    cr_assert(fixture_open(&copy), "%s", copy.error.text);
    for (const struct aro_segment *s = copy.store->segments; s != NULL; s = s->next)
        if (s->number == number)
            records = s->found;
    fixture_end(&copy);
    return records;
}

/* All but so many records of the table are gone. */
static void cut(const struct fixture *g, uint32_t number, uint32_t records, uint32_t of)
{
    static const uint8_t nothing[1000 * ARO_RECORD_BYTES];
    char name[32];

    snprintf(name, sizeof(name), "seg-%08u.table", number);
    if (fixture_on_device)
        fixture_write_file(g, name, nothing, (of - records) * ARO_RECORD_BYTES,
                           (uint64_t)records * ARO_RECORD_BYTES);
    else
        fixture_truncate(g, name, (uint64_t)records * ARO_RECORD_BYTES);
}

static unsigned lost;

static void note(void *arg, const struct aro_walk_item *item, bool quarantined)
{
    (void)arg;
    (void)quarantined;
    lost += item->problem != NULL && strstr(item->problem, "there before") != NULL;
}

/* How many files a check says were cut. */
static unsigned told_by_check(struct fixture *g)
{
    struct aro_check_config config = {.store = g->store, .report = note};
    struct aro_check *check = aro_check_create(&config);

    lost = 0;
    while (aro_check_turn(check, 0) != ARO_CHECK_OVER)
        fixture_settle(g);
    aro_check_destroy(check);
    return lost;
}

/* By whoever only looks, by the start; and not again. */
static void is_told_once(struct fixture *g, unsigned files, const char *what, uint32_t at)
{
    g->config.read_only = true;
    cr_assert(fixture_open(g), "%s", g->error.text);
    cr_assert_eq(told_by_check(g), files, "%s cut at %u: %u", what, at, lost);
    fixture_close(g);
    g->config.read_only = false;
    for (unsigned start = 0; start < 3; start++) {
        cr_assert(fixture_open(g), "%s cut at %u: %s", what, at, g->error.text);
        cr_assert_eq(fixture_stats(g).recovered_lost, start == 0 ? files : 0u,
                     "%s cut at %u: start %u", what, at, start);
        cr_assert_eq(told_by_check(g), start == 0 ? files : 0u);
        if (start == 1)
            put(g, 50);
        fixture_close(g);
    }
}

static void every_cut_of_a_table_is_told(uint32_t number)
{
    uint32_t records = records_of(&killed, number);

    cr_assert_gt(records, 10u);
    for (uint32_t at = 0; at < records; at += at < records - 4 ? 3 : 1) {
        struct fixture g;
        fixture_copy(&killed, &g);
        cut(&g, number, at, records);
        is_told_once(&g, 1, "table", at);
        fixture_end(&g);
    }
}

Test(witness, a_table_cut_at_any_record_is_told_by_a_younger_one)
{
    every_cut_of_a_table_is_told(1);
}

Test(witness, the_youngest_table_cut_at_any_record_is_told_by_the_objects)
{
    every_cut_of_a_table_is_told(2);
}

/* Five segments, and no object that would speak of them. */
static void make_five(void)
{
    fixture_end(&f);
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; fixture_stats(&f).segments_now < 5; n++) {
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
        cr_assert_eq(fixture_sync(&f, 0), 0);
    }
    cr_assert_eq(fixture_append(&f, 1000, LEN), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
}

Test(witness, without_any_object_each_table_is_told_by_younger_ones)
{
    make_five();
    fixture_close(&f);
    for (uint32_t number = 1; number < 5; number++) {
        struct fixture g;
        uint32_t records = records_of(&f, number);
        fixture_copy(&f, &g);
        cut(&g, number, records - 2, records);
        is_told_once(&g, 1, "table", number);
        fixture_end(&g);
    }
}

Test(witness, a_table_is_told_although_the_next_ones_are_gone)
{
    uint32_t records;

    make_five();
    for (uint32_t n = 0;; n++) {
        struct aro_id id = fixture_id(n, LEN);
        struct aro_place place;
        if (aro_store_find(f.store, &id, 0, &place) != 0)
            break;
        if (place.segment > 1 && place.segment < 5)
            cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
    }
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).segments_now, 2u);
    fixture_close(&f);
    records = records_of(&f, 1);
    cut(&f, 1, records / 2, records);
    is_told_once(&f, 1, "table", 1);
}

Test(witness, after_a_clean_stop_objects_log_cut_at_any_record_is_told)
{
    if (fixture_on_device)
        cr_skip_test("the log is not a file");
    cr_assert_eq(fixture_file_size(&f, OBJECTS), PUTS * (uint64_t)ARO_OBJECT_RECORD_BYTES);
    for (uint32_t at = 0; at < PUTS; at++) {
        struct fixture g;
        fixture_copy(&f, &g);
        fixture_truncate(&g, OBJECTS, (uint64_t)at * ARO_OBJECT_RECORD_BYTES);
        is_told_once(&g, 1, OBJECTS, at);
        fixture_end(&g);
    }
}

Test(witness, after_a_kill_all_but_the_last_record_of_objects_log_is_told)
{
    if (fixture_on_device)
        cr_skip_test("the log is not a file");
    fixture_truncate(&killed, OBJECTS, (PUTS - 2) * (uint64_t)ARO_OBJECT_RECORD_BYTES);
    is_told_once(&killed, 1, OBJECTS, PUTS - 2);
}

Test(witness, objects_log_that_was_replaced_may_be_shorter)
{
    cr_assert(fixture_open(&f));
    for (unsigned i = 0; i < 1100; i++)
        cr_assert_eq(fixture_object_add(&f, chunk_of(0, 0), LEN, 0), 0);
    cr_assert_gt(f.store->log.turn, 0u);
    cr_assert_lt(f.store->log.records, 1000u);
    put(&f, 20);
    for (unsigned start = 0; start < 2; start++) {
        fixture_reopen(&f);
        cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
        cr_assert_eq(fixture_stats(&f).objects_now, PUTS + 1u);
    }
    fixture_close(&f);
    if (fixture_on_device)
        return;
    fixture_truncate(&f, OBJECTS, 0);
    is_told_once(&f, 1, OBJECTS, 0);
}

Test(witness, a_segment_that_is_gone_is_not_missed_and_its_number_not_used_again)
{
    cr_assert(fixture_open(&f));
    for (uint32_t p = 0; p < PUTS; p++)
        for (uint32_t i = 0; i < CHUNKS; i++) {
            struct aro_id id = fixture_id(chunk_of(p, i), LEN);
            struct aro_place place;
            cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
            if (place.segment == 2)
                cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
        }
    cr_assert_eq(fixture_sync(&f, 0), 0);
    aro_segment_seal(f.store->active);
    aro_store_deliver(f.store);
    fixture_settle(&f);
    cr_assert_eq(fixture_stats(&f).segments_now, 1u);
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
    for (uint32_t p = 20; p < 20 + PUTS; p++)
        put(&f, p);
    cr_assert_gt(fixture_stats(&f).segments_now, 1u);
    cr_assert_null(aro_segment_map_find(&f.store->map, 2));
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
}

static uint32_t version_of(const struct fixture *g)
{
    struct aro_super super;
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/STORE", g->dir);
    file = fopen(path, "r");
    cr_assert_eq(fread(&super, 1, sizeof(super), file), sizeof(super));
    fclose(file);
    return aro_load_le32(super.version);
}

/* As version 1 would have written it: no claims anywhere. */
static void make_version_1(void)
{
    struct fixture old;
    struct aro_super super;
    char path[512];
    FILE *file;

    fixture_begin(&old);
    cr_assert(fixture_open(&old));
    for (uint32_t i = 0; i < CHUNKS; i++)
        cr_assert_eq(fixture_append(&old, i, LEN), 0);
    fixture_close(&old); /* one segment, no object: nothing to claim */
    fixture_end(&f);
    fixture_copy(&old, &f);
    fixture_end(&old);
    snprintf(path, sizeof(path), "%s/STORE", f.dir);
    file = fopen(path, "r");
    cr_assert_eq(fread(&super, 1, sizeof(super), file), sizeof(super));
    fclose(file);
    aro_store_le32(super.version, 1);
    aro_store_le64(super.check, aro_hash_bytes(&super, offsetof(struct aro_super, check), 0));
    for (uint64_t copy = 0; copy < ARO_SUPER_COPIES; copy++)
        fixture_write_file(&f, "STORE", &super, sizeof(super), copy * ARO_SUPER_STEP_BYTES);
}

Test(witness, a_store_of_version_1_is_opened_and_raised_but_not_by_who_only_looks)
{
    if (fixture_on_device)
        cr_skip_test("its superblock is no file");
    make_version_1();
    f.config.read_only = true;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(fixture_check(&f, 0, LEN), 1);
    fixture_close(&f);
    cr_assert_eq(version_of(&f), 1u);
    f.config.read_only = false;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_eq(version_of(&f), 2u);
    cr_assert_eq(fixture_stats(&f).recovered_lost, 0u);
    put(&f, 30);
    fixture_close(&f);
    fixture_truncate(&f, OBJECTS, 0);
    is_told_once(&f, 1, OBJECTS, 0);
}

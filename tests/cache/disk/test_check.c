/* SPDX-License-Identifier: BSD-3-Clause */
/* Check and scrub: what they find, what they leave alone, and a store that is only looked at. */
#include "cache/disk/check.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/disk/state.h"
#include "tests/cache/disk/fixture.h"

/* 32 chunks fill a segment: two full ones and a half. */
enum { LEN = 65000, CHUNKS = 80, FOUND_MAX = 200 };
#define TABLE "seg-00000002.table"
#define DATA  "seg-00000002.data"

static struct fixture f;

static struct {
    struct aro_walk_item item[FOUND_MAX];
    bool quarantined[FOUND_MAX];
    unsigned count;
} found;

static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < CHUNKS; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    cr_assert_eq(fixture_object_add(&f, 3, LEN, 0), 0);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(check, .init = begin, .fini = end, .timeout = 60);

static void report(void *arg, const struct aro_walk_item *item, bool quarantined)
{
    (void)arg;
    cr_assert_lt(found.count, (unsigned)FOUND_MAX);
    found.item[found.count] = *item;
    found.quarantined[found.count++] = quarantined;
}

/* Runs to the end; after so many turns chunk `remove` goes. Returns how many problems there are. */
static unsigned run(bool payloads, struct aro_check_stats *ret, unsigned turns, uint32_t remove)
{
    struct aro_check_config config = {.store = f.store, .payloads = payloads, .report = report};
    struct aro_check *check = aro_check_create(&config);
    enum aro_check_state state = ARO_CHECK_MORE;
    struct aro_id id = fixture_id(remove, LEN);

    found.count = 0;
    for (unsigned turn = 0; state != ARO_CHECK_OVER; turn++) {
        if (turn == turns)
            cr_assert_eq(aro_store_chunk_remove(f.store, &id), 0);
        state = aro_check_turn(check, 1u << 20);
        if (state == ARO_CHECK_WAITS)
            cr_assert_eq(aro_uring_wait(f.ring), 0);
        aro_uring_poll(f.ring, 64);
        aro_store_poll(f.store);
    }
    aro_check_stats(check, ret);
    aro_check_destroy(check);
    cr_assert_eq(ret->problems, found.count);
    return found.count;
}

static unsigned problems(bool payloads)
{
    struct aro_check_stats stats;

    return run(payloads, &stats, UINT32_MAX, 0);
}

Test(check, a_sound_store_is_walked_whole)
{
    struct aro_check_stats stats;

    cr_assert_eq(run(false, &stats, UINT32_MAX, 0), 0u);
    cr_assert_eq(stats.chunks, (uint64_t)CHUNKS);
    cr_assert_eq(stats.segments, 3u);
    cr_assert_eq(stats.bytes, 0u);
    cr_assert_eq(run(true, &stats, UINT32_MAX, 0), 0u);
    cr_assert_eq(stats.chunks, (uint64_t)CHUNKS);
    cr_assert_eq(stats.bytes, CHUNKS * 65536u);
}

Test(check, scrub_names_every_damaged_chunk_and_quarantines_it)
{
    unsigned left = 0;

    for (uint32_t i = 0; i < 32; i++) /* one bit in each payload of the segment */
        fixture_flip_bit(&f, DATA, ((uint64_t)i * 65536 + i * 2000) * 8 + i % 8);
    cr_assert_eq(problems(false), 0u, "the structure is sound");
    cr_assert_eq(problems(true), 32u);
    for (unsigned i = 0; i < found.count; i++) {
        const struct aro_walk_item *item = &found.item[i];
        struct aro_id id = fixture_id(32 + item->place.block / 16, LEN);
        cr_assert(item->has_chunk && aro_id_equal(&item->id, &id));
        cr_assert_eq(item->place.segment, 2u);
        cr_assert(found.quarantined[i]);
    }
    cr_assert_eq(fixture_stats(&f).quarantined, 32u);
    cr_assert_eq(problems(true), 0u);
    fixture_reopen(&f);
    for (uint32_t n = 0; n < CHUNKS; n++)
        left += (unsigned)fixture_check(&f, n, LEN);
    cr_assert_eq(left, CHUNKS - 32u);
}

Test(check, a_damaged_record_is_named_while_its_chunk_is_still_served)
{
    fixture_flip_bit(&f, TABLE, 5 * ARO_RECORD_BYTES * 8 + 300);
    cr_assert_gt(problems(false), 0u);
    cr_assert_eq(found.item[0].place.segment, 2u);
    cr_assert(found.item[0].has_record);
    cr_assert_eq(found.item[0].record, 5u);
    cr_assert_eq(fixture_check(&f, 37, LEN), 1);
}

Test(check, an_erased_record_is_named_although_the_index_never_knew_it)
{
    const uint8_t nothing[2 * ARO_RECORD_BYTES] = {0};

    fixture_close(&f);
    fixture_write_file(&f, TABLE, nothing, sizeof(nothing), 5 * (uint64_t)ARO_RECORD_BYTES);
    cr_assert(fixture_open(&f));
    cr_assert_eq(problems(false), 2u);
    for (uint32_t i = 0; i < 2; i++)
        cr_assert_eq(found.item[i].record, 5u + i);
}

Test(check, files_that_became_shorter_are_named)
{
    fixture_truncate(&f, DATA, 1u << 20);
    fixture_truncate(&f, "seg-00000001.table", 64);
    cr_assert_eq(problems(false), 2u);
    cr_assert_eq(found.item[0].place.segment, 1u);
    cr_assert_eq(found.item[1].place.segment, 2u);
}

Test(check, a_segment_that_the_start_set_aside_is_named)
{
    char path[512];

    fixture_close(&f);
    snprintf(path, sizeof(path), "%s/" DATA, f.dir);
    cr_assert_eq(unlink(path), 0);
    cr_assert(fixture_open(&f));
    cr_assert_eq(problems(false), 1u);
    cr_assert_eq(found.item[0].place.segment, 2u);
}

Test(check, objects_log_that_the_start_missed_is_named)
{
    fixture_close(&f);
    fixture_unlink(&f, "objects.log");
    cr_assert(fixture_open(&f));
    cr_assert_eq(problems(false), 1u);
    cr_assert_not_null(strstr(found.item[0].problem, "objects.log"));
}

Test(check, a_damaged_record_of_objects_log_is_named_and_gone_after_the_next_start)
{
    for (uint32_t n = 4; n < 8; n++)
        cr_assert_eq(fixture_object_add(&f, n, LEN, 0), 0);
    cr_assert_eq(problems(false), 0u);
    fixture_flip_bit(&f, "objects.log", (2 * ARO_OBJECT_RECORD_BYTES + 40) * 8);
    cr_assert_eq(problems(false), 1u);
    cr_assert(found.item[0].of_log && found.item[0].has_record);
    cr_assert_eq(found.item[0].record, 2u);
    fixture_truncate(&f, "objects.log", 4 * ARO_OBJECT_RECORD_BYTES);
    cr_assert_eq(problems(false), 2u); /* and that it became shorter */
    fixture_reopen(&f);
    cr_assert_eq(fixture_stats(&f).objects_now, 3u);
    cr_assert_eq(fixture_object_add(&f, 9, LEN, 0), 0);
    cr_assert_eq(problems(false), 1u);
    cr_assert(found.item[0].of_log && !found.item[0].has_record, "it had been longer");
    fixture_reopen(&f);
    cr_assert_eq(problems(false), 0u);
}

Test(check, index_and_table_are_held_against_each_other)
{
    struct aro_segment *segment = aro_segment_map_find(&f.store->map, 2);
    struct aro_id id = fixture_id(40, LEN), made_up = {{9, 9, 9, 9}};
    struct aro_place place;

    cr_assert_not_null(segment);
    if (segment == NULL) /* for the compiler */
        return;
    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    cr_assert_eq(aro_places_erase(f.store->places, &id, &place), 0);
    cr_assert_eq(problems(false), 2u); /* it, and the segment's count */
    cr_assert(aro_id_equal(&found.item[0].id, &id));
    cr_assert_eq(aro_places_insert(f.store->places, &id, &place), 0);
    place.block = 500;
    cr_assert_eq(aro_places_insert(f.store->places, &made_up, &place), 0);
    segment->live++;
    cr_assert_eq(problems(false), 1u);
    segment->live--;
}

Test(check, what_is_removed_meanwhile_is_no_problem)
{
    struct aro_check_stats stats;

    for (unsigned turns = 0; turns < 30; turns++)
        cr_assert_eq(run(true, &stats, turns, 32 + turns), 0u, "after %u turns: %s", turns,
                     found.item[0].problem);
}

Test(check, what_is_damaged_and_removed_before_it_is_judged_is_no_problem_either)
{
    struct aro_check_stats stats;

    for (unsigned turns = 0; turns < 3; turns++) { /* 2: when its bytes have come already */
        fixture_flip_bit(&f, "seg-00000001.data", (uint64_t)turns * 65536 * 8 + 99);
        cr_assert_eq(run(true, &stats, turns, turns), 0u, "after %u turns", turns);
    }
}

/* ---- only looking ---- */

/* Everything that is there, as one number. */
static unsigned long print_of(void)
{
    char command[600], text[32] = "";
    FILE *pipe;

    snprintf(command, sizeof(command), "cd %s && ls -l . | cat - * | cksum", f.dir);
    pipe = popen(command, "r");
    cr_assert_not_null(fgets(text, sizeof(text), pipe));
    pclose(pipe);
    return strtoul(text, NULL, 10);
}

Test(check, a_store_that_is_only_looked_at_does_not_change)
{
    unsigned long before;

    fixture_close(&f);
    fixture_truncate(&f, "seg-00000003.table",
                     fixture_file_size(&f, "seg-00000003.table") - 70);   /* torn, no COMMIT */
    fixture_flip_bit(&f, "seg-00000001.table", 3 * ARO_RECORD_BYTES * 8); /* an object's manifest */
    fixture_flip_bit(&f, "STORE", 200);
    fixture_flip_bit(&f, "objects.log", 100 * 8);
    fixture_write_file(&f, "objects.log.new", "half", 4, 0);
    fixture_write_file(&f, "seg-00000009.table", "", 0, 0); /* debris */
    before = print_of();
    f.config.read_only = true;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_gt(fixture_stats(&f).recovered_torn, 0u);
    cr_assert_eq(fixture_append(&f, 900, LEN), -EROFS);
    cr_assert_eq(problems(true), 1u); /* the flipped record; a torn end is the next start's */
    for (int i = 0; i < 3; i++)
        cr_assert_not(aro_store_poll(f.store));
    fixture_close(&f);
    cr_assert_eq(print_of(), before);
    f.config.read_only = false;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    cr_assert_neq(print_of(), before);
}

Test(check, looking_is_refused_while_a_daemon_has_the_store_and_the_other_way_round)
{
    struct aro_store_config config = f.config;
    struct aro_store *second;
    struct aro_error error;

    config.read_only = true;
    cr_assert_null(aro_store_open(&config, NULL, NULL, &error));
    cr_assert_eq((int)error.id, (int)ARO_E_STORE_LOCKED);
    fixture_close(&f);
    f.config.read_only = true;
    cr_assert(fixture_open(&f), "%s", f.error.text);
    second = aro_store_open(&config, NULL, NULL, &error);
    cr_assert_not_null(second, "two may look");
    config.read_only = false;
    cr_assert_null(aro_store_open(&config, NULL, NULL, &error));
    cr_assert_eq((int)error.id, (int)ARO_E_STORE_LOCKED);
    aro_store_close(second);
}

Test(check, looking_makes_no_store)
{
    char path[600];
    struct aro_store_config config = f.config;
    struct aro_error error;

    config.read_only = true;
    snprintf(path, sizeof(path), "%s/none", f.dir);
    config.path = path;
    cr_assert_null(aro_store_open(&config, NULL, NULL, &error));
    cr_assert_eq((int)error.id, (int)ARO_E_STORE_CREATE);
    cr_assert_neq(access(path, F_OK), 0);
}

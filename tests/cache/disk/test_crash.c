/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power cuts at every event of a recorded run. After each: the store opens unattended, what was
 * acknowledged is there, an object is never half there, no byte is wrong.
 */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/format.h"
#include "tests/cache/disk/faults.h"

enum { PUTS = 14, CHUNKS = 4, SEEDS = 2 };

/* Chunk number and length are one: n decides. Some chunks are shared by several puts. */
static uint32_t len_of(uint32_t n)
{
    return n % 7 == 3 ? 250000 : 1 + n * 37 % 9000;
}

static uint32_t chunk_of(uint32_t put, uint32_t i)
{
    return put % 3 == 2 && i == 1 ? (put - 1) * 100 + 1 : put * 100 + i;
}

struct put {
    struct aro_store_op op[CHUNKS];
    uint8_t *data[CHUNKS];
    struct aro_store_op add;
    uint64_t mark;
    unsigned acknowledged; /* event */
};

static struct fixture f;
static struct put batch[PUTS];

/* Every other put hands over its chunks one by one, the others all at once: one write. */
static void begin_put(uint32_t p)
{
    struct aro_append append[CHUNKS];
    struct aro_id id[CHUNKS];

    batch[p].mark = aro_store_mark(f.store);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint32_t n = chunk_of(p, i);
        const uint8_t *bytes = fixture_chunk(n, len_of(n), &id[i]);
        batch[p].data[i] = aligned_alloc(4096, aro_blocks(len_of(n)) * 4096);
        memcpy(batch[p].data[i], bytes, len_of(n));
        batch[p].op[i] = (struct aro_store_op){.done = fixture_note};
        append[i] = (struct aro_append){
            .op = &batch[p].op[i], .id = &id[i], .data = batch[p].data[i], .len_bytes = len_of(n)};
        if (p % 2 == 0)
            aro_store_append_burst(f.store, &append[i], 1);
    }
    if (p % 2 != 0)
        aro_store_append_burst(f.store, append, CHUNKS);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        cr_assert(append[i].result == 0 || append[i].result == -EEXIST, "%d", append[i].result);
        if (append[i].result != 0)
            batch[p].op[i].store = NULL;
    }
}

static void finish_put(uint32_t p)
{
    struct aro_object object = fixture_object(chunk_of(p, 0), len_of(chunk_of(p, 0)));

    for (uint32_t i = 0; i < CHUNKS; i++)
        cr_assert_eq(fixture_wait(&f, &batch[p].op[i]), 0);
    batch[p].add = (struct aro_store_op){.done = fixture_note};
    cr_assert_eq(aro_store_object_add(f.store, &batch[p].add, &object, batch[p].mark), 0);
    cr_assert_eq(fixture_wait(&f, &batch[p].add), 0);
    batch[p].acknowledged = faults_events();
}

/* Two batch at a time, sharing syncs. */
static void run(void)
{
    for (uint32_t p = 0; p < PUTS; p += 2) {
        begin_put(p);
        begin_put(p + 1);
        finish_put(p + 1);
        finish_put(p);
    }
}

static void check_after(unsigned cut, uint32_t seed)
{
    struct fixture after;

    faults_power_cut(cut, seed, &after);
    cr_assert(fixture_open(&after), "cut %u seed %u: %s", cut, seed, after.error.text);
    cr_assert_eq(fixture_cut_short(&after), 0u, "cut %u seed %u: false alarm", cut, seed);
    for (uint32_t p = 0; p < PUTS; p++) {
        uint32_t manifest = chunk_of(p, 0);
        struct aro_id id = fixture_id(manifest, len_of(manifest));
        struct aro_object object;
        bool visible = aro_store_object_find(after.store, &id, &object) == 0;
        bool owed = batch[p].acknowledged != 0 && batch[p].acknowledged <= cut;
        cr_assert(visible || !owed, "cut %u seed %u: put %u was acknowledged", cut, seed, p);
        for (uint32_t i = 0; i < CHUNKS; i++) {
            uint32_t n = chunk_of(p, i);
            int right = fixture_check(&after, n, len_of(n));
            cr_assert(right || !visible, "cut %u seed %u: object %u is half there", cut, seed, p);
        }
    }
    fixture_end(&after);
}

/*
 * The start itself is cut off: a store whose table ends in a record that nobody committed is put
 * right, cut at any event of that, and started again.
 */
Test(crash, a_power_cut_while_a_start_puts_things_right_loses_nothing, .timeout = 300)
{
    static const uint8_t nothing[64];
    struct fixture killed, torn;
    unsigned events;

    fixture_begin(&killed);
    cr_assert(fixture_open(&killed));
    for (uint32_t n = 0; n < 6; n++)
        cr_assert_eq(fixture_append(&killed, n, len_of(n)), 0);
    cr_assert_eq(fixture_object_add(&killed, 0, len_of(0), 0), 0);
    cr_assert_eq(fixture_append(&killed, 6, len_of(6)), 0);
    cr_assert_eq(fixture_object_add(&killed, 6, len_of(6), 0), 0);
    fixture_copy(&killed, &f);
    fixture_end(&killed);
    if (fixture_on_device) /* the tenth record and last COMMIT */
        fixture_write_file(&f, "seg-00000001.table", nothing, sizeof(nothing), 8 * 64);
    else
        fixture_truncate(&f, "seg-00000001.table",
                         fixture_file_size(&f, "seg-00000001.table") - 64);
    faults_record(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    faults_pause();
    events = faults_events();
    cr_assert_gt(events, 4u);
    for (unsigned cut = 0; cut <= events; cut++) {
        faults_power_cut(cut, cut, &torn);
        cr_assert(fixture_open(&torn), "cut %u: %s", cut, torn.error.text);
        for (uint32_t n = 0; n < 7; n++)
            cr_assert_eq(fixture_check(&torn, n, len_of(n)), 1, "cut %u: chunk %u", cut, n);
        cr_assert_eq(fixture_stats(&torn).objects_now, 2u);
        fixture_end(&torn);
    }
    faults_stop();
    fixture_end(&f);
}

enum { TAIL = 40, SEEDS_TAIL = 6 };

static bool is_rotten(uint32_t n)
{
    return n % 3 == 1;
}

/* Records that nobody committed; of every third one the payload is not what was written. */
static void make_rotten_tail(void)
{
    static const uint8_t nothing[ARO_RECORD_BYTES];
    struct aro_place place;
    struct aro_id id;
    uint64_t block[TAIL];

    for (uint32_t n = 0; n < TAIL; n++) {
        cr_assert_eq(fixture_append(&f, n, len_of(n)), 0);
        id = fixture_id(n, len_of(n));
        cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
        block[n] = place.block;
    }
    fixture_close(&f);
    if (fixture_on_device)
        fixture_write_file(&f, "seg-00000001.table", nothing, sizeof(nothing),
                           TAIL * sizeof(nothing));
    else
        fixture_truncate(&f, "seg-00000001.table", TAIL * sizeof(nothing));
    for (uint32_t n = 0; n < TAIL; n++)
        if (is_rotten(n))
            fixture_flip_bit(&f, "seg-00000001.data", block[n] * ARO_BLOCK_BYTES * 8);
}

/*
 * What a start struck out because its payload is not there must not be believed by the next one,
 * whatever of the first was durable when it was cut off: it would be told as stored to who puts it.
 */
Test(crash, what_a_start_that_is_cut_off_struck_out_is_never_believed, .timeout = 300)
{
    struct fixture torn;
    struct aro_place place;
    unsigned events;

    fixture_begin(&f);
    cr_assert(fixture_open(&f));
    make_rotten_tail();
    faults_record(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    faults_pause();
    events = faults_events();
    for (uint32_t seed = 0; seed < (events + 1) * SEEDS_TAIL; seed++) {
        unsigned cut = seed / SEEDS_TAIL;
        faults_power_cut(cut, seed, &torn);
        cr_assert(fixture_open(&torn), "cut %u: %s", cut, torn.error.text);
        for (uint32_t n = 0; n < TAIL; n++) {
            struct aro_id id = fixture_id(n, len_of(n));
            int known = aro_store_find(torn.store, &id, 0, &place);
            cr_assert_eq(known, is_rotten(n) ? -ENOENT : 0, "cut %u seed %u: chunk %u", cut, seed,
                         n);
        }
        fixture_end(&torn);
    }
    faults_stop();
    fixture_end(&f);
}

/*
 * What a failed sync left may be durable or not: nobody may claim it. Of what is put afterwards the
 * claims are in another segment.
 */
static void claims_after_a_failed_sync(const char *name)
{
    struct fixture after;
    unsigned events;

    fixture_begin(&f);
    cr_assert(fixture_open(&f));
    cr_assert_eq(fixture_append(&f, 0, len_of(0)), 0);
    cr_assert_eq(fixture_object_add(&f, 0, len_of(0), 0), 0);
    faults_record(&f);
    for (uint32_t n = 1; n < 8; n++)
        cr_assert_eq(fixture_append(&f, n, len_of(n)), 0);
    faults_order(FAULT_SYNC, name, 0, 1, -EIO);
    cr_assert_eq(fixture_object_add(&f, 1, len_of(1), aro_store_mark(f.store)), -EIO);
    cr_assert_eq(faults_hit(), 1u);
    for (uint32_t n = 8; n < 12; n++) {
        cr_assert_eq(fixture_append(&f, n, len_of(n)), 0);
        cr_assert_eq(fixture_sync(&f, aro_store_mark(f.store)), 0);
    }
    faults_pause();
    events = faults_events();
    for (uint32_t seed = 0; seed < (events + 1) * SEEDS_TAIL; seed++) {
        faults_power_cut(seed / SEEDS_TAIL, seed, &after);
        cr_assert(fixture_open(&after), "%s", after.error.text);
        cr_assert_eq(fixture_cut_short(&after), 0u, "%s: seed %u: false alarm", name, seed);
        fixture_end(&after);
    }
    faults_stop();
    fixture_end(&f);
}

Test(crash, what_a_failed_sync_left_is_never_claimed, .timeout = 300)
{
    if (fixture_on_device) {
        claims_after_a_failed_sync("any.table");
        return;
    }
    claims_after_a_failed_sync("seg-00000001.table");
    claims_after_a_failed_sync("objects.log");
}

Test(crash, a_power_cut_at_any_event_loses_nothing_acknowledged, .timeout = 300)
{
    unsigned events;

    fixture_begin(&f);
    cr_assert(fixture_open(&f));
    faults_record(&f);
    run();
    faults_pause();
    events = faults_events();
    for (unsigned cut = 0; cut <= events; cut++)
        for (uint32_t seed = 1; seed <= SEEDS; seed++)
            check_after(cut, cut * 97 + seed);
    faults_stop();
    for (uint32_t p = 0; p < PUTS; p++)
        for (uint32_t i = 0; i < CHUNKS; i++)
            free(batch[p].data[i]);
    fixture_end(&f);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Appends in bursts: neighbours are one write, and each has an end of its own all the same. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>

#include "tests/cache/disk/faults.h"

enum { LEN = 5000, BLOCKS_BYTES = 8192, BURST_MAX = 40, LARGE = 500000 };

static struct fixture f;

/* Chunks from, from + 1, ... handed over together. */
static struct {
    struct aro_store_op op[BURST_MAX];
    struct aro_append append[BURST_MAX];
    struct aro_id id[BURST_MAX];
    uint8_t *data[BURST_MAX];
    unsigned n;
} burst;

static void start(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

static void end(void)
{
    for (unsigned i = 0; i < BURST_MAX; i++)
        free(burst.data[i]);
    fixture_end(&f);
}

TestSuite(burst, .init = start, .fini = end, .timeout = 60);

static void burst_add(uint32_t number, uint32_t len_bytes)
{
    unsigned i = burst.n++;
    const uint8_t *bytes = fixture_chunk(number, len_bytes, &burst.id[i]);

    burst.data[i] = aligned_alloc(4096, aro_blocks(len_bytes) * 4096);
    memcpy(burst.data[i], bytes, len_bytes);
    burst.op[i] = (struct aro_store_op){.done = fixture_note};
    burst.append[i] = (struct aro_append){
        .op = &burst.op[i], .id = &burst.id[i], .data = burst.data[i], .len_bytes = len_bytes};
}

static void burst_of(uint32_t from, unsigned n, uint32_t len_bytes)
{
    for (unsigned i = 0; i < n; i++)
        burst_add(from + i, len_bytes);
    aro_store_append_burst(f.store, burst.append, burst.n);
}

static int outcome(unsigned i)
{
    return burst.append[i].result != 0 ? burst.append[i].result : fixture_wait(&f, &burst.op[i]);
}

/* One chunk is there already: the segment is, too. */
static void segment_exists(void)
{
    cr_assert_eq(fixture_append(&f, 1000, LEN), 0);
}

Test(burst, neighbours_are_one_write_and_each_chunk_is_found_after_a_restart)
{
    unsigned before;

    segment_exists();
    before = faults_count(FAULT_WRITE, ".data");
    burst_of(0, 7, LEN);
    for (unsigned i = 0; i < 7; i++)
        cr_assert_eq(outcome(i), 0);
    cr_assert_eq(faults_count(FAULT_WRITE, ".data"), before + 1);
    cr_assert_eq(fixture_stats(&f).writes, 8u);
    for (uint32_t n = 0; n < 7; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 1);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    for (uint32_t n = 0; n < 7; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 1);
}

Test(burst, a_write_takes_sixteen_chunks_and_a_mebibyte_at_most)
{
    unsigned before;

    segment_exists();
    before = faults_count(FAULT_WRITE, ".data");
    burst_of(0, 20, LEN);
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(outcome(i), 0);
    cr_assert_eq(faults_count(FAULT_WRITE, ".data"), before + 2, "16 and 4");
    burst.n = 0;
    burst_of(100, 3, LARGE);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(outcome(i), 0);
    cr_assert_eq(faults_count(FAULT_WRITE, ".data"), before + 4, "2 and 1");
}

Test(burst, it_goes_on_in_the_next_segment)
{
    burst_of(0, 6, LARGE);
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(outcome(i), 0, "%u", i);
    cr_assert_eq(fixture_stats(&f).segments_now, 2u);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    for (uint32_t n = 0; n < 6; n++)
        cr_assert_eq(fixture_check(&f, n, LARGE), 1);
}

Test(burst, the_same_chunk_twice_is_stored_once)
{
    segment_exists();
    burst_add(1, LEN);
    burst_add(1, LEN);
    burst_add(1000, LEN);
    aro_store_append_burst(f.store, burst.append, burst.n);
    cr_assert_eq(outcome(0), 0);
    cr_assert_eq(outcome(1), -EEXIST);
    cr_assert_eq(outcome(2), -EEXIST);
    cr_assert_eq(fixture_stats(&f).chunks_now, 2u);
}

Test(burst, a_write_that_fails_fails_every_chunk_of_it)
{
    uint64_t mark = aro_store_mark(f.store);

    segment_exists();
    burst_add(5, LEN);
    burst_add(6, LEN);
    burst_add(5, LEN); /* relies on the first */
    faults_order(FAULT_WRITE, ".data", 0, 1, -EIO);
    aro_store_append_burst(f.store, burst.append, burst.n);
    cr_assert_eq(outcome(0), -EIO);
    cr_assert_eq(outcome(1), -EIO);
    cr_assert_eq(outcome(2), -EEXIST);
    cr_assert_eq(fixture_stats(&f).write_failures, 2u);
    cr_assert_eq(fixture_check(&f, 5, LEN), 0);
    cr_assert_eq(fixture_sync(&f, mark), -EIO, "the twin was lost");
}

Test(burst, of_a_write_that_ends_early_only_whole_chunks_are_there)
{
    segment_exists();
    faults_order(FAULT_WRITE, ".data", 0, 1, 2 * BLOCKS_BYTES + 4096);
    burst_of(0, 4, LEN);
    cr_assert_eq(outcome(0), 0);
    cr_assert_eq(outcome(1), 0);
    cr_assert_eq(outcome(2), -EIO);
    cr_assert_eq(outcome(3), -EIO);
    cr_assert_eq(fixture_check(&f, 2, LEN), 0);
}

static void ignore(struct aro_io *io, int result)
{
    (void)io;
    (void)result;
}

Test(burst, a_full_ring_delays_it_and_no_room_is_lost)
{
    struct aro_store_totals totals;
    struct aro_io nop = {.done = ignore};

    segment_exists();
    while (aro_uring_nop(f.ring, &nop) == 0)
        continue;
    burst_of(0, 5, LEN);
    aro_store_totals(f.store, &totals);
    cr_assert_eq(totals.written_bytes, BLOCKS_BYTES, "no place without a write");
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(outcome(i), 0);
    aro_store_totals(f.store, &totals);
    cr_assert_eq(totals.written_bytes, 6u * BLOCKS_BYTES);
    for (uint32_t n = 0; n < 5; n++)
        cr_assert_eq(fixture_check(&f, n, LEN), 1);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/reader.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sys/mman.h>

#include "cache/disk/uring.h"
#include "tests/cache/disk/fixture.h"

enum { CHUNKS = 40, LEN = 70000, SLOT = 73728, DEPTH = 16 };

static struct fixture f;
static uint8_t *region;
static struct aro_disk_reader *reader;

static void begin(void)
{
    struct aro_disk_reader_config config = {
        .depth = DEPTH, .region_bytes = CHUNKS * SLOT, .files = true};

    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
    for (uint32_t n = 0; n < CHUNKS; n++)
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
    region =
        mmap(NULL, config.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    config.store = f.store;
    config.region = region;
    reader = aro_disk_reader_create(&config);
    cr_assert_not_null(reader);
}

static void end(void)
{
    aro_disk_reader_destroy(reader);
    munmap(region, CHUNKS * SLOT);
    fixture_end(&f);
}

TestSuite(reader, .init = begin, .fini = end, .timeout = 60);

static struct aro_place place_of(uint32_t n)
{
    struct aro_id id = fixture_id(n, LEN);
    struct aro_place place;

    cr_assert_eq(aro_store_find(f.store, &id, 0, &place), 0);
    return place;
}

Test(reader, many_reads_at_once_each_land_in_their_own_memory)
{
    struct aro_disk_reader_stats stats;
    uint32_t next = 0, finished = 0;
    struct aro_id id;
    int refused;

    while (finished < CHUNKS) {
        struct aro_disk_done done[8];
        unsigned n;
        while (next < CHUNKS) {
            struct aro_place place = place_of(next);
            if (aro_disk_read(reader, &place, region + next * SLOT, next) != 0)
                break;
            next++;
        }
        aro_disk_submit(reader);
        n = aro_disk_reap_burst(reader, done, 8);
        for (unsigned i = 0; i < n; i++) {
            uint32_t chunk = (uint32_t)done[i].cookie;
            cr_assert_eq(done[i].result, 0);
            cr_assert_eq(memcmp(region + chunk * SLOT, fixture_chunk(chunk, LEN, &id), LEN), 0);
        }
        finished += n;
    }
    cr_assert_eq(aro_disk_in_flight(reader), 0u);
    aro_disk_reader_stats(reader, &stats);
    cr_assert_eq(stats.reads, (uint64_t)CHUNKS);
    cr_assert_eq(stats.read_bytes, (uint64_t)CHUNKS * SLOT);
    cr_assert_eq(stats.failures, 0u);
    if (!aro_uring_is_threads(f.ring, &refused))
        cr_assert(stats.fixed_buffers && stats.fixed_files);
}

Test(reader, depth_is_a_limit)
{
    struct aro_place place = place_of(0);

    for (unsigned i = 0; i < DEPTH; i++)
        cr_assert_eq(aro_disk_read(reader, &place, region + i * SLOT, i), 0);
    cr_assert_eq(aro_disk_read(reader, &place, region + DEPTH * SLOT, 99), -EAGAIN);
    cr_assert_eq(aro_disk_in_flight(reader), (unsigned)DEPTH);
}

/* While a burst is still being prepared the device works on its beginning. */
Test(reader, a_burst_is_handed_over_in_pieces)
{
    struct aro_disk_reader_stats stats;
    struct aro_place place = place_of(0);
    int refused;

    if (aro_uring_is_threads(f.ring, &refused))
        cr_skip_test("threads need no system call");
    for (unsigned i = 0; i < DEPTH; i++) {
        aro_disk_reader_stats(reader, &stats);
        cr_assert_eq(stats.enters, i / 4, "before read %u", i);
        cr_assert_eq(aro_disk_read(reader, &place, region + i * SLOT, i), 0);
    }
}

Test(reader, destroying_waits_for_reads_in_flight)
{
    struct aro_disk_reader_config config = {.store = f.store, .depth = 8};
    struct aro_disk_reader *other = aro_disk_reader_create(&config);
    struct aro_place place = place_of(0);

    cr_assert_eq(aro_disk_read(other, &place, region, 1), 0);
    aro_disk_reader_destroy(other);
}

Test(reader, a_place_in_no_segment_is_stale)
{
    struct aro_place place = place_of(0);

    place.segment += 1000;
    cr_assert_eq(aro_disk_read(reader, &place, region, 1), -ESTALE);
}

Test(reader, a_read_beyond_the_file_is_an_error_not_old_memory)
{
    struct aro_place place = place_of(0);
    struct aro_disk_done done;

    if (fixture_on_device) {
        end(); /* a skipped test has no .fini */
        cr_skip_test("a device does not end there");
    }
    place.block = (uint32_t)(f.config.segment_bytes / ARO_BLOCK_BYTES) - 1;
    cr_assert_eq(aro_disk_read(reader, &place, region, 7), 0);
    do {
        aro_disk_submit(reader);
    } while (aro_disk_reap_burst(reader, &done, 1) == 0);
    cr_assert_eq(done.cookie, 7u);
    cr_assert_eq(done.result, -EIO);
}

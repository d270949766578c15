/* SPDX-License-Identifier: BSD-3-Clause */
/* Misses: two lcores, one store, real io_uring reads; the test decides which lcore turns when. */
#include "tests/dataplane/rig.h"

#include "cache/disk/state.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

enum { SLICE = 1408, CHUNK = 65536, SLICES = 47, PATIENCE_TURNS = 20000000 };

static void eal_up(void)
{
    rig_eal_start(192);
}

static bool disk_stands; /* it takes reads and does not answer */

unsigned __real_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max);
unsigned __wrap_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max);

unsigned __wrap_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max)
{
    return disk_stands ? 0 : __real_aro_disk_reap_burst(reader, done, max);
}

TestSuite(pending, .init = eal_up, .timeout = 60);

/* Lets the keeper stock the lcores, as the control thread does. */
static void keep(struct rig *rig)
{
    for (unsigned i = 0; i < 4; i++) {
        aro_cache_maintain(rig->cache, 256);
        for (unsigned wire = 0; wire < rig->dataplane->lcores; wire++)
            aro_cache_quiescent(rig->dataplane->lcore[wire]->reader);
    }
}

/* Turns the lcore at hand until `frames` frames came out or patience ends; counts by first byte. */
static unsigned collect(struct rig *rig, unsigned frames, unsigned count[256], uint8_t *bytes,
                        uint8_t *ret_tier)
{
    unsigned got = 0;

    for (unsigned turn = 0; turn < PATIENCE_TURNS && got < frames; turn++) {
        struct rig_frame frame;
        struct aro_data data;
        rig_turn(rig, 1);
        while (rig_take(rig, &frame)) {
            got++;
            count[frame.payload[0]]++;
            if (aro_data_decode(frame.payload, frame.payload_bytes, &data) != 0)
                continue;
            *ret_tier = data.flags & ARO_DATA_TIER_MASK;
            memcpy(bytes + (size_t)data.index * SLICE, data.payload, data.payload_bytes);
        }
    }
    return got;
}

static struct rig *rig_with_chunk(uint32_t len_bytes, struct aro_id *ret_id,
                                  void (*tweak)(struct aro_dataplane_config *config))
{
    struct rig *rig = rig_create_store(tweak);

    *ret_id = rig_stored_chunk(rig, len_bytes, 5);
    keep(rig);
    return rig;
}

static bool bytes_are_right(const uint8_t *bytes, uint32_t len_bytes)
{
    uint8_t *expected = malloc(len_bytes);

    rig_chunk_bytes(expected, len_bytes, 5);
    bool same = memcmp(bytes, expected, len_bytes) == 0;
    free(expected);
    return same;
}

static void chunk_arrives_from_disk(struct rig *rig, uint32_t len_bytes)
{
    struct aro_id id = rig_stored_chunk(rig, len_bytes, 5);
    uint32_t slices = RTE_MIN(aro_slices(len_bytes, SLICE), 64u);
    uint8_t *bytes = calloc(1, ARO_CHUNK_BYTES_MAX), tier = 9;
    uint64_t reads = rig->lcore->counters.disk_reads;
    unsigned count[256] = {0};

    for (unsigned tries = 0; tries < 4 && count[ARO_MSG_DATA] == 0; tries++) {
        keep(rig); /* the first chunk of a size finds no stock of it: RETRY_LATER, then it is there
                    */
        rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1);
        rig_turn(rig, 1);
        collect(rig, rig->lcore->pending.waiting != 0 ? slices : 1, count, bytes, &tier);
    }
    cr_assert_eq(count[ARO_MSG_DATA], slices, "%u of %u", count[ARO_MSG_DATA], slices);
    cr_assert_eq(tier, ARO_TIER_DISK);
    cr_assert(bytes_are_right(bytes, RTE_MIN(len_bytes, 64u * SLICE)));
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 2);
    collect(rig, slices, count, bytes, &tier);
    cr_assert_eq(tier, ARO_TIER_MEMORY);
    cr_assert_eq(rig->lcore->counters.disk_reads, reads + 1);
    free(bytes);
}

Test(pending, chunks_on_disk_arrive_and_stay_in_memory)
{
    const uint32_t lengths[] = {1, 4095, 4096, 4097, 65536, 1048576};
    struct rig *rig = rig_create_store(NULL);

    rig_validate(rig);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
        chunk_arrives_from_disk(rig, lengths[i]);
    rig_turn(rig, 4);
    rig_check_balance(rig);
    rig_destroy(rig);
}

static bool buffers_are_fixed(const struct rig *rig)
{
    struct aro_lcore_info info;

    aro_dataplane_lcore_info(rig->dataplane, 0, &info);
    return info.read_fixed_buffers;
}

Test(pending, chunks_are_read_before_and_after_chunk_memory_is_registered)
{
    struct rig *rig = rig_create_store(NULL);

    rig->lcore->region_present = false;
    rig_validate(rig);
    chunk_arrives_from_disk(rig, 65536);
    cr_assert(!buffers_are_fixed(rig));
    aro_dataplane_region_present(rig->dataplane);
    chunk_arrives_from_disk(rig, 4096);
    cr_assert(buffers_are_fixed(rig));
    aro_lcore_close(rig->lcore); /* another ring: registered again */
    aro_lcore_open(rig->lcore);
    cr_assert(!buffers_are_fixed(rig));
    rig_turn(rig, 1);
    cr_assert(buffers_are_fixed(rig));
    rig_destroy(rig);
}

Test(pending, many_requests_on_two_lcores_cost_one_read)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, NULL);
    uint8_t *bytes = calloc(1, CHUNK), tier;

    for (unsigned wire = 0; wire < 2; wire++) {
        rig_use(rig, wire);
        rig_validate(rig);
        for (unsigned i = 0; i < 20; i++)
            rig_get(rig, &id, SLICE, 0, UINT64_MAX, i);
    }
    rig_use(rig, 0);
    rig_turn(rig, 1); /* starts the read, and joins it with the other 19 */
    rig_use(rig, 1);
    rig_turn(rig, 1);
    for (unsigned wire = 0; wire < 2; wire++) {
        unsigned count[256] = {0};
        rig_use(rig, wire);
        collect(rig, 20 * SLICES, count, bytes, &tier);
        cr_assert_eq(count[ARO_MSG_DATA], 20u * SLICES, "wire %u: %u", wire, count[ARO_MSG_DATA]);
        cr_assert(bytes_are_right(bytes, CHUNK));
        rig_turn(rig, 30);
        rig_check_balance(rig);
    }
    cr_assert_eq(rig->dataplane->lcore[0]->counters.disk_reads, 1u);
    cr_assert_eq(rig->dataplane->lcore[1]->counters.disk_reads, 0u);
    cr_assert_eq(rig->dataplane->lcore[1]->counters.misses_joined, 20u);
    free(bytes);
    rig_destroy(rig);
}

static void short_deadline(struct aro_dataplane_config *config)
{
    config->pending_deadline_us = 1000;
}

Test(pending, a_waiter_whose_reader_stalls_is_told_to_come_back)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, short_deadline);
    unsigned count[256] = {0};
    uint8_t bytes[8], tier;

    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, 1, 1);
    rig_turn(rig, 1); /* lcore 0 starts the read and does not turn again */
    rig_use(rig, 1);
    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, 1, 2);
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(count[ARO_MSG_STATUS], 1u);
    cr_assert_eq(rig->lcore->counters.pending_expired, 1u);
    cr_assert_eq(rig->lcore->counters.status_retry_later, 1u);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(pending, a_disk_that_stands_still_costs_its_waiters_a_deadline_and_hits_nothing)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, short_deadline);
    const struct aro_counters *c = &rig->lcore->counters;
    struct aro_id here = rig_chunk(rig, CHUNK, 7);
    unsigned count[256] = {0};
    uint8_t *bytes = calloc(1, CHUNK), tier = 9;

    keep(rig);
    rig_validate(rig);
    disk_stands = true;
    for (unsigned i = 1; i <= 3; i++) {
        rig_get(rig, &id, SLICE, 0, 1, i);
        collect(rig, 1, count, bytes, &tier);
        cr_assert_eq(count[ARO_MSG_STATUS], i);
        cr_assert_eq(c->pending_expired, i);
        cr_assert_eq(c->disk_reads, 1u, "who asks again joins the read");
        rig_get(rig, &here, SLICE, 0, 1, 10);
        collect(rig, 1, count, bytes, &tier);
        cr_assert_eq(count[ARO_MSG_DATA], i);
        keep(rig);
    }
    cr_assert_eq(rig->lcore->pending.free_reads, rig->lcore->pending.reads_max - 1);
    cr_assert_eq(rig->lcore->pending.waiting, 0u);
    cr_assert_eq(aro_entry_state(rig->lcore->pending.read[0].entry), ARO_ENTRY_READING,
                 "the disk still writes into its memory");
    disk_stands = false;
    for (unsigned turn = 0;
         turn < PATIENCE_TURNS && rig->lcore->pending.free_reads < rig->lcore->pending.reads_max;
         turn++)
        rig_turn(rig, 1);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 20);
    collect(rig, SLICES, count, bytes, &tier);
    cr_assert_eq(tier, ARO_TIER_MEMORY, "what came late was not read in vain");
    cr_assert(bytes_are_right(bytes, CHUNK));
    cr_assert_eq(c->disk_reads, 1u);
    rig_turn(rig, 4);
    rig_check_balance(rig);
    free(bytes);
    rig_destroy(rig);
}

static void few_reads(struct aro_dataplane_config *config)
{
    config->reads_per_lcore = 8;
    config->pending_per_lcore = 64;
}

/* Flips one payload byte of every data file of the store: "" is the first, "/second" the other. */
static void damage(const struct rig *rig, const char *disk)
{
    char pattern[96];
    glob_t files;

    snprintf(pattern, sizeof(pattern), "%s%s/*.data", rig->directory, disk);
    cr_assert_eq(glob(pattern, 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        int fd = open(files.gl_pathv[i], O_RDWR);
        off_t size = lseek(fd, 0, SEEK_END);
        char byte;
        for (off_t at = 100; at < size && at < 4 * CHUNK; at += 4096) {
            cr_assert_eq(pread(fd, &byte, 1, at), 1);
            byte = (char)~byte;
            cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
        }
        cr_assert_eq(fsync(fd), 0);
        close(fd);
    }
    globfree(&files);
}

Test(pending, damaged_bytes_are_never_answered_and_quarantined)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, NULL);
    unsigned count[256] = {0};
    struct aro_store_stats stats;
    uint8_t *bytes = calloc(1, CHUNK), tier;

    damage(rig, "");
    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1);
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(count[ARO_MSG_DATA], 0u);
    cr_assert_eq(count[ARO_MSG_STATUS], 1u);
    cr_assert_eq(rig->lcore->counters.disk_mismatches, 1u);
    aro_dataplane_poll(rig->dataplane);
    aro_store_stats(rig->store, &stats);
    cr_assert_eq(stats.quarantined, 1u);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 2);
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(rig->lcore->counters.status_not_found, 1u);
    cr_assert_eq(rig->lcore->counters.disk_reads, 1u);
    rig_check_balance(rig);
    free(bytes);
    rig_destroy(rig);
}

Test(pending, what_is_damaged_on_one_disk_is_answered_from_another)
{
    struct rig *rig = rig_create_disks(NULL);
    const struct aro_counters *c = &rig->lcore->counters;
    uint8_t *bytes = calloc(1, CHUNK), *expected = malloc(CHUNK), tier;
    struct aro_id id = rig_stored_chunk(rig, CHUNK, 5);
    struct aro_store_stats first, second;
    unsigned count[256] = {0};

    rig_second_chunk(rig, CHUNK, 5);
    keep(rig);
    rig_chunk_bytes(expected, CHUNK, 5);
    damage(rig, "");
    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1);
    collect(rig, SLICES, count, bytes, &tier);
    cr_assert_eq(count[ARO_MSG_DATA], (unsigned)SLICES);
    cr_assert_eq(memcmp(bytes, expected, CHUNK), 0);
    cr_assert_eq(c->disk_mismatches, 1u);
    cr_assert_eq(c->disk_reads, 2u);
    aro_dataplane_poll(rig->dataplane);
    aro_store_stats(rig->store, &first);
    aro_store_stats(rig->second, &second);
    cr_assert_eq(first.quarantined, 1u);
    cr_assert_eq(second.quarantined, 0u);
    id = rig_second_chunk(rig, 4096, 6);
    damage(rig, "/second");
    rig_get(rig, &id, SLICE, 0, 1, 2);
    collect(rig, 1, count, bytes, &tier);
    aro_dataplane_poll(rig->dataplane);
    aro_store_stats(rig->store, &first);
    aro_store_stats(rig->second, &second);
    cr_assert_eq(first.quarantined, 1u);
    cr_assert_eq(second.quarantined, 1u);
    rig_check_balance(rig);
    free(bytes);
    free(expected);
    rig_destroy(rig);
}

Test(pending, each_disk_has_its_own_reads_in_flight)
{
    enum { ROUNDS = 6 };
    struct rig *rig = rig_create_disks(few_reads);
    unsigned count[256] = {0};
    uint8_t *bytes = calloc(1, CHUNK), tier;
    struct aro_id id[ROUNDS][9];
    uint64_t shed;

    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < 9; i++)
            id[round][i] = i < 8 ? rig_stored_chunk(rig, 4096, round * 9 + i)
                                 : rig_second_chunk(rig, 4096, round * 9 + i);
    rig_validate(rig);
    for (unsigned round = 0; round < ROUNDS; round++) { /* demand brings memory */
        keep(rig);
        shed = rig->lcore->counters.misses_shed;
        count[ARO_MSG_DATA] = 0;
        for (unsigned i = 0; i < 9; i++) /* eight are all that the first disk may have */
            rig_get(rig, &id[round][i], SLICE, 0, 1, i);
        collect(rig, 9, count, bytes, &tier);
    }
    cr_assert_eq(count[ARO_MSG_DATA], 9u);
    cr_assert_eq(rig->lcore->counters.misses_shed, shed);
    rig_check_balance(rig);
    free(bytes);
    rig_destroy(rig);
}

static uint64_t looked_up(const struct aro_counters *c)
{
    return c->hits_memory + c->misses_disk + c->misses_joined + c->misses_shed + c->misses_absent +
           c->misses_unknown;
}

Test(pending, while_the_index_is_being_built_what_is_not_found_is_asked_to_come_again)
{
    struct rig *rig = rig_create_disks(NULL);
    const struct aro_counters *c = &rig->lcore->counters;
    struct aro_id id = rig_stored_chunk(rig, CHUNK, 5), nowhere = {{1, 2, 3, 4}};
    unsigned count[256] = {0};
    uint8_t *bytes = calloc(1, CHUNK), tier;

    keep(rig);
    rig_validate(rig);
    atomic_store(&rig->second->whole, false); /* as after a start */
    rig_get(rig, &nowhere, SLICE, 0, 1, 1);
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(c->status_retry_later, 1u);
    cr_assert_eq(c->status_not_found, 0u);
    cr_assert_eq(c->misses_unknown, 1u);
    rig_get(rig, &id, SLICE, 0, 1, 2); /* what is known is served */
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(count[ARO_MSG_DATA], 1u);
    atomic_store(&rig->second->whole, true);
    rig_get(rig, &nowhere, SLICE, 0, 1, 3);
    collect(rig, 1, count, bytes, &tier);
    cr_assert_eq(c->status_not_found, 1u);
    cr_assert_eq(looked_up(c), 3u);
    rig_check_balance(rig);
    free(bytes);
    rig_destroy(rig);
}

Test(pending, a_flood_of_misses_is_shed_not_queued_without_bound)
{
    struct rig *rig = rig_create_store(few_reads);
    unsigned count[256] = {0};
    struct aro_id id[32];
    uint8_t *bytes = calloc(1, CHUNK), tier;

    for (unsigned i = 0; i < 32; i++)
        id[i] = rig_stored_chunk(rig, 4096 + i, i);
    keep(rig);
    rig_validate(rig);
    for (unsigned i = 0; i < 32; i++)
        rig_get(rig, &id[i], SLICE, 0, 1, i);
    collect(rig, 32, count, bytes, &tier);
    cr_assert_eq(count[ARO_MSG_DATA] + count[ARO_MSG_STATUS], 32u);
    cr_assert_geq(count[ARO_MSG_DATA], 1u);
    cr_assert_geq(count[ARO_MSG_STATUS], 1u);
    cr_assert_eq(rig->lcore->counters.status_retry_later, count[ARO_MSG_STATUS]);
    cr_assert_eq(rig->lcore->counters.misses_shed, count[ARO_MSG_STATUS]);
    cr_assert_eq(looked_up(&rig->lcore->counters), 32u);
    rig_turn(rig, 4);
    rig_check_balance(rig);
    free(bytes);
    rig_destroy(rig);
}

/* Asks for ids[from, to), as the source at hand; answers are thrown away. */
static void flood(struct rig *rig, const struct aro_id ids[], unsigned from, unsigned to)
{
    struct rig_frame frame;

    while (rig_take(rig, &frame))
        continue;
    rig_validate(rig);
    for (unsigned i = from; i < to; i++)
        rig_get(rig, &ids[i], SLICE, 0, 1, i);
    rig_turn(rig, 2);
    while (rig_take(rig, &frame))
        continue;
}

static void reads_end(struct rig *rig)
{
    const struct aro_pending *pending = &rig->lcore->pending;

    disk_stands = false;
    for (unsigned turn = 0; turn < PATIENCE_TURNS && pending->free_reads < pending->reads_max;
         turn++)
        rig_turn(rig, 1);
    cr_assert_eq(pending->free_reads, pending->reads_max);
    keep(rig);
}

Test(pending, one_source_cannot_have_all_reads)
{
    struct rig *rig = rig_create_store(few_reads);
    const struct aro_counters *c = &rig->lcore->counters;
    struct aro_id id[96];
    uint64_t before;

    for (unsigned i = 0; i < 96; i++)
        id[i] = rig_stored_chunk(rig, 5000 + i, i);
    for (unsigned i = 0; i < 8; i++) { /* demand makes stock */
        reads_end(rig);
        flood(rig, id, 32 + 8 * i, 40 + 8 * i);
    }
    reads_end(rig);
    disk_stands = true;
    before = c->misses_disk;
    flood(rig, id, 0, 16);
    cr_assert_eq(c->misses_disk, before + 6, "of 8, not %u", (unsigned)(c->misses_disk - before));
    rig->family = 6;
    flood(rig, id, 16, 20);
    cr_assert_eq(c->misses_disk, before + 7, "another source has room for its first");
    reads_end(rig);
    disk_stands = true;
    rig->family = 4;
    flood(rig, id, 20, 30);
    cr_assert_eq(c->misses_disk, before + 7 + 6, "what ended is forgotten");
    cr_assert_gt(c->misses_over_share, 10u + 3u);
    reads_end(rig);
    rig_destroy(rig);
}

Test(pending, one_source_cannot_have_all_places_to_wait)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, NULL);
    const struct aro_pending *pending = &rig->lcore->pending;
    struct aro_id same[100];

    for (unsigned i = 0; i < 100; i++)
        same[i] = id;
    disk_stands = true;
    flood(rig, same, 0, 30);
    flood(rig, same, 30, 60);
    flood(rig, same, 60, 90);
    cr_assert_eq(pending->waiting, 48u, "of 64");
    rig->family = 6;
    flood(rig, same, 90, 100);
    cr_assert_eq(pending->waiting, 52u, "a sixteenth is always another's");
    cr_assert_eq(rig->lcore->counters.misses_over_share, 42u + 6u);
    disk_stands = false;
    for (unsigned turn = 0; turn < PATIENCE_TURNS && pending->waiting > 0; turn++)
        rig_turn(rig, 1);
    for (unsigned i = 0; i < ARO_SHARE_CELLS; i++)
        cr_assert_eq(pending->waiter_shares.held[i] + pending->read_shares.held[i], 0u);
    rig_turn(rig, 100);
    rig_destroy(rig);
}

static void one_job(struct aro_dataplane_config *config)
{
    config->jobs_per_lcore = 0;
    config->pending_per_lcore = 1;
}

/* Asks once and throws the answer away. */
static void ask(struct rig *rig, const struct aro_id *id, uint16_t first)
{
    struct rig_frame frame;

    rig_get(rig, id, SLICE, first, 1, 9);
    rig_turn(rig, 1);
    while (rig_take(rig, &frame))
        continue;
}

Test(pending, whatever_is_looked_up_is_a_hit_or_one_kind_of_miss)
{
    struct rig *rig = rig_create_store(one_job);
    const struct aro_counters *c = &rig->lcore->counters;
    struct aro_id on_disk = rig_stored_chunk(rig, CHUNK, 5);
    struct aro_id large = rig_stored_chunk(rig, ARO_CHUNK_BYTES_MAX, 6);
    struct aro_id in_memory = rig_chunk(rig, CHUNK, 7), nowhere = {{1, 2, 3, 4}};
    const uint64_t asked = 8;
    uint32_t reads;

    rig_validate(rig);
    cr_assert_eq(looked_up(c), 0u, "a request without a token is not looked up");
    ask(rig, &nowhere, 0);
    cr_assert_eq(c->misses_absent, 1u);
    ask(rig, &large, 0); /* nobody has stock of that size yet */
    cr_assert_eq(c->misses_shed, 1u);
    reads = rig->lcore->pending.free_reads;
    rig->lcore->pending.free_reads = 0; /* as if all were in flight */
    ask(rig, &on_disk, 0);
    cr_assert_eq(c->misses_shed, 2u);
    rig->lcore->pending.free_reads = reads;
    ask(rig, &in_memory, 1000); /* BAD_REQUEST, but it is here */
    cr_assert_eq(c->hits_memory, 1u);
    keep(rig);
    rig_get(rig, &on_disk, SLICE, 0, 1, 1); /* in one burst: no disk is that fast */
    rig_get(rig, &on_disk, SLICE, 0, 1, 2);
    rig_get(rig, &large, SLICE, 0, 1, 3);
    ask(rig, &in_memory, 0);
    cr_assert_eq(c->misses_disk, 1u, "the only job waits, the rest is BUSY");
    cr_assert_eq(c->misses_joined, 1u);
    cr_assert_eq(c->misses_shed, 3u);
    cr_assert_eq(c->hits_memory, 2u);
    cr_assert_eq(looked_up(c), asked);
    for (unsigned turn = 0; turn < PATIENCE_TURNS && c->answered == 0; turn++)
        rig_turn(rig, 1);
    cr_assert_eq(c->answered, 1u);
    cr_assert_eq(looked_up(c), asked, "an answer is no other look");
    rig_turn(rig, 4);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(pending, stopping_with_reads_in_flight_gives_everything_back)
{
    struct aro_id id;
    struct rig *rig = rig_with_chunk(CHUNK, &id, NULL);
    struct aro_cache_stats stats;

    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 1);
    rig_turn(rig, 1);
    aro_lcore_close(rig->lcore);
    rig_check_balance(rig);
    cr_assert_eq(rig->lcore->counters.partial + rig->lcore->counters.answered, 1u);
    aro_cache_stats(rig->cache, &stats);
    cr_assert_eq(stats.pinned_now, 0u);
    aro_lcore_open(rig->lcore);
    rig_destroy(rig);
}

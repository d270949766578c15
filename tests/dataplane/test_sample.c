/* SPDX-License-Identifier: BSD-3-Clause */
/* The sampled request log as far as the lcores: who leaves a record, what it says, what it costs.
 */
#include "tests/dataplane/rig.h"

#include <criterion/criterion.h>

#include <stdlib.h>

enum { SLICE = 1408, CHUNK = 65536, ROOM = 2 * ARO_SAMPLES_MAX };

static struct aro_request_sample sample[ROOM];

static void eal_up(void)
{
    rig_eal_start(192);
}

TestSuite(sample, .init = eal_up, .timeout = 60);

static void every_one(struct aro_dataplane_config *config)
{
    config->sample_every = 1;
}

static void one_of_ten(struct aro_dataplane_config *config)
{
    config->sample_every = 10;
}

static unsigned samples(struct rig *rig)
{
    return aro_dataplane_samples(rig->dataplane, sample, ROOM);
}

/* What came out, thrown away. */
static void drain(struct rig *rig)
{
    struct rig_frame frame;

    rig_turn(rig, 8);
    while (rig_take(rig, &frame))
        ;
}

static void a_hit_is_recorded(uint8_t family)
{
    struct rig *rig = rig_create(every_one);
    struct aro_id id = rig_chunk(rig, CHUNK, 1);
    const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    rig->family = family;
    rig_validate(rig);
    cr_assert_eq(samples(rig), 0u, "a stranger's request leaves no record");
    rig_get(rig, &id, SLICE, 0, 7, 99);
    drain(rig);
    cr_assert_eq(samples(rig), 1u);
    cr_assert_eq(sample[0].outcome, ARO_OUTCOME_HIT);
    cr_assert_eq(sample[0].status, 0u);
    cr_assert_eq(sample[0].slices, 3u);
    cr_assert_eq(sample[0].source_port, rig->client_port);
    cr_assert_eq(memcmp(sample[0].id, &id, sizeof(sample[0].id)), 0);
    cr_assert_eq(memcmp(sample[0].source, mapped, 12) == 0, family == 4);
    cr_assert_eq(sample[0].lcore, rig->lcore->lcore_id);
    cr_assert_lt(sample[0].residence_us, 1000000u);
    cr_assert_eq(samples(rig), 0u, "once");
    rig_destroy(rig);
}

Test(sample, a_hit_is_recorded_over_ip4)
{
    a_hit_is_recorded(4);
}

Test(sample, a_hit_is_recorded_over_ip6)
{
    a_hit_is_recorded(6);
}

Test(sample, a_mask_beyond_the_chunk_counts_only_what_was_sent)
{
    struct rig *rig = rig_create(every_one);
    struct aro_id id = rig_chunk(rig, 2 * SLICE, 1);

    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 99);
    drain(rig);
    cr_assert_eq(samples(rig), 1u);
    cr_assert_eq(sample[0].slices, 2u);
    rig_destroy(rig);
}

Test(sample, absent_chunks_and_refusals_are_recorded_with_their_status)
{
    struct rig *rig = rig_create(every_one);
    struct aro_id id = rig_chunk(rig, SLICE, 1), nowhere = {{1, 2, 3, 4}};

    rig_validate(rig);
    rig_get(rig, &nowhere, SLICE, 0, 1, 99);
    rig_get(rig, &id, SLICE, 5, 1, 99); /* beyond the chunk */
    drain(rig);
    cr_assert_eq(samples(rig), 2u);
    cr_assert_eq(sample[0].outcome, ARO_OUTCOME_ABSENT);
    cr_assert_eq(sample[0].status, ARO_STATUS_NOT_FOUND);
    cr_assert_eq(sample[0].slices, 0u);
    cr_assert_eq(memcmp(sample[0].id, &nowhere, sizeof(sample[0].id)), 0);
    cr_assert_eq(sample[0].source_port, rig->client_port);
    cr_assert_eq(sample[1].outcome, ARO_OUTCOME_REFUSED);
    cr_assert_eq(sample[1].status, ARO_STATUS_BAD_REQUEST);
    rig_destroy(rig);
}

Test(sample, a_miss_is_recorded_with_the_time_it_waited)
{
    struct rig *rig = rig_create_store(every_one);
    struct aro_id id = rig_stored_chunk(rig, CHUNK, 5);
    unsigned n = 0;

    for (unsigned i = 0; i < 4; i++) {
        aro_cache_maintain(rig->cache, 256);
        for (unsigned wire = 0; wire < rig->dataplane->lcores; wire++)
            aro_cache_quiescent(rig->dataplane->lcore[wire]->reader);
    }
    rig_validate(rig);
    rig_get(rig, &id, SLICE, 0, UINT64_MAX, 99);
    for (unsigned turn = 0; turn < 20000000 && n == 0; turn++) {
        drain(rig);
        n = samples(rig);
    }
    cr_assert_eq(n, 1u);
    cr_assert_eq(sample[0].outcome, ARO_OUTCOME_MISS);
    cr_assert_eq(sample[0].slices, 47u);
    cr_assert_gt(sample[0].residence_us, 0u);
    rig_destroy(rig);
}

Test(sample, a_ring_that_control_does_not_empty_loses_records_and_counts_them)
{
    struct rig *rig = rig_create(every_one);
    struct aro_id id = rig_chunk(rig, SLICE, 1);

    rig_validate(rig);
    for (unsigned i = 0; i < ARO_SAMPLES_MAX + 100; i++) {
        rig_get(rig, &id, SLICE, 0, 1, i);
        if (i % 16 == 15)
            drain(rig);
    }
    drain(rig);
    cr_assert_eq(samples(rig), ARO_SAMPLES_MAX - 1u);
    cr_assert_eq(rig->lcore->counters.samples_lost, 101u);
    rig_check_balance(rig);
    rig_destroy(rig);
}

Test(sample, one_of_ten_is_about_one_of_ten_at_irregular_distances)
{
    struct rig *rig = rig_create(one_of_ten);
    struct aro_id id = rig_chunk(rig, SLICE, 1);
    unsigned n = 0, last = 0, gaps[20] = {0}, different = 0;

    rig_validate(rig);
    for (unsigned i = 1; i <= 2000; i++) {
        rig_get(rig, &id, SLICE, 0, 1, i);
        drain(rig);
        if (samples(rig) == 0)
            continue;
        cr_assert_leq(i - last, 19u);
        gaps[i - last]++;
        last = i;
        n++;
    }
    for (unsigned i = 0; i < 20; i++)
        different += gaps[i] != 0;
    cr_assert(n > 150 && n < 260, "%u of 2000", n);
    cr_assert_gt(different, 10u);
    rig_destroy(rig);
}

Test(sample, off_means_no_record_and_no_ring)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id id = rig_chunk(rig, SLICE, 1);

    rig_validate(rig);
    for (unsigned i = 0; i < 100; i++) {
        rig_get(rig, &id, SLICE, 0, 1, i);
        drain(rig);
    }
    cr_assert_eq(samples(rig), 0u);
    cr_assert_null(rig->lcore->sampler.ring);
    cr_assert_eq(rig->lcore->sample_left, 0u);
    rig_destroy(rig);
}

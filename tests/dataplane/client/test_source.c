/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/source.h"

#include <criterion/criterion.h>

#include <string.h>

static struct aro_source source_make(uint32_t slice_bytes_max)
{
    struct aro_source source;

    aro_source_init(&source, slice_bytes_max, 1u << 20, NULL, 1000);
    return source;
}

Test(source, a_timeout_waits_a_second_until_measured_then_as_long_as_answers_take)
{
    struct aro_source source = source_make(1408);

    cr_assert_eq(aro_source_rto_us(&source), 1000000);
    for (int i = 0; i < 50; i++)
        aro_source_sample(&source, 20000, 0, 1000);
    cr_assert_eq(aro_source_rto_us(&source), 20000 + ARO_RTO_MARGIN_US_MIN);
    for (int i = 0; i < 50; i++)
        aro_source_sample(&source, i % 2 ? 30000 : 10000, 0, 1000);
    cr_assert_gt(aro_source_rto_us(&source), 50000);
    cr_assert_lt(aro_source_rto_us(&source), 70000);
    for (int i = 0; i < 200; i++)
        aro_source_sample(&source, 50, 0, 1000);
    cr_assert_geq(aro_source_rto_us(&source), 50 + ARO_RTO_MARGIN_US_MIN);
    cr_assert_lt(aro_source_rto_us(&source), 60 + ARO_RTO_MARGIN_US_MIN);
}

Test(source, patience_after_false_alarms_is_bounded_and_passes)
{
    struct aro_source source = source_make(1408);
    uint64_t now_us = 1000;

    aro_source_sample(&source, 50, 0, 1000);
    for (int i = 0; i < 20; i++)
        aro_source_patience_grow(&source, now_us);
    cr_assert_eq(aro_source_rto_us(&source), 50 + ARO_RTO_MARGIN_US_MAX);
    for (int i = 0; i < 1000; i++)
        aro_source_patience_shrink(&source, now_us + i); /* too soon */
    cr_assert_eq(aro_source_rto_us(&source), 50 + ARO_RTO_MARGIN_US_MAX);
    for (int i = 0; i < 20; i++)
        aro_source_patience_shrink(&source, now_us += ARO_RTO_RELAX_US);
    cr_assert_eq(aro_source_rto_us(&source), 50 + ARO_RTO_MARGIN_US_MIN);
}

Test(source, back_off_doubles_up_to_a_limit)
{
    struct aro_source source = source_make(1408);

    for (source.backoff = 0; source.backoff < 4; source.backoff++)
        cr_assert_eq(aro_source_rto_us(&source), 1000000u << source.backoff);
    source.backoff = 1000;
    cr_assert_eq(aro_source_rto_us(&source), ARO_RTO_US_MAX);
}

Test(source, time_inside_the_server_is_not_network_time)
{
    struct aro_source source = source_make(1408);

    aro_source_sample(&source, 5000, 4900, 1000);
    cr_assert_eq(source.network.smoothed_us, 100);
    cr_assert_eq(source.response.smoothed_us, 5000);
    aro_source_sample(&source, 300, 999999, 1000); /* impossible: counts as none */
    cr_assert_eq(source.shortest.us, 100);
    aro_source_sample(&source, UINT64_MAX, 0, 1000);
    aro_source_sample(&source, 0, 0, 1000);
    cr_assert_eq(source.shortest.us, 1);
}

Test(source, the_shortest_round_trip_of_a_former_path_is_forgotten)
{
    struct aro_source source = source_make(1408);
    uint64_t now_us = 1000;

    source.congestion.window = 100;
    aro_source_sample(&source, 10000, 0, now_us);
    for (int i = 0; i < 100; i++)
        aro_source_sample(&source, 50000, 0, now_us += 10);
    cr_assert_eq(source.shortest.us, 10000);
    for (int period = 0; period < 2; period++) {
        cr_assert_eq(source.shortest.us, 10000);
        now_us += ARO_RTT_PERIOD_US;
        aro_source_sample(&source, 50000, 0, now_us);
        aro_source_sample(&source, 50000, 0, now_us);
    }
    cr_assert_eq(source.shortest.us, 50000);
    cr_assert_eq(aro_congestion_window(&source.congestion), 25); /* halved twice */
}

Test(source, the_ladder_starts_carefully_and_ends_at_the_paths_size)
{
    const struct {
        uint32_t most;
        uint32_t steps;
        uint16_t sizes[3];
    } cases[] = {{128, 1, {128}},
                 {1152, 1, {1152}},
                 {1280, 2, {1152, 1280}},
                 {1408, 2, {1152, 1408}},
                 {8832, 3, {1152, 1408, 8832}}};

    for (size_t i = 0; i < 5; i++) {
        struct aro_source source = source_make(cases[i].most);
        cr_assert_eq(source.ladder_steps, cases[i].steps);
        for (uint32_t step = 0; step < source.ladder_steps; step++)
            cr_assert_eq(source.ladder[step], cases[i].sizes[step]);
    }
}

Test(source, a_larger_size_is_tried_by_one_transfer_once_the_smaller_is_proven)
{
    struct aro_source source = source_make(1408);
    bool probe;

    cr_assert_eq(aro_source_slice_bytes(&source, 65536, &probe), 1152);
    cr_assert(!probe);
    aro_source_slice_proven(&source, 1152);
    cr_assert_eq(aro_source_slice_bytes(&source, 1300, &probe), 1152); /* would prove nothing */
    cr_assert_eq(aro_source_slice_bytes(&source, 65536, &probe), 1408);
    cr_assert(probe);
    cr_assert_eq(aro_source_slice_bytes(&source, 65536, &probe), 1152);
    cr_assert(!probe);
    aro_source_slice_proven(&source, 1152); /* not the size under trial */
    cr_assert_eq(source.step, 0);
    aro_source_slice_proven(&source, 1408);
    cr_assert_eq(aro_source_slice_bytes(&source, 65536, &probe), 1408);
    cr_assert(!probe);
}

Test(source, a_failed_trial_is_not_repeated)
{
    struct aro_source source = source_make(1408);
    bool probe;

    aro_source_probe_failed(&source); /* none under way: nothing changes */
    aro_source_slice_proven(&source, 1152);
    aro_source_slice_bytes(&source, 65536, &probe);
    aro_source_probe_failed(&source);
    cr_assert_eq(aro_source_slice_bytes(&source, 65536, &probe), 1152);
    cr_assert(!probe);
}

Test(source, without_token_or_after_silence_one_question_at_a_time)
{
    struct aro_source source = source_make(1408);
    const uint8_t token[ARO_TOKEN_BYTES] = {1};

    cr_assert_eq(aro_source_room(&source, 0, 1), ARO_WINDOW_INITIAL);
    cr_assert_eq(aro_source_room(&source, 1, 1), 0);
    aro_source_token(&source, token, 30, 1);
    cr_assert_eq(aro_source_room(&source, 1, 1), ARO_WINDOW_INITIAL);
    source.backoff = 1;
    cr_assert_eq(aro_source_room(&source, 1, 1), 0);
    source.backoff = 0;
    source.in_flight = 9;
    cr_assert_eq(aro_source_room(&source, 1, 1), 1);
    source.in_flight = 10;
    cr_assert_eq(aro_source_room(&source, 1, 1), 0);
    source.in_flight = 0;
    source.hold_until_us = 100;
    cr_assert_eq(aro_source_room(&source, 0, 99), 0);
    cr_assert_eq(aro_source_room(&source, 0, 100), ARO_WINDOW_INITIAL);
}

Test(source, the_window_never_exceeds_what_the_socket_can_hold)
{
    struct aro_source source;

    aro_source_init(&source, 8832, 425984, NULL, 1); /* Debian's default rmem_max, doubled */
    cr_assert_lt(source.congestion.window_max, 425984 / 2048);
    cr_assert_gt(source.congestion.window_max, 100);
}

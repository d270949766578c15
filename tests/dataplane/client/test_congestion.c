/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/congestion.h"

#include <criterion/criterion.h>

enum { RTT_US = 100000, MAX = 4096 };

/* One round trip in which a full window arrives. */
static uint64_t round_trip(struct aro_congestion *cc, uint64_t now_us)
{
    uint32_t window = aro_congestion_window(cc);

    for (uint32_t i = 0; i < window; i++)
        aro_congestion_on_slice(cc, true, RTT_US, RTT_US, now_us + (uint64_t)RTT_US * i / window);
    return now_us + RTT_US;
}

/* A fresh window, grown by slow start to at least so many slices. Returns the time then. */
static uint64_t grown(struct aro_congestion *cc, uint32_t slices, uint64_t now_us)
{
    aro_congestion_init(cc, MAX);
    while (aro_congestion_window(cc) < slices)
        now_us = round_trip(cc, now_us);
    return now_us;
}

Test(congestion, slow_start_doubles_from_ten_per_round_trip)
{
    struct aro_congestion cc;

    aro_congestion_init(&cc, MAX);
    cr_assert_eq(aro_congestion_window(&cc), 10);
    uint64_t now = round_trip(&cc, 1000);
    cr_assert_eq(aro_congestion_window(&cc), 20);
    round_trip(&cc, now);
    cr_assert_eq(aro_congestion_window(&cc), 40);
}

Test(congestion, an_unused_window_does_not_grow)
{
    struct aro_congestion cc;

    aro_congestion_init(&cc, MAX);
    for (int i = 0; i < 100; i++)
        aro_congestion_on_slice(&cc, false, RTT_US, RTT_US, 1000);
    cr_assert_eq(aro_congestion_window(&cc), 10);
}

Test(congestion, losses_of_one_round_trip_reduce_once_and_by_three_tenths)
{
    struct aro_congestion cc;
    uint64_t now = grown(&cc, 100, 1000);
    uint32_t before = aro_congestion_window(&cc);
    for (int i = 0; i < 5; i++)
        aro_congestion_on_loss(&cc, now - RTT_US, now + (uint64_t)i);
    cr_assert_eq(aro_congestion_window(&cc), before * 7 / 10);
    aro_congestion_on_loss(&cc, now + 10, now + RTT_US);
    cr_assert_leq(aro_congestion_window(&cc), before / 2);
}

Test(congestion, after_a_loss_it_comes_back_to_the_peak_in_cubic_time_and_goes_on)
{
    struct aro_congestion cc;
    uint64_t now = grown(&cc, 300, 1000);
    double peak = cc.window;
    aro_congestion_on_loss(&cc, now, now);
    uint64_t back = now + (uint64_t)(cc.k_s * 1e6);
    double last = cc.window;
    while (now < back) {
        now = round_trip(&cc, now);
        cr_assert_geq(cc.window, last);
        last = cc.window;
    }
    cr_assert_float_eq(cc.window, peak, peak / 20);
    for (int i = 0; i < 400; i++)
        now = round_trip(&cc, now);
    cr_assert_gt(cc.window, peak * 1.2);
}

Test(congestion, it_never_leaves_its_bounds)
{
    struct aro_congestion cc;
    uint64_t now = 1000;

    aro_congestion_init(&cc, 64);
    for (int i = 0; i < 50; i++)
        now = round_trip(&cc, now);
    cr_assert_eq(aro_congestion_window(&cc), 64);
    for (uint64_t i = 0; i < 50; i++)
        aro_congestion_on_loss(&cc, now + i * RTT_US, now + i * RTT_US);
    cr_assert_eq(aro_congestion_window(&cc), ARO_WINDOW_MIN);
    aro_congestion_init(&cc, 0);
    cr_assert_eq(aro_congestion_window(&cc), ARO_WINDOW_MIN);
}

Test(congestion, silence_collapses_the_window_and_a_late_answer_brings_it_back)
{
    struct aro_congestion cc;
    uint64_t now = grown(&cc, 100, 1000);
    uint32_t before = aro_congestion_window(&cc);
    aro_congestion_on_silence(&cc, now);
    cr_assert_eq(aro_congestion_window(&cc), ARO_WINDOW_MIN);
    aro_congestion_on_silence(&cc, now + RTT_US);
    aro_congestion_undo_silence(&cc);
    cr_assert_eq(aro_congestion_window(&cc), before);
}

Test(congestion, a_growing_queue_ends_slow_start_without_a_loss)
{
    struct aro_congestion cc;
    uint64_t now = 1000;

    aro_congestion_init(&cc, MAX);
    now = round_trip(&cc, now);
    aro_congestion_on_rtt(&cc, RTT_US * 3, RTT_US, now);
    uint32_t window = aro_congestion_window(&cc);
    round_trip(&cc, now);
    cr_assert_lt(aro_congestion_window(&cc), window * 2);
    cr_assert_geq(aro_congestion_window(&cc), window);
}

/* The clock counts from the machine's start: no epoch may begin at its zero. */
Test(congestion, after_slow_start_growth_is_cubic_whatever_the_clock_says)
{
    for (int probe = 0; probe < 2; probe++) {
        struct aro_congestion cc;
        uint64_t now = grown(&cc, 200, UINT64_C(1000000000000));
        uint32_t window = aro_congestion_window(&cc);
        if (probe)
            aro_congestion_probe(&cc, now);
        else
            aro_congestion_on_rtt(&cc, RTT_US * 3, RTT_US, now);
        for (int i = 0; i < 4; i++)
            now = round_trip(&cc, now);
        cr_assert_leq(aro_congestion_window(&cc), window + 5, "%u after %u",
                      aro_congestion_window(&cc), window);
    }
}

Test(congestion, larger_slices_keep_the_bytes_in_flight)
{
    struct aro_congestion cc;

    aro_congestion_init(&cc, MAX);
    round_trip(&cc, 1000);
    round_trip(&cc, 1000 + RTT_US);
    aro_congestion_rescale(&cc, 1152, 1152 * 4, 20);
    cr_assert_eq(aro_congestion_window(&cc), 10);
    cr_assert_eq((uint32_t)cc.window_max, 20);
}

Test(congestion, a_large_window_shrinks_while_a_queue_stands)
{
    struct aro_congestion cc;
    uint64_t now = grown(&cc, 1000, 1000);
    uint32_t before = aro_congestion_window(&cc);
    for (uint32_t i = 0; i < before; i++) /* a millisecond is no queue, however short the path */
        aro_congestion_on_slice(&cc, true, 1000, 50, now);
    cr_assert_gt(aro_congestion_window(&cc), before);
    before = aro_congestion_window(&cc);
    for (uint32_t i = 0; i < before; i++)
        aro_congestion_on_slice(&cc, true, 2 * RTT_US + 1, RTT_US, now);
    cr_assert_lt(aro_congestion_window(&cc), before * 9 / 10);
    cr_assert_gt(aro_congestion_window(&cc), before * 8 / 10);
    for (uint32_t i = 0; i < 100 * before; i++)
        aro_congestion_on_slice(&cc, true, 2 * RTT_US + 1, RTT_US, now);
    cr_assert_eq(aro_congestion_window(&cc), ARO_WINDOW_QUEUED);
}

Test(congestion, measuring_the_path_anew_costs_half_the_window_for_a_round_trip)
{
    struct aro_congestion cc;
    uint64_t now = grown(&cc, 100, 1000);
    uint32_t before = aro_congestion_window(&cc);
    aro_congestion_probe(&cc, now);
    cr_assert_eq(aro_congestion_window(&cc), before / 2);
    round_trip(&cc, now);
    cr_assert_geq(aro_congestion_window(&cc), before);
    cr_assert_lt(aro_congestion_window(&cc), before * 11 / 10);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/pulse.h"

#include <criterion/criterion.h>

#define MS(n) ((uint64_t)(n)*1000000)

Test(pulse, an_lcore_that_stands_still_for_a_second_is_stuck_until_it_moves)
{
    struct aro_pulse pulse = {0};
    uint64_t loops[2] = {5, 5};

    aro_pulse_look(&pulse, 2, loops, MS(10000));
    for (unsigned ms = 10250; ms < 11000; ms += 250) {
        loops[1]++;
        aro_pulse_look(&pulse, 2, loops, MS(ms));
        cr_assert(aro_pulse_beats(&pulse, 0), "at %u", ms);
    }
    loops[1]++;
    aro_pulse_look(&pulse, 2, loops, MS(11000));
    cr_assert_not(aro_pulse_beats(&pulse, 0));
    cr_assert(aro_pulse_beats(&pulse, 1));
    loops[0]++;
    aro_pulse_look(&pulse, 2, loops, MS(11500));
    cr_assert(aro_pulse_beats(&pulse, 0));
}

Test(pulse, nobody_is_blamed_for_time_in_which_nobody_looked)
{
    struct aro_pulse pulse = {0};
    uint64_t loops[1] = {5};

    aro_pulse_look(&pulse, 1, loops, MS(1000));
    aro_pulse_look(&pulse, 1, loops, MS(61000)); /* the whole process was stopped */
    cr_assert(aro_pulse_beats(&pulse, 0));
    aro_pulse_look(&pulse, 1, loops, MS(61500));
    cr_assert_not(aro_pulse_beats(&pulse, 0));
}

Test(pulse, lcores_that_were_never_looked_at_do_not_beat)
{
    struct aro_pulse pulse = {0};
    uint64_t loops[1] = {1};

    cr_assert_not(aro_pulse_beats(&pulse, 0));
    aro_pulse_look(&pulse, 1, loops, MS(1));
    cr_assert(aro_pulse_beats(&pulse, 0));
    cr_assert_not(aro_pulse_beats(&pulse, 1));
}

Test(pulse, a_feed_needs_every_lcore_to_have_moved_since_the_last_one)
{
    struct aro_pulse pulse = {0};
    uint64_t loops[2] = {5, 7};

    aro_pulse_look(&pulse, 2, loops, MS(1));
    cr_assert(aro_pulse_feed(&pulse));
    cr_assert_not(aro_pulse_feed(&pulse), "nothing moved");
    loops[0]++;
    aro_pulse_look(&pulse, 2, loops, MS(2));
    cr_assert_not(aro_pulse_feed(&pulse), "one of two moved");
    loops[0]++;
    loops[1]++;
    aro_pulse_look(&pulse, 2, loops, MS(3));
    cr_assert(aro_pulse_feed(&pulse));
    loops[1]++;
    aro_pulse_look(&pulse, 2, loops, MS(4));
    cr_assert_not(aro_pulse_feed(&pulse));
    loops[0]++;
    aro_pulse_look(&pulse, 2, loops, MS(5));
    cr_assert(aro_pulse_feed(&pulse), "each moved, though not at the same time");
}

Test(pulse, one_looks_twice_a_second_and_twice_per_watchdog_interval)
{
    cr_assert_eq(aro_pulse_every_ns(0), MS(500));
    cr_assert_eq(aro_pulse_every_ns(10000000), MS(500));
    cr_assert_eq(aro_pulse_every_ns(400000), MS(200));
    cr_assert_eq(aro_pulse_every_ns(1), MS(20));
}

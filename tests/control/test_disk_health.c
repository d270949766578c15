/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/disk_health.h"

#include <criterion/criterion.h>

static struct aro_disk_health health;
static struct aro_disk_sight sight;
static uint64_t now_ms;

static void begin(void)
{
    now_ms = 1000;
    sight = (struct aro_disk_sight){.reads = 500, .read_faults = 100, .write_faults = 50};
    health = (struct aro_disk_health){0};
    aro_disk_health_init(&health, &sight, now_ms);
}

TestSuite(disk_health, .init = begin);

static enum aro_disk_use look(uint64_t after_ms)
{
    now_ms += after_ms;
    aro_disk_health_look(&health, &sight, now_ms);
    return health.use;
}

static enum aro_disk_use probed(int result)
{
    now_ms += ARO_HEALTH_PROBE_MS;
    cr_assert(aro_disk_health_wants_probe(&health, now_ms));
    aro_disk_health_probed(&health, result, &sight, now_ms);
    return health.use;
}

Test(disk_health, what_happened_before_the_first_look_does_not_count)
{
    cr_assert_eq(look(250), ARO_DISK_USED);
    cr_assert_str_eq(health.why, "");
    cr_assert_not(aro_disk_health_wants_probe(&health, now_ms + 100000));
}

Test(disk_health, reads_that_fail_take_it_out_when_they_are_many_and_half)
{
    static const struct {
        uint64_t reads, faults, apart_ms;
        enum aro_disk_use use;
    } rows[] = {
        {7, 7, 0, ARO_DISK_USED},        /* too few */
        {8, 8, 0, ARO_DISK_AWAY},        /* all of them */
        {16, 8, 0, ARO_DISK_AWAY},       /* half of them */
        {17, 8, 0, ARO_DISK_USED},       /* less */
        {1000, 50, 0, ARO_DISK_USED},    /* 5% */
        {8, 8, 5000, ARO_DISK_USED},     /* four, and four in the next window */
        {8, 8, 4999, ARO_DISK_AWAY},     /* in the same */
        {2000, 900, 100, ARO_DISK_USED}, /* many, but others go well */
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        sight.reads += rows[i].reads / 2;
        sight.read_faults += rows[i].faults / 2;
        look(rows[i].apart_ms);
        sight.reads += rows[i].reads - rows[i].reads / 2;
        sight.read_faults += rows[i].faults - rows[i].faults / 2;
        cr_assert_eq(look(rows[i].apart_ms == 5000 ? 250 : 0), rows[i].use, "row %u", i);
        cr_assert_eq(health.times, (uint64_t)(rows[i].use == ARO_DISK_AWAY), "row %u", i);
    }
}

Test(disk_health, reads_that_do_not_end_take_it_out_after_ten_seconds)
{
    sight.reads += 4;
    sight.reads_now = 4;
    cr_assert_eq(look(0), ARO_DISK_USED);
    cr_assert_eq(look(9999), ARO_DISK_USED); /* and two seconds of a stall are nothing */
    sight.reads_now = 3;
    cr_assert_eq(look(0), ARO_DISK_USED); /* one ended: it moves */
    cr_assert_eq(look(9999), ARO_DISK_USED);
    cr_assert_eq(look(1), ARO_DISK_AWAY);
    cr_assert_str_eq(health.why, "its reads do not end");
}

Test(disk_health, an_idle_disk_stands_still_for_as_long_as_it_likes)
{
    cr_assert_eq(look(1000000), ARO_DISK_USED);
    sight.reads++;
    sight.reads_now = 1;
    cr_assert_eq(look(9000), ARO_DISK_USED);
}

Test(disk_health, three_failed_writes_or_syncs_within_ten_seconds_spare_it)
{
    sight.write_faults += 2;
    cr_assert_eq(look(9999), ARO_DISK_USED);
    sight.write_faults++;
    cr_assert_eq(look(0), ARO_DISK_SPARED);
    cr_assert_str_eq(health.why, "its writes or syncs fail");
    begin();
    sight.write_faults += 2;
    look(10000);
    sight.write_faults += 2;
    cr_assert_eq(look(250), ARO_DISK_USED);
}

Test(disk_health, what_is_spared_is_still_judged_by_its_reads)
{
    sight.write_faults += 3;
    cr_assert_eq(look(0), ARO_DISK_SPARED);
    sight.reads += 8;
    sight.read_faults += 8;
    cr_assert_eq(look(250), ARO_DISK_AWAY);
}

Test(disk_health, four_good_probes_in_a_row_bring_it_back)
{
    sight.reads += 8;
    sight.read_faults += 8;
    cr_assert_eq(look(0), ARO_DISK_AWAY);
    cr_assert_not(aro_disk_health_wants_probe(&health, now_ms + ARO_HEALTH_PROBE_MS - 1));
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(probed(0), ARO_DISK_AWAY);
    cr_assert_eq(probed(-5), ARO_DISK_AWAY);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(probed(0), ARO_DISK_AWAY);
    cr_assert_eq(probed(0), ARO_DISK_USED);
    cr_assert_eq(look(250), ARO_DISK_USED, "the old faults count no more");
    cr_assert_eq(health.times, 1u);
}

Test(disk_health, an_operators_word_goes_before_all_rules)
{
    aro_disk_health_hold(&health);
    cr_assert_eq(look(100000), ARO_DISK_AWAY);
    cr_assert_not(aro_disk_health_wants_probe(&health, now_ms));
    for (unsigned i = 0; i < ARO_HEALTH_PROBES; i++) /* one that was under way */
        aro_disk_health_probed(&health, 0, &sight, now_ms);
    cr_assert_eq(health.use, ARO_DISK_AWAY);
    sight.read_faults += 100;
    aro_disk_health_release(&health, &sight, now_ms);
    cr_assert_eq(look(250), ARO_DISK_USED);
    cr_assert_not(health.held);
    cr_assert_eq(health.times, 0u);
}

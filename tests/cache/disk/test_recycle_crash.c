/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Power cuts all along while segments are emptied, deletions of files included: after each the
 * store opens, and every chunk that was acknowledged and must stay is there and right.
 */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include "cache/disk/uring.h"
#include "tests/cache/disk/faults.h"

enum { LEN = 300000, MANY = 24, MUST = 3 };

static struct fixture f;
static struct aro_id ids[MUST];
static unsigned acknowledged; /* event */

static void judge(void *arg, const struct aro_victim *victim)
{
    struct fixture *owner = arg;

    for (uint32_t i = 0; i < victim->count; i++)
        for (uint32_t n = 0; n < MUST; n++)
            if (aro_id_equal(&victim->chunk[i].id, &ids[n]))
                victim->chunk[i].keep = ARO_KEEP_MUST;
    if (aro_store_victim_fits(owner->store))
        aro_store_victim_settle(owner->store, 0);
}

/* Payloads become durable only when nothing else can happen any more: what a busy disk may do. */
static void slow_syncs(struct fixture *fixture)
{
    if (!faults_holding() || aro_uring_in_flight(fixture->ring) > 0)
        return;
    faults_release();
    faults_hold(FAULT_SYNC, ".data");
}

static void settle(void)
{
    do {
        fixture_settle(&f);
        if (f.each != NULL)
            f.each(&f);
    } while (aro_uring_in_flight(f.ring) > 0);
}

static void run(void)
{
    for (uint32_t n = 0; n < MANY; n++) {
        cr_assert_eq(fixture_append(&f, n, LEN), 0);
        if (n % 2 == 0) /* the last that must stay among them */
            cr_assert_eq(fixture_sync(&f, 0), 0);
        if (n + 1 == MUST)
            acknowledged = faults_events();
    }
    cr_assert_eq(fixture_sync(&f, 0), 0);
    settle();
}

static void check_after(unsigned cut, uint32_t seed)
{
    struct fixture after;

    faults_power_cut(cut, seed, &after);
    cr_assert(fixture_open(&after), "cut %u seed %u: %s", cut, seed, after.error.text);
    cr_assert_eq(fixture_cut_short(&after), 0u, "cut %u seed %u: false alarm", cut, seed);
    for (uint32_t n = 0; n < MUST && cut >= acknowledged; n++)
        cr_assert_eq(fixture_check(&after, n, LEN), 1, "cut %u seed %u: chunk %u", cut, seed, n);
    fixture_end(&after);
}

static void cut_everywhere(void (*each)(struct fixture *f))
{
    unsigned events;

    fixture_begin(&f);
    f.config.size_bytes = 5 << 20;
    f.config.judge = judge;
    f.config.judge_arg = &f;
    f.each = each;
    for (uint32_t n = 0; n < MUST; n++)
        ids[n] = fixture_id(n, LEN);
    cr_assert(fixture_open(&f));
    faults_record(&f);
    if (each != NULL)
        faults_hold(FAULT_SYNC, ".data");
    run();
    cr_assert_geq(fixture_stats(&f).recycled, 2u);
    cr_assert_geq(fixture_stats(&f).carried, MUST + 1u);
    faults_pause();
    faults_release();
    events = faults_events();
    for (unsigned cut = acknowledged; cut <= events; cut++)
        check_after(cut, cut * 97 + 1);
    faults_stop();
    fixture_end(&f);
}

Test(recycle_crash, a_power_cut_loses_nothing_that_must_stay, .timeout = 300)
{
    cut_everywhere(NULL);
}

Test(recycle_crash, nor_does_one_while_payloads_are_slow_to_become_durable, .timeout = 300)
{
    cut_everywhere(slow_syncs);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The top chunks as far as the lcores: what counts, what control sees of it, how it ages. */
#include "tests/dataplane/rig.h"

#include <criterion/criterion.h>

enum { SLICE = 1408, CHUNK = 65536, MINUTE_S = 60 };

static struct aro_top_item item[ARO_TOP_ROOM];

static void eal_up(void)
{
    rig_eal_start(192);
}

TestSuite(top, .init = eal_up, .timeout = 60);

/* So many requests of one slice; the answers are thrown away. */
static void ask(struct rig *rig, const struct aro_id *id, unsigned times)
{
    struct rig_frame frame;

    for (unsigned i = 0; i < times; i++) {
        rig_get(rig, id, SLICE, 0, 1, i);
        rig_turn(rig, 1);
        while (rig_take(rig, &frame))
            continue;
    }
}

static void note(struct rig *rig, unsigned lcore, const struct aro_id *id, unsigned times)
{
    while (times-- > 0)
        aro_top_note(&rig->dataplane->lcore[lcore]->top, id);
}

Test(top, what_is_here_and_what_is_not_counts_but_no_stranger)
{
    struct rig *rig = rig_create(NULL);
    struct aro_id here = rig_chunk(rig, CHUNK, 1), nowhere = {{9, 9, 9, 9}};
    uint64_t window;
    unsigned n;

    ask(rig, &here, 20 * ARO_TOP_EVERY);
    cr_assert_eq(aro_dataplane_top(rig->dataplane, item, ARO_TOP_ROOM, &window), 0u);
    cr_assert_eq(window, 0u, "requests without a token");
    rig_validate(rig);
    ask(rig, &here, 30 * ARO_TOP_EVERY);
    ask(rig, &nowhere, 10 * ARO_TOP_EVERY);
    n = aro_dataplane_top(rig->dataplane, item, ARO_TOP_ROOM, &window);
    cr_assert_eq(n, 2u);
    cr_assert_float_eq((double)window, 40, 19); /* random distances: five deviations */
    cr_assert(aro_id_equal(&item[0].id, &here));
    cr_assert_float_eq((double)item[0].samples, 30, 15);
    cr_assert(aro_id_equal(&item[1].id, &nowhere));
    rig_destroy(rig);
}

Test(top, lcores_are_added_and_the_list_is_cut)
{
    struct rig *rig = rig_create_store(NULL);
    struct aro_id a = {{1}}, b = {{2}}, c = {{3}};
    uint64_t window;

    note(rig, 0, &a, 10);
    note(rig, 1, &a, 10);
    note(rig, 1, &b, 15);
    note(rig, 0, &c, 5);
    cr_assert_eq(aro_dataplane_top(rig->dataplane, item, 2, &window), 2u);
    cr_assert_eq(window, 40u);
    cr_assert(aro_id_equal(&item[0].id, &a) && item[0].samples == 20);
    cr_assert(aro_id_equal(&item[1].id, &b) && item[1].samples == 15);
    rig_destroy(rig);
}

/* A minute later. */
static uint64_t window_after_poll(struct rig *rig)
{
    uint64_t window;

    rig->dataplane->top_aged_tsc -= rte_get_tsc_hz() * MINUTE_S;
    aro_dataplane_poll(rig->dataplane);
    aro_dataplane_poll(rig->dataplane); /* once is enough for a minute */
    aro_dataplane_top(rig->dataplane, item, 1, &window);
    return window;
}

Test(top, a_minute_halves_what_is_known_of_a_busy_node_only)
{
    struct rig *rig = rig_create_store(NULL);
    struct aro_id a = {{1}};

    note(rig, 0, &a, 6000);
    note(rig, 1, &a, 4000);
    cr_assert_eq(window_after_poll(rig), 5000u);
    cr_assert_eq(item[0].samples, 5000u);
    cr_assert_eq(window_after_poll(rig), 2500u);
    cr_assert_eq(window_after_poll(rig), 2500u, "a quiet node keeps what it knows");
    rig_destroy(rig);
}

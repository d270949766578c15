/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/ghost.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

/* The obvious ghost: a list, oldest first. */
struct mark {
    uint64_t fingerprint;
    uint32_t len_bytes;
};

struct list {
    struct mark mark[4096];
    unsigned n;
    uint64_t bytes;
};

static bool list_take(struct list *list, uint64_t fingerprint)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (list->mark[i].fingerprint != fingerprint)
            continue;
        list->bytes -= list->mark[i].len_bytes;
        memmove(&list->mark[i], &list->mark[i + 1], (--list->n - i) * sizeof(list->mark[0]));
        return true;
    }
    return false;
}

static void list_add(struct list *list, uint64_t fingerprint, uint32_t len, uint64_t bytes_max)
{
    list_take(list, fingerprint);
    if (len > bytes_max)
        return;
    while (list->bytes + len > bytes_max)
        list_take(list, list->mark[0].fingerprint);
    list->mark[list->n++] = (struct mark){fingerprint, len};
    list->bytes += len;
}

/* Few fingerprints, most of them near each other, some round the end: long probe runs, and removal
 * out of their middle. */
static uint64_t any_fingerprint(void)
{
    uint64_t r = (uint64_t)random() % 300;

    return r % 7 == 0 ? ~(r << 52) : r << 52;
}

Test(ghost, remembers_what_a_list_remembers)
{
    static struct list list;
    struct aro_ghost ghost = {0};
    enum { BYTES_MAX = 5000 };

    cr_assert_eq(aro_ghost_init(&ghost, BYTES_MAX, 4096), 0);
    srandom(1);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t fingerprint = any_fingerprint();
        if (random() % 3 == 0) {
            cr_assert_eq(aro_ghost_take(&ghost, fingerprint), list_take(&list, fingerprint));
        } else {
            uint32_t len = 1 + (uint32_t)random() % (random() % 50 == 0 ? 6000 : 60);
            aro_ghost_take(&ghost, fingerprint);
            aro_ghost_add(&ghost, fingerprint, len);
            list_add(&list, fingerprint, len, BYTES_MAX);
        }
        cr_assert_eq(ghost.bytes, list.bytes, "step %u", i);
        cr_assert_eq(ghost.entries, list.n, "step %u", i);
    }
    aro_ghost_fini(&ghost);
}

Test(ghost, forgets_the_oldest_when_the_ring_is_full)
{
    struct aro_ghost ghost = {0};

    cr_assert_eq(aro_ghost_init(&ghost, 1 << 30, 16), 0);
    for (uint64_t i = 0; i < 40; i++)
        aro_ghost_add(&ghost, i << 32, 1);
    for (uint64_t i = 0; i < 40; i++)
        cr_assert_eq(aro_ghost_take(&ghost, i << 32), i >= 24, "%lu", i);
    cr_assert_eq(ghost.bytes, 0u);
    aro_ghost_fini(&ghost);
}

/* Two of 40 equal bits are one to us. */
Test(ghost, what_is_there_twice_goes_twice)
{
    struct aro_ghost ghost = {0};

    cr_assert_eq(aro_ghost_init(&ghost, 1 << 30, 16), 0);
    aro_ghost_add(&ghost, UINT64_C(7) << 32, 10);
    aro_ghost_add(&ghost, UINT64_C(9) << 32, 1);
    aro_ghost_add(&ghost, UINT64_C(7) << 32, 100);
    for (uint64_t i = 10; i < 24; i++) /* pushes out the first of them */
        aro_ghost_add(&ghost, i << 32, 1);
    cr_assert_eq(ghost.entries, 16u);
    cr_assert_eq(ghost.bytes, 115u);
    cr_assert(aro_ghost_take(&ghost, UINT64_C(7) << 32));
    cr_assert_eq(ghost.bytes, 15u, "the second of them was left");
    cr_assert_not(aro_ghost_take(&ghost, UINT64_C(7) << 32));
    for (uint64_t i = 24; i < 40; i++)
        aro_ghost_add(&ghost, i << 32, 1);
    cr_assert_eq(ghost.entries, 16u);
    aro_ghost_fini(&ghost);
}

Test(ghost, of_two_the_oldest_goes_first)
{
    struct aro_ghost ghost = {0};

    cr_assert_eq(aro_ghost_init(&ghost, 1 << 30, 16), 0);
    aro_ghost_add(&ghost, UINT64_C(7) << 32, 10);
    aro_ghost_add(&ghost, UINT64_C(7) << 32, 100);
    cr_assert(aro_ghost_take(&ghost, UINT64_C(7) << 32));
    cr_assert_eq(ghost.bytes, 100u);
    aro_ghost_fini(&ghost);
}

/* The same again and again: more than chance brings together in any table. */
Test(ghost, more_than_32_of_one_pair_of_buckets_are_not_remembered)
{
    struct aro_ghost ghost = {0};
    unsigned remembered = 0;

    cr_assert_eq(aro_ghost_init(&ghost, 1 << 30, 4096), 0);
    for (unsigned i = 0; i < 100; i++)
        aro_ghost_add(&ghost, UINT64_C(7) << 32, 1);
    cr_assert_eq(ghost.entries, 32u);
    cr_assert_eq(ghost.bytes, 32u);
    while (aro_ghost_take(&ghost, UINT64_C(7) << 32))
        remembered++;
    cr_assert_eq(remembered, 32u);
    cr_assert_eq(ghost.entries, 0u);
    for (uint64_t i = 0; i < 4096; i++) /* those that were refused are forgotten in their turn */
        aro_ghost_add(&ghost, i << 52, 1);
    cr_assert_eq(ghost.entries, 4096u);
    aro_ghost_fini(&ghost);
}

/* As full as it ever is, round and round: who finds both buckets full moves others, and nobody is
 * lost by it. */
Test(ghost, a_full_table_remembers_all)
{
    struct aro_ghost ghost = {0};
    enum { ENTRIES = 4095, ROUNDS = 20 };

    cr_assert_eq(aro_ghost_init(&ghost, 1 << 30, ENTRIES), 0);
    for (uint64_t i = 0; i < ROUNDS * ENTRIES; i++)
        aro_ghost_add(&ghost, i * UINT64_C(0x9e3779b97f4a7c15), 1);
    cr_assert_eq(ghost.entries, ENTRIES);
    for (uint64_t i = (ROUNDS - 1) * ENTRIES; i < ROUNDS * ENTRIES; i++)
        cr_assert(aro_ghost_take(&ghost, i * UINT64_C(0x9e3779b97f4a7c15)), "%lu", i);
    cr_assert_eq(ghost.entries, 0u);
    cr_assert_eq(ghost.bytes, 0u);
    aro_ghost_fini(&ghost);
}

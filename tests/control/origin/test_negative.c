/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/negative.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>

static const struct aro_negative_entry absent = {.id = ARO_E_ORIGIN_ABSENT, .http_status = 404};

Test(negative, an_entry_lasts_its_time_and_no_longer)
{
    struct aro_negative *negative = aro_negative_create();
    struct aro_negative_entry entry = {0};

    cr_assert_eq(aro_negative_find(negative, "a", 1, &entry), -ENOENT);
    aro_negative_add(negative, "a", &absent, 100, 50);
    cr_assert_eq(aro_negative_find(negative, "a", 149, &entry), 0);
    cr_assert_eq(entry.id, ARO_E_ORIGIN_ABSENT);
    cr_assert_eq(entry.http_status, 404);
    cr_assert_eq(aro_negative_find(negative, "b", 149, &entry), -ENOENT);
    cr_assert_eq(aro_negative_find(negative, "a", 150, &entry), -ENOENT);
    aro_negative_destroy(negative);
}

Test(negative, a_later_word_replaces_an_earlier_one)
{
    struct aro_negative *negative = aro_negative_create();
    struct aro_negative_entry down = {.id = ARO_E_ORIGIN_DOWN}, entry;

    aro_negative_add(negative, "a", &absent, 0, 1000);
    aro_negative_add(negative, "a", &down, 10, 20);
    cr_assert_eq(aro_negative_find(negative, "a", 20, &entry), 0);
    cr_assert_eq(entry.id, ARO_E_ORIGIN_DOWN);
    cr_assert_eq(aro_negative_find(negative, "a", 30, &entry), -ENOENT);
    aro_negative_destroy(negative);
}

Test(negative, what_is_forgotten_is_gone)
{
    struct aro_negative *negative = aro_negative_create();
    struct aro_negative_entry entry;

    aro_negative_add(negative, "a", &absent, 0, 1000);
    aro_negative_add(negative, "b", &absent, 0, 1000);
    aro_negative_forget(negative, "a");
    aro_negative_forget(negative, "never there");
    cr_assert_eq(aro_negative_find(negative, "a", 1, &entry), -ENOENT);
    cr_assert_eq(aro_negative_find(negative, "b", 1, &entry), 0);
    aro_negative_forget_all(negative);
    cr_assert_eq(aro_negative_find(negative, "b", 1, &entry), -ENOENT);
    aro_negative_destroy(negative);
}

Test(negative, a_flood_costs_the_entries_that_end_first)
{
    struct aro_negative *negative = aro_negative_create();
    struct aro_negative_entry entry;
    unsigned left = 0;
    char url[32];

    aro_negative_add(negative, "lasting", &absent, 0, 1000000);
    for (int i = 0; i < 10 * ARO_NEGATIVE_MAX; i++) {
        snprintf(url, sizeof(url), "flood-%d", i);
        aro_negative_add(negative, url, &absent, 0, 1000);
    }
    for (int i = 0; i < 10 * ARO_NEGATIVE_MAX; i++) {
        snprintf(url, sizeof(url), "flood-%d", i);
        left += aro_negative_find(negative, url, 1, &entry) == 0;
    }
    cr_assert_leq(left, ARO_NEGATIVE_MAX - 1u);
    cr_assert_geq(left, ARO_NEGATIVE_MAX / 2u);
    cr_assert_eq(aro_negative_find(negative, "lasting", 1, &entry), 0);
    aro_negative_destroy(negative);
}

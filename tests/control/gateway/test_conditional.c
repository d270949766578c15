/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/conditional.h"

#include <criterion/criterion.h>

#include <stddef.h>

#define NOW  1795400000
#define WHEN "Sun, 06 Nov 1994 08:49:37 GMT" /* 784111777 */
#define PAST "Sun, 06 Nov 1994 08:49:36 GMT"
#define THEN "Sun, 06 Nov 1994 08:49:38 GMT"

enum { GO = ARO_CONDITION_GO_ON, NM = ARO_CONDITION_NOT_MODIFIED, NO = ARO_CONDITION_FAILED };

static const struct aro_validators both = {.etag = "\"a\"", .modified_s = 784111777};
static const struct aro_validators weak = {.etag = "W/\"a\"", .modified_s = -1};
static const struct aro_validators none = {.etag = NULL, .modified_s = -1};

Test(conditional, preconditions_are_judged_in_the_order_of_the_rfc)
{
    static const struct {
        const struct aro_validators *validators;
        struct aro_conditions conditions;
        int verdict;
    } rows[] = {
        {&both, {0}, GO},
        {&both, {.if_none_match = "\"a\""}, NM},
        {&both, {.if_none_match = "W/\"a\""}, NM},
        {&both, {.if_none_match = "\"b\", \"a\""}, NM},
        {&both, {.if_none_match = ",, \"b\" ,\t\"a\" ,"}, NM},
        {&both, {.if_none_match = "*"}, NM},
        {&none, {.if_none_match = "*"}, NM},
        {&both, {.if_none_match = " * "}, NM},
        {&both, {.if_none_match = "\"b\""}, GO},
        {&both, {.if_none_match = "a"}, GO},
        {&both, {.if_none_match = "\"a"}, GO},
        {&both, {.if_none_match = "\"A\""}, GO},
        {&both, {.if_none_match = "\"b\" \"a\""}, GO},
        {&both, {.if_none_match = "*\"a\""}, GO},
        {&weak, {.if_none_match = "\"a\""}, NM},
        {&none, {.if_none_match = "\"a\""}, GO},

        {&both, {.if_match = "\"a\""}, GO},
        {&both, {.if_match = "\"b\", \"a\""}, GO},
        {&both, {.if_match = "*"}, GO},
        {&both, {.if_match = "\"b\""}, NO},
        {&both, {.if_match = "W/\"a\""}, NO},
        {&weak, {.if_match = "\"a\""}, NO},
        {&weak, {.if_match = "W/\"a\""}, NO},
        {&none, {.if_match = "\"a\""}, NO},

        {&both, {.if_modified_since = WHEN}, NM},
        {&both, {.if_modified_since = THEN}, NM},
        {&both, {.if_modified_since = PAST}, GO},
        {&both, {.if_modified_since = "yesterday"}, GO},
        {&weak, {.if_modified_since = THEN}, GO},

        {&both, {.if_unmodified_since = WHEN}, GO},
        {&both, {.if_unmodified_since = THEN}, GO},
        {&both, {.if_unmodified_since = PAST}, NO},
        {&both, {.if_unmodified_since = "yesterday"}, GO},
        {&weak, {.if_unmodified_since = PAST}, GO},

        /* a tag silences the date beside it */
        {&both, {.if_none_match = "\"b\"", .if_modified_since = THEN}, GO},
        {&both, {.if_none_match = "\"a\"", .if_modified_since = PAST}, NM},
        {&both, {.if_match = "\"a\"", .if_unmodified_since = PAST}, GO},
        {&both, {.if_match = "\"b\"", .if_unmodified_since = THEN}, NO},
        /* 412 comes before 304 */
        {&both, {.if_match = "\"b\"", .if_none_match = "\"a\""}, NO},
        {&both, {.if_match = "\"a\"", .if_none_match = "\"a\""}, NM},
        {&both, {.if_unmodified_since = PAST, .if_none_match = "\"a\""}, NO},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq((int)aro_conditions_check(&rows[i].conditions, rows[i].validators, NOW),
                     rows[i].verdict, "row %zu", i);
}

Test(conditional, if_range_needs_the_very_same_content)
{
    static const struct {
        const struct aro_validators *validators;
        const char *field;
        bool holds;
    } rows[] = {
        {&both, NULL, true},       {&none, NULL, true},
        {&both, "\"a\"", true},    {&both, "\"b\"", false},
        {&both, "W/\"a\"", false}, {&weak, "W/\"a\"", false},
        {&weak, "\"a\"", false},   {&both, "\"a\", \"b\"", false},
        {&both, "*", false},       {&both, "a", false},
        {&both, WHEN, true},       {&both, PAST, false},
        {&both, THEN, false},      {&both, "Wednesday, 16-Nov-94 08:49:37 GMT", false},
        {&none, WHEN, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_conditions conditions = {.if_range = rows[i].field};
        cr_assert_eq(aro_if_range_holds(&conditions, rows[i].validators, NOW), rows[i].holds, "%s",
                     rows[i].field);
    }
}

Test(conditional, only_whole_entity_tags_are_valid)
{
    cr_assert(aro_etag_valid("\"\""));
    cr_assert(aro_etag_valid("\"5f-abc\""));
    cr_assert(aro_etag_valid("W/\"5f\""));
    cr_assert_not(aro_etag_valid(""));
    cr_assert_not(aro_etag_valid("abc"));
    cr_assert_not(aro_etag_valid("\"abc"));
    cr_assert_not(aro_etag_valid("\"a b\""));
    cr_assert_not(aro_etag_valid("\"a\"b\""));
    cr_assert_not(aro_etag_valid("w/\"a\""));
    cr_assert_not(aro_etag_valid("\"a\r\n\""));
}

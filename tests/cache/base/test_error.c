/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/error.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

Test(error, ids_ascend_and_are_unique_with_a_cause_and_a_remedy)
{
    int last = 0;

    for (size_t i = 0; aro_error_at(i) != NULL; i++) {
        const struct aro_error_info *info = aro_error_at(i);
        cr_assert_gt((int)info->id, last, "%s", info->name);
        cr_assert_gt(strlen(info->cause), 10u, "%s", info->name);
        cr_assert_gt(strlen(info->remedy), 10u, "%s", info->name);
        cr_assert_gt(info->exit_code, 0, "%s", info->name);
        last = (int)info->id;
    }
    cr_assert_gt(last, 0);
}

Test(error, parse_accepts_the_tag_and_the_bare_number)
{
    char tag[16];

    cr_assert_str_eq(aro_error_tag(ARO_E_ID_INVALID, tag), "ARO-1002");
    cr_assert_eq(aro_error_parse("ARO-1002"), 1002);
    cr_assert_eq(aro_error_parse("aro-1002"), 1002);
    cr_assert_eq(aro_error_parse("1002"), 1002);
    cr_assert_eq(aro_error_parse("ARO-"), -EINVAL);
    cr_assert_eq(aro_error_parse("ARO-12x"), -EINVAL);
    cr_assert_eq(aro_error_parse("ARO-99999"), -EINVAL);
}

Test(error, set_formats_one_sentence_and_bounds_it)
{
    struct aro_error error = {0};
    char long_text[2 * ARO_ERROR_TEXT_BYTES];

    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    cr_assert_eq(aro_error_set(&error, ARO_E_USAGE, "%s", long_text), -1);
    cr_assert_eq(strlen(error.text), (size_t)ARO_ERROR_TEXT_BYTES - 1);
    cr_assert_eq(aro_error_set(NULL, ARO_E_USAGE, "ignored"), -1);
}

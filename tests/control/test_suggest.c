/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/suggest.h"

#include <criterion/criterion.h>

static const char *nearest(const char *asked)
{
    static const char *const words[] = {"memory", "chunks_max", "policy", "put", "ls", "stat"};
    struct aro_suggestion best = {0};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        aro_suggest(&best, asked, words[i]);
    return best.word != NULL ? best.word : "";
}

Test(suggest, finds_slips_and_offers_nothing_for_strangers)
{
    cr_assert_str_eq(nearest("memroy"), "memory");
    cr_assert_str_eq(nearest("chunk_max"), "chunks_max");
    cr_assert_str_eq(nearest("polcy"), "policy");
    cr_assert_str_eq(nearest("stats"), "stat");
    cr_assert_str_eq(nearest("zebra"), "");
    cr_assert_str_eq(nearest("x"), "");
    cr_assert_str_eq(nearest("a word far longer than any key that could ever have been meant here"),
                     "");
}

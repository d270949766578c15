/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/exposition.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends text and compares. */
static void cr_text(struct aro_exposition *text, const char *expected)
{
    size_t length = 0;
    char *got = aro_exposition_end(text, &length);

    cr_assert_not_null(got);
    cr_assert_str_eq(got, expected);
    cr_assert_eq(length, strlen(expected));
    free(got);
}

Test(exposition, a_family_has_help_type_and_samples)
{
    struct aro_exposition text = aro_exposition_begin(4096);
    const struct aro_label labels[] = {{"lcore", "1"}, {"port", "p0"}};

    aro_exposition_family(&text, "x_total", ARO_FAMILY_COUNTER, "what it counts");
    aro_exposition_count(&text, "x_total", NULL, 0, 7);
    aro_exposition_count(&text, "x_total", labels, 2, UINT64_MAX);
    aro_exposition_family(&text, "y_seconds", ARO_FAMILY_GAUGE, "how long");
    aro_exposition_real(&text, "y_seconds", labels, 1, 0.25);
    cr_text(&text, "# HELP x_total what it counts\n"
                   "# TYPE x_total counter\n"
                   "x_total 7\n"
                   "x_total{lcore=\"1\",port=\"p0\"} 18446744073709551615\n"
                   "# HELP y_seconds how long\n"
                   "# TYPE y_seconds gauge\n"
                   "y_seconds{lcore=\"1\"} 0.25\n");
}

Test(exposition, labels_and_help_are_escaped_each_in_its_way)
{
    struct aro_exposition text = aro_exposition_begin(4096);
    const struct aro_label label = {"device", "a\\b\"c\nd\""};

    aro_exposition_family(&text, "x", ARO_FAMILY_GAUGE, "a \\ and a \"quote\"\nand a line");
    aro_exposition_count(&text, "x", &label, 1, 1);
    cr_text(&text, "# HELP x a \\\\ and a \"quote\"\\nand a line\n"
                   "# TYPE x gauge\n"
                   "x{device=\"a\\\\b\\\"c\\nd\\\"\"} 1\n");
}

Test(exposition, a_histogram_cumulates_and_ends_with_inf)
{
    struct aro_exposition text = aro_exposition_begin(4096);
    const double bounds[] = {0.001, 0.1};
    const uint64_t counts[] = {2, 3, 4};
    const struct aro_histogram value = {bounds, counts, 2, 12.5};
    const struct aro_label label = {"path", "/o"};

    aro_exposition_family(&text, "t_seconds", ARO_FAMILY_HISTOGRAM, "time");
    aro_exposition_histogram(&text, "t_seconds", &label, 1, &value);
    aro_exposition_histogram(&text, "t_seconds", NULL, 0, &value);
    cr_text(&text, "# HELP t_seconds time\n"
                   "# TYPE t_seconds histogram\n"
                   "t_seconds_bucket{path=\"/o\",le=\"0.001\"} 2\n"
                   "t_seconds_bucket{path=\"/o\",le=\"0.1\"} 5\n"
                   "t_seconds_bucket{path=\"/o\",le=\"+Inf\"} 9\n"
                   "t_seconds_sum{path=\"/o\"} 12.5\n"
                   "t_seconds_count{path=\"/o\"} 9\n"
                   "t_seconds_bucket{le=\"0.001\"} 2\n"
                   "t_seconds_bucket{le=\"0.1\"} 5\n"
                   "t_seconds_bucket{le=\"+Inf\"} 9\n"
                   "t_seconds_sum 12.5\n"
                   "t_seconds_count 9\n");
}

Test(exposition, reals_read_back_as_the_same_number)
{
    static const double values[] = {0, 0.1, 1e-6, 1.0 / 3, 1795406903.324, 1e300, -2.5};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct aro_exposition text = aro_exposition_begin(4096);
        size_t length;
        char *got;
        aro_exposition_real(&text, "x", NULL, 0, values[i]);
        got = aro_exposition_end(&text, &length);
        cr_assert_eq(strtod(got + 2, NULL), values[i], "%s", got);
        free(got);
    }
}

Test(exposition, odd_reals_have_their_own_words)
{
    struct aro_exposition text = aro_exposition_begin(4096);

    aro_exposition_real(&text, "x", NULL, 0, NAN);
    aro_exposition_real(&text, "x", NULL, 0, INFINITY);
    aro_exposition_real(&text, "x", NULL, 0, -INFINITY);
    cr_text(&text, "x NaN\nx +Inf\nx -Inf\n");
}

Test(exposition, a_text_beyond_its_bound_fails_as_a_whole)
{
    size_t length = 77;

    for (size_t bound = 0; bound <= 12; bound++) {
        struct aro_exposition text = aro_exposition_begin(bound);
        char *got;
        aro_exposition_count(&text, "abcd", NULL, 0, 1); /* 7 bytes */
        got = aro_exposition_end(&text, &length);
        if (bound >= 7) {
            cr_assert_str_eq(got, "abcd 1\n");
        } else {
            cr_assert_null(got);
            cr_assert_eq(errno, EMSGSIZE);
        }
        free(got);
    }
}

Test(exposition, a_large_text_grows_and_an_empty_one_is_empty)
{
    struct aro_exposition text = aro_exposition_begin(1 << 20);
    size_t length = 1;
    char *got = aro_exposition_end(&text, &length);

    cr_assert_str_eq(got, "");
    cr_assert_eq(length, 0);
    free(got);
    text = aro_exposition_begin(1 << 20);
    for (unsigned i = 0; i < 20000; i++)
        aro_exposition_count(&text, "x_total", NULL, 0, i);
    got = aro_exposition_end(&text, &length);
    cr_assert_not_null(got);
    cr_assert_not_null(strstr(got, "\nx_total 19999\n"));
    cr_assert_eq(length, strlen(got));
    free(got);
}

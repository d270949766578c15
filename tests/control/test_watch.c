/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/watch.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "control/ctl/render.h"

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    cr_assert_not_null(value, "%s", text);
    return value;
}

Test(ctl_watch, rates_are_growth_per_second_of_counters_that_moved)
{
    json_t *before = json("{\"a\":{\"x\":10,\"y\":5,\"z_now\":1,\"b\":true},\"s\":null}");
    json_t *now =
        json("{\"a\":{\"x\":30,\"y\":5,\"z_now\":9,\"b\":false,\"new\":7},\"s\":{\"q\":1}}");
    json_t *rates = aro_rates(before, now, 4);
    json_t *expected = json("{\"a\":{\"x\":5.0},\"s\":{}}");

    cr_assert(json_equal(rates, expected), "%s", json_dumps(rates, 0));
    json_decref(rates);
    json_decref(expected);
    json_decref(before);
    json_decref(now);
}

Test(ctl_watch, stats_shows_rates_beside_totals)
{
    const struct aro_command *command = aro_command_find("stats");
    struct aro_style style = {0};
    json_t *result =
        json("{\"a\":{\"x\":30,\"y\":5,\"zero\":0},\"per_second\":{\"a\":{\"x\":2000.4}}}");
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    cr_assert_eq(aro_render(command, result, &style, out), 0);
    fclose(out);
    cr_assert_str_eq(text, "GROUP  COUNTER  VALUE  PER SECOND\n"
                           "a      x           30        2000\n"
                           "a      y            5            \n"
                           "1 counters at zero are not shown; -j shows all\n");
    free(text);
    json_decref(result);
}

Test(ctl_watch, a_screen_is_drawn_over_and_the_rest_cleared)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    aro_screen_show("one\n\nlast", out);
    fclose(out);
    cr_assert_str_eq(text, "\033[Hone\033[K\n\033[K\nlast\033[K\033[J");
    free(text);
}

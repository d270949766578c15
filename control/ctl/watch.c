/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool goes_up_and_down(const char *name)
{
    size_t length = strlen(name);

    return length > 4 && strcmp(name + length - 4, "_now") == 0;
}

static json_t *group_rates(const json_t *before, json_t *now, double seconds)
{
    json_t *rates = json_object(), *value;
    const char *name;

    json_object_foreach(now, name, value)
    {
        const json_t *old = json_object_get(before, name);
        json_int_t grown = json_integer_value(value) - json_integer_value(old);
        if (json_is_integer(value) && json_is_integer(old) && grown != 0 && !goes_up_and_down(name))
            json_object_set_new(rates, name, json_real((double)grown / seconds));
    }
    return rates;
}

json_t *aro_rates(const json_t *before, const json_t *now, double seconds)
{
    json_t *rates = json_object(), *values;
    const char *group;

    json_object_foreach((json_t *)(uintptr_t)now, group, values)
    {
        if (json_is_object(values))
            json_object_set_new(rates, group,
                                group_rates(json_object_get(before, group), values, seconds));
    }
    return rates;
}

void aro_screen_show(const char *text, FILE *out)
{
    fputs("\033[H", out); /* home; every line is cleared behind its end, the rest at last */
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        fprintf(out, "%.*s\033[K", (int)length, text);
        text += length;
        if (*text == '\n')
            fputc(*text++, out);
    }
    fputs("\033[J", out);
}

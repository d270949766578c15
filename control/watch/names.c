/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/names.h"

#include <stdio.h>
#include <string.h>

/* Cuts suffix off text[:length]; the length that is left. */
static size_t cut(const char *text, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);

    return length > n && memcmp(text + length - n, suffix, n) == 0 ? length - n : length;
}

void aro_exported_name(const char *group, const char *name, bool gauge, double cycles_per_s,
                       struct aro_exported *ret)
{
    size_t whole = cut(name, strlen(name), "_now"), length;
    const char *unit = "";

    ret->scale = 1;
    if ((length = cut(name, whole, "_us")) != whole) {
        unit = "_seconds";
        ret->scale = 1e-6;
    } else if ((length = cut(name, whole, "_cycles")) != whole) {
        unit = "_seconds";
        ret->scale = 1 / cycles_per_s;
    } else if (strncmp(name, "bytes_", 6) == 0) {
        unit = "_bytes";
        name += 6;
        length -= 6;
    }
    snprintf(ret->name, sizeof(ret->name), "arocache_%s_%.*s%s%s", group, (int)length, name, unit,
             gauge ? "" : "_total");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first within a system: the exact form takes the first that divides. */
static const struct unit byte_units[] = {
    {"TiB", 1ull << 40},
    {"GiB", 1ull << 30},
    {"MiB", 1ull << 20},
    {"KiB", 1ull << 10},
    {"TB", 1000000000000},
    {"GB", 1000000000},
    {"MB", 1000000},
    {"kB", 1000},
    {"KB", 1000},
    {"B", 1},
    {NULL, 0},
};

/* In bits per second. */
static const struct unit rate_units[] = {
    {"Tbit", 1000000000000}, {"Gbit", 1000000000}, {"Mbit", 1000000},
    {"kbit", 1000},          {"bit", 1},           {NULL, 0},
};

static const struct unit time_units[] = {
    {"d", 86400000000}, {"h", 3600000000}, {"m", 60000000}, {"s", 1000000},
    {"ms", 1000},       {"us", 1},         {NULL, 0},
};

/* The integer in front; *ret_unit is what follows. */
static int number(const char *text, uint64_t *ret, const char **ret_unit)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    *ret_unit = end;
    return errno == ERANGE ? -ERANGE : 0;
}

static int parse(const char *text, const struct unit units[], uint64_t *ret)
{
    const char *suffix;
    uint64_t value;
    int error = number(text, &value, &suffix);

    if (error != 0)
        return error;
    if (value == 0 && *suffix == '\0') {
        *ret = 0;
        return 0;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(suffix, units->name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units->factor, &value))
            return -ERANGE;
        *ret = value;
        return 0;
    }
    return -EINVAL;
}

static char *exact(uint64_t value, const struct unit units[], char text[ARO_UNITS_TEXT])
{
    while (units->factor > 1 && (value == 0 || value % units->factor != 0))
        units++;
    snprintf(text, ARO_UNITS_TEXT, "%llu%s", (unsigned long long)(value / units->factor),
             value == 0 ? "" : units->name);
    return text;
}

int aro_count_parse(const char *text, uint64_t *ret)
{
    const char *rest;
    uint64_t value;
    int error = number(text, &value, &rest);

    if (error == 0 && *rest != '\0')
        error = -EINVAL;
    if (error == 0)
        *ret = value;
    return error;
}

int aro_bytes_parse(const char *text, uint64_t *ret_bytes)
{
    return parse(text, byte_units, ret_bytes);
}

int aro_rate_parse(const char *text, uint64_t *ret_bytes_per_s)
{
    uint64_t bits;
    int error = parse(text, rate_units, &bits);

    if (error == -EINVAL)
        return parse(text, byte_units, ret_bytes_per_s);
    if (error == 0)
        *ret_bytes_per_s = bits / 8;
    return error;
}

int aro_duration_parse(const char *text, uint64_t *ret_us)
{
    return parse(text, time_units, ret_us);
}

char *aro_bytes_exact(uint64_t bytes, char text[ARO_UNITS_TEXT])
{
    return exact(bytes, byte_units, text);
}

char *aro_rate_exact(uint64_t bytes_per_s, char text[ARO_UNITS_TEXT])
{
    if (bytes_per_s > UINT64_MAX / 8)
        return exact(bytes_per_s, byte_units, text);
    return exact(bytes_per_s * 8, rate_units, text);
}

char *aro_duration_exact(uint64_t us, char text[ARO_UNITS_TEXT])
{
    return exact(us, time_units, text);
}

char *aro_bytes_human(uint64_t bytes, char text[ARO_UNITS_TEXT])
{
    const struct unit *unit = byte_units;

    while (unit->factor > 1024 && bytes < unit->factor)
        unit++;
    if (bytes < 1024)
        snprintf(text, ARO_UNITS_TEXT, "%llu B", (unsigned long long)bytes);
    else
        snprintf(text, ARO_UNITS_TEXT, "%.1f %s", (double)bytes / (double)unit->factor, unit->name);
    return text;
}

char *aro_rate_human(double bytes_per_s, char text[ARO_UNITS_TEXT])
{
    static const char *const names[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
    unsigned step = 0;

    while (bytes_per_s >= 1000 && step < 4) {
        bytes_per_s /= 1000;
        step++;
    }
    snprintf(text, ARO_UNITS_TEXT, "%.1f %s", bytes_per_s, names[step]);
    return text;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/units.h"

#include <criterion/criterion.h>

#include <errno.h>

Test(units, bytes_follow_both_systems_and_rates_count_bits)
{
    static const struct {
        int (*parse)(const char *, uint64_t *);
        const char *text;
        int result;
        uint64_t value;
    } rows[] = {
        {aro_bytes_parse, "16GiB", 0, 16ull << 30},
        {aro_bytes_parse, "16GB", 0, 16000000000},
        {aro_bytes_parse, "0", 0, 0},
        {aro_bytes_parse, "1B", 0, 1},
        {aro_bytes_parse, "64", -EINVAL, 0},
        {aro_bytes_parse, "1.5GiB", -EINVAL, 0},
        {aro_bytes_parse, "1 GiB", -EINVAL, 0},
        {aro_bytes_parse, "-1GiB", -EINVAL, 0},
        {aro_bytes_parse, "GiB", -EINVAL, 0},
        {aro_bytes_parse, "1gib", -EINVAL, 0},
        {aro_bytes_parse, "99999999TiB", -ERANGE, 0},
        {aro_bytes_parse, "99999999999999999999B", -ERANGE, 0},
        {aro_rate_parse, "20Gbit", 0, 2500000000},
        {aro_rate_parse, "100MB", 0, 100000000},
        {aro_rate_parse, "20", -EINVAL, 0},
        {aro_duration_parse, "200ms", 0, 200000},
        {aro_duration_parse, "2s", 0, 2000000},
        {aro_duration_parse, "10m", 0, 600000000},
        {aro_duration_parse, "3h", 0, 10800000000},
        {aro_duration_parse, "1d", 0, 86400000000},
        {aro_count_parse, "9500", 0, 9500},
        {aro_count_parse, "9500x", -EINVAL, 0},
        {aro_count_parse, "", -EINVAL, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 77;
        cr_assert_eq(rows[i].parse(rows[i].text, &value), rows[i].result, "%s", rows[i].text);
        cr_assert_eq(value, rows[i].result == 0 ? rows[i].value : 77, "%s", rows[i].text);
    }
}

Test(units, exact_forms_parse_back_to_the_same_value)
{
    uint64_t state = 42;

    for (int i = 0; i < 2000; i++) {
        char text[ARO_UNITS_TEXT];
        uint64_t value, back;
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = state >> (state % 64);
        cr_assert_eq(aro_bytes_parse(aro_bytes_exact(value, text), &back), 0, "%s", text);
        cr_assert_eq(back, value, "%s", text);
        cr_assert_eq(aro_rate_parse(aro_rate_exact(value, text), &back), 0, "%s", text);
        cr_assert_eq(back, value, "%s", text);
        cr_assert_eq(aro_duration_parse(aro_duration_exact(value / 1000000, text), &back), 0);
        cr_assert_eq(back, value / 1000000, "%s", text);
    }
}

Test(units, human_forms_keep_one_digit_and_name_the_unit)
{
    char text[ARO_UNITS_TEXT];

    cr_assert_str_eq(aro_bytes_human(1023, text), "1023 B");
    cr_assert_str_eq(aro_bytes_human(1536, text), "1.5 KiB");
    cr_assert_str_eq(aro_bytes_human(5ull << 30, text), "5.0 GiB");
    cr_assert_str_eq(aro_rate_human(820.3e6, text), "820.3 MB/s");
}

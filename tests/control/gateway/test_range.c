/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/range.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX "18446744073709551615"

Test(range, every_form_gets_its_verdict)
{
    static const struct {
        const char *header;
        uint64_t total;
        enum aro_range_verdict verdict;
        uint64_t first, bytes;
    } rows[] = {
        {NULL, 100, ARO_RANGE_WHOLE, 0, 0},
        {"bytes=0-0", 100, ARO_RANGE_PART, 0, 1},
        {"bytes=0-99", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=0-100", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=10-", 100, ARO_RANGE_PART, 10, 90},
        {"bytes=99-", 100, ARO_RANGE_PART, 99, 1},
        {"bytes=100-", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-1", 100, ARO_RANGE_PART, 99, 1},
        {"bytes=-100", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=-1000", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=-0", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=5-4", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"BYTES=5-6", 100, ARO_RANGE_PART, 5, 2},
        {"bytes= 5 - 6 ", 100, ARO_RANGE_PART, 5, 2},
        {"items=5-6", 100, ARO_RANGE_WHOLE, 0, 0},
        {"bytes 5-6", 100, ARO_RANGE_WHOLE, 0, 0},
        {"", 100, ARO_RANGE_WHOLE, 0, 0},
        {"bytes=", 100, ARO_RANGE_WHOLE, 0, 0},
        /* no sense */
        {"bytes= ", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=a-b", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=1", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=1-2x", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=+1-2", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=--1", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=1-2,", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        /* beyond 64 bits */
        {"bytes=0-" MAX, 100, ARO_RANGE_PART, 0, 100},
        {"bytes=0-99999999999999999999999999", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=18446744073709551616-", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=18446744073709551616-18446744073709551617", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-99999999999999999999999999", 100, ARO_RANGE_PART, 0, 100},
        {"bytes=18446744073709551614-", UINT64_MAX, ARO_RANGE_PART, UINT64_MAX - 1, 1},
        /* several */
        {"bytes=0-1,5-6", 100, ARO_RANGE_WHOLE, 0, 0},
        {"bytes=0-1, 500-600", 100, ARO_RANGE_PART, 0, 2},
        {"bytes=500-,-1", 100, ARO_RANGE_PART, 99, 1},
        {"bytes=500-,600-", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-1,x", 100, ARO_RANGE_UNSATISFIABLE, 0, 0},
        /* of nothing */
        {"bytes=0-", 0, ARO_RANGE_WHOLE, 0, 0},
        {"bytes=-5", 0, ARO_RANGE_WHOLE, 0, 0},
        {"bytes=1-", 0, ARO_RANGE_UNSATISFIABLE, 0, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_range range = {0, 0};
        cr_assert_eq(aro_range_resolve(rows[i].header, rows[i].total, &range), rows[i].verdict,
                     "%s of %lu", rows[i].header, rows[i].total);
        cr_assert_eq(range.first, rows[i].first, "%s", rows[i].header);
        cr_assert_eq(range.bytes, rows[i].bytes, "%s", rows[i].header);
    }
}

Test(range, a_part_always_lies_in_the_content)
{
    static const char alphabet[] = "0123456789-, x=";
    char header[64] = "bytes=";

    srand(7);
    for (int round = 0; round < 200000; round++) {
        size_t len = 6 + (size_t)rand() % 40;
        for (size_t i = 6; i < len; i++)
            header[i] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
        header[len] = '\0';
        uint64_t total = (uint64_t)rand() << (rand() % 34);
        struct aro_range range;
        if (aro_range_resolve(header, total, &range) == ARO_RANGE_PART) {
            cr_assert(range.bytes > 0 && range.first < total, "%s of %lu", header, total);
            cr_assert(range.bytes <= total - range.first, "%s of %lu", header, total);
        }
    }
}

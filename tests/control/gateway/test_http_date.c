/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/http_date.h"

#include <criterion/criterion.h>

#include <string.h>

static const int64_t now_s = 1795400000; /* 22 November 2026 */

Test(http_date, all_three_forms_are_read)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wed Nov 16 08:49:37 1994", 784975777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
        {"Wednesday, 01-Jan-70 00:00:00 GMT", 3155760000}, /* 2070: within 50 years */
        {"Thursday, 01-Jan-77 00:00:00 GMT", 220924800},   /* 1977 */
        {"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
        /* no dates */
        {"", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun, 31 Feb 2026 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:00:00 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1969 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 CET", -1},
        {"784111777", -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(aro_http_date_parse(rows[i].text, now_s), rows[i].seconds, "%s: %ld",
                     rows[i].text, (long)aro_http_date_parse(rows[i].text, now_s));
}

Test(http_date, what_is_written_reads_back)
{
    char text[ARO_HTTP_DATE_BYTES];

    cr_assert_str_eq(aro_http_date_format(784111777, text), "Sun, 06 Nov 1994 08:49:37 GMT");
    for (int64_t seconds = 0; seconds < 253402300799; seconds += 98765431)
        cr_assert_eq(aro_http_date_parse(aro_http_date_format(seconds, text), now_s), seconds, "%s",
                     text);
}

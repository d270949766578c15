/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/answer.h"

#include <criterion/criterion.h>

#include <string.h>

enum { NOW = 1000000000, ABSENT = 600 }; /* Sun, 09 Sep 2001 01:46:40 GMT */

/* Lines separated by '|'. */
static struct aro_answer read_answer(const char *lines)
{
    struct aro_answer answer = {0};

    aro_answer_line(&answer, "HTTP/1.1 200 OK\r\n", 17);
    while (*lines != '\0') {
        size_t length = strcspn(lines, "|");
        aro_answer_line(&answer, lines, length);
        lines += length + (lines[length] == '|');
    }
    return answer;
}

Test(answer, freshness_is_what_the_origin_says_within_bounds)
{
    static const struct {
        const char *lines;
        int64_t ttl_s;
    } rows[] = {
        {"", ABSENT},
        {"Cache-Control: public", ABSENT},
        {"Cache-Control: max-age=60", 60},
        {"cache-control:MAX-AGE=60", 60},
        {"Cache-Control: max-age=\"60\"", 60},
        {"Cache-Control: max-age=60, s-maxage=5", 5},
        {"Cache-Control: max-age=60|Cache-Control: s-maxage=7", 7},
        {"Cache-Control: public,max-age=60,immutable", 60},
        {"Cache-Control: x-max-age=60", ABSENT},
        {"Cache-Control: max-age=60|Age: 20", 40},
        {"Cache-Control: max-age=60|Age: 90", 0},
        {"Cache-Control: max-age=60|Age: x", 60},
        {"Cache-Control: max-age=0", 0},
        {"Cache-Control: max-age=99999999999999999999", ARO_TTL_S_MAX},
        {"Cache-Control: max-age=-5", ABSENT},
        {"Cache-Control: max-age=60|Expires: Thu, 01 Jan 1970 00:00:00 GMT", 60},
        {"Cache-Control: no-store", 0},
        {"Cache-Control: max-age=60, no-cache", 0},
        {"Cache-Control: private=\"x\", max-age=60", 0},
        {"Cache-Control: ,, no-store ,", 0},
        {"Expires: Sun, 09 Sep 2001 01:48:20 GMT", 100},
        {"Expires: Sun, 09 Sep 2001 01:48:20 GMT|Date: Sun, 09 Sep 2001 01:48:10 GMT", 10},
        {"Expires: Sunday, 09-Sep-01 01:48:20 GMT", 100},
        {"Expires: Sun Sep  9 01:48:20 2001", 100},
        {"Expires: 0", 0},
        {"Expires: Thu, 01 Jan 2099 00:00:00 GMT", ARO_TTL_S_MAX},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer answer = read_answer(rows[i].lines);
        cr_assert_eq(aro_answer_ttl_s(&answer, ABSENT, NOW), rows[i].ttl_s, "%s", rows[i].lines);
    }
}

Test(answer, what_must_be_revalidated_is_never_stale)
{
    static const char *const strict[] = {"no-store", "no-cache", "private", "must-revalidate",
                                         "max-age=5, proxy-revalidate"};
    struct aro_answer answer = read_answer("Cache-Control: max-age=5");

    cr_assert(aro_answer_stale_ok(&answer));
    for (size_t i = 0; i < sizeof(strict) / sizeof(strict[0]); i++) {
        char line[64] = "Cache-Control: ";
        answer = read_answer(strcat(line, strict[i]));
        cr_assert_not(aro_answer_stale_ok(&answer), "%s", line);
    }
}

Test(answer, lengths_and_ranges_are_taken_or_contradict)
{
    static const struct {
        const char *lines;
        bool contradictory, has_length, has_range;
        uint64_t length, first, last, total;
    } rows[] = {
        {"Content-Length: 5", false, true, false, 5, 0, 0, 0},
        {"Content-Length: 5|Content-Length: 5", false, true, false, 5, 0, 0, 0},
        {"Content-Length: 5|Content-Length: 6", true, true, false, 5, 0, 0, 0},
        {"Content-Length: -5", true, false, false, 0, 0, 0, 0},
        {"Content-Length: 5, 5", true, false, false, 0, 0, 0, 0},
        {"Content-Length: 0x5", true, false, false, 0, 0, 0, 0},
        {"Content-Length: 18446744073709551616", true, false, false, 0, 0, 0, 0},
        {"Transfer-Encoding: chunked", false, false, false, 0, 0, 0, 0},
        {"Transfer-Encoding: gzip, chunked", true, false, false, 0, 0, 0, 0},
        {"Content-Range: bytes 10-19/100", false, false, true, 0, 10, 19, 100},
        {"Content-Range: bytes 10-19/*", false, false, true, 0, 10, 19, UINT64_MAX},
        {"Content-Range: bytes 10-19/19", true, false, false, 0, 0, 0, 0},
        {"Content-Range: bytes 19-10/100", false, false, false, 0, 0, 0, 0},
        {"Content-Range: bytes */100", false, false, false, 0, 0, 0, 0},
        {"Content-Range: lines 1-2/3", false, false, false, 0, 0, 0, 0},
        {"Content-Range: bytes 0-1/9|Content-Range: bytes 2-3/9", true, false, true, 0, 2, 3, 9},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer answer = read_answer(rows[i].lines);
        cr_assert_eq(answer.contradictory, rows[i].contradictory, "%s", rows[i].lines);
        cr_assert_eq(answer.has_length, rows[i].has_length, "%s", rows[i].lines);
        cr_assert_eq(answer.length_bytes, rows[i].length, "%s", rows[i].lines);
        cr_assert_eq(answer.has_range, rows[i].has_range, "%s", rows[i].lines);
        cr_assert_eq(answer.range_first, rows[i].first, "%s", rows[i].lines);
        cr_assert_eq(answer.range_last, rows[i].last, "%s", rows[i].lines);
        cr_assert_eq(answer.range_total, rows[i].total, "%s", rows[i].lines);
    }
}

Test(answer, values_that_we_would_not_repeat_count_as_absent)
{
    char line[4096] = "Content-Type: ";
    struct aro_answer answer =
        read_answer("ETag: \"a\"|ETag: \"b\"|Last-Modified: yesterday|Content-Type: a\x01"
                    "b|Location: caf\xc3\xa9|no colon|: no name|Content-Encoding: identity");

    cr_assert_str_eq(answer.etag, "\"a\"", "the first counts");
    cr_assert_str_eq(answer.last_modified, "");
    cr_assert_str_eq(answer.type, "");
    cr_assert_str_eq(answer.location, "");
    cr_assert_not(answer.encoded);
    memset(line + 14, 'x', 3000);
    answer = read_answer(line);
    cr_assert_str_eq(answer.type, "");
    answer =
        read_answer("Content-Type:   video/mp4 \t|Content-Encoding: gzip|Accept-Ranges: bytes");
    cr_assert_str_eq(answer.type, "video/mp4");
    cr_assert(answer.encoded && answer.accepts_ranges);
}

Test(answer, a_new_status_line_begins_anew)
{
    struct aro_answer answer = read_answer("ETag: \"a\"|HTTP/1.1 404 Not Found");

    cr_assert_eq(answer.status, 404);
    cr_assert_str_eq(answer.etag, "");
}

Test(answer, only_a_strong_validator_joins_parts)
{
    static const struct {
        const char *a, *b;
        bool same;
        const char *validator; /* of a */
    } rows[] = {
        {"ETag: \"1\"", "ETag: \"1\"", true, "\"1\""},
        {"ETag: \"1\"", "ETag: \"2\"", false, "\"1\""},
        {"ETag: \"1\"", "", false, "\"1\""},
        {"", "ETag: \"1\"", false, ""},
        {"ETag: W/\"1\"", "ETag: W/\"1\"", false, ""},
        {"", "", false, ""},
        {"Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT",
         "Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT", true, "Sun, 09 Sep 2001 01:46:40 GMT"},
        {"Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT",
         "Last-Modified: Sun, 09 Sep 2001 01:46:41 GMT", false, "Sun, 09 Sep 2001 01:46:40 GMT"},
        {"ETag: \"1\"|Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT",
         "ETag: \"2\"|Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT", false, "\"1\""},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer a = read_answer(rows[i].a), b = read_answer(rows[i].b);
        cr_assert_eq(aro_answer_same_content(&a, &b), rows[i].same, "%s, %s", rows[i].a, rows[i].b);
        cr_assert_str_eq(aro_answer_validator(&a), rows[i].validator);
    }
}

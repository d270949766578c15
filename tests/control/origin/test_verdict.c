/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/verdict.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

enum { MAX = 1000000 };

static struct aro_answer answer_of(int status, const char *lines)
{
    struct aro_answer answer = {0};
    char head[32];

    aro_answer_line(&answer, head, (size_t)sprintf(head, "HTTP/1.1 %d x", status));
    while (*lines != '\0') {
        size_t length = strcspn(lines, "|");
        aro_answer_line(&answer, lines, length);
        lines += length + (lines[length] == '|');
    }
    return answer;
}

#define RANGES "Content-Length: 1000|Accept-Ranges: bytes|"

Test(verdict, a_body_that_begins_is_judged)
{
    static const struct {
        int status;
        const char *lines;
        int error; /* 0: taken */
    } rows[] = {
        {200, "Content-Length: 1000000", 0},
        {200, "Content-Length: 1000001", 8010},
        {200, "Content-Length: 0", 0},
        {200, "Transfer-Encoding: chunked", 0},
        {200, "Transfer-Encoding: chunked|Content-Length: 2000000", 0},
        {200, "", 8004},
        {200, "Content-Length: 5|Content-Length: 6", 8004},
        {200, "Content-Length: 5|Content-Encoding: br", 8004},
        {206, "Content-Length: 5|Content-Range: bytes 0-4/5", 8004},
    };
    struct aro_facts facts = {.max_object_bytes = MAX};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer answer = answer_of(rows[i].status, rows[i].lines);
        struct aro_error error = {0};
        enum aro_verdict verdict = aro_judge_answer(&facts, &answer, &error);
        cr_assert_eq(verdict, rows[i].error == 0 ? ARO_VERDICT_TAKE : ARO_VERDICT_FAILED, "%s",
                     rows[i].lines);
        cr_assert_eq((int)error.id, rows[i].error, "%s", rows[i].lines);
    }
}

Test(verdict, the_rest_must_be_of_the_same_content_from_the_very_byte)
{
    static const struct {
        int status;
        const char *lines;
        int error;
    } rows[] = {
        {206, "ETag: \"1\"|Content-Range: bytes 400-999/1000|Content-Length: 600", 0},
        {206, "ETag: \"1\"|Content-Range: bytes 400-799/1000|Content-Length: 400", 0},
        {206, "ETag: \"1\"|Content-Range: bytes 400-999/1000", 0},
        {206, "ETag: \"2\"|Content-Range: bytes 400-999/1000", 8008},
        {206, "Content-Range: bytes 400-999/1000", 8008},
        {200, "ETag: \"1\"|Content-Length: 1000", 8008},
        {206, "ETag: \"1\"|Content-Range: bytes 0-999/1000", 8007},
        {206, "ETag: \"1\"|Content-Range: bytes 401-999/1000", 8007},
        {206, "ETag: \"1\"|Content-Range: bytes 400-1000/1001", 8007},
        {206, "ETag: \"1\"|Content-Range: bytes 400-999/*", 8007},
        {206, "ETag: \"1\"|Content-Range: bytes 400-999/1000|Content-Length: 700", 8007},
        {206, "ETag: \"1\"|Content-Length: 600", 8007},
    };
    struct aro_answer first = answer_of(200, RANGES "ETag: \"1\"");
    struct aro_facts facts = {.first = &first, .received_bytes = 400, .max_object_bytes = MAX};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer answer = answer_of(rows[i].status, rows[i].lines);
        struct aro_error error = {0};
        aro_judge_answer(&facts, &answer, &error);
        cr_assert_eq((int)error.id, rows[i].error, "%s", rows[i].lines);
    }
}

Test(verdict, a_body_that_ended_is_whole_or_goes_on_or_fails)
{
    static const struct {
        const char *first;
        uint64_t received;
        enum aro_http_end end;
        enum aro_verdict verdict;
        int error;
    } rows[] = {
        {"Content-Length: 1000", 1000, ARO_HTTP_OK, ARO_VERDICT_WHOLE, 0},
        {"Content-Length: 1000", 1000, ARO_HTTP_BROKEN, ARO_VERDICT_WHOLE, 0},
        {"Content-Length: 1000", 999, ARO_HTTP_OK, ARO_VERDICT_FAILED, 8007},
        {"Content-Length: 1000", 1001, ARO_HTTP_OK, ARO_VERDICT_FAILED, 8007},
        {"Content-Length: 1000", 1000, ARO_HTTP_LONG, ARO_VERDICT_FAILED, 8007},
        {"Content-Length: 1000", 500, ARO_HTTP_BROKEN, ARO_VERDICT_FAILED, 8007},
        {"Content-Length: 1000", 500, ARO_HTTP_TIMEOUT, ARO_VERDICT_FAILED, 8003},
        {"Transfer-Encoding: chunked", 500, ARO_HTTP_OK, ARO_VERDICT_WHOLE, 0},
        {"Transfer-Encoding: chunked", 500, ARO_HTTP_BROKEN, ARO_VERDICT_FAILED, 8007},
        {"Transfer-Encoding: chunked|Accept-Ranges: bytes|ETag: \"1\"", 500, ARO_HTTP_BROKEN,
         ARO_VERDICT_FAILED, 8007},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_BROKEN, ARO_VERDICT_AGAIN, 0},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_TIMEOUT, ARO_VERDICT_AGAIN, 0},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_OK, ARO_VERDICT_AGAIN, 0},
        {RANGES "ETag: W/\"1\"", 500, ARO_HTTP_BROKEN, ARO_VERDICT_FAILED, 8007},
        {RANGES "", 500, ARO_HTTP_BROKEN, ARO_VERDICT_FAILED, 8007},
        {"Content-Length: 1000|ETag: \"1\"", 500, ARO_HTTP_BROKEN, ARO_VERDICT_FAILED, 8007},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_TOO_LARGE, ARO_VERDICT_FAILED, 8010},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_NONSENSE, ARO_VERDICT_FAILED, 8004},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_LOCAL, ARO_VERDICT_FAILED, 6005},
        {RANGES "ETag: \"1\"", 500, ARO_HTTP_CANCELLED, ARO_VERDICT_FAILED, 6017},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_answer first = answer_of(200, rows[i].first);
        struct aro_facts facts = {.first = &first,
                                  .received_bytes = rows[i].received,
                                  .max_object_bytes = MAX,
                                  .taken = true};
        struct aro_http_transfer transfer = {.end = rows[i].end, .answer = first};
        struct aro_error error = {0};
        cr_assert_eq(aro_judge_end(&facts, &transfer, &error), rows[i].verdict, "%zu: %s", i,
                     rows[i].first);
        cr_assert_eq((int)error.id, rows[i].error, "%zu: %s", i, rows[i].first);
    }
}

Test(verdict, an_answer_without_a_wanted_body_is_judged_by_its_status)
{
    static const struct {
        int status; /* 0: none came */
        const char *lines;
        enum aro_http_end end;
        bool conditional;
        enum aro_verdict verdict, resuming; /* from the start; after 400 of 1000 bytes */
    } rows[] = {
        {304, "", ARO_HTTP_OK, true, ARO_VERDICT_RENEWED, ARO_VERDICT_FAILED},
        {304, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {302, "Location: /x", ARO_HTTP_OK, false, ARO_VERDICT_REDIRECT, ARO_VERDICT_REDIRECT},
        {302, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {404, "", ARO_HTTP_OK, false, ARO_VERDICT_ABSENT, ARO_VERDICT_FAILED},
        {410, "", ARO_HTTP_BROKEN, false, ARO_VERDICT_ABSENT, ARO_VERDICT_FAILED},
        {403, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {416, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {503, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_AGAIN},
        {429, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_AGAIN},
        {204, "", ARO_HTTP_OK, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {0, "", ARO_HTTP_UNREACHABLE, false, ARO_VERDICT_FAILED, ARO_VERDICT_AGAIN},
        {0, "", ARO_HTTP_TIMEOUT, false, ARO_VERDICT_FAILED, ARO_VERDICT_AGAIN},
        {0, "", ARO_HTTP_TLS, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
        {404, "", ARO_HTTP_CANCELLED, false, ARO_VERDICT_FAILED, ARO_VERDICT_FAILED},
    };
    struct aro_answer first = answer_of(200, RANGES "ETag: \"1\"");

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_http_transfer transfer = {.end = rows[i].end,
                                             .answer = answer_of(rows[i].status, rows[i].lines)};
        struct aro_facts facts = {.max_object_bytes = MAX, .conditional = rows[i].conditional};
        struct aro_error error;
        cr_assert_eq(aro_judge_end(&facts, &transfer, &error), rows[i].verdict, "%d",
                     rows[i].status);
        facts.first = &first;
        facts.received_bytes = 400;
        cr_assert_eq(aro_judge_end(&facts, &transfer, &error), rows[i].resuming, "%d",
                     rows[i].status);
    }
}

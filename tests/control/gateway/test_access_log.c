/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/access_log.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct aro_access ordinary = {.peer = "192.0.2.7",
                                           .time_s = 784111777,
                                           .method = "GET",
                                           .target = "/o/x",
                                           .version = "HTTP/1.1",
                                           .status = 206,
                                           .bytes = 4096,
                                           .agent = "curl/7.88.1",
                                           .first_us = 812,
                                           .total_us = 1650,
                                           .nodes = "a,b",
                                           .host = "cdn.example"};

static char folder[] = "/tmp/aro-access-XXXXXX";
static char path[64];

static void folder_make(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/log", folder);
}

static void folder_remove(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

static size_t lines_of(const char *name)
{
    FILE *file = fopen(name, "r");
    size_t lines = 0;
    int c;

    cr_assert_not_null(file);
    while ((c = fgetc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

Test(access_log, a_failure_says_what_its_client_is_not_told)
{
    struct aro_access access = ordinary;
    char line[ARO_ACCESS_LINE_BYTES + 1];

    access.host = NULL;
    access.error = "ARO-8003";
    access.why = "http://10.0.0.5/x: \"refused\"";
    line[aro_access_format(&access, line)] = '\0';
    cr_assert_not_null(strstr(line, " host=\"-\" error=ARO-8003 "
                                    "\"http://10.0.0.5/x: \\x22refused\\x22\"\n"),
                       "%s", line);
}

Test(access_log, a_line_is_in_the_combined_format)
{
    char line[ARO_ACCESS_LINE_BYTES + 1];

    line[aro_access_format(&ordinary, line)] = '\0';
    cr_assert_str_eq(line, "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /o/x HTTP/1.1\" 206 "
                           "4096 \"-\" \"curl/7.88.1\" first_us=812 total_us=1650 node=a,b "
                           "host=\"cdn.example\"\n");
}

Test(access_log, what_a_client_sends_cannot_forge_or_tear_a_line)
{
    struct aro_access access = ordinary;
    char line[ARO_ACCESS_LINE_BYTES + 1];

    access.target = "/\n127.0.0.1 \"\\\x7f\xc3";
    access.agent = "a\"b";
    line[aro_access_format(&access, line)] = '\0';
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
    cr_assert_not_null(strstr(line, "GET /\\x0A127.0.0.1 \\x22\\x5C\\x7F\\xC3 HTTP/1.1\""));
    cr_assert_not_null(strstr(line, "\"a\\x22b\""));
}

Test(access_log, the_longest_line_fits)
{
    char line[ARO_ACCESS_LINE_BYTES], *huge = malloc(100000);
    struct aro_access access = {.time_s = 253402300799,
                                .bytes = UINT64_MAX,
                                .first_us = UINT64_MAX,
                                .total_us = UINT64_MAX,
                                .status = 999};

    memset(huge, '\n', 99999);
    huge[99999] = '\0';
    access.peer = access.method = access.target = access.version = access.referer = access.agent =
        access.nodes = access.host = access.error = access.why = huge;
    size_t len = aro_access_format(&access, line);
    cr_assert_lt(len, sizeof(line));
    cr_assert_eq(line[len - 1], '\n');
    access = (struct aro_access){0}; /* nothing known at all */
    len = aro_access_format(&access, line);
    cr_assert_lt(len, sizeof(line));
    free(huge);
}

Test(access_log, lines_reach_the_file_and_a_moved_file_is_let_go, .init = folder_make,
     .fini = folder_remove)
{
    struct aro_access_log *log = aro_access_log_create(path);
    char moved[80];

    cr_assert_not_null(log);
    for (int i = 0; i < 2000; i++) /* more than the buffer holds */
        aro_access_log_add(log, &ordinary);
    aro_access_log_flush(log);
    cr_assert_eq(lines_of(path), 2000u);
    snprintf(moved, sizeof(moved), "%s.1", path);
    cr_assert_eq(rename(path, moved), 0);
    cr_assert_eq(aro_access_log_reopen(log), 0);
    aro_access_log_add(log, &ordinary);
    aro_access_log_destroy(log);
    cr_assert_eq(lines_of(path), 1u);
    cr_assert_eq(lines_of(moved), 2000u);
}

Test(access_log, two_logs_on_one_file_do_not_tear_each_others_lines, .init = folder_make,
     .fini = folder_remove)
{
    struct aro_access_log *a = aro_access_log_create(path), *b = aro_access_log_create(path);

    for (int i = 0; i < 1000; i++) {
        aro_access_log_add(a, &ordinary);
        aro_access_log_add(b, &ordinary);
        if (i % 7 == 0)
            aro_access_log_flush(i % 2 ? a : b);
    }
    aro_access_log_destroy(a);
    aro_access_log_destroy(b);
    cr_assert_eq(lines_of(path), 2000u);
}

Test(access_log, a_pipe_that_nobody_reads_costs_lines_and_no_time, .init = folder_make,
     .fini = folder_remove)
{
    char command[128];

    snprintf(command, sizeof(command), "mkfifo %s", path);
    cr_assert_eq(system(command), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    struct aro_access_log *log = aro_access_log_create(path);
    cr_assert_not_null(log);
    for (int i = 0; i < 10000; i++)
        aro_access_log_add(log, &ordinary);
    aro_access_log_flush(log);
    cr_assert_gt(aro_access_log_lost(log), 0u);
    aro_access_log_destroy(log);
    close(reader);
}

Test(access_log, an_empty_path_is_no_log)
{
    struct aro_access_log *log = aro_access_log_create("");

    cr_assert_not(aro_access_log_on(log));
    aro_access_log_add(log, &ordinary);
    aro_access_log_destroy(log);
    cr_assert_null(aro_access_log_create("/no/such/folder/log"));
}

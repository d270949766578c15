/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/request_log.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bench {
    struct aro_loop *loop;
    struct aro_uring *ring;
    struct aro_log log;
    char *log_text;
    size_t log_length;
    char path[64];
    unsigned waiting; /* samples that take will find */
    struct aro_request_log *requests;
};

static const struct aro_request_sample sample = {
    .age_us = 250000,
    .id = {0x7a, 0x9d, 0, 1, 2, 3, 4, 5},
    .source = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 9, [14] = 0, [15] = 2},
    .source_port = 4242,
    .slices = 47,
    .residence_us = 12,
    .outcome = ARO_OUTCOME_HIT,
    .lcore = 3,
};

static unsigned take(void *arg, struct aro_request_sample ret[], unsigned max)
{
    struct bench *bench = arg;
    unsigned n = bench->waiting < max ? bench->waiting : max;

    for (unsigned i = 0; i < n; i++)
        ret[i] = sample;
    bench->waiting -= n;
    return n;
}

static struct bench *bench_create(const char *path)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aro_request_log_config config = {.log = &bench->log, .take = take, .arg = bench};
    struct aro_error error = {0};

    config.loop = bench->loop = aro_loop_create();
    config.ring = bench->ring = aro_uring_create(64);
    bench->log = (struct aro_log){.out = open_memstream(&bench->log_text, &bench->log_length),
                                  .level = ARO_LOG_INFO};
    snprintf(bench->path, sizeof(bench->path), "%s", path);
    config.path = bench->path;
    bench->requests = aro_request_log_create(&config, &error);
    cr_assert_not_null(bench->requests, "%s", error.text);
    return bench;
}

/* What the control loop does: turns, and completions. */
static void turns(struct bench *bench, int n)
{
    while (n-- > 0) {
        aro_loop_once(bench->loop, 0);
        aro_uring_poll(bench->ring, 8);
    }
}

/* Until everything that waits is written. */
static void settle(struct bench *bench)
{
    do {
        turns(bench, 1);
        if (aro_uring_in_flight(bench->ring) > 0)
            cr_assert_eq(aro_uring_wait(bench->ring), 0);
        aro_uring_poll(bench->ring, 8);
    } while (aro_uring_in_flight(bench->ring) > 0 || bench->waiting > 0);
}

static void bench_destroy(struct bench *bench)
{
    aro_uring_destroy(bench->ring);
    aro_loop_destroy(bench->loop);
    fclose(bench->log.out);
    free(bench->log_text);
    free(bench);
}

/* Lines in the file; each must be the whole line. */
static unsigned lines_in(const char *path)
{
    char line[400], expected[ARO_REQUEST_LINE_BYTES];
    FILE *in = fopen(path, "re");
    unsigned n = 0;

    cr_assert_not_null(in);
    aro_request_format(&sample, 0, expected);
    while (fgets(line, sizeof(line), in) != NULL) {
        cr_assert_eq(strncmp(line, "request at=", 11), 0, "%s", line);
        cr_assert_str_eq(strstr(line, " lcore=3"), " lcore=3\n");
        n++;
    }
    fclose(in);
    return n;
}

Test(request_log, a_line_says_who_asked_for_what_and_what_became_of_it)
{
    struct aro_request_sample other = sample;
    char line[ARO_REQUEST_LINE_BYTES];

    aro_request_format(&sample, 1795434852373456, line);
    cr_assert_str_eq(line, "at=2026-11-23T11:54:12.123456Z from=10.9.0.2:4242 "
                           "id=c-7a9d000102030405 outcome=hit status=ok slices=47 residence_us=12 "
                           "lcore=3");
    memset(other.source, 0, 16);
    other.source[0] = 0xfd;
    other.source[15] = 1;
    other.outcome = ARO_OUTCOME_REFUSED;
    other.status = 3;
    other.slices = 0;
    aro_request_format(&other, 1795434852373456, line);
    cr_assert_not_null(strstr(line, " from=[fd00::1]:4242 "), "%s", line);
    cr_assert_not_null(strstr(line, " outcome=refused status=busy slices=0 "), "%s", line);
    memset(&other, 0xff, sizeof(other));
    other.outcome = ARO_OUTCOME_ABSENT;
    aro_request_format(&other, UINT64_MAX, line);
    cr_assert_lt(strlen(line), (size_t)ARO_REQUEST_LINE_BYTES - 1, "%s", line);
}

Test(request_log, without_a_file_lines_go_to_the_log)
{
    struct bench *bench = bench_create("");
    struct aro_request_log_stats stats;

    bench->waiting = 3;
    turns(bench, 1);
    aro_request_log_stats(bench->requests, &stats);
    cr_assert_eq(stats.request_lines, 3);
    fflush(bench->log.out);
    cr_assert_eq(strncmp(bench->log_text, "info request at=", 16), 0, "%s", bench->log_text);
    aro_request_log_destroy(bench->requests);
    bench_destroy(bench);
}

Test(request_log, a_file_is_appended_to_and_the_end_is_not_lost)
{
    char path[] = "/tmp/test-requests-XXXXXX";
    struct aro_request_log_stats stats;
    struct bench *bench;

    close(mkstemp(path));
    bench = bench_create(path);
    bench->waiting = 700;
    settle(bench);
    settle(bench); /* what gathered meanwhile */
    aro_request_log_stats(bench->requests, &stats);
    cr_assert_eq(stats.request_lines, 700);
    bench->waiting = 300;
    aro_request_log_destroy(bench->requests);
    bench_destroy(bench);
    bench = bench_create(path);
    bench->waiting = 1;
    aro_request_log_destroy(bench->requests);
    bench_destroy(bench);
    cr_assert_eq(lines_in(path), 1001u);
    unlink(path);
}

Test(request_log, a_file_that_takes_nothing_loses_lines_and_says_so_once)
{
    struct bench *bench = bench_create("/dev/full");
    struct aro_request_log_stats stats;
    const char *said;

    for (int i = 0; i < 3; i++) {
        bench->waiting = 10;
        settle(bench);
    }
    aro_request_log_stats(bench->requests, &stats);
    cr_assert_eq(stats.request_lines, 0);
    cr_assert_eq(stats.request_lines_lost, 30);
    fflush(bench->log.out);
    said = strstr(bench->log_text, "warning request-log file=/dev/full error=\"No space left");
    cr_assert_not_null(said, "%s", bench->log_text);
    cr_assert_null(strstr(said + 1, "warning"), "once");
    aro_request_log_destroy(bench->requests);
    bench_destroy(bench);
}

Test(request_log, a_file_that_is_slow_loses_lines_and_holds_up_nobody)
{
    char path[] = "/tmp/test-requests-XXXXXX";
    struct aro_request_log_stats stats;
    struct bench *bench;
    int reader;

    /* a pipe that nobody reads: the first 64 KiB go, the rest waits */
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    close(mkstemp(path));
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bench = bench_create(path);
    for (int i = 0; i < 30; i++) {
        bench->waiting = 100;
        turns(bench, 5);
        cr_assert_eq(bench->waiting, 0u);
    }
    aro_request_log_stats(bench->requests, &stats);
    cr_assert_gt(stats.request_lines_lost, 1000u);
    cr_assert_gt(stats.request_lines, 100u);
    close(reader); /* what waits fails now: EPIPE */
    aro_request_log_destroy(bench->requests);
    bench_destroy(bench);
    unlink(path);
}

Test(request_log, a_file_that_cannot_be_opened_is_an_error)
{
    struct aro_loop *loop = aro_loop_create();
    struct aro_request_log_config config = {.loop = loop, .path = "/nonexistent/log"};
    struct aro_error error = {0};

    cr_assert_null(aro_request_log_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_REQUEST_LOG);
    cr_assert_not_null(strstr(error.text, "/nonexistent/log"));
    aro_loop_destroy(loop);
}

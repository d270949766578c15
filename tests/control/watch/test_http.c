/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/exporter.h"

#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE_BYTES = 600000, ROUNDS_MAX = 5000 };

struct bench {
    struct aro_loop *loop;
    struct aro_exporter *http;
    unsigned asked;
};

static void on_get(void *arg, const char *path, struct aro_exporter_answer *ret)
{
    struct bench *bench = arg;

    bench->asked++;
    ret->status = strcmp(path, "/gone") == 0 ? 404 : 200;
    ret->type = "text/x-test";
    if (strcmp(path, "/nothing") == 0)
        return;
    ret->length = strcmp(path, "/large") == 0 ? LARGE_BYTES : strlen(path);
    ret->text = malloc(ret->length);
    memset(ret->text, 'x', ret->length);
    if (ret->length == strlen(path))
        memcpy(ret->text, path, ret->length);
}

static struct bench *bench_create(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aro_error error = {0};
    struct aro_exporter_config config = {.listen = "127.0.0.1:0", .get = on_get, .arg = bench};

    config.loop = bench->loop = aro_loop_create();
    bench->http = aro_exporter_create(&config, &error);
    cr_assert_not_null(bench->http, "%s", error.text);
    cr_assert_gt(aro_exporter_port(bench->http), 0u);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    aro_exporter_destroy(bench->http);
    aro_loop_destroy(bench->loop);
    free(bench);
}

static int join(struct bench *bench)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)aro_exporter_port(bench->http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Reads until the peer closed, or an answer of Content-Length is whole; the loop runs meanwhile. */
static char *receive(struct bench *bench, int fd, bool head)
{
    char *text = calloc(1, LARGE_BYTES + 4096);
    size_t used = 0;

    for (int i = 0; i < ROUNDS_MAX; i++) {
        const char *body, *length;
        ssize_t got;
        aro_loop_once(bench->loop, 1);
        got = recv(fd, text + used, LARGE_BYTES + 4095 - used, 0);
        if (got == 0)
            return text;
        if (got < 0)
            continue;
        used += (size_t)got;
        body = strstr(text, "\r\n\r\n");
        length = strcasestr(text, "Content-Length: ");
        if (body != NULL && length != NULL &&
            (head || used - (size_t)(body + 4 - text) >= strtoul(length + 16, NULL, 10)))
            return text;
    }
    cr_assert_fail("no answer: '%s'", text);
    return text;
}

static char *ask(struct bench *bench, const char *request)
{
    int fd = join(bench);
    char *text;

    cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    text = receive(bench, fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return text;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

Test(http, get_brings_the_answer_and_head_its_headers)
{
    struct bench *bench = bench_create();
    struct aro_exporter_stats stats;
    char *text = ask(bench, "GET /path HTTP/1.1\r\nHost: x\r\n\r\n");

    cr_assert(begins(text, "HTTP/1.1 200 "), "%s", text);
    cr_assert_not_null(strstr(text, "Content-Type: text/x-test\r\n"));
    cr_assert_not_null(strstr(text, "Cache-Control: no-store\r\n"));
    cr_assert_not_null(strstr(text, "\r\n\r\n/path"));
    free(text);
    text = ask(bench, "HEAD /path HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(begins(text, "HTTP/1.1 200 "), "%s", text);
    cr_assert_not_null(strstr(text, "Content-Length: 5\r\n"));
    cr_assert_null(strstr(text, "\r\n\r\n/path"));
    free(text);
    aro_exporter_stats(bench->http, &stats);
    cr_assert_eq(stats.http_requests, 2);
    cr_assert_eq(stats.http_errors, 0);
    bench_destroy(bench);
}

Test(http, a_connection_serves_one_request_after_the_other)
{
    struct bench *bench = bench_create();
    int fd = join(bench);

    for (int i = 0; i < 3; i++) {
        static const char request[] = "GET /again HTTP/1.1\r\nHost: x\r\n\r\n";
        char *text;
        cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
        text = receive(bench, fd, false);
        cr_assert_not_null(strstr(text, "/again"), "%s", text);
        free(text);
    }
    close(fd);
    cr_assert_eq(bench->asked, 3);
    bench_destroy(bench);
}

Test(http, an_answer_larger_than_socket_buffers_arrives_whole)
{
    struct bench *bench = bench_create();
    char *text = ask(bench, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");

    cr_assert_eq(strlen(strstr(text, "\r\n\r\n") + 4), (size_t)LARGE_BYTES);
    free(text);
    bench_destroy(bench);
}

Test(http, what_is_not_asked_rightly_is_refused_without_asking_the_node)
{
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"POST /path HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\nabc", "405 "},
        {"PUT /path HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", "405 "},
        {"DELETE /path HTTP/1.1\r\nHost: x\r\n\r\n", "405 "},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405 "},
        {"GET /path HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "400 "},
        {"GET /path HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "400 "},
        {"GET /path HTTP/1.1\r\n\r\n", "400 "}, /* no Host */
    };
    struct bench *bench = bench_create();

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = ask(bench, rows[i].request);
        cr_assert(begins(text + strlen("HTTP/1.1 "), rows[i].status), "%s -> %s", rows[i].request,
                  text);
        if (strncmp(rows[i].status, "405", 3) == 0)
            cr_assert_not_null(strstr(text, "Allow: GET, HEAD\r\n"), "%s", text);
        free(text);
    }
    cr_assert_eq(bench->asked, 0);
    bench_destroy(bench);
}

Test(http, rubbish_leaves_the_server_as_it_was)
{
    static const char alphabet[] = "GET /HTP1.\r\n: \0\xff%xa";
    struct bench *bench = bench_create();
    uint64_t state = 1;
    char *text;

    for (int i = 0; i < 300; i++) {
        char bytes[200];
        int fd = join(bench);
        for (size_t k = 0; k < sizeof(bytes); k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            bytes[k] = alphabet[(state >> 33) % sizeof(alphabet)];
        }
        cr_assert_eq(send(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
        aro_loop_once(bench->loop, 1);
        close(fd);
        aro_loop_once(bench->loop, 0);
    }
    text = ask(bench, "GET /path HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(begins(text, "HTTP/1.1 200 "), "%s", text);
    free(text);
    bench_destroy(bench);
}

Test(http, statuses_are_counted_and_missing_memory_is_500)
{
    struct bench *bench = bench_create();
    struct aro_exporter_stats stats;
    char *text = ask(bench, "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");

    cr_assert(begins(text, "HTTP/1.1 404 "), "%s", text);
    free(text);
    text = ask(bench, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(begins(text, "HTTP/1.1 500 "), "%s", text);
    free(text);
    aro_exporter_stats(bench->http, &stats);
    cr_assert_eq(stats.http_requests, 2);
    cr_assert_eq(stats.http_errors, 2);
    bench_destroy(bench);
}

Test(http, a_header_beyond_the_memory_of_a_connection_is_refused)
{
    struct bench *bench = bench_create();
    size_t length = 4 * ARO_EXPORTER_MEMORY_BYTES;
    char *request = malloc(length + 64), *text;

    strcpy(request, "GET /path HTTP/1.1\r\nHost: x\r\nX-Long: ");
    memset(request + strlen(request), 'a', length);
    strcpy(request + length, "\r\n\r\n");
    text = ask(bench, request);
    cr_assert(*text == '\0' || begins(text, "HTTP/1.1 431 "), "%s", text);
    free(text);
    free(request);
    cr_assert_eq(bench->asked, 0);
    bench_destroy(bench);
}

Test(http, connections_beyond_the_limit_wait_until_one_ends)
{
    static const char request[] = "GET /path HTTP/1.1\r\nHost: x\r\n\r\n";
    struct bench *bench = bench_create();
    int silent[ARO_EXPORTER_CONNECTIONS_MAX], last;
    char *text;

    for (int i = 0; i < ARO_EXPORTER_CONNECTIONS_MAX; i++)
        silent[i] = join(bench);
    for (int i = 0; i < 50; i++)
        aro_loop_once(bench->loop, 0);
    last = join(bench);
    cr_assert_eq(send(last, request, strlen(request), 0), (ssize_t)strlen(request));
    for (int i = 0; i < 50; i++)
        aro_loop_once(bench->loop, 0);
    cr_assert_eq(bench->asked, 0);
    close(silent[0]);
    text = receive(bench, last, false);
    cr_assert(begins(text, "HTTP/1.1 200 "), "%s", text);
    free(text);
    close(last);
    for (int i = 1; i < ARO_EXPORTER_CONNECTIONS_MAX; i++)
        close(silent[i]);
    bench_destroy(bench);
}

Test(http, an_address_that_is_taken_is_an_error_that_names_it)
{
    struct bench *bench = bench_create();
    struct aro_error error = {0};
    char listen[32];
    struct aro_exporter_config config = {.loop = bench->loop, .listen = listen, .get = on_get};

    snprintf(listen, sizeof(listen), "127.0.0.1:%u", aro_exporter_port(bench->http));
    cr_assert_null(aro_exporter_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_HTTP_LISTEN);
    cr_assert_not_null(strstr(error.text, listen));
    bench_destroy(bench);
}

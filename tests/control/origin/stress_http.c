/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transfers that are taken, cancelled and cut off at every moment, against a server of this
 * process: each must come back exactly once, with the bytes that it should have. A plain program,
 * also for TSan and ASan: letters cross between control, the transfer thread and back.
 *
 *     stress_http [transfers] [seed]
 */
#include "control/origin/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SLOTS = 32, PATHS = 5, BIG_BYTES = 300000, PIPE_BYTES = 4096 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct slot {
    struct aro_http_transfer transfer; /* first */
    struct stress *stress;
    char url[64];
    int pipe[2];
    unsigned path;
    uint64_t read_bytes;
    bool under_way, answered, cancelled;
};

struct stress {
    struct aro_loop *loop;
    struct aro_http *http;
    struct slot slot[SLOTS];
    uint64_t random;
    unsigned started, done, whole, max;
    int port;
};

static unsigned draw(struct stress *stress, unsigned below)
{
    stress->random = stress->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(stress->random >> 33) % below;
}

/* ---- the server: one connection after the other, by the digit in its path ---- */

static void send_all(int fd, const char *bytes, size_t left)
{
    ssize_t sent;

    while (left > 0 && (sent = send(fd, bytes, left, MSG_NOSIGNAL)) > 0) {
        bytes += sent;
        left -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

static void serve(int fd, const char *big)
{
    char request[4096] = "", head[128];
    ssize_t got = recv(fd, request, sizeof(request) - 1, 0);
    char path = got > 5 ? request[5] : '4';

    if (path == '0')
        send_text(fd, "HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nhello");
    if (path == '1' || path == '2')
        send_all(fd, head,
                 (size_t)sprintf(head, "HTTP/1.1 200 x\r\nContent-Length: %d\r\n\r\n", BIG_BYTES));
    if (path == '1')
        send_all(fd, big, BIG_BYTES);
    if (path == '2') /* breaks off */
        send_all(fd, big, BIG_BYTES / 2);
    if (path == '3')
        send_text(fd, "HTTP/1.1 404 x\r\nContent-Length: 3\r\n\r\nno!");
    close(fd);
}

static void *run_server(void *arg)
{
    char *big = calloc(1, BIG_BYTES);
    int listener = *(int *)arg, fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0)
        serve(fd, big);
    free(big);
    return NULL;
}

/* ---- transfers ---- */

static void on_answered(struct aro_http_transfer *transfer)
{
    struct slot *slot = (struct slot *)(void *)transfer;

    CHECK(slot->under_way && !slot->answered && slot->path <= 2);
    slot->answered = true;
    if (!slot->cancelled)
        aro_http_take(transfer, slot->pipe[1]);
}

static void drain(struct slot *slot)
{
    char bytes[PIPE_BYTES];
    ssize_t got;

    while ((got = read(slot->pipe[0], bytes, sizeof(bytes))) > 0)
        slot->read_bytes += (uint64_t)got;
}

static void on_done(struct aro_http_transfer *transfer)
{
    struct slot *slot = (struct slot *)(void *)transfer;
    struct stress *stress = slot->stress;
    enum aro_http_end end = transfer->end;

    CHECK(slot->under_way);
    drain(slot);
    CHECK(slot->read_bytes == transfer->body_bytes);
    if (!slot->cancelled && slot->path == 0)
        CHECK(end == ARO_HTTP_OK && transfer->body_bytes == 5);
    if (!slot->cancelled && slot->path == 1)
        CHECK(end == ARO_HTTP_OK && transfer->body_bytes == BIG_BYTES);
    if (!slot->cancelled && slot->path == 2)
        CHECK(end == ARO_HTTP_BROKEN && transfer->body_bytes <= BIG_BYTES / 2);
    if (!slot->cancelled && slot->path == 3)
        CHECK(end == ARO_HTTP_OK && transfer->answer.status == 404 && transfer->body_bytes == 0);
    if (!slot->cancelled && slot->path == 4)
        CHECK(end == ARO_HTTP_BROKEN && transfer->answer.status == 0);
    close(slot->pipe[0]);
    close(slot->pipe[1]);
    memset(slot, 0x5a, sizeof(*slot)); /* nobody may look at it any more */
    slot->under_way = false;
    stress->whole += end == ARO_HTTP_OK;
    stress->done++;
}

static void start(struct stress *stress, struct slot *slot)
{
    memset(slot, 0, sizeof(*slot));
    slot->stress = stress;
    slot->path = draw(stress, PATHS);
    snprintf(slot->url, sizeof(slot->url), "http://127.0.0.1:%d/%u", stress->port, slot->path);
    CHECK(pipe2(slot->pipe, O_NONBLOCK | O_CLOEXEC) == 0);
    fcntl(slot->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
    slot->transfer.url = slot->url;
    slot->transfer.body_bytes_max = UINT64_MAX;
    slot->transfer.answered = on_answered;
    slot->transfer.done = on_done;
    slot->under_way = true;
    stress->started++;
    aro_http_start(stress->http, &slot->transfer);
}

static void turn(struct stress *stress)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &stress->slot[i];
        if (!slot->under_way && stress->started < stress->max)
            start(stress, slot);
        if (!slot->under_way)
            continue;
        drain(slot);
        if (!slot->cancelled && draw(stress, 64) == 0) {
            slot->cancelled = true;
            aro_http_cancel(&slot->transfer);
        }
    }
    aro_loop_once(stress->loop, 1);
}

static int listen_somewhere(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    static const struct aro_origin origin = {
        .name = "o", .timeout_us = 10000000, .max_object_bytes = UINT64_MAX};
    struct stress *stress = calloc(1, sizeof(*stress));
    pthread_t server;
    int listener;

    signal(SIGPIPE, SIG_IGN);
    stress->max = argc > 1 ? (unsigned)atoi(argv[1]) : 2000;
    stress->random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    listener = listen_somewhere(&stress->port);
    CHECK(pthread_create(&server, NULL, run_server, &listener) == 0);
    stress->loop = aro_loop_create();
    stress->http = aro_http_create(
        &(struct aro_http_config){.origins = {.list = &origin, .count = 1}, .loop = stress->loop});
    CHECK(stress->http != NULL);
    while (stress->done < stress->max)
        turn(stress);
    printf("%u transfers, %u whole, seed %s\n", stress->done, stress->whole,
           argc > 2 ? argv[2] : "1");
    CHECK(stress->done == stress->started && stress->whole > stress->max / 10);
    aro_http_destroy(stress->http);
    aro_loop_destroy(stress->loop);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
    free(stress);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/asker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "perf/fail.h"

enum {
    DATAGRAM_BYTES = 9216,
    RECEIVE_BUFFER_BYTES = 64 << 20, /* an answer waits here while this thread sends */
    PROVE_MS = 20,
    PROVE_TRIES_MAX = 500,
};

struct asker {
    unsigned sockets;
    uint64_t proven; /* bit n: socket n has a token */
    struct pollfd wait[ASKER_SOCKETS_MAX];
    uint8_t token[ASKER_SOCKETS_MAX][ARO_TOKEN_BYTES];
    uint8_t in[ASKER_BURST][DATAGRAM_BYTES];
    uint8_t out[ASKER_BURST][ARO_GET_BYTES];
    char control[ASKER_BURST][CMSG_SPACE(sizeof(struct timespec))];
};
static_assert(ASKER_SOCKETS_MAX == 64, "a bit each");

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000 + (uint64_t)time->tv_nsec;
}

uint64_t asker_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return ns_of(&now);
}

static int socket_make(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, bytes = RECEIVE_BUFFER_BYTES;

    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)); /* refused to most users */
    return fd;
}

struct asker *asker_make(const char *host, unsigned sockets)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ARO_WIRE_PORT)};
    struct asker *asker = calloc(1, sizeof(*asker));

    if (asker == NULL || sockets > ASKER_SOCKETS_MAX || inet_pton(AF_INET, host, &to.sin_addr) != 1)
        bench_fail(ARO_E_BENCH_RESOURCES, "no %u sockets to %s", sockets, host);
    asker->sockets = sockets;
    for (unsigned i = 0; i < sockets; i++)
        asker->wait[i] = (struct pollfd){.fd = socket_make(&to), .events = POLLIN};
    return asker;
}

void asker_free(struct asker *asker)
{
    for (unsigned i = 0; i < asker->sockets; i++)
        close(asker->wait[i].fd);
    free(asker);
}

uint64_t asker_send(struct asker *asker, unsigned socket, struct aro_get get[], unsigned n)
{
    struct mmsghdr message[ASKER_BURST] = {0};
    struct iovec vector[ASKER_BURST];
    uint64_t now_ns;
    int sent = 1;

    for (unsigned i = 0; i < n; i++) {
        memcpy(get[i].token, asker->token[socket], ARO_TOKEN_BYTES);
        aro_get_encode(asker->out[i], &get[i]);
        vector[i] = (struct iovec){asker->out[i], ARO_GET_BYTES};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i], .msg_iovlen = 1};
    }
    now_ns = asker_now_ns();
    for (unsigned at = 0; at < n && sent > 0; at += (unsigned)sent)
        sent = sendmmsg(asker->wait[socket].fd, message + at, n - at, 0);
    return now_ns;
}

/* ---- answers ---- */

static uint64_t stamp_ns(struct msghdr *header)
{
    struct cmsghdr *at = CMSG_FIRSTHDR(header);
    struct timespec time;

    if (at == NULL || at->cmsg_type != SCM_TIMESTAMPNS)
        return asker_now_ns();
    memcpy(&time, CMSG_DATA(at), sizeof(time));
    return ns_of(&time);
}

static void judge(struct asker *asker, unsigned socket, const uint8_t *bytes, size_t len,
                  uint64_t arrived_ns, asker_handler *handler, void *arg)
{
    struct asker_answer answer = {.arrived_ns = arrived_ns};
    struct aro_token_msg token;
    struct aro_status_msg status;
    struct aro_data data;

    if (aro_token_decode(bytes, len, &token) == 0) {
        memcpy(asker->token[socket], token.token, ARO_TOKEN_BYTES);
        asker->proven |= UINT64_C(1) << socket;
        return;
    }
    if (aro_data_decode(bytes, len, &data) == 0)
        answer.data = &data;
    else if (aro_status_decode(bytes, len, &status) == 0)
        answer.status = &status;
    else
        bench_fail(ARO_E_BENCH_WRONG, "the node sent what no server sends");
    handler(arg, socket, &answer);
}

static unsigned socket_receive(struct asker *asker, unsigned socket, asker_handler *handler,
                               void *arg)
{
    struct mmsghdr message[ASKER_BURST];
    struct iovec vector[ASKER_BURST];
    int n;

    for (unsigned i = 0; i < ASKER_BURST; i++) {
        vector[i] = (struct iovec){asker->in[i], DATAGRAM_BYTES};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &vector[i],
                                             .msg_iovlen = 1,
                                             .msg_control = asker->control[i],
                                             .msg_controllen = sizeof(asker->control[i])};
    }
    n = recvmmsg(asker->wait[socket].fd, message, ASKER_BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        judge(asker, socket, asker->in[i], message[i].msg_len, stamp_ns(&message[i].msg_hdr),
              handler, arg);
    return n > 0 ? (unsigned)n : 0; /* an error: nobody there yet, as while a node starts */
}

unsigned asker_receive(struct asker *asker, int timeout_ms, asker_handler *handler, void *arg)
{
    unsigned n = 0;

    if (poll(asker->wait, asker->sockets, timeout_ms) <= 0)
        return 0;
    for (unsigned i = 0; i < asker->sockets; i++)
        if (asker->wait[i].revents != 0)
            n += socket_receive(asker, i, handler, arg);
    return n;
}

/* ---- tokens ---- */

static void ignore(void *arg, unsigned socket, const struct asker_answer *answer)
{
    (void)arg;
    (void)socket;
    (void)answer;
}

void asker_prove(struct asker *asker)
{
    const uint64_t all = UINT64_MAX >> (64 - asker->sockets);

    for (unsigned tries = 0; asker->proven != all; tries++) {
        if (tries == PROVE_TRIES_MAX)
            bench_fail(ARO_E_BENCH_RESOURCES, "the node does not answer on its wire");
        for (unsigned i = 0; i < asker->sockets; i++) {
            struct aro_get get = {.slice_bytes = ARO_SLICE_BYTES_START, .mask = 1};
            if ((asker->proven >> i & 1) == 0)
                asker_send(asker, i, &get, 1);
        }
        while (asker_receive(asker, PROVE_MS, ignore, NULL) > 0)
            ;
    }
}

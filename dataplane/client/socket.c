/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104 /* linux/udp.h; older libc headers lack it */
#endif

enum {
    RECEIVE_BUFFER_BYTES = 16 << 20,
    DATAGRAM_BYTES_MAX = 65536,    /* of a coalesced one */
    PLAIN_BYTES = 9216,            /* of one that is not */
    FRAME_STAGGER_BYTES = 27 * 64, /* keeps frames out of the same cache sets */
    BURST_FRAMES_MIN = 4,
    IPV4_HEADERS = 28,
    IPV6_HEADERS = 48,
};

struct aro_socket {
    int fd;
    int family;
    bool coalesces; /* UDP_GRO is on */
    bool drained;
    uint32_t frame_bytes; /* room for one datagram */
    unsigned frames_next; /* to receive at once: fewer when each holds many datagrams */
    struct mmsghdr headers[ARO_SOCKET_BURST];
    struct iovec vectors[ARO_SOCKET_BURST];
    char control[ARO_SOCKET_BURST][CMSG_SPACE(sizeof(int))];
    uint8_t *frames;
};

static void option_set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value)); /* each is an improvement, not a need */
}

/* As large as this user may: the window is bounded by what the kernel keeps. */
static void options_set(struct aro_socket *socket)
{
    int on = 1, discover = IP_PMTUDISC_DO;

    option_set(socket->fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    option_set(socket->fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
    if (socket->family == AF_INET6)
        option_set(socket->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, discover);
    else
        option_set(socket->fd, IPPROTO_IP, IP_MTU_DISCOVER, discover);
    socket->coalesces = setsockopt(socket->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) == 0;
    socket->frame_bytes = socket->coalesces ? DATAGRAM_BYTES_MAX : PLAIN_BYTES;
}

/* Tries the addresses in the resolver's order; the first that can be routed to. */
static int socket_connect(struct aro_socket *sock, const struct addrinfo *addresses)
{
    int error = -EADDRNOTAVAIL;

    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        sock->fd = socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (sock->fd < 0) {
            error = -errno;
            continue;
        }
        if (connect(sock->fd, at->ai_addr, at->ai_addrlen) == 0) {
            sock->family = at->ai_family;
            return 0;
        }
        error = -errno;
        close(sock->fd);
        sock->fd = -1;
    }
    return error;
}

static int frames_create(struct aro_socket *socket)
{
    size_t stride = socket->frame_bytes + FRAME_STAGGER_BYTES;

    socket->frames_next = ARO_SOCKET_BURST;
    socket->frames = malloc(ARO_SOCKET_BURST * stride);
    if (socket->frames == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < ARO_SOCKET_BURST; i++) {
        socket->vectors[i] = (struct iovec){socket->frames + i * stride, socket->frame_bytes};
        socket->headers[i].msg_hdr = (struct msghdr){
            .msg_iov = &socket->vectors[i], .msg_iovlen = 1, .msg_control = socket->control[i]};
    }
    return 0;
}

struct aro_socket *aro_socket_create(const char *host, uint16_t port, struct aro_error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *addresses = NULL;
    struct aro_socket *socket = calloc(1, sizeof(*socket));
    char service[8];
    int failed;

    if (socket == NULL) {
        aro_error_set(error, ARO_E_CLIENT_MEMORY, "no memory for a socket");
        return NULL;
    }
    socket->fd = -1;
    snprintf(service, sizeof(service), "%u", port);
    failed = getaddrinfo(host, service, &hints, &addresses);
    if (failed != 0) {
        aro_error_set(error, ARO_E_HOST_UNKNOWN, "'%s' has no address: %s", host,
                      gai_strerror(failed));
        goto fail;
    }
    failed = socket_connect(socket, addresses);
    if (failed != 0) {
        aro_error_set(error, ARO_E_CLIENT_SOCKET, "no socket to %s: %s", host, strerror(-failed));
        goto fail;
    }
    options_set(socket);
    if (frames_create(socket) != 0) {
        aro_error_set(error, ARO_E_CLIENT_MEMORY, "no memory for receive buffers");
        goto fail;
    }
    freeaddrinfo(addresses);
    return socket;
fail:
    if (addresses != NULL)
        freeaddrinfo(addresses);
    aro_socket_destroy(socket);
    return NULL;
}

void aro_socket_destroy(struct aro_socket *socket)
{
    if (socket == NULL)
        return;
    if (socket->fd >= 0)
        close(socket->fd);
    free(socket->frames);
    free(socket);
}

int aro_socket_fd(const struct aro_socket *socket)
{
    return socket->fd;
}

uint32_t aro_socket_receive_buffer_bytes(const struct aro_socket *socket)
{
    int bytes = 0;
    socklen_t len = sizeof(bytes);

    getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &bytes, &len);
    return bytes > 0 ? (uint32_t)bytes : 0;
}

uint32_t aro_socket_slice_bytes_max(const struct aro_socket *socket, uint32_t mtu)
{
    uint32_t headers = ARO_DATA_BYTES;
    int known = 0;
    socklen_t len = sizeof(known);

    headers += socket->family == AF_INET6 ? IPV6_HEADERS : IPV4_HEADERS;
    if (mtu == 0) {
        int failed = socket->family == AF_INET6
                         ? getsockopt(socket->fd, IPPROTO_IPV6, IPV6_MTU, &known, &len)
                         : getsockopt(socket->fd, IPPROTO_IP, IP_MTU, &known, &len);
        mtu = failed == 0 && known > 0 ? (uint32_t)known : 1500;
    }
    uint32_t room = mtu > headers ? mtu - headers : 0;
    uint32_t slice = room / ARO_SLICE_STEP * ARO_SLICE_STEP;
    if (slice < ARO_SLICE_BYTES_MIN)
        return ARO_SLICE_BYTES_MIN;
    return slice < ARO_SLICE_BYTES_MAX ? slice : ARO_SLICE_BYTES_MAX;
}

/* Length of the datagrams that the kernel joined into one; the whole when it did not. */
static size_t segment_bytes(struct msghdr *header, size_t whole)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at))
        if (at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) {
            int bytes;
            memcpy(&bytes, CMSG_DATA(at), sizeof(bytes));
            if (bytes > 0)
                return (size_t)bytes;
        }
    return whole;
}

static int frame_deliver(struct mmsghdr *received, aro_socket_handler *handler, void *arg)
{
    const uint8_t *bytes = received->msg_hdr.msg_iov->iov_base;
    size_t left = received->msg_len;
    size_t segment = segment_bytes(&received->msg_hdr, left);
    int count = 0;

    do {
        size_t len = left < segment ? left : segment;
        handler(arg, bytes, len);
        bytes += len;
        left -= len;
        count++;
    } while (left > 0);
    return count;
}

static int wait_readable(const struct aro_socket *socket, uint64_t timeout_us)
{
    struct pollfd waited = {.fd = socket->fd, .events = POLLIN};
    struct timespec limit = {.tv_sec = (time_t)(timeout_us / 1000000),
                             .tv_nsec = (long)(timeout_us % 1000000) * 1000};

    return ppoll(&waited, 1, &limit, NULL);
}

static int frames_receive(struct aro_socket *socket)
{
    for (size_t i = 0; i < socket->frames_next; i++)
        socket->headers[i].msg_hdr.msg_controllen = sizeof(socket->control[i]);
    return recvmmsg(socket->fd, socket->headers, socket->frames_next, MSG_DONTWAIT, NULL);
}

int aro_socket_receive_burst(struct aro_socket *socket, uint64_t timeout_us,
                             aro_socket_handler *handler, void *arg)
{
    int received, count = 0;

    received = frames_receive(socket);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && timeout_us > 0) {
        socket->drained = true;
        if (wait_readable(socket, timeout_us) <= 0)
            return 0; /* nothing, or a signal: the caller looks at the clock */
        received = frames_receive(socket);
    }
    socket->drained = received < (int)socket->frames_next;
    if (received < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < received; i++)
        count += frame_deliver(&socket->headers[i], handler, arg);
    if (count > 0)
        socket->frames_next = (unsigned)(ARO_SOCKET_BURST * received / count);
    if (socket->frames_next < BURST_FRAMES_MIN)
        socket->frames_next = BURST_FRAMES_MIN;
    return count;
}

bool aro_socket_drained(const struct aro_socket *socket)
{
    return socket->drained;
}

int aro_socket_send_burst(struct aro_socket *socket, uint8_t (*requests)[ARO_GET_BYTES],
                          size_t count)
{
    struct mmsghdr headers[ARO_SOCKET_BURST];
    struct iovec vectors[ARO_SOCKET_BURST];
    size_t sent = 0;
    int error = 0;

    if (count > ARO_SOCKET_BURST)
        count = ARO_SOCKET_BURST;
    for (size_t i = 0; i < count; i++) {
        vectors[i] = (struct iovec){requests[i], ARO_GET_BYTES};
        headers[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &vectors[i], .msg_iovlen = 1}};
    }
    while (sent < count) {
        int done = sendmmsg(socket->fd, headers + sent, (unsigned)(count - sent), 0);
        if (done > 0) {
            sent += (size_t)done;
            continue;
        }
        /* an ICMP error or a filter met this one: it is lost like any other, the rest may pass */
        error = -errno;
        sent++;
    }
    return error;
}

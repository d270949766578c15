/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model server of the unit tests on a UDP socket: content from a seed or a file, and switches
 * that make it misbehave. Prints "ready PORT OBJECT_ID CHUNK_ID DIGEST" and serves until standard
 * input ends or it is killed.
 *
 *   model_server [--bytes N] [--chunk N] [--seed N] [--file PATH] [--port N] [--host ADDRESS]
 *                [--lie | --lie-once | --lie-manifest | --lie-length | --lie-total | --lie-digest]
 *                [--silent] [--silent-after N] [--restart-after N] [--loss PERCENT]
 *                [--refuse CODE] [--refuse-percent N] [--missing] [--narrow BYTES]
 *
 * Slices of one answer leave as one segmented send, so that it is not what limits a measurement.
 */
#include "tests/dataplane/client/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cache/base/sha256.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h */
#endif

enum {
    SEGMENTS_MAX = 44, /* of 1432 bytes: below the 64 KiB of one send */
    SEND_BYTES_MAX = 65000,
    REQUESTS_BURST = 32,
};

struct server {
    struct model *model;
    int fd;
    uint32_t loss_percent;
    uint32_t restart_after; /* requests; 0: never */
    uint64_t random;
    bool lie_total, lie_digest; /* of the root manifest */

    /* the answer being collected */
    struct sockaddr_storage peer;
    socklen_t peer_len;
    uint8_t headers[SEGMENTS_MAX][ARO_TOKEN_MSG_BYTES];
    struct iovec parts[2 * SEGMENTS_MAX];
    uint8_t spoilt[ARO_SLICE_BYTES_MAX];
    size_t segments, part_count, segment_bytes, bytes;
};

static void flush(struct server *server)
{
    char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct msghdr message = {.msg_name = &server->peer,
                             .msg_namelen = server->peer_len,
                             .msg_iov = server->parts,
                             .msg_iovlen = server->part_count};
    uint16_t segment_bytes = (uint16_t)server->segment_bytes;

    if (server->segments == 0)
        return;
    if (server->segments > 1) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(segment_bytes));
        memcpy(CMSG_DATA(header), &segment_bytes, sizeof(segment_bytes));
    }
    while (sendmsg(server->fd, &message, 0) < 0 && (errno == EAGAIN || errno == ENOBUFS))
        ;
    server->segments = server->part_count = server->bytes = 0;
}

/* A segmented send needs equal lengths; only the last one may be shorter. */
static void collect(void *arg, const uint8_t *header, size_t header_len, const uint8_t *payload,
                    size_t payload_len)
{
    struct server *server = arg;
    size_t len = header_len + payload_len;

    if (server->loss_percent > 0 && model_random(&server->random) % 100 < server->loss_percent)
        return;
    if (server->segments == SEGMENTS_MAX || server->bytes + len > SEND_BYTES_MAX ||
        (server->segments > 0 && len > server->segment_bytes))
        flush(server);
    if (server->segments == 0)
        server->segment_bytes = len;
    memcpy(server->headers[server->segments], header, header_len);
    server->parts[server->part_count++] =
        (struct iovec){server->headers[server->segments], header_len};
    if (payload_len > 0) {
        /* the model spoils a slice in its own frame, which is gone when this is sent */
        bool inside = payload >= server->model->content &&
                      payload < server->model->content + server->model->content_bytes;
        if (!inside && server->model->lies_bad_bytes != 0)
            payload = memcpy(server->spoilt, payload, payload_len);
        server->parts[server->part_count++] =
            (struct iovec){(void *)(uintptr_t)payload, payload_len};
    }
    server->segments++;
    server->bytes += len;
    if (len < server->segment_bytes || payload == server->spoilt)
        flush(server);
}

static void requests_serve(struct server *server)
{
    uint8_t requests[REQUESTS_BURST][ARO_GET_BYTES + ARO_EXT_BYTES_MAX];
    struct sockaddr_storage peers[REQUESTS_BURST];
    struct mmsghdr headers[REQUESTS_BURST];
    struct iovec vectors[REQUESTS_BURST];

    for (size_t i = 0; i < REQUESTS_BURST; i++) {
        vectors[i] = (struct iovec){requests[i], sizeof(requests[i])};
        headers[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &peers[i],
                                                  .msg_namelen = sizeof(peers[i]),
                                                  .msg_iov = &vectors[i],
                                                  .msg_iovlen = 1}};
    }
    int count = recvmmsg(server->fd, headers, REQUESTS_BURST, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        if (server->restart_after != 0 && server->model->requests >= server->restart_after) {
            server->restart_after = 0;
            model_restart(server->model);
        }
        server->peer = peers[i];
        server->peer_len = headers[i].msg_hdr.msg_namelen;
        if (server->loss_percent == 0 ||
            model_random(&server->random) % 100 >= server->loss_percent)
            model_receive(server->model, requests[i], headers[i].msg_len, collect, server);
        flush(server);
    }
}

static int socket_open(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *address = NULL;
    int fd, bytes = 8 << 20;

    if (getaddrinfo(host, port, &hints, &address) != 0)
        return -1;
    fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, address->ai_addr, address->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(address);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return fd;
}

static uint8_t *file_read(const char *path, uint64_t *ret_bytes)
{
    FILE *file = fopen(path, "rb");
    uint8_t *content;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    *ret_bytes = (uint64_t)ftell(file);
    rewind(file);
    content = malloc(*ret_bytes + 1);
    if (content != NULL && fread(content, 1, *ret_bytes, file) != *ret_bytes) {
        free(content);
        content = NULL;
    }
    fclose(file);
    return content;
}

static void ready_print(const struct server *server)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX], digest[ARO_ID_TEXT_MAX];
    const struct model *model = server->model;
    uint64_t first =
        model->content_bytes < model->chunk_bytes ? model->content_bytes : model->chunk_bytes;
    struct aro_id id = aro_sha256(model->content, first);

    getsockname(server->fd, (struct sockaddr *)&bound, &len);
    unsigned port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                      : ((struct sockaddr_in *)&bound)->sin_port);
    printf("ready %u %s %s %s\n", port, aro_id_format(&model->object_id, ARO_KIND_OBJECT, object),
           aro_id_format(&id, ARO_KIND_CHUNK, chunk),
           aro_id_format(&model->digest, ARO_KIND_DIGEST, digest));
    fflush(stdout);
}

static const struct option options[] = {
    {"bytes", required_argument, NULL, 'b'},
    {"chunk", required_argument, NULL, 'c'},
    {"seed", required_argument, NULL, 's'},
    {"file", required_argument, NULL, 'f'},
    {"port", required_argument, NULL, 'p'},
    {"host", required_argument, NULL, 'h'},
    {"lie", no_argument, NULL, 'l'},
    {"lie-once", no_argument, NULL, 'o'},
    {"lie-manifest", no_argument, NULL, 'm'},
    {"lie-length", no_argument, NULL, 'n'},
    {"lie-total", no_argument, NULL, 't'},
    {"lie-digest", no_argument, NULL, 'd'},
    {"silent", no_argument, NULL, 'q'},
    {"silent-after", required_argument, NULL, 'a'},
    {"restart-after", required_argument, NULL, 'r'},
    {"loss", required_argument, NULL, 'x'},
    {"refuse", required_argument, NULL, 'u'},
    {"refuse-percent", required_argument, NULL, 'v'},
    {"missing", no_argument, NULL, 'i'},
    {"narrow", required_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

/* Behaviour that is a field of the model or the server. False: not one of those. */
static bool behaviour_take(struct server *server, struct model *like, int option)
{
    uint32_t number = optarg != NULL ? (uint32_t)strtoul(optarg, NULL, 10) : 0;

    switch (option) {
    case 'l':
    case 'm':
        like->lies_bad_bytes = UINT32_MAX;
        like->lies_about_manifests = option == 'm';
        return true;
    case 'o':
        like->lies_bad_bytes = 1;
        return true;
    case 'n':
        like->lies_length = true;
        return true;
    case 't':
        server->lie_total = true;
        return true;
    case 'd':
        server->lie_digest = true;
        return true;
    case 'q':
        like->silent = true;
        return true;
    case 'a':
        like->silent_after = number;
        return true;
    case 'r':
        server->restart_after = number;
        return true;
    case 'x':
        server->loss_percent = number;
        return true;
    case 'u':
        like->refuse_code = (uint8_t)number;
        like->refuse_percent = like->refuse_percent > 0 ? like->refuse_percent : 100;
        return true;
    case 'v':
        like->refuse_percent = number;
        return true;
    case 'i':
        like->missing_last_chunk = true;
        return true;
    case 'w':
        like->slice_bytes_passes = (uint16_t)number;
        return true;
    default:
        return false;
    }
}

/* Copies the behaviour that the command line asked for into the model that serves. */
static void behaviour_set(struct model *model, const struct model *like)
{
    model->lies_bad_bytes = like->lies_bad_bytes;
    model->lies_about_manifests = like->lies_about_manifests;
    model->lies_length = like->lies_length;
    model->silent = like->silent;
    model->silent_after = like->silent_after;
    model->refuse_code = like->refuse_code;
    model->refuse_percent = like->refuse_percent;
    model->missing_last_chunk = like->missing_last_chunk;
    model->slice_bytes_passes = like->slice_bytes_passes;
}

static void serve(struct server *server)
{
    struct pollfd waited[2] = {{.fd = server->fd, .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
    char ignored[64];

    for (;;) {
        poll(waited, 2, -1);
        if ((waited[1].revents & (POLLIN | POLLHUP)) != 0 &&
            read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
            return;
        requests_serve(server);
    }
}

int main(int argc, char **argv)
{
    static struct server server;
    struct model like = {0};
    uint64_t bytes = 1 << 20, seed = 1;
    uint32_t chunk = ARO_CHUNK_BYTES_DEFAULT;
    const char *host = "127.0.0.1", *port = "0", *file = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (behaviour_take(&server, &like, option))
            continue;
        if (option == 'b')
            bytes = strtoull(optarg, NULL, 10);
        else if (option == 'c')
            chunk = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            file = optarg;
        else if (option == 'p')
            port = optarg;
        else if (option == 'h')
            host = optarg;
        else
            return 2;
    }
    uint8_t *content = file != NULL ? file_read(file, &bytes) : NULL;
    if (file != NULL && content == NULL) {
        perror(file);
        return 1;
    }
    server.model = content != NULL ? model_create_from(content, bytes, chunk, seed)
                                   : model_create(bytes, chunk, seed);
    behaviour_set(server.model, &like);
    if (server.lie_total) {
        uint8_t total[8];
        aro_store_be64(total, bytes + 1);
        model_forge_root(server.model, 16, total, sizeof(total));
    }
    if (server.lie_digest)
        model_forge_root(server.model, 24, "another", 7);
    server.random = seed;
    server.fd = socket_open(host, port);
    if (server.fd < 0) {
        perror("socket");
        return 1;
    }
    ready_print(&server);
    serve(&server);
    model_destroy(server.model);
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/server.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES_PER_EVENT = 16 << 10, LISTEN_BACKLOG = 16 };

struct aro_client {
    struct aro_watch watch; /* first: callbacks get it */
    struct aro_server *server;
    struct aro_client *next;
    uid_t uid;
    bool closing;  /* destroyed in the next turn */
    bool ended;    /* sent its last byte: answers what is in the buffer, then closes */
    bool skipping; /* inside a line that was too long */
    bool waits_for_write;
    unsigned holds;
    int descriptors[ARO_DESCRIPTORS_MAX];
    unsigned descriptor_count;
    size_t input_bytes;
    size_t output_bytes, output_sent, output_room;
    char *output;
    char input[ARO_LINE_BYTES_MAX + 1];
};

struct aro_server {
    struct aro_server_config config;
    struct aro_watch listener;
    struct aro_chore chore;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct aro_client *clients;
    struct aro_server_stats stats;
};

#define SERVER_OF(member, pointer)                                                                 \
    ((struct aro_server *)(void *)((char *)(pointer)-offsetof(struct aro_server, member)))

/* ---- output ---- */

static void watch_events(struct aro_client *client)
{
    uint32_t events = client->ended ? 0 : EPOLLIN;

    client->waits_for_write = client->output_bytes > client->output_sent;
    if (client->waits_for_write)
        events |= EPOLLOUT;
    aro_loop_change(client->server->config.loop, &client->watch, events);
}

static void flush_output(struct aro_client *client)
{
    while (client->output_sent < client->output_bytes) {
        ssize_t sent =
            send(client->watch.fd, client->output + client->output_sent,
                 client->output_bytes - client->output_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            if (errno != EAGAIN)
                client->closing = true;
            break;
        }
        client->output_sent += (size_t)sent;
    }
    if (client->output_sent == client->output_bytes)
        client->output_sent = client->output_bytes = 0;
    if (client->waits_for_write != (client->output_bytes > 0))
        watch_events(client);
}

/* Room for len more bytes; drops the client when it would be more than it may leave unread. */
static bool output_reserve(struct aro_client *client, size_t len_bytes)
{
    size_t room = client->output_room > 0 ? client->output_room : 4096;
    char *grown;

    if (client->output_sent > 0) {
        client->output_bytes -= client->output_sent;
        memmove(client->output, client->output + client->output_sent, client->output_bytes);
        client->output_sent = 0;
    }
    if (len_bytes > ARO_OUTPUT_BYTES_MAX - client->output_bytes) {
        client->server->stats.clients_dropped++;
        client->closing = true;
        return false;
    }
    while (room < client->output_bytes + len_bytes)
        room *= 2;
    grown = room > client->output_room ? realloc(client->output, room) : client->output;
    if (grown == NULL) {
        client->closing = true;
        return false;
    }
    client->output = grown;
    client->output_room = room;
    return true;
}

void aro_client_send(struct aro_client *client, const char *text, size_t len_bytes)
{
    if (client->closing || !output_reserve(client, len_bytes + 1))
        return;
    memcpy(client->output + client->output_bytes, text, len_bytes);
    client->output[client->output_bytes + len_bytes] = '\n';
    client->output_bytes += len_bytes + 1;
    if (!client->waits_for_write)
        flush_output(client);
}

/* ---- input ---- */

static void keep_descriptors(struct aro_client *client, struct msghdr *message)
{
    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
        size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(fd));
            if (client->descriptor_count < ARO_DESCRIPTORS_MAX)
                client->descriptors[client->descriptor_count++] = fd;
            else
                close(fd);
        }
    }
}

static void read_input(struct aro_client *client)
{
    char control[CMSG_SPACE(ARO_DESCRIPTORS_MAX * sizeof(int))];
    size_t room = ARO_LINE_BYTES_MAX - client->input_bytes;
    struct iovec into = {.iov_base = client->input + client->input_bytes,
                         .iov_len = room < READ_BYTES_PER_EVENT ? room : READ_BYTES_PER_EVENT};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t got;

    if (room == 0)
        return; /* full of lines that wait for their turn */
    got = recvmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            client->closing = true;
        return;
    }
    keep_descriptors(client, &message);
    client->input_bytes += (size_t)got;
    if (got == 0) {
        client->ended = true;
        watch_events(client);
    }
}

static void consume(struct aro_client *client, size_t bytes)
{
    client->input_bytes -= bytes;
    memmove(client->input, client->input + bytes, client->input_bytes);
}

/* Handles at most one line. True when there may be another. */
static bool handle_line(struct aro_client *client)
{
    struct aro_server *server = client->server;
    char *newline = memchr(client->input, '\n', client->input_bytes);
    size_t length;

    if (newline == NULL) {
        if (client->input_bytes < ARO_LINE_BYTES_MAX)
            return false;
        if (!client->skipping) {
            server->stats.lines_too_long++;
            server->config.line(server->config.arg, client, NULL, 0);
        }
        client->skipping = true;
        client->input_bytes = 0;
        return false;
    }
    length = (size_t)(newline - client->input);
    if (!client->skipping) {
        *newline = '\0';
        server->stats.lines++;
        server->config.line(server->config.arg, client, client->input, length);
    }
    client->skipping = false;
    consume(client, length + 1);
    return client->input_bytes > 0;
}

static void on_ready(struct aro_watch *watch, uint32_t events)
{
    struct aro_client *client = (struct aro_client *)(void *)watch;

    if (events & EPOLLOUT)
        flush_output(client);
    if (events & EPOLLIN)
        read_input(client);
    if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLIN)))
        client->closing = true;
}

/* ---- clients ---- */

size_t aro_client_unread_bytes(const struct aro_client *client)
{
    return client->output_bytes - client->output_sent;
}

bool aro_client_is_operator(const struct aro_client *client)
{
    return client->uid == 0 || client->uid == client->server->config.operator_uid;
}

uid_t aro_client_uid(const struct aro_client *client)
{
    return client->uid;
}

void aro_client_hold(struct aro_client *client)
{
    client->holds++;
}

void aro_client_release(struct aro_client *client)
{
    client->holds--;
}

int aro_client_take_descriptor(struct aro_client *client)
{
    int fd;

    if (client->descriptor_count == 0)
        return -1;
    fd = client->descriptors[0];
    client->descriptor_count--;
    memmove(client->descriptors, client->descriptors + 1,
            client->descriptor_count * sizeof(client->descriptors[0]));
    return fd;
}

struct aro_client *aro_server_adopt(struct aro_server *server, int fd)
{
    struct aro_client *client = calloc(1, sizeof(*client));
    struct ucred peer;
    socklen_t peer_bytes = sizeof(peer);

    if (client == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) != 0)
        goto fail;
    client->server = server;
    client->uid = peer.uid;
    client->watch = (struct aro_watch){.fd = fd, .ready = on_ready};
    errno = -aro_loop_add(server->config.loop, &client->watch, EPOLLIN);
    if (errno != 0)
        goto fail;
    client->next = server->clients;
    server->clients = client;
    server->stats.clients_now++;
    server->stats.clients_accepted++;
    return client;
fail:
    free(client);
    close(fd);
    return NULL;
}

static void client_destroy(struct aro_client *client)
{
    struct aro_server *server = client->server;
    int fd;

    server->config.gone(server->config.arg, client);
    aro_loop_remove(server->config.loop, &client->watch);
    while ((fd = aro_client_take_descriptor(client)) >= 0)
        close(fd);
    close(client->watch.fd);
    server->stats.clients_now--;
    free(client->output);
    free(client);
}

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_server *server = SERVER_OF(chore, chore);
    int wish_ms = ARO_CHORE_IDLE_MS;

    (void)now_ns;
    for (struct aro_client **at = &server->clients; *at != NULL;) {
        struct aro_client *client = *at;
        bool more = !client->closing && handle_line(client);
        if (more)
            wish_ms = ARO_CHORE_NOW;
        if (client->ended && !more && !client->waits_for_write && client->holds == 0)
            client->closing = true;
        if (client->closing) {
            *at = client->next;
            client_destroy(client);
        } else {
            at = &client->next;
        }
    }
    return wish_ms;
}

/* ---- the socket ---- */

static void on_connection(struct aro_watch *watch, uint32_t events)
{
    struct aro_server *server = SERVER_OF(listener, watch);
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (server->stats.clients_now >= ARO_CLIENTS_MAX) {
        server->stats.clients_refused++;
        close(fd);
        return;
    }
    aro_server_adopt(server, fd);
}

struct aro_server *aro_server_create(const struct aro_server_config *config)
{
    struct aro_server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    server->config = *config;
    server->listener.fd = -1;
    server->chore.turn = turn;
    aro_loop_chore(config->loop, &server->chore);
    return server;
}

/* Is a daemon behind the socket file? */
static bool is_answered(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool answered;

    if (fd < 0)
        return false;
    answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
               errno == EAGAIN; /* its backlog is full */
    close(fd);
    return answered;
}

static int set_owner(const char *path, mode_t mode, const char *group)
{
    const struct group *entry;

    if (*group != '\0') {
        errno = 0;
        entry = getgrnam(group);
        if (entry == NULL) {
            errno = errno != 0 ? errno : ENOENT;
            return -1;
        }
        if (chown(path, (uid_t)-1, entry->gr_gid) != 0)
            return -1;
    }
    return chmod(path, mode);
}

int aro_server_listen(struct aro_server *server, const char *path, mode_t mode, const char *group,
                      struct aro_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat existing;
    mode_t mask;
    int bound;

    if (strlen(path) >= sizeof(address.sun_path))
        return aro_error_set(error, ARO_E_SOCKET_CREATE, "%s: the path is too long", path);
    strcpy(address.sun_path, path);
    if (lstat(path, &existing) == 0) {
        if (!S_ISSOCK(existing.st_mode))
            return aro_error_set(error, ARO_E_SOCKET_CREATE, "%s exists and is no socket", path);
        if (is_answered(&address))
            return aro_error_set(error, ARO_E_SOCKET_IN_USE, "%s: a daemon answers there", path);
        unlink(path);
    }
    server->listener =
        (struct aro_watch){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                           .ready = on_connection};
    mask = umask(0177); /* nobody else before its permissions are set */
    bound = bind(server->listener.fd, (struct sockaddr *)&address, sizeof(address));
    umask(mask);
    if (bound == 0)
        strcpy(server->path, path);
    if (bound != 0 || set_owner(path, mode, group) != 0 ||
        listen(server->listener.fd, LISTEN_BACKLOG) != 0 ||
        aro_loop_add(server->config.loop, &server->listener, EPOLLIN) != 0)
        return aro_error_set(error, ARO_E_SOCKET_CREATE, "%s: %s", path, strerror(errno));
    return 0;
}

void aro_server_destroy(struct aro_server *server)
{
    if (server == NULL)
        return;
    while (server->clients != NULL) {
        struct aro_client *client = server->clients;
        server->clients = client->next;
        flush_output(client);
        client_destroy(client);
    }
    if (server->listener.fd >= 0) {
        aro_loop_remove(server->config.loop, &server->listener);
        close(server->listener.fd);
    }
    if (server->path[0] != '\0')
        unlink(server->path);
    free(server);
}

void aro_server_stats(const struct aro_server *server, struct aro_server_stats *ret)
{
    *ret = server->stats;
}

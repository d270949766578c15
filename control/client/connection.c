/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/client/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api/limits.h"

struct aro_connection {
    int fd;
    int last_id;
    size_t used;
    char line[ARO_REPLY_BYTES_MAX + 1];
};

struct aro_connection *aro_connection_over(int fd)
{
    struct aro_connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        close(fd);
    else
        connection->fd = fd;
    return connection;
}

struct aro_connection *aro_connect(const char *path, struct aro_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct aro_connection *connection;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        goto fail;
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        goto fail;
    connection = aro_connection_over(fd);
    if (connection != NULL)
        return connection;
    fd = -1;
fail:
    if (errno == EACCES || errno == EPERM)
        aro_error_set(error, ARO_E_DAEMON_DENIED, "no permission to use %s", path);
    else
        aro_error_set(error, ARO_E_DAEMON_UNREACHABLE, "no daemon at %s: %s", path,
                      strerror(errno));
    if (fd >= 0)
        close(fd);
    return NULL;
}

void aro_disconnect(struct aro_connection *connection)
{
    if (connection == NULL)
        return;
    close(connection->fd);
    free(connection);
}

/* The descriptor travels with the first byte. */
static int send_line(struct aro_connection *connection, const char *text, int descriptor)
{
    size_t left = strlen(text);
    char control[CMSG_SPACE(sizeof(int))] = {0};

    while (left > 0) {
        struct iovec from = {.iov_base = (void *)(uintptr_t)text, .iov_len = left};
        struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1};
        ssize_t sent;
        if (descriptor >= 0) {
            struct cmsghdr *header;
            message.msg_control = control;
            message.msg_controllen = sizeof(control);
            header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
        }
        sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        descriptor = -1;
        text += sent;
        left -= (size_t)sent;
    }
    return 0;
}

/* One line of the daemon into *ret (without its newline), removed with drop_line. */
static int read_line(struct aro_connection *connection, int timeout_ms, size_t *ret,
                     struct aro_error *error)
{
    for (;;) {
        struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
        char *newline = memchr(connection->line, '\n', connection->used);
        ssize_t got;
        int ready;

        if (newline != NULL) {
            *ret = (size_t)(newline - connection->line);
            return 0;
        }
        if (connection->used == ARO_REPLY_BYTES_MAX)
            return aro_error_set(error, ARO_E_DAEMON_LOST, "the daemon's answer is too long");
        ready = poll(&wait, 1, timeout_ms == 0 ? -1 : timeout_ms);
        if (ready == 0)
            return aro_error_set(error, ARO_E_DAEMON_TIMEOUT, "no word from the daemon for %d s",
                                 timeout_ms / 1000);
        got = ready < 0 ? -1
                        : recv(connection->fd, connection->line + connection->used,
                               ARO_REPLY_BYTES_MAX - connection->used, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return aro_error_set(error, ARO_E_DAEMON_LOST, "the daemon closed the connection%s%s",
                                 got < 0 ? ": " : "", got < 0 ? strerror(errno) : "");
        connection->used += (size_t)got;
    }
}

static json_t *read_message(struct aro_connection *connection, int timeout_ms,
                            struct aro_error *error)
{
    size_t length = 0;
    json_t *message;

    if (read_line(connection, timeout_ms, &length, error) != 0)
        return NULL;
    message = json_loadb(connection->line, length, 0, NULL);
    connection->used -= length + 1;
    memmove(connection->line, connection->line + length + 1, connection->used);
    if (message == NULL)
        aro_error_set(error, ARO_E_DAEMON_LOST, "the daemon's answer is no JSON");
    return message;
}

static void take_error(const json_t *member, struct aro_error *error)
{
    const char *text = json_string_value(json_object_get(member, "message"));
    const json_t *data = json_object_get(member, "data");
    const char *tag = json_string_value(json_object_get(data, "id"));
    int id = tag != NULL ? aro_error_parse(tag) : 0;

    aro_error_set(error, id > 0 ? (enum aro_error_id)id : ARO_E_REQUEST_SYNTAX, "%s",
                  text != NULL ? text : "the daemon refused without a reason");
}

static int send_request(struct aro_connection *connection, const struct aro_request *request,
                        struct aro_error *error)
{
    json_t *message =
        json_pack("{s:s, s:i, s:s, s:O?}", "jsonrpc", "2.0", "id", ++connection->last_id, "method",
                  request->method, "params", request->params != NULL ? request->params : NULL);
    char *text, *line = NULL;
    int result = -ENOMEM;

    if (request->params == NULL)
        json_object_del(message, "params");
    text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text != NULL && strlen(text) >= ARO_LINE_BYTES_MAX) {
        free(text);
        return aro_error_set(error, ARO_E_REQUEST_SYNTAX, "the request is longer than %d bytes",
                             ARO_LINE_BYTES_MAX);
    }
    line = text != NULL ? realloc(text, strlen(text) + 2) : NULL;
    if (line == NULL) {
        free(text);
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a request");
    }
    strcat(line, "\n");
    result = send_line(connection, line, request->descriptor);
    free(line);
    if (result != 0)
        return aro_error_set(error, ARO_E_DAEMON_LOST, "the daemon takes no request: %s",
                             strerror(-result));
    return 0;
}

json_t *aro_ask(struct aro_connection *connection, const struct aro_request *request,
                struct aro_error *error)
{
    json_t *message, *result = NULL, *failure;

    if (send_request(connection, request, error) != 0)
        return NULL;
    for (;;) {
        message = read_message(connection, request->timeout_ms, error);
        if (message == NULL)
            return NULL;
        if (json_object_get(message, "method") == NULL)
            break;
        if (request->progress != NULL)
            request->progress(request->arg, json_object_get(message, "params"));
        json_decref(message);
    }
    failure = json_object_get(message, "error");
    if (failure != NULL)
        take_error(failure, error);
    else if ((result = json_incref(json_object_get(message, "result"))) == NULL)
        aro_error_set(error, ARO_E_DAEMON_LOST, "the daemon's answer has neither result nor error");
    json_decref(message);
    return result;
}

int aro_exit_code(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    int code = info != NULL ? info->exit_code : 1;

    return code < 64 ? code : 4; /* the daemon's own exit codes mean "refused" to a tool */
}

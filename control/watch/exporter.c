/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/exporter.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <microhttpd.h>

#include "control/api/endpoint.h"

enum { BACKLOG = 64 };

struct aro_exporter {
    struct aro_exporter_config config;
    struct MHD_Daemon *daemon;
    struct aro_watch watch;
    struct aro_chore chore;
    struct aro_exporter_stats stats;
};

#define HTTP_OF(member, pointer)                                                                   \
    ((struct aro_exporter *)(void *)((char *)(pointer)-offsetof(struct aro_exporter, member)))

/* ---- answers ---- */

static struct MHD_Response *plain(const char *text)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

    if (response != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    return response;
}

/* Gives the response away. */
static enum MHD_Result send_response(struct aro_exporter *http, struct MHD_Connection *connection,
                                     unsigned status, struct MHD_Response *response)
{
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO; /* closes the connection */
    http->stats.http_requests++;
    http->stats.http_errors += status >= 400;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct aro_exporter *http, struct MHD_Connection *connection,
                              unsigned status, const char *text)
{
    struct MHD_Response *response = plain(text);

    if (response != NULL && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (response != NULL) /* what follows may be a body */
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return send_response(http, connection, status, response);
}

static enum MHD_Result answer(struct aro_exporter *http, struct MHD_Connection *connection,
                              const char *path)
{
    struct aro_exporter_answer made = {0};
    struct MHD_Response *response;

    http->config.get(http->config.arg, path, &made);
    if (made.text == NULL)
        return refuse(http, connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
    response = MHD_create_response_from_buffer(made.length, made.text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        free(made.text);
    else
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, made.type);
    return send_response(http, connection, made.status, response);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length != NULL && strcmp(length, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* libmicrohttpd: first when the headers are there, then again for the end of the request. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state)
{
    struct aro_exporter *http = arg;

    (void)version;
    (void)upload;
    (void)upload_bytes;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(http, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    if (has_body(connection))
        return refuse(http, connection, MHD_HTTP_BAD_REQUEST, "no body is expected\n");
    if (*state == NULL) {
        *state = http;
        return MHD_YES;
    }
    return answer(http, connection, path);
}

/* ---- in the loop ---- */

/*
 * Twice: at the limit of connections it does not listen, and begins again at the start of the run
 * after the one in which a connection ended.
 */
static void run(struct aro_exporter *http)
{
    MHD_run(http->daemon);
    MHD_run(http->daemon);
}

static void on_ready(struct aro_watch *watch, uint32_t events)
{
    (void)events;
    run(HTTP_OF(watch, watch));
}

/* Connections that the descriptor does not announce: timeouts, half-processed ones. */
static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_exporter *http = HTTP_OF(chore, chore);
    MHD_UNSIGNED_LONG_LONG wish_ms;

    (void)now_ns;
    if (MHD_get_timeout(http->daemon, &wish_ms) != MHD_YES)
        return ARO_CHORE_IDLE_MS;
    if (wish_ms == 0) {
        run(http);
        return ARO_CHORE_NOW;
    }
    return wish_ms < ARO_CHORE_IDLE_MS ? (int)wish_ms : ARO_CHORE_IDLE_MS;
}

/* fd belongs to the server from here. 0 or -errno. */
static int serve(struct aro_exporter *http, int fd)
{
    const union MHD_DaemonInfo *info;

    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
                         fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ARO_EXPORTER_CONNECTIONS_MAX,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ARO_EXPORTER_TIMEOUT_S,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ARO_EXPORTER_MEMORY_BYTES,
                         MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (http->daemon == NULL)
        return -ENOMEM;
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return -ENOSYS;
    http->watch = (struct aro_watch){.fd = info->epoll_fd, .ready = on_ready};
    return aro_loop_add(http->config.loop, &http->watch, EPOLLIN);
}

struct aro_exporter *aro_exporter_create(const struct aro_exporter_config *config,
                                         struct aro_error *error)
{
    struct aro_exporter *http = calloc(1, sizeof(*http));
    struct aro_endpoint endpoint;
    int result = http == NULL ? -ENOMEM : aro_endpoint_parse(config->listen, &endpoint);

    if (result == 0)
        result = aro_endpoint_listen(&endpoint, BACKLOG);
    if (result >= 0) {
        http->config = *config;
        result = serve(http, result);
    }
    if (result == 0) {
        http->chore.turn = turn;
        aro_loop_chore(config->loop, &http->chore);
        return http;
    }
    aro_exporter_destroy(http);
    aro_error_set(error, ARO_E_HTTP_LISTEN, "http.listen %s: %s", config->listen,
                  strerror(-result));
    errno = -result;
    return NULL;
}

void aro_exporter_destroy(struct aro_exporter *http)
{
    if (http == NULL)
        return;
    if (http->watch.fd > 0)
        aro_loop_remove(http->config.loop, &http->watch);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    free(http);
}

unsigned aro_exporter_port(const struct aro_exporter *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);

    return info != NULL ? info->port : 0;
}

void aro_exporter_stats(const struct aro_exporter *http, struct aro_exporter_stats *ret)
{
    *ret = http->stats;
}

/* ---- answers ---- */

void aro_exporter_answer_text(struct aro_exporter_answer *ret, unsigned status, const char *text)
{
    ret->status = status;
    ret->type = "text/plain; charset=utf-8";
    ret->text = strdup(text);
    ret->length = strlen(text);
}

void aro_exporter_answer_metrics(struct aro_exporter_answer *ret, struct aro_exposition *metrics)
{
    ret->status = 200;
    ret->type = ARO_EXPOSITION_TYPE;
    ret->text = aro_exposition_end(metrics, &ret->length);
}

void aro_exporter_reason(char *reasons, size_t size, const char *format, ...)
{
    size_t used = strlen(reasons);
    va_list args;

    va_start(args, format);
    vsnprintf(reasons + used, size - used, format, args);
    va_end(args);
}

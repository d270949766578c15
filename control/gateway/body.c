/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The body of an answer: verified pieces of a download, copied into what libmicrohttpd sends next.
 * Nothing to copy: the connection is suspended until the download has more. It comes to its end
 * exactly, or the connection is closed before: a client is never left to believe that it has all.
 */
#include <string.h>
#include <sys/socket.h>

#include "control/gateway/worker_state.h"

enum {
    FEED_AHEAD = 128, /* chunks of a list that a download is told before it needs them */
    FEED_AT_ONCE = 32,
};

/* ---- content that arrives ---- */

static void feed_end(struct aro_exchange *exchange)
{
    struct aro_gate_names *names = exchange->worker->names;

    aro_gate_names_look(names, &exchange->claim, &exchange->facts);
    if (exchange->facts.state == ARO_NAME_FAILED)
        aro_download_fail(exchange->download, &exchange->facts.error);
    else if (exchange->facts.complete && exchange->fed == exchange->facts.chunks)
        aro_download_finish(exchange->download);
}

void body_feed(struct aro_exchange *exchange)
{
    struct aro_name_chunk chunks[FEED_AT_ONCE];
    struct aro_gate_names *names = exchange->worker->names;
    size_t count = FEED_AT_ONCE;

    while (exchange->download != NULL && count == FEED_AT_ONCE &&
           exchange->fed < exchange->taken + FEED_AHEAD) {
        count = aro_gate_names_chunks(names, &exchange->claim, exchange->fed, chunks, FEED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            int failed = aro_download_push(exchange->download, &chunks[i].id, chunks[i].len_bytes);
            if (failed != 0) {
                aro_error_set(&exchange->error, ARO_E_GATE_NAME_REFUSED,
                              "a node's list of chunks makes no sense: %s", strerror(-failed));
                aro_download_fail(exchange->download, &exchange->error);
                return;
            }
        }
        exchange->fed += count;
    }
    if (count < FEED_AT_ONCE)
        feed_end(exchange);
}

/* ---- pieces ---- */

static void piece_release(struct aro_exchange *exchange)
{
    aro_download_release(exchange->download, &exchange->piece);
    exchange->has_piece = false;
}

bool body_take(struct aro_exchange *exchange)
{
    if (!aro_download_take(exchange->download, &exchange->piece))
        return false;
    exchange->has_piece = true;
    exchange->piece_used = 0;
    exchange->taken++;
    if (exchange->first_us == 0)
        exchange->first_us = aro_gate_now_us() - exchange->begun_us;
    if (exchange->list)
        body_feed(exchange);
    return true;
}

/* Fills bytes as far as content is here; returns how much. */
static size_t pieces_copy(struct aro_exchange *exchange, char *bytes, size_t max)
{
    size_t used = 0;

    while (used < max && exchange->left_bytes > 0 && (exchange->has_piece || body_take(exchange))) {
        size_t len = exchange->piece.len_bytes - exchange->piece_used;
        len = len < max - used ? len : max - used;
        len = len < exchange->left_bytes ? len : (size_t)exchange->left_bytes;
        memcpy(bytes + used, exchange->piece.bytes + exchange->piece_used, len);
        used += len;
        exchange->piece_used += (uint32_t)len;
        if (exchange->left_bytes != UINT64_MAX)
            exchange->left_bytes -= len;
        if (exchange->piece_used == exchange->piece.len_bytes || exchange->left_bytes == 0)
            piece_release(exchange);
    }
    return used;
}

/*
 * HTTP/1.0 without a length knows the end of a body by the end of the connection: there an ordinary
 * end would make a part look whole, so it is reset.
 */
static ssize_t cut(struct aro_exchange *exchange)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    exchange->cut = true;
    if (exchange->left_bytes == UINT64_MAX && info != NULL &&
        strcmp(exchange->version, MHD_HTTP_VERSION_1_0) == 0)
        connect(info->connect_fd, &nobody, sizeof(nobody)); /* TCP's abort: RST, not FIN */
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd wants up to max bytes of the body. */
ssize_t body_read(void *arg, uint64_t at, char *bytes, size_t max)
{
    struct aro_exchange *exchange = arg;
    size_t used;

    (void)at; /* it asks in order */
    if (exchange->cut)
        return cut(exchange);
    used = pieces_copy(exchange, bytes, max);
    if (used > 0) {
        exchange->sent_bytes += used;
        exchange->moved_us = exchange->worker->now_us;
        aro_gate_add(&exchange->worker->counters.content_bytes, used);
        return (ssize_t)used;
    }
    switch (aro_download_state(exchange->download)) {
    case ARO_DOWNLOAD_RUNNING:
        exchange_suspend(exchange);
        return 0;
    case ARO_DOWNLOAD_DONE:
        if (exchange->left_bytes == UINT64_MAX)
            return MHD_CONTENT_READER_END_OF_STREAM;
        break; /* shorter than it was said to be */
    case ARO_DOWNLOAD_FAILED:
        break;
    }
    return cut(exchange);
}

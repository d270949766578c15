/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arocache_fetch: the engine between a socket and a sink, with the clock. The loop: receive, look
 * at the deadline, hand over pieces, send what the engine wants sent.
 */
#include "dataplane/client/arocache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/client/engine.h"
#include "dataplane/client/sink.h"
#include "dataplane/client/socket.h"

enum {
    SILENCE_MS = 10000,
    BUFFER_BYTES = 16 << 20,
    PROGRESS_US = 100000,
    DRAIN_US_MAX = 1000000,
    PIECES_PER_TURN = 8,
    SINK_POLL_US = 2000, /* look for released buffers so often while the sink is behind */
};

struct fetch {
    const struct arocache_options *options;
    struct aro_engine *engine;
    struct aro_socket *socket;
    struct aro_sink *sink;
    struct aro_error error;
    struct arocache_stats stats;
    uint64_t start_us, now_us, progress_us;
    uint32_t pieces_out; /* in the sink */
    bool pieces_left;    /* more may be ready */
    bool burst_begun;
};

void arocache_options_init(struct arocache_options *options)
{
    *options = (struct arocache_options){.host = "127.0.0.1",
                                         .port = AROCACHE_PORT,
                                         .silence_ms = SILENCE_MS,
                                         .buffer_bytes = BUFFER_BYTES};
}

static uint64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void random_fill(void *arg, void *bytes, size_t len)
{
    (void)arg;
    if (getrandom(bytes, len, 0) !=
        (ssize_t)len) /* a request of up to 256 bytes is never cut short */
        abort();
}

static void datagram_handle(void *arg, const uint8_t *bytes, size_t len)
{
    struct fetch *fetch = arg;

    if (!fetch->burst_begun) { /* one look at the clock per burst, after the wait */
        fetch->burst_begun = true;
        fetch->now_us = clock_us();
    }
    aro_engine_receive(fetch->engine, bytes, len, fetch->now_us);
}

/* Finished pieces come back, ready ones go out: each is hashed here, so only some at a time. */
static void pieces_move(struct fetch *fetch)
{
    struct aro_piece piece;
    unsigned taken = 0;

    while (aro_sink_collect(fetch->sink, &piece)) {
        aro_engine_release(fetch->engine, &piece);
        fetch->pieces_out--;
    }
    while (taken < PIECES_PER_TURN && aro_sink_has_room(fetch->sink) &&
           aro_engine_take(fetch->engine, &piece)) {
        if (fetch->stats.first_byte_us == 0)
            fetch->stats.first_byte_us = clock_us() - fetch->start_us;
        aro_sink_give(fetch->sink, &piece);
        fetch->pieces_out++;
        taken++;
    }
    fetch->pieces_left = taken == PIECES_PER_TURN;
    if (taken > 0)
        fetch->now_us = clock_us(); /* requests must not look older than they are */
}

static void stats_gather(struct fetch *fetch)
{
    uint64_t first_byte_us = fetch->stats.first_byte_us;
    uint64_t unreachable = fetch->stats.unreachable;

    fetch->stats = *aro_engine_stats(fetch->engine);
    fetch->stats.first_byte_us = first_byte_us;
    fetch->stats.unreachable = unreachable;
    fetch->stats.total_us = clock_us() - fetch->start_us;
}

static void progress_tell(struct fetch *fetch)
{
    if (fetch->options->progress == NULL || fetch->now_us < fetch->progress_us)
        return;
    fetch->progress_us = fetch->now_us + PROGRESS_US;
    stats_gather(fetch);
    fetch->options->progress(fetch->options->progress_arg, &fetch->stats);
}

static void requests_send(struct fetch *fetch)
{
    uint8_t requests[ARO_SOCKET_BURST][ARO_GET_BYTES];
    size_t count;

    while ((count = aro_engine_send_burst(fetch->engine, requests, ARO_SOCKET_BURST,
                                          fetch->now_us)) > 0)
        if (aro_socket_send_burst(fetch->socket, requests, count) != 0)
            fetch->stats.unreachable++;
}

/* How long to sleep: to the engine's deadline, less when buffers or progress wait. */
static uint64_t sleep_us(const struct fetch *fetch)
{
    uint64_t deadline = aro_engine_deadline_us(fetch->engine);
    uint64_t sleep = deadline > fetch->now_us ? deadline - fetch->now_us : 0;

    if (fetch->pieces_left || !aro_sink_flushed(fetch->sink))
        return 0; /* only a look: there is something to do before waiting */
    if (fetch->pieces_out > 0 && sleep > SINK_POLL_US)
        sleep = SINK_POLL_US;
    if (fetch->options->progress != NULL && sleep > PROGRESS_US)
        sleep = PROGRESS_US;
    return sleep;
}

/* Late for us is not lost: first everything that waits in the socket, within reason. */
static void timeout_check(struct fetch *fetch)
{
    uint64_t deadline = aro_engine_deadline_us(fetch->engine);

    uint64_t slack = aro_socket_drained(fetch->socket) ? 0 : DRAIN_US_MAX;
    if (fetch->now_us >= deadline && fetch->now_us - deadline >= slack)
        aro_engine_timeout(fetch->engine, fetch->now_us);
}

static void fetch_loop(struct fetch *fetch)
{
    while (aro_engine_state(fetch->engine) == ARO_ENGINE_RUNNING &&
           aro_sink_refusal(fetch->sink) == 0) {
        requests_send(fetch);
        fetch->burst_begun = false;
        int received =
            aro_socket_receive_burst(fetch->socket, sleep_us(fetch), datagram_handle, fetch);
        if (received < 0)
            fetch->stats.unreachable++;
        fetch->now_us = clock_us();
        timeout_check(fetch);
        pieces_move(fetch);
        if (aro_socket_drained(fetch->socket))
            aro_sink_flush(fetch->sink);
        progress_tell(fetch);
    }
}

/* After the last piece: everything written, and the whole as promised? */
static void fetch_conclude(struct fetch *fetch)
{
    const struct aro_id *promised = aro_engine_digest(fetch->engine);
    int refusal;

    aro_sink_drain(fetch->sink);
    refusal = aro_sink_refusal(fetch->sink);
    if (refusal != 0)
        aro_error_set(&fetch->error, ARO_E_OUTPUT, "the output was refused: %s",
                      refusal < 0 ? strerror(-refusal) : "the program wants no more");
    else if (aro_engine_state(fetch->engine) == ARO_ENGINE_FAILED)
        fetch->error = *aro_engine_error(fetch->engine);
    else if (promised != NULL && !fetch->options->skip_content_digest) {
        struct aro_id digest = aro_engine_content_digest(fetch->engine);
        if (!aro_id_equal(&digest, promised))
            aro_error_set(&fetch->error, ARO_E_CONTENT_MISMATCH,
                          "the whole content does not have the SHA-256 of its manifest");
    }
}

static int fetch_open(struct fetch *fetch, const struct aro_id *id, enum aro_kind kind,
                      arocache_sink *sink, void *sink_arg)
{
    const struct arocache_options *options = fetch->options;

    fetch->socket = aro_socket_create(options->host, options->port, &fetch->error);
    if (fetch->socket == NULL)
        return -1;
    struct aro_engine_options engine = {
        .id = *id,
        .kind = kind,
        .source_name = options->host,
        .slice_bytes_max = aro_socket_slice_bytes_max(fetch->socket, options->mtu),
        .receive_buffer_bytes = aro_socket_receive_buffer_bytes(fetch->socket),
        .buffer_bytes = options->buffer_bytes,
        .silence_us = (uint64_t)options->silence_ms * 1000,
        .content_digest = !options->skip_content_digest,
        .flags = options->only_if_cached ? ARO_GET_ONLY_IF_CACHED : 0,
        .token = options->token,
        .random = random_fill,
    };
    fetch->start_us = fetch->now_us = clock_us();
    fetch->engine = aro_engine_create(&engine, fetch->now_us);
    fetch->sink = aro_sink_create(sink, sink_arg);
    if (fetch->engine == NULL || fetch->sink == NULL)
        return aro_error_set(&fetch->error, ARO_E_CLIENT_MEMORY, "no memory or thread for a fetch");
    return 0;
}

static int id_check(const char *text, struct aro_id *ret_id, enum aro_kind *ret_kind,
                    struct aro_error *error)
{
    if (aro_id_parse(text, ret_id, ret_kind) != 0)
        return aro_error_set(error, ARO_E_ID_INVALID, "'%.80s' is not an id", text);
    if (*ret_kind == ARO_KIND_DIGEST)
        return aro_error_set(error, ARO_E_DIGEST_ID, "'%.80s' is a digest, not an object", text);
    return 0;
}

int arocache_fetch(const struct arocache_options *options, const char *id, arocache_sink *sink,
                   void *sink_arg, struct arocache_stats *ret_stats)
{
    struct fetch fetch = {.options = options};
    struct aro_id parsed;
    enum aro_kind kind;

    if (id_check(id, &parsed, &kind, &fetch.error) == 0 &&
        fetch_open(&fetch, &parsed, kind, sink, sink_arg) == 0) {
        fetch_loop(&fetch);
        fetch_conclude(&fetch);
        stats_gather(&fetch);
    }
    aro_sink_destroy(fetch.sink); /* before the engine, whose memory it reads */
    aro_engine_destroy(fetch.engine);
    aro_socket_destroy(fetch.socket);
    snprintf(fetch.stats.error_text, sizeof(fetch.stats.error_text), "%s", fetch.error.text);
    if (ret_stats != NULL)
        *ret_stats = fetch.stats;
    return (int)fetch.error.id;
}

static int fd_write(void *arg, const void *bytes, size_t len)
{
    const int *fd = arg;
    const char *at = bytes;

    while (len > 0) {
        ssize_t written = write(*fd, at, len);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            at += written;
            len -= (size_t)written;
        }
    }
    return 0;
}

int arocache_fetch_fd(const struct arocache_options *options, const char *id, int fd,
                      struct arocache_stats *ret_stats)
{
    return arocache_fetch(options, id, fd_write, &fd, ret_stats);
}

int arocache_error_exit_code(int error)
{
    const struct aro_error_info *info = aro_error_info(error);
    return info != NULL ? info->exit_code : 0;
}

const char *arocache_error_name(int error)
{
    const struct aro_error_info *info = aro_error_info(error);
    return info != NULL ? info->name : "NONE";
}

const char *arocache_remedy(int error)
{
    const struct aro_error_info *info = aro_error_info(error);
    return info != NULL ? info->remedy : "";
}

const char *arocache_version(void)
{
    return ARO_VERSION;
}

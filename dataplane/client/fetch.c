/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arocache_fetch: one download between sockets and a sink, with the clock. The loop: receive, look
 * at the deadline, hand over pieces, send what the engine wants sent.
 */
#include "dataplane/client/arocache.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
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

static_assert(AROCACHE_SOURCES_MAX == ARO_ENGINE_SOURCES_MAX, "every source has a place");

struct fetch {
    const struct arocache_options *options;
    struct arocache_source source[AROCACHE_SOURCES_MAX];
    char name[AROCACHE_SOURCES_MAX][sizeof(((struct arocache_source_stats *)0)->name)];
    struct aro_socket *socket[AROCACHE_SOURCES_MAX];
    uint64_t unreachable[AROCACHE_SOURCES_MAX];
    unsigned sources;
    unsigned receiving; /* source whose datagrams come now */
    struct aro_engine *engine;
    struct aro_download *download;
    struct aro_sink *sink;
    struct aro_error error;
    struct arocache_stats stats;
    uint64_t start_us, now_us, progress_us;
    uint32_t pieces_out; /* in the sink */
    bool pieces_left;    /* more may be ready */
    bool drained;        /* all that had arrived was received */
    bool burst_begun;
    bool range_chosen;
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
    aro_engine_receive(fetch->engine, fetch->receiving, bytes, len, fetch->now_us);
}

/* Finished pieces come back, ready ones go out: each is hashed here, so only some at a time. */
static void pieces_move(struct fetch *fetch)
{
    struct aro_piece piece;
    unsigned taken = 0;

    while (aro_sink_collect(fetch->sink, &piece)) {
        aro_download_release(fetch->download, &piece);
        fetch->pieces_out--;
    }
    while (taken < PIECES_PER_TURN && aro_sink_has_room(fetch->sink) &&
           aro_download_take(fetch->download, &piece)) {
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

    fetch->stats = *aro_download_stats(fetch->download);
    fetch->stats.first_byte_us = first_byte_us;
    fetch->stats.total_us = clock_us() - fetch->start_us;
    for (unsigned i = 0; i < fetch->sources; i++)
        fetch->stats.unreachable += fetch->unreachable[i];
}

static void sources_report(struct fetch *fetch)
{
    for (unsigned i = 0; i < fetch->sources && fetch->options->ret_sources != NULL; i++) {
        struct arocache_source_stats *ret = &fetch->options->ret_sources[i];
        *ret = *aro_engine_source_stats(fetch->engine, i);
        ret->unreachable = fetch->unreachable[i];
    }
}

static bool ranged(const struct arocache_options *options)
{
    return options->first_byte != 0 || options->byte_count != 0;
}

/* Once the root tells the length: the part that was asked for. */
static void range_choose(struct fetch *fetch)
{
    uint64_t first = fetch->options->first_byte, count = fetch->options->byte_count;
    struct aro_download_root root;

    if (!ranged(fetch->options) || fetch->range_chosen ||
        !aro_download_root(fetch->download, &root))
        return;
    fetch->range_chosen = true;
    if (first < root.total_bytes && (count == 0 || count > root.total_bytes - first))
        count = root.total_bytes - first;
    if (aro_download_range(fetch->download, first, count) == 0)
        return;
    struct aro_error error;
    aro_error_set(&error, ARO_E_RANGE,
                  "the content has %" PRIu64 " bytes, none from %" PRIu64 " on", root.total_bytes,
                  first);
    aro_download_fail(fetch->download, &error);
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

    for (unsigned i = 0; i < fetch->sources; i++)
        while ((count = aro_engine_send_burst(fetch->engine, i, requests, ARO_SOCKET_BURST,
                                              fetch->now_us)) > 0)
            if (aro_socket_send_burst(fetch->socket[i], requests, count) != 0)
                fetch->unreachable[i]++;
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

/* One burst of each source; waits only when there is a single one. Returns whether any came. */
static bool sources_receive(struct fetch *fetch, uint64_t timeout_us)
{
    bool any = false;

    fetch->drained = true;
    for (unsigned i = 0; i < fetch->sources; i++) {
        fetch->receiving = i;
        int received = aro_socket_receive_burst(
            fetch->socket[i], fetch->sources == 1 ? timeout_us : 0, datagram_handle, fetch);
        if (received < 0)
            fetch->unreachable[i]++;
        any |= received > 0;
        fetch->drained &= aro_socket_drained(fetch->socket[i]);
    }
    return any;
}

static void receive(struct fetch *fetch)
{
    uint64_t timeout_us = sleep_us(fetch);
    struct timespec limit = {.tv_sec = (time_t)(timeout_us / 1000000),
                             .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    struct pollfd waited[AROCACHE_SOURCES_MAX];

    fetch->burst_begun = false;
    if (sources_receive(fetch, timeout_us) || fetch->sources == 1 || timeout_us == 0)
        return;
    for (unsigned i = 0; i < fetch->sources; i++)
        waited[i] = (struct pollfd){.fd = aro_socket_fd(fetch->socket[i]), .events = POLLIN};
    if (ppoll(waited, fetch->sources, &limit, NULL) > 0)
        sources_receive(fetch, 0);
}

/* Late for us is not lost: first everything that waits in the sockets, within reason. */
static void timeout_check(struct fetch *fetch)
{
    uint64_t deadline = aro_engine_deadline_us(fetch->engine);

    uint64_t slack = fetch->drained ? 0 : DRAIN_US_MAX;
    if (fetch->now_us >= deadline && fetch->now_us - deadline >= slack)
        aro_engine_timeout(fetch->engine, fetch->now_us);
}

static void fetch_loop(struct fetch *fetch)
{
    while (aro_download_state(fetch->download) == ARO_DOWNLOAD_RUNNING &&
           aro_sink_refusal(fetch->sink) == 0) {
        requests_send(fetch);
        receive(fetch);
        fetch->now_us = clock_us();
        timeout_check(fetch);
        range_choose(fetch);
        pieces_move(fetch);
        if (fetch->drained)
            aro_sink_flush(fetch->sink);
        progress_tell(fetch);
    }
}

/* After the last piece: everything written, and the whole as promised? */
static void fetch_conclude(struct fetch *fetch)
{
    struct aro_download_root root;
    int refusal;

    aro_sink_drain(fetch->sink);
    refusal = aro_sink_refusal(fetch->sink);
    if (refusal != 0)
        aro_error_set(&fetch->error, ARO_E_OUTPUT, "the output was refused: %s",
                      refusal < 0 ? strerror(-refusal) : "the program wants no more");
    else if (aro_download_state(fetch->download) == ARO_DOWNLOAD_FAILED)
        fetch->error = *aro_download_error(fetch->download);
    else if (aro_download_root(fetch->download, &root) && !fetch->options->skip_content_digest &&
             !ranged(fetch->options)) {
        struct aro_id digest = aro_download_content_digest(fetch->download);
        if (!aro_id_equal(&digest, &root.digest))
            aro_error_set(&fetch->error, ARO_E_CONTENT_MISMATCH,
                          "the whole content does not have the SHA-256 of its manifest");
    }
}

static bool have(void *arg, uint64_t at, void *bytes, uint32_t len_bytes)
{
    const struct arocache_options *options = ((struct fetch *)arg)->options;

    return options->have(options->have_arg, at, bytes, len_bytes) != 0;
}

/* ---- beginning ---- */

static int source_open(struct fetch *fetch, unsigned i)
{
    const struct arocache_source *source = &fetch->source[i];
    const struct arocache_options *options = fetch->options;
    uint16_t port = source->port != 0 ? source->port : AROCACHE_PORT;
    bool v6 = strchr(source->host, ':') != NULL;

    snprintf(fetch->name[i], sizeof(fetch->name[i]), v6 ? "[%.110s]:%u" : "%.110s:%u", source->host,
             port);
    fetch->socket[i] = aro_socket_create(source->host, port, &fetch->error);
    if (fetch->socket[i] == NULL)
        return -1;
    struct aro_engine_source config = {
        .name = fetch->sources == 1 ? source->host : fetch->name[i],
        .slice_bytes_max = aro_socket_slice_bytes_max(fetch->socket[i], options->mtu),
        .receive_buffer_bytes = aro_socket_receive_buffer_bytes(fetch->socket[i]),
        .token = fetch->sources == 1 ? options->token : NULL,
    };
    if (aro_engine_source_add(fetch->engine, &config, fetch->now_us) < 0)
        return aro_error_set(&fetch->error, ARO_E_CLIENT_MEMORY, "no memory for a source");
    return 0;
}

static int sources_open(struct fetch *fetch)
{
    const struct arocache_options *options = fetch->options;

    if (options->source_count > AROCACHE_SOURCES_MAX)
        return aro_error_set(&fetch->error, ARO_E_USAGE, "more than %d sources",
                             AROCACHE_SOURCES_MAX);
    fetch->sources = options->source_count > 0 ? options->source_count : 1;
    for (unsigned i = 0; i < options->source_count; i++)
        fetch->source[i] = options->sources[i];
    if (options->source_count == 0)
        fetch->source[0] = (struct arocache_source){options->host, options->port};
    for (unsigned i = 0; i < fetch->sources; i++)
        if (source_open(fetch, i) != 0)
            return -1;
    return 0;
}

static int fetch_open(struct fetch *fetch, const struct aro_id *id, enum aro_kind kind,
                      arocache_sink *sink, void *sink_arg)
{
    const struct arocache_options *options = fetch->options;
    struct aro_engine_options engine = {.random = random_fill};
    struct aro_download_options download = {
        .id = *id,
        .kind = kind,
        .root_only = kind == ARO_KIND_OBJECT && ranged(options),
        .buffer_bytes = options->buffer_bytes,
        .eager = true,
        .silence_us = (uint64_t)options->silence_ms * 1000,
        .content_digest = !options->skip_content_digest,
        .flags = options->only_if_cached ? ARO_GET_ONLY_IF_CACHED : 0,
        .have = options->have != NULL ? have : NULL,
        .have_arg = fetch,
    };

    fetch->start_us = fetch->now_us = clock_us();
    fetch->engine = aro_engine_create(&engine);
    if (fetch->engine != NULL && sources_open(fetch) != 0)
        return -1;
    if (fetch->engine != NULL)
        fetch->download = aro_download_create(fetch->engine, &download, fetch->now_us);
    fetch->sink = aro_sink_create(sink, sink_arg);
    if (fetch->download == NULL || fetch->sink == NULL)
        return aro_error_set(&fetch->error, ARO_E_CLIENT_MEMORY, "no memory or thread for a fetch");
    return 0;
}

static void fetch_close(struct fetch *fetch)
{
    aro_sink_destroy(fetch->sink); /* before the download, whose memory it reads */
    aro_download_destroy(fetch->download);
    aro_engine_destroy(fetch->engine);
    for (unsigned i = 0; i < fetch->sources; i++)
        aro_socket_destroy(fetch->socket[i]);
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
        sources_report(&fetch);
    }
    fetch_close(&fetch);
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

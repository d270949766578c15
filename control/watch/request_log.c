/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/request_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_PER_TURN = 256 };

struct buffer {
    char text[ARO_REQUEST_BUFFER_BYTES];
    uint32_t length, lines;
};

struct aro_request_log {
    struct aro_chore chore; /* first: the chore's turn gets it */
    struct aro_request_log_config config;
    int fd; /* -1: lines go to the log */
    struct aro_io io;
    struct buffer *gathering, *writing; /* the two; writing->length 0: nothing under way */
    uint32_t written;                   /* bytes of writing */
    bool failing;                       /* and said so */
    struct aro_request_log_stats stats;
    struct buffer buffer[2];
};

/* ---- one line ---- */

static void source_format(const struct aro_request_sample *sample, char text[64])
{
    static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};
    char host[INET6_ADDRSTRLEN];
    bool v4 = memcmp(sample->source, v4_mapped, sizeof(v4_mapped)) == 0;

    inet_ntop(v4 ? AF_INET : AF_INET6, sample->source + (v4 ? 12 : 0), host, sizeof(host));
    snprintf(text, 64, v4 ? "%s:%u" : "[%s]:%u", host, sample->source_port);
}

static void time_format(uint64_t unix_us, char text[32])
{
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm utc;

    strftime(text, 32, "%FT%T", gmtime_r(&seconds, &utc));
    snprintf(text + strlen(text), 32 - strlen(text), ".%06uZ", (unsigned)(unix_us % 1000000));
}

static const char *status_name(uint8_t status)
{
    static const char *const names[] = {"ok",     "not_found",   "retry_later",        "busy",
                                        "denied", "bad_request", "unsupported_version"};

    return status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

void aro_request_format(const struct aro_request_sample *sample, uint64_t unix_us,
                        char line[ARO_REQUEST_LINE_BYTES])
{
    static const char *const outcomes[] = {"hit", "miss", "absent", "refused"};
    char at[32], from[64], id[2 * sizeof(sample->id) + 1];

    time_format(unix_us - sample->age_us, at);
    source_format(sample, from);
    for (size_t i = 0; i < sizeof(sample->id); i++)
        snprintf(id + 2 * i, 3, "%02x", sample->id[i]);
    snprintf(line, ARO_REQUEST_LINE_BYTES,
             "at=%s from=%s id=c-%s outcome=%s status=%s slices=%u residence_us=%u lcore=%u", at,
             from, id, outcomes[sample->outcome], status_name(sample->status), sample->slices,
             sample->residence_us, sample->lcore);
}

static uint64_t unix_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the file ---- */

static void lines_lost(struct aro_request_log *log, uint32_t lines, const char *why)
{
    log->stats.request_lines_lost += lines;
    if (!log->failing)
        aro_log(log->config.log, ARO_LOG_WARNING, "request-log", "file=%s error=\"%s\"",
                log->config.path, why);
    log->failing = true;
}

static void write_on(struct aro_request_log *log);

static void on_written(struct aro_io *io, int result)
{
    struct aro_request_log *log = ARO_IO_OWNER(io, struct aro_request_log, io);
    struct buffer *buffer = log->writing;

    if (result > 0)
        log->written += (uint32_t)result;
    if (result > 0 && log->written < buffer->length) {
        write_on(log);
        return;
    }
    if (result > 0) {
        log->stats.request_lines += buffer->lines;
        log->failing = false;
    } else {
        lines_lost(log, buffer->lines, result < 0 ? strerror(-result) : "nothing was written");
    }
    buffer->length = buffer->lines = 0;
}

/* The rest of the buffer that is being written; its end is the file's (O_APPEND). */
static void write_on(struct aro_request_log *log)
{
    struct buffer *buffer = log->writing;
    int result = aro_uring_write(log->config.ring, &log->io, log->fd, buffer->text + log->written,
                                 buffer->length - log->written, ARO_IO_HERE);

    if (result == 0)
        return;
    lines_lost(log, buffer->lines, "the ring is full");
    buffer->length = buffer->lines = 0;
}

/* When nothing is being written: what has gathered goes. */
static void write_start(struct aro_request_log *log)
{
    struct buffer *gathered = log->gathering;

    if (log->writing->length != 0 || gathered->length == 0)
        return;
    log->gathering = log->writing;
    log->writing = gathered;
    log->written = 0;
    write_on(log);
}

static void line_add(struct aro_request_log *log, const char *line)
{
    struct buffer *to = log->gathering;
    size_t length = strlen("request ") + strlen(line) + 1;

    if (log->fd < 0) {
        aro_log(log->config.log, ARO_LOG_INFO, "request", "%s", line);
        log->stats.request_lines++;
        return;
    }
    if (to->length + length >= sizeof(to->text)) {
        lines_lost(log, 1, "too slow");
        return;
    }
    to->length += (uint32_t)sprintf(to->text + to->length, "request %s\n", line);
    to->lines++;
}

/* Returns how many samples there were. */
static unsigned samples_take(struct aro_request_log *log)
{
    struct aro_request_sample sample[SAMPLES_PER_TURN];
    unsigned n = log->config.take(log->config.arg, sample, SAMPLES_PER_TURN);
    uint64_t now_us = unix_us();
    char line[ARO_REQUEST_LINE_BYTES];

    for (unsigned i = 0; i < n; i++) {
        aro_request_format(&sample[i], now_us, line);
        line_add(log, line);
    }
    return n;
}

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_request_log *log = (struct aro_request_log *)(void *)chore;
    unsigned n = samples_take(log);

    (void)now_ns;
    if (log->fd >= 0)
        write_start(log);
    return n == SAMPLES_PER_TURN ? ARO_CHORE_NOW : ARO_REQUEST_EVERY_MS;
}

/* ---- life ---- */

struct aro_request_log *aro_request_log_create(const struct aro_request_log_config *config,
                                               struct aro_error *error)
{
    struct aro_request_log *log = calloc(1, sizeof(*log));

    if (log == NULL) {
        aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for the request log");
        return NULL;
    }
    log->config = *config;
    log->fd = -1;
    log->io.done = on_written;
    log->gathering = &log->buffer[0];
    log->writing = &log->buffer[1];
    if (*config->path != '\0') {
        log->fd = open(config->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
        if (log->fd < 0) {
            aro_error_set(error, ARO_E_REQUEST_LOG, "log.request_log %s: %s", config->path,
                          strerror(errno));
            free(log);
            return NULL;
        }
    }
    log->chore.turn = turn;
    aro_loop_chore(config->loop, &log->chore);
    return log;
}

static void wait_written(struct aro_request_log *log)
{
    while (log->writing->length != 0 && aro_uring_wait(log->config.ring) == 0)
        aro_uring_poll(log->config.ring, 1);
}

void aro_request_log_destroy(struct aro_request_log *log)
{
    if (log == NULL)
        return;
    while (samples_take(log) == SAMPLES_PER_TURN)
        ;
    if (log->fd >= 0) {
        wait_written(log); /* what is under way, then what has gathered */
        write_start(log);
        wait_written(log);
        close(log->fd);
    }
    free(log);
}

void aro_request_log_stats(const struct aro_request_log *log, struct aro_request_log_stats *ret)
{
    *ret = log != NULL ? log->stats : (struct aro_request_log_stats){0};
}

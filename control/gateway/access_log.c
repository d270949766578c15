/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 64 << 10,
    TARGET_BYTES_MAX = 768, /* of a line, escapes included */
    FIELD_BYTES_MAX = 256,
    NODES_BYTES_MAX = 64,
    HOST_BYTES_MAX = 128,
};

/* ---- a line ---- */

/* Appends text, escaped, at most `max` bytes; "-" for nothing. */
static size_t field_put(char *to, const char *text, size_t max)
{
    size_t used = 0;

    if (text == NULL || *text == '\0')
        text = "-";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
        if (used + (plain ? 1 : 4) > max)
            break;
        if (plain)
            to[used++] = (char)c;
        else
            used += (size_t)sprintf(to + used, "\\x%02X", c);
    }
    return used;
}

static size_t text_put(char *to, const char *text)
{
    size_t len = strlen(text);

    memcpy(to, text, len);
    return len;
}

/* [06/Nov/1994:08:49:37 +0000], always UTC and English. */
static size_t time_put(char *to, int64_t time_s)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)time_s;
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    return (size_t)sprintf(to, " - - [%02d/%s/%04d:%02d:%02d:%02d +0000] \"", tm.tm_mday,
                           months[(unsigned)tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour,
                           tm.tm_min, tm.tm_sec);
}

size_t aro_access_format(const struct aro_access *access, char line[ARO_ACCESS_LINE_BYTES])
{
    size_t used = field_put(line, access->peer, 64);

    used += time_put(line + used, access->time_s);
    used += field_put(line + used, access->method, 32);
    line[used++] = ' ';
    used += field_put(line + used, access->target, TARGET_BYTES_MAX);
    line[used++] = ' ';
    used += field_put(line + used, access->version, 16);
    used += (size_t)sprintf(line + used, "\" %u %" PRIu64 " \"",
                            access->status > 0 ? access->status : 499, access->bytes);
    used += field_put(line + used, access->referer, FIELD_BYTES_MAX);
    used += text_put(line + used, "\" \"");
    used += field_put(line + used, access->agent, FIELD_BYTES_MAX);
    used += (size_t)sprintf(line + used,
                            "\" first_us=%" PRIu64 " total_us=%" PRIu64 " node=", access->first_us,
                            access->total_us);
    used += field_put(line + used, access->nodes, NODES_BYTES_MAX);
    used += text_put(line + used, " host=\"");
    used += field_put(line + used, access->host, HOST_BYTES_MAX);
    line[used++] = '"';
    if (access->error != NULL) {
        used += text_put(line + used, " error=");
        used += field_put(line + used, access->error, 16);
        used += text_put(line + used, " \"");
        used += field_put(line + used, access->why, FIELD_BYTES_MAX);
        line[used++] = '"';
    }
    line[used++] = '\n';
    return used;
}

/* ---- the log ---- */

struct aro_access_log {
    const char *path; /* the configuration's */
    int fd;           /* -1: off */
    bool stream;      /* a pipe, a terminal, a socket: may block */
    uint64_t lost;
    size_t used;
    char buffer[BUFFER_BYTES];
};

static int log_open(const char *path)
{
    int fd;

    if (strcmp(path, "-") == 0)
        fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    else
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return fd < 0 ? -errno : fd;
}

static void log_use(struct aro_access_log *log, int fd)
{
    struct stat info;

    log->fd = fd;
    log->stream = fstat(fd, &info) != 0 || !S_ISREG(info.st_mode);
}

struct aro_access_log *aro_access_log_create(const char *path)
{
    struct aro_access_log *log = calloc(1, sizeof(*log));
    int fd;

    if (log == NULL)
        return NULL;
    log->path = path;
    log->fd = -1;
    if (*path == '\0')
        return log;
    fd = log_open(path);
    if (fd < 0) {
        free(log);
        errno = -fd;
        return NULL;
    }
    log_use(log, fd);
    return log;
}

void aro_access_log_destroy(struct aro_access_log *log)
{
    if (log == NULL)
        return;
    aro_access_log_flush(log);
    if (log->fd >= 0)
        close(log->fd);
    free(log);
}

bool aro_access_log_on(const struct aro_access_log *log)
{
    return log->fd >= 0;
}

static uint64_t lines_in(const char *bytes, size_t len)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* As many whole lines as a pipe takes at once without tearing or blocking. */
static size_t stream_portion(const struct aro_access_log *log, size_t from)
{
    struct pollfd room = {.fd = log->fd, .events = POLLOUT};
    size_t len = log->used - from;
    const char *end;

    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0)
        return 0;
    if (len <= PIPE_BUF)
        return len;
    end = memrchr(log->buffer + from, '\n', PIPE_BUF);
    return end != NULL ? (size_t)(end - (log->buffer + from)) + 1 : 0;
}

void aro_access_log_flush(struct aro_access_log *log)
{
    size_t from = 0;

    while (from < log->used) {
        size_t len = log->stream ? stream_portion(log, from) : log->used - from;
        if (len == 0)
            break; /* later, when there is room */
        ssize_t written = write(log->fd, log->buffer + from, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN)
            break;
        if (written < (ssize_t)len) { /* a full disk: what is missing stays missing */
            size_t done = written > 0 ? (size_t)written : 0;
            log->lost += lines_in(log->buffer + from + done, len - done);
        }
        from += len;
    }
    log->used -= from;
    memmove(log->buffer, log->buffer + from, log->used);
}

void aro_access_log_add(struct aro_access_log *log, const struct aro_access *access)
{
    if (log->fd < 0)
        return;
    if (BUFFER_BYTES - log->used < ARO_ACCESS_LINE_BYTES)
        aro_access_log_flush(log);
    if (BUFFER_BYTES - log->used < ARO_ACCESS_LINE_BYTES)
        log->lost++;
    else
        log->used += aro_access_format(access, log->buffer + log->used);
}

int aro_access_log_reopen(struct aro_access_log *log)
{
    int fd;

    if (log->fd < 0 || strcmp(log->path, "-") == 0)
        return 0;
    aro_access_log_flush(log);
    fd = log_open(log->path);
    if (fd < 0)
        return fd;
    close(log->fd);
    log_use(log, fd);
    return 0;
}

uint64_t aro_access_log_lost(const struct aro_access_log *log)
{
    return log->lost;
}

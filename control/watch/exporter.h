/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small HTTP server for those who watch a process: GET and HEAD of a few paths, answers made at
 * once by a function. On the kernel stack, in the control loop.
 *
 * libmicrohttpd parses; its epoll descriptor is one watch of the loop, so it has no thread. Bounds:
 * ARO_EXPORTER_CONNECTIONS_MAX connections (more wait in the kernel's queue), 16 KiB of memory
 * each, 10 s of silence. A request with a body is refused unread.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_WATCH_EXPORTER_H
#define ARO_CONTROL_WATCH_EXPORTER_H

#include "cache/base/error.h"
#include "control/api/exposition.h"
#include "control/loop.h"

struct aro_exporter;

enum {
    ARO_EXPORTER_CONNECTIONS_MAX = 16,
    ARO_EXPORTER_TIMEOUT_S = 10,
    ARO_EXPORTER_MEMORY_BYTES = 16 << 10
};

struct aro_exporter_answer {
    unsigned status;  /* 200, 404, 503, ... */
    const char *type; /* constant: Content-Type */
    char *text;       /* malloc'd; the server frees it. NULL: no memory, becomes 500 */
    size_t length;
};

/* Answers with a copy of text. */
void aro_exporter_answer_text(struct aro_exporter_answer *ret, unsigned status, const char *text);
/* Answers with what was exposed; ends *metrics. */
void aro_exporter_answer_metrics(struct aro_exporter_answer *ret, struct aro_exposition *metrics);

/* Appends to the string in reasons[size], which is cut where it is full. */
void aro_exporter_reason(char *reasons, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct aro_exporter_config {
    struct aro_loop *loop;
    const char *listen; /* control/api/endpoint.h */
    /* GET or HEAD of path: fills *ret, which is zeroed. */
    void (*get)(void *arg, const char *path, struct aro_exporter_answer *ret);
    void *arg;
};

struct aro_exporter_stats {
    uint64_t http_requests;
    uint64_t http_errors; /* answered with a status of 400 or more */
};

/* NULL with *error (6040). */
struct aro_exporter *aro_exporter_create(const struct aro_exporter_config *config,
                                         struct aro_error *error);
/* Drops what is under way. The loop takes no turn after it. Takes NULL. */
void aro_exporter_destroy(struct aro_exporter *http);

/* Where it listens: for port 0 of the configuration. */
unsigned aro_exporter_port(const struct aro_exporter *http);
void aro_exporter_stats(const struct aro_exporter *http, struct aro_exporter_stats *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node's sampled request log: takes the lcores' samples (dataplane/sample.h), writes one line
 * of key=value each, to the log or to a file of its own.
 *
 *     request at=2026-11-23T11:54:12.123456Z from=10.9.0.2:4242 id=c-7a9d35f100aa1c22 outcome=hit
 *     status=ok slices=47 residence_us=12 lcore=1                                (one line)
 *
 * A file is appended to through the control thread's ring, so a slow disk delays nobody: lines
 * gather in one buffer while the other is being written; what finds both full is counted and lost.
 * O_NONBLOCK: a pipe that nobody reads takes nothing, instead of keeping its writer for ever.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_WATCH_REQUEST_LOG_H
#define ARO_CONTROL_WATCH_REQUEST_LOG_H

#include "cache/disk/uring.h"
#include "control/log.h"
#include "control/loop.h"
#include "dataplane/dataplane.h"

struct aro_request_log;

enum {
    ARO_REQUEST_LINE_BYTES = 256,
    ARO_REQUEST_BUFFER_BYTES = 64 << 10, /* of each of two */
    ARO_REQUEST_EVERY_MS = 20,           /* samples are taken at least this often */
};

struct aro_request_log_config {
    struct aro_loop *loop;
    struct aro_uring *ring; /* of a file; outlives the log */
    const struct aro_log *log;
    const char *path; /* "": lines go to log, at level info */
    /* Takes up to max samples that wait; returns how many. */
    unsigned (*take)(void *arg, struct aro_request_sample ret[], unsigned max);
    void *arg;
};

struct aro_request_log_stats {
    uint64_t request_lines;      /* written, or handed to the log */
    uint64_t request_lines_lost; /* the file was too slow, or failed */
};

/* NULL with *error (6044: the file cannot be opened; 6005). */
struct aro_request_log *aro_request_log_create(const struct aro_request_log_config *config,
                                               struct aro_error *error);
/* Writes what is left. The loop takes no turn after it. Takes NULL. */
void aro_request_log_destroy(struct aro_request_log *log);

void aro_request_log_stats(const struct aro_request_log *log, struct aro_request_log_stats *ret);

/* The line without its newline; unix_us: now. Pure. */
void aro_request_format(const struct aro_request_sample *sample, uint64_t unix_us,
                        char line[ARO_REQUEST_LINE_BYTES]);

#endif

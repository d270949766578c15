/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The access log: one line per request in the Combined Log Format, and behind it what a cache's
 * operator wants to know:
 *
 *     192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] "GET /o/o-... HTTP/1.1" 200 4096 "-" "curl/7.88.1"
 *         first_us=812 total_us=1650 node=a,b host="cdn.example" error=ARO-8003 "why ..."
 *
 * Bytes are those of the body that left. What a client can choose is escaped and cut: a line has
 * less than ARO_ACCESS_LINE_BYTES, control characters, quotes and non-ASCII stand as \xXX.
 *
 * Each worker has its own log on the same file: whole lines leave with one append, so no lock is
 * needed. A reader of a pipe that does not keep up costs lines, which are counted, never time.
 */
#ifndef ARO_CONTROL_GATEWAY_ACCESS_LOG_H
#define ARO_CONTROL_GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARO_ACCESS_LINE_BYTES = 2048 };

struct aro_access {
    const char *peer;   /* address, or "-" */
    int64_t time_s;     /* of the request's arrival, since 1970 */
    const char *method; /* this and the following: NULL when not known */
    const char *target;
    const char *version;
    unsigned status; /* 0: the client went before there was one */
    uint64_t bytes;
    const char *referer;
    const char *agent;
    uint64_t first_us; /* until the first byte of content was there; 0: there was none */
    uint64_t total_us;
    const char *nodes; /* "" for none */
    const char *host;  /* NULL: none was sent */
    const char *error; /* "ARO-8003", or NULL */
    const char *why;   /* its sentence */
};

/* Writes the line with its newline, no NUL; returns its length. */
size_t aro_access_format(const struct aro_access *access, char line[ARO_ACCESS_LINE_BYTES]);

struct aro_access_log;

/* path: a file to append to, "-" for standard output, "" for none at all. NULL with errno. */
struct aro_access_log *aro_access_log_create(const char *path);
void aro_access_log_destroy(struct aro_access_log *log); /* takes NULL; flushes */
bool aro_access_log_on(const struct aro_access_log *log);

void aro_access_log_add(struct aro_access_log *log, const struct aro_access *access);
/* Writes what was added. Once per round of the loop. */
void aro_access_log_flush(struct aro_access_log *log);
/* Opens the path anew, for whoever moved the file away. Keeps the old one when that fails: -errno.
 */
int aro_access_log_reopen(struct aro_access_log *log);
/* Lines that could not be written. */
uint64_t aro_access_log_lost(const struct aro_access_log *log);

#endif

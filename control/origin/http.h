/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transfers from origins: one thread with libcurl's multi interface. Names are resolved, TLS is
 * spoken and bodies are received there; control hands a transfer over and hears of it twice:
 *
 *   answered   a 200 or 206 begins. Not a byte of it goes anywhere until control says take (into
 *              which pipe) or cancels.
 *   done       it is over, for whatever reason; the transfer is the caller's again. Every started
 *              transfer ends so, a cancelled one too. Any other status goes straight to done.
 *
 * One transfer is one request and one answer: redirects, retries and ranges are the caller's
 * business (control/origin/pull.h). A full pipe, or an origin over its rate, pauses a transfer, and
 * TCP slows the origin down. Certificates are verified; no proxy, no cookies, no passwords, no
 * protocol but HTTP/1.1. A connection serves one request: whatever an origin sends behind an answer
 * can never be taken for the next one (libcurl 7.88 would).
 *
 * Calls come from the control thread, and none of them waits. The only file that knows libcurl.
 */
#ifndef ARO_CONTROL_ORIGIN_HTTP_H
#define ARO_CONTROL_ORIGIN_HTTP_H

#include "control/loop.h"
#include "control/origin/answer.h"
#include "control/origin/mailbox.h"
#include "control/origin/origins.h"

enum {
    ARO_HTTP_HEADER_BYTES_MAX = 64 << 10,  /* of one answer, interim ones included */
    ARO_HTTP_DISCARD_BYTES_MAX = 64 << 10, /* of a body that nobody wants */
    ARO_HTTP_SLOW_BYTES_PER_S = 1024,      /* slower than this for `timeout`: timed out */
};

enum aro_http_end {
    ARO_HTTP_OK,          /* the whole answer, as far as it can be told */
    ARO_HTTP_UNREACHABLE, /* no address, no connection */
    ARO_HTTP_TIMEOUT,     /* nothing, or next to nothing, for the origin's timeout */
    ARO_HTTP_TLS,         /* not whom it should be */
    ARO_HTTP_BROKEN,      /* the connection ended before the answer */
    ARO_HTTP_LONG,        /* more body than its length said */
    ARO_HTTP_TOO_LARGE,   /* more body than body_bytes_max */
    ARO_HTTP_NONSENSE,    /* no HTTP */
    ARO_HTTP_CANCELLED,
    ARO_HTTP_LOCAL, /* no memory, or the pipe failed */
};

struct aro_http;
struct aro_http_job;

/* Embed it. The first part is the caller's, set before the start and left alone until done. */
struct aro_http_transfer {
    unsigned origin; /* its number: connections and rate are counted per origin */
    const char *url;
    const char *etag, *date; /* If-None-Match, If-Modified-Since; NULL: none */
    uint64_t first_byte;     /* Range: from here to the end; 0: all */
    const char *if_range;    /* with first_byte */
    uint64_t body_bytes_max;
    void (*answered)(struct aro_http_transfer *transfer);
    void (*done)(struct aro_http_transfer *transfer);

    struct aro_answer answer; /* from answered on; at done status 0: there was none */
    enum aro_http_end end;    /* at done */
    char why[256];            /* at done: a sentence's worth, "" for OK */
    uint64_t body_bytes;      /* at done: written to the pipe */

    /* the module's */
    struct aro_http *http;
    struct aro_http_job *job;                /* the thread's; NULL: not begun, or over */
    struct aro_letter letter, cancel_letter; /* to the thread: start, later take; cancel */
    struct aro_letter answered_letter, done_letter;
    unsigned posted, opened, returned; /* letters to the thread; see http.c */
    int pipe_fd;
    bool over;
};

struct aro_http_config {
    struct aro_origins origins;
    struct aro_loop *loop;
};

/* NULL with errno. */
struct aro_http *aro_http_create(const struct aro_http_config *config);
/* No transfer under way; waits for the thread. Takes NULL. */
void aro_http_destroy(struct aro_http *http);

void aro_http_start(struct aro_http *http, struct aro_http_transfer *transfer);
/* After answered: the body goes into fd (non-blocking; the caller's, open until done). */
void aro_http_take(struct aro_http_transfer *transfer, int fd);
/* At most once, any time before done. */
void aro_http_cancel(struct aro_http_transfer *transfer);

uint64_t aro_http_bytes(const struct aro_http *http); /* of bodies, since the start */

#endif

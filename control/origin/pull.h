/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One pull: a URL of an origin becomes an object. Requests (control/origin/http.h) feed a pipe, a
 * put (control/put.h) cuts, hashes and stores what comes out of it.
 *
 *     QUEUED -> ASKING -> ARRIVING -> DONE
 *                  \----------\-----> FAILED       (DONE also: not modified)
 *
 * While it arrives, the chunks that are already stored can be fetched: they are listed in order.
 * The pipe is closed, which is how the put learns that the content ended, only when every promised
 * byte came; anything else aborts the put, which undoes itself. So nothing half is ever an object.
 *
 * A broken connection is resumed by a range request under the same validator. Redirects are
 * followed within the configured origins.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_ORIGIN_PULL_H
#define ARO_CONTROL_ORIGIN_PULL_H

#include "control/content.h"
#include "control/origin/http.h"
#include "control/origin/names.h"
#include "control/origin/stats.h"
#include "control/put.h"

enum {
    ARO_PULL_NAMES_MAX = 16, /* that one pull is recorded under */
    ARO_PULL_REDIRECTS_MAX = 5,
    ARO_PULL_RETRIES_MAX = 4,   /* in a row, without a byte in between */
    ARO_PULL_RESUMES_MAX = 100, /* in all */
    ARO_PULL_PIPE_BYTES = 256 << 10,
    ARO_PULL_WINDOW_BYTES = 2 << 20, /* of chunk memory, less when that is small */
};
#define ARO_PULL_NS_MAX (UINT64_C(24) * 3600 * 1000000000) /* however slow the origin */

enum aro_pull_state {
    ARO_PULL_QUEUED, /* waits for a connection */
    ARO_PULL_ASKING,
    ARO_PULL_ARRIVING, /* its headers are known, its chunks come */
    ARO_PULL_DONE,
    ARO_PULL_FAILED,
};

struct aro_pull;
struct aro_lookup;

/* What all pulls share. */
struct aro_pull_host {
    struct aro_http *http;
    struct aro_content *content;
    struct aro_origins origins;
    struct aro_origin_stats *stats;
    uint64_t region_bytes;                /* of chunk memory */
    void (*known)(struct aro_pull *pull); /* it is ARRIVING */
    void (*over)(struct aro_pull *pull);  /* DONE or FAILED; from aro_pull_turn only */
    void *arg;
};

/* Somebody who waits for more chunks, or the end. Embed it; it is off the list when woken. */
struct aro_pull_wait {
    struct aro_pull_wait *next;
    void (*wake)(struct aro_pull_wait *wait);
};

struct aro_pull_chunk {
    struct aro_id id;
    uint32_t len_bytes; /* 0: not yet there */
};

struct aro_pull {
    const struct aro_pull_host *host;
    unsigned number; /* for clients */
    int origin;      /* where it began */
    enum aro_pull_state state;
    char url[ARO_URL_BYTES];    /* asked for */
    char at_url[ARO_URL_BYTES]; /* after redirects */
    char *name[ARO_PULL_NAMES_MAX];
    unsigned names;
    struct aro_name known; /* object asked to be the same; name "": none */
    uint32_t chunk_bytes;

    struct aro_answer answer; /* of the content (ARRIVING on), or of the 304 */
    struct aro_pull_chunk *chunk;
    uint64_t chunks_room;
    uint64_t chunks; /* of the list, without a gap */
    struct aro_pull_wait *waits;

    bool renewed;                  /* DONE: known is still right */
    bool durable;                  /* DONE: on disk */
    struct aro_object object;      /* DONE */
    struct aro_error error;        /* FAILED */
    int http_status;               /* FAILED: what the origin answered last; 0: nothing */
    uint64_t started_ns, ended_ns; /* ended 0: over was not called yet */

    /* the pull's own */
    struct aro_http_transfer transfer;
    struct aro_put *put;
    int pipe_fd; /* the end that transfers write to; -1: none */
    uint64_t received_bytes;
    uint64_t deferred_bytes; /* that the admission reserved for the put */
    uint64_t retry_ns;       /* when to ask again; 0: not */
    unsigned redirects, retries, resumes;
    bool asking;    /* a transfer is under way */
    bool taken;     /* its body goes into the pipe */
    bool cancelled; /* the transfer was told */
    bool failed, told_chunks;

    /* its owner's (control/origin/resolver.c) */
    struct aro_pull *next;
    struct aro_lookup *lookups; /* wait until it is known what comes */
    unsigned joined;            /* lookups so far, the one that began it included */
    bool by_hand;               /* an operator asked, too */
    unsigned users;             /* hold it in memory */
    unsigned keeping;           /* names on their way into the table */
    bool detached;              /* forgotten meanwhile: nobody joins, no name is kept */
    bool listed;                /* clients know its number */
};

/* url: admitted. known: NULL, or what to ask the origin about. NULL: no memory. */
struct aro_pull *aro_pull_create(const struct aro_pull_host *host, int origin, const char *url,
                                 const struct aro_name *known, uint32_t chunk_bytes);
void aro_pull_destroy(struct aro_pull *pull); /* QUEUED, DONE or FAILED; nobody waits */

/* One more name to record it under; more than fit, or a known one: nothing happens. */
void aro_pull_add_name(struct aro_pull *pull, const char *name);
void aro_pull_start(struct aro_pull *pull); /* from QUEUED */
/* One turn: ms until the next. May call over; the pull is the owner's to destroy later. */
int aro_pull_turn(struct aro_pull *pull, uint64_t now_ns);
/* It will end FAILED with this error, soon; one that is over stays as it is. */
void aro_pull_cancel(struct aro_pull *pull, const struct aro_error *error);
bool aro_pull_is_over(const struct aro_pull *pull);

void aro_pull_wait(struct aro_pull *pull, struct aro_pull_wait *wait);
void aro_pull_unwait(struct aro_pull *pull, struct aro_pull_wait *wait);

/* Bytes stored so far, and in all (0: not told). */
uint64_t aro_pull_done_bytes(const struct aro_pull *pull);
uint64_t aro_pull_total_bytes(const struct aro_pull *pull);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's inside, shared by its files: worker.c (thread, loop), client.c (connections),
 * exchange.c (what a request stands for), answer.c (status and header), body.c (content).
 *
 * A worker is a thread with everything of its own: listening sockets, libmicrohttpd's daemon,
 * engine, log. Nothing here is touched by another thread except where it says so.
 */
#ifndef ARO_CONTROL_GATEWAY_WORKER_STATE_H
#define ARO_CONTROL_GATEWAY_WORKER_STATE_H

#include <microhttpd.h>
#include <pthread.h>

#include "control/gateway/access_log.h"
#include "control/gateway/counters.h"
#include "control/gateway/head.h"
#include "control/gateway/names.h"
#include "control/gateway/nodes.h"
#include "control/gateway/path.h"
#include "control/gateway/range.h"
#include "control/gateway/worker.h"

/* A connection, from its acceptance to its end. */
struct aro_client {
    struct aro_client *before, *after; /* those that owe a request, longest first */
    struct MHD_Connection *connection;
    uint64_t since_us; /* owes a request since then; 0: it does not */
    char peer[64];
};

/* What an exchange waits for. */
enum aro_exchange_state {
    EXCHANGE_NEW,     /* nothing: its head was not looked at yet */
    EXCHANGE_NAME,    /* what the name stands for */
    EXCHANGE_CONTENT, /* the content's length: its root, or the chunk itself */
    EXCHANGE_ANSWER,  /* nothing: it can be answered */
    EXCHANGE_BODY,    /* its content, piece by piece; the client */
};

/* One request and its answer. Fields of a group are valid from the state named on. */
struct aro_exchange {
    struct aro_worker *worker;
    struct MHD_Connection *connection;
    struct aro_exchange *before, *after; /* all of the worker */
    enum aro_exchange_state state;
    bool suspended;
    bool called; /* for the end of the request */

    /* the request: NEW */
    char *target; /* as it was sent */
    const char *target_at;
    char method[16];
    char version[16];
    bool head_only;
    struct aro_head head;
    struct aro_target what;
    uint64_t begun_us;
    int64_t begun_s;

    /* where the content comes from: NAME, CONTENT */
    struct aro_claim claim;
    struct aro_name_facts facts; /* of a name */
    bool asked_again;            /* for the name: its object was not to be had */
    struct aro_download *download;
    bool decided;   /* what is answered, once its first piece is here */
    bool list;      /* its chunks become known one by one */
    uint64_t fed;   /* chunks of the list that the download was given */
    uint64_t taken; /* pieces that it gave */
    uint64_t reserved_bytes;
    uint32_t sources; /* nodes that gave of it, once it is over: a bit each */

    /* what is sent: ANSWER */
    struct aro_error error; /* id 0: content, or its absence by 304 */
    unsigned status;
    bool total_known;
    uint64_t total_bytes;
    char etag[160];
    struct aro_range range; /* the part, or the whole when its length is known */

    /* BODY */
    struct aro_piece piece;
    bool has_piece;
    uint32_t piece_used;
    uint64_t left_bytes; /* UINT64_MAX: until the content ends */
    uint64_t sent_bytes; /* handed to libmicrohttpd */
    uint64_t first_us;
    uint64_t moved_us; /* when it last gave something, or was begun */
    bool cut;
};

struct aro_worker {
    const struct aro_gate_config *config;
    unsigned number;
    struct aro_gate_names *names;
    struct aro_nodes *nodes;
    struct aro_access_log *log;
    struct MHD_Daemon *daemon;
    int epoll_fd, wake_fd;
    int listen_fd[ARO_EAL_ARGS_MAX]; /* config->listens of them */
    bool listening;                  /* they are in the epoll set */
    pthread_t thread;
    bool running;
    int stop, reopen; /* atomic; set by others */
    int ended;        /* atomic; read by others */

    uint64_t now_us;
    bool run_due;   /* libmicrohttpd has something to do that its descriptor does not show */
    bool names_due; /* something new is known of a name */
    uint64_t connections_max, connections_hard;
    uint64_t buffer_bytes;   /* of the engine */
    uint64_t reserved_bytes; /* of it: what requests under way may count on */
    uint64_t stop_us;        /* when stopping: until then */
    uint64_t sweep_us;
    struct aro_client *owing, *owing_last;
    struct aro_exchange *exchanges;
    struct aro_gate_counters counters;
};

/* ---- client.c ---- */
void client_notify(void *arg, struct MHD_Connection *connection, void **context,
                   enum MHD_ConnectionNotificationCode code);
/* A request came, or was answered. */
void client_busy(struct aro_worker *worker, struct MHD_Connection *connection);
void client_idle(struct aro_worker *worker, struct MHD_Connection *connection);
const char *client_peer(struct MHD_Connection *connection);
/* Ends connections on which no request came for too long. */
void clients_sweep(struct aro_worker *worker);

/* ---- exchange.c: libmicrohttpd's callbacks, and what wakes an exchange ---- */
void *exchange_on_target(void *arg, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *upload,
                                    size_t *upload_bytes, void **context);
void exchange_on_end(void *arg, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode code);
void exchange_on_download(struct aro_exchange *exchange);
void exchange_on_name(struct aro_exchange *exchange);
/* It will be answered with its error, or its body ends here. */
void exchange_abort(struct aro_exchange *exchange);
/* What was fetched for it is not needed, or no longer. */
void exchange_drop_content(struct aro_exchange *exchange);
/* Its turn comes within this round of the loop. */
void exchange_resume(struct aro_exchange *exchange);
void exchange_suspend(struct aro_exchange *exchange);

/* ---- answer.c ---- */
/* The content's length is known, or will not be before its end: what to answer. */
void answer_decide(struct aro_exchange *exchange);
enum MHD_Result answer_send(struct aro_exchange *exchange);

/* ---- body.c ---- */
/* The next piece, if it is here: then it is the body's to copy. */
bool body_take(struct aro_exchange *exchange);
ssize_t body_read(void *arg, uint64_t at, char *bytes, size_t max);
/* Of a list: as many chunks as are known and wanted soon. */
void body_feed(struct aro_exchange *exchange);

#endif

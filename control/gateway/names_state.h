/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the names, shared by names.c (table, claims: any thread, under the lock) and
 * names_ask.c (questions to nodes: the names' own thread).
 *
 * An entry is busy while questions for it are under way; then only its thread may change what it
 * says, and it stays in memory whoever leaves. Everything in an entry but the fields marked so is
 * read and written under the lock.
 */
#ifndef ARO_CONTROL_GATEWAY_NAMES_STATE_H
#define ARO_CONTROL_GATEWAY_NAMES_STATE_H

#include <pthread.h>

#include "control/gateway/names.h"
#include "control/gateway/rpc_link.h"

enum { NAMES_BUCKETS = 1024 };

struct aro_name_entry {
    struct aro_gate_names *names;
    struct aro_name_entry *next; /* in its bucket */
    struct aro_name_entry *next_new;
    char *text;  /* never changes */
    bool digest; /* never changes: a digest, not a name */
    bool listed; /* in the table: the next claim gets it */
    bool busy;   /* questions are under way */
    struct aro_claim *claims;
    struct aro_name_facts facts;
    uint64_t expires_us; /* when settled: until then it is believed */
    struct aro_name_chunk *chunks;
    uint64_t chunks_room;

    /* the thread's own, without the lock */
    unsigned order[ARO_GATE_NODES_MAX]; /* nodes to ask */
    unsigned order_count, asked;        /* of them so many were asked */
    struct aro_error error;             /* the one that says most so far */
    unsigned node;                      /* that pulls it */
    uint64_t pull, after;
};

struct names_mailbox {
    int fd;
    struct aro_claim *changed, **changed_last;
};

struct aro_gate_names {
    const struct aro_gate_config *config;
    pthread_mutex_t lock;
    pthread_t thread;
    bool running;
    int stop;       /* atomic */
    uint64_t turns; /* atomic; the thread's own to write */

    /* under the lock */
    struct aro_name_entry *bucket[NAMES_BUCKETS];
    struct aro_name_entry *fresh; /* to be asked for */
    struct names_mailbox mailbox[ARO_GATE_WORKERS_MAX];
    uint64_t chunks;
    struct aro_gate_names_stats stats;

    /* the thread's own */
    bool stopped;
    struct aro_loop *loop;
    struct aro_watch wake;
    struct aro_chore chore;
    struct aro_rpc_link *link[ARO_GATE_NODES_MAX]; /* NULL: no control socket */
};

/* ---- names.c; all under the lock ---- */
/* Something new is known. */
void names_notify(struct aro_name_entry *entry);
/* Nothing more will be asked; believed for so long. May free the entry. */
void names_settle(struct aro_name_entry *entry, uint64_t believed_us);
/* More chunks of what arrives. 0 or -errno. */
int names_chunks_add(struct aro_name_entry *entry, const struct aro_name_chunk *chunks,
                     size_t count);

/* ---- names_ask.c ---- */
void *names_run(void *arg);
int names_ask_open(struct aro_gate_names *names);
void names_ask_close(struct aro_gate_names *names);

#endif

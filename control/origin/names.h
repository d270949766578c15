/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of names: name -> object, with what is needed to ask the origin again. In SQLite, in
 * `names.db` beside the store's files (sqlite3 reads it while the daemon runs), in memory without a
 * store.
 *
 * A thread of its own holds the database: control posts an operation and its callback runs on the
 * control thread later, in the order of posting. What the table says of the origin may be lost in a
 * power cut (it is asked again); what an operator said - set, forget - is synced before the answer.
 * A damaged database is set aside as `names.db.damaged`, and an empty one takes its place.
 *
 * The only file that knows SQLite is names_db.c.
 */
#ifndef ARO_CONTROL_ORIGIN_NAMES_H
#define ARO_CONTROL_ORIGIN_NAMES_H

#include "cache/base/id.h"
#include "control/log.h"
#include "control/loop.h"
#include "control/origin/answer.h"
#include "control/origin/mailbox.h"
#include "control/origin/url.h"

struct aro_names;

/* A row. Times are seconds of the wall clock: they must outlive the process. */
struct aro_name {
    char name[ARO_NAME_BYTES];
    struct aro_id object;
    uint64_t bytes;
    char type[ARO_TYPE_BYTES]; /* texts: "" when unknown */
    char etag[ARO_ETAG_BYTES];
    char last_modified[ARO_DATE_BYTES];
    char url[ARO_URL_BYTES]; /* "": set by hand */
    int64_t fetched_unix;    /* or asked for again */
    int64_t expires_unix;    /* INT64_MAX: never */
    int64_t stale_unix;      /* until then usable when the origin fails */
};

enum aro_names_verb {
    ARO_NAMES_FIND,       /* row of text -> row */
    ARO_NAMES_KEEP,       /* row: adds or replaces */
    ARO_NAMES_SET,        /* the same by hand: synced; -ENOSPC when only such rows are left */
    ARO_NAMES_FORGET,     /* the row of text */
    ARO_NAMES_PURGE_NAME, /* as forget, synced */
    ARO_NAMES_PURGE_PREFIX,
    ARO_NAMES_PURGE_URL,
    ARO_NAMES_LIST, /* up to count rows of prefix text behind `after` -> row[] */
};

/* One operation; embed it. Texts and rows are the caller's and stay until done. */
struct aro_names_op {
    enum aro_names_verb verb;
    const char *text, *after;
    struct aro_name *row;                  /* in or out; for LIST an array */
    uint64_t count;                        /* LIST: in, room; out, rows. Purges: out, how many */
    int result;                            /* 0, -ENOENT, -ENOSPC, -EIO */
    void (*done)(struct aro_names_op *op); /* on the control thread */
    /* the table's */
    struct aro_letter letter;
    struct aro_names *names;
};

struct aro_names_config {
    const char *dir;   /* the store's; NULL: in memory */
    uint64_t rows_max; /* the oldest leave */
    struct aro_loop *loop;
    const struct aro_log *log;
};

/* NULL with errno. */
struct aro_names *aro_names_create(const struct aro_names_config *config);
/* No operation under way; waits for the thread. Takes NULL. */
void aro_names_destroy(struct aro_names *names);

void aro_names_ask(struct aro_names *names, struct aro_names_op *op);
uint64_t aro_names_rows(const struct aro_names *names);    /* about */
uint64_t aro_names_damaged(const struct aro_names *names); /* databases set aside */

#endif

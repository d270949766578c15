/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/names.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "control/origin/names_db.h"

struct aro_names {
    struct aro_names_config config;
    struct aro_mailbox questions, answers;
    struct aro_watch watch; /* of answers */
    struct aro_letter last; /* ends the thread */
    pthread_t thread;
    struct aro_names_db *db; /* the thread's */
    bool stop;               /* the thread's */
    /* the thread writes, anybody reads: relaxed */
    uint64_t rows, damaged, unreadable;
    uint64_t damaged_told, unreadable_told; /* control's */
};

/* ---- the thread ---- */

static void answered(struct aro_letter *letter);

static void publish(uint64_t *to, uint64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

static void open_db(struct aro_names *names)
{
    uint64_t damaged = names->damaged;

    names->db = aro_names_db_open(names->config.dir, names->config.rows_max, &damaged);
    publish(&names->damaged, damaged);
    if (names->db == NULL) { /* without a table every name would be pulled every time */
        publish(&names->unreadable, names->unreadable + 1);
        names->db = aro_names_db_open(NULL, names->config.rows_max, &damaged);
    }
    if (names->db != NULL)
        publish(&names->rows, aro_names_db_rows(names->db));
}

/* A database that turns out damaged is replaced, and the question asked once more. */
static void asked(struct aro_letter *letter)
{
    struct aro_names_op *op = ARO_LETTER_OWNER(letter, struct aro_names_op, letter);
    struct aro_names *names = op->names;
    uint64_t room = op->count;

    op->result = -EIO;
    for (int tries = 0; tries < 2; tries++) {
        if (names->db == NULL)
            open_db(names);
        if (names->db == NULL)
            break;
        op->count = room;
        aro_names_db_run(names->db, op);
        publish(&names->rows, aro_names_db_rows(names->db));
        if (!aro_names_db_is_damaged(names->db))
            break;
        aro_names_db_close(names->db);
        names->db = NULL;
    }
    op->letter.open = answered;
    aro_mailbox_post(&names->answers, &op->letter);
}

static void on_last(struct aro_letter *letter)
{
    ARO_LETTER_OWNER(letter, struct aro_names, last)->stop = true;
}

static void *run(void *arg)
{
    struct aro_names *names = arg;
    struct pollfd wait = {.fd = names->questions.fd, .events = POLLIN};

    pthread_setname_np(pthread_self(), "aro-names");
    open_db(names);
    while (!names->stop) {
        poll(&wait, 1, -1);
        aro_mailbox_open(&names->questions);
    }
    aro_names_db_close(names->db);
    return NULL;
}

/* ---- control ---- */

static void answered(struct aro_letter *letter)
{
    struct aro_names_op *op = ARO_LETTER_OWNER(letter, struct aro_names_op, letter);

    op->done(op);
}

/* What happened to the file since the last time. */
static void tell(struct aro_names *names)
{
    uint64_t damaged = aro_names_damaged(names);
    uint64_t unreadable = __atomic_load_n(&names->unreadable, __ATOMIC_RELAXED);

    if (damaged != names->damaged_told)
        aro_log(names->config.log, ARO_LOG_WARNING, "names-damaged",
                "path=%s/names.db set_aside=names.db.damaged; an empty table took its place",
                names->config.dir);
    if (unreadable != names->unreadable_told)
        aro_log(names->config.log, ARO_LOG_WARNING, "names-unreadable",
                "path=%s/names.db; names are kept in memory until the next start",
                names->config.dir);
    names->damaged_told = damaged;
    names->unreadable_told = unreadable;
}

static void on_answers(struct aro_watch *watch, uint32_t events)
{
    struct aro_names *names =
        (struct aro_names *)(void *)((char *)watch - offsetof(struct aro_names, watch));

    (void)events;
    aro_mailbox_open(&names->answers);
    tell(names);
}

struct aro_names *aro_names_create(const struct aro_names_config *config)
{
    struct aro_names *names = calloc(1, sizeof(*names));

    if (names == NULL)
        return NULL;
    names->config = *config;
    errno = -aro_mailbox_init(&names->questions);
    if (errno != 0)
        goto no_questions;
    errno = -aro_mailbox_init(&names->answers);
    if (errno != 0)
        goto no_answers;
    names->watch = (struct aro_watch){.fd = names->answers.fd, .ready = on_answers};
    errno = -aro_loop_add(config->loop, &names->watch, EPOLLIN);
    if (errno != 0)
        goto no_watch;
    errno = pthread_create(&names->thread, NULL, run, names);
    if (errno == 0)
        return names;
    aro_loop_remove(config->loop, &names->watch);
no_watch:
    aro_mailbox_destroy(&names->answers);
no_answers:
    aro_mailbox_destroy(&names->questions);
no_questions:
    free(names);
    return NULL;
}

void aro_names_destroy(struct aro_names *names)
{
    if (names == NULL)
        return;
    names->last.open = on_last;
    aro_mailbox_post(&names->questions, &names->last);
    pthread_join(names->thread, NULL);
    aro_loop_remove(names->config.loop, &names->watch);
    aro_mailbox_destroy(&names->answers);
    aro_mailbox_destroy(&names->questions);
    free(names);
}

void aro_names_ask(struct aro_names *names, struct aro_names_op *op)
{
    op->names = names;
    op->letter.open = asked;
    aro_mailbox_post(&names->questions, &op->letter);
}

uint64_t aro_names_rows(const struct aro_names *names)
{
    return __atomic_load_n(&names->rows, __ATOMIC_RELAXED);
}

uint64_t aro_names_damaged(const struct aro_names *names)
{
    return __atomic_load_n(&names->damaged, __ATOMIC_RELAXED);
}

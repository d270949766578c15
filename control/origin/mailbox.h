/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Letters from one thread to another: how the control thread talks with the two threads that may
 * block (transfers, names). A letter is embedded in what it is about and lies in at most one box;
 * so a box holds no more than there are things to write about, and posting never fails and never
 * waits for the reader. The lock is held for a few pointers.
 */
#ifndef ARO_CONTROL_ORIGIN_MAILBOX_H
#define ARO_CONTROL_ORIGIN_MAILBOX_H

#include <pthread.h>

struct aro_letter {
    struct aro_letter *next;
    void (*open)(struct aro_letter *letter); /* called by the reader */
};

struct aro_mailbox {
    pthread_mutex_t lock;
    struct aro_letter *first, **last;
    int fd; /* eventfd: readable while letters may wait */
};

int aro_mailbox_init(struct aro_mailbox *box); /* 0 or -errno */
void aro_mailbox_destroy(struct aro_mailbox *box);

/* Any thread. */
void aro_mailbox_post(struct aro_mailbox *box, struct aro_letter *letter);
/*
 * The reader: opens every letter, in the order of posting, and returns how many. Never waits. A
 * letter may be posted again, or freed, from the moment its open is called.
 */
unsigned aro_mailbox_open(struct aro_mailbox *box);

/* The struct that embeds a letter as member. */
#define ARO_LETTER_OWNER(letter, type, member)                                                     \
    ((type *)(void *)((char *)(letter)-offsetof(type, member)))

#endif

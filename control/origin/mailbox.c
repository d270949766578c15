/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int aro_mailbox_init(struct aro_mailbox *box)
{
    box->first = NULL;
    box->last = &box->first;
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0)
        return -errno;
    pthread_mutex_init(&box->lock, NULL);
    return 0;
}

void aro_mailbox_destroy(struct aro_mailbox *box)
{
    pthread_mutex_destroy(&box->lock);
    close(box->fd);
}

void aro_mailbox_post(struct aro_mailbox *box, struct aro_letter *letter)
{
    uint64_t one = 1;
    ssize_t rung;

    letter->next = NULL;
    pthread_mutex_lock(&box->lock);
    *box->last = letter;
    box->last = &letter->next;
    pthread_mutex_unlock(&box->lock);
    rung = write(box->fd, &one, sizeof(one));
    (void)rung; /* fails only when 2^64 - 2 are unread: it is readable then */
}

unsigned aro_mailbox_open(struct aro_mailbox *box)
{
    struct aro_letter *letter;
    uint64_t rings;
    ssize_t got = read(box->fd, &rings, sizeof(rings)); /* before the list: no ring is lost */
    unsigned opened = 0;

    (void)got;
    pthread_mutex_lock(&box->lock);
    letter = box->first;
    box->first = NULL;
    box->last = &box->first;
    pthread_mutex_unlock(&box->lock);
    while (letter != NULL) {
        struct aro_letter *next = letter->next;
        letter->open(letter);
        letter = next;
        opened++;
    }
    return opened;
}

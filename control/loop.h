/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's loop: descriptors that become readable, and chores that get a turn after
 * every wake-up. Nothing in a callback may block, and a turn stays below a millisecond: long work
 * is cut into turns.
 *
 * A chore says when it wants its next turn, so an idle daemon wakes a few times per second only.
 */
#ifndef ARO_CONTROL_LOOP_H
#define ARO_CONTROL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct aro_loop;

/* A descriptor and its callback; embed it. events: EPOLLIN, EPOLLOUT, ... */
struct aro_watch {
    int fd;
    void (*ready)(struct aro_watch *watch, uint32_t events);
};

enum { ARO_CHORE_NOW = 0, ARO_CHORE_IDLE_MS = 500 };

/* Work between the events; embed it. */
struct aro_chore {
    /* One bounded turn. Returns ms until the next one at the latest, ARO_CHORE_NOW for at once. */
    int (*turn)(struct aro_chore *chore, uint64_t now_ns);
    struct aro_chore *next; /* the loop's */
};

struct aro_loop *aro_loop_create(void);       /* NULL with errno */
void aro_loop_destroy(struct aro_loop *loop); /* takes NULL; watches and chores are the owners' */

/* 0 or -errno. A watch may be removed by its own callback or by a chore, not by another watch. */
int aro_loop_add(struct aro_loop *loop, struct aro_watch *watch, uint32_t events);
int aro_loop_change(struct aro_loop *loop, struct aro_watch *watch, uint32_t events);
void aro_loop_remove(struct aro_loop *loop, struct aro_watch *watch);

/* Chores take their turns in the order they were added. They stay until the loop is destroyed. */
void aro_loop_chore(struct aro_loop *loop, struct aro_chore *chore);

/* One round: waits at most wait_ms (less when a chore asked), callbacks, chores. */
void aro_loop_once(struct aro_loop *loop, int wait_ms);
/* Rounds until *stop. */
void aro_loop_run(struct aro_loop *loop, const bool *stop);

/* Monotonic. */
uint64_t aro_now_ns(void);

/* Rounds so far, and the longest one without its wait. */
uint64_t aro_loop_rounds(const struct aro_loop *loop);
uint64_t aro_loop_longest_us(const struct aro_loop *loop);

#endif

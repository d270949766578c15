/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_ROUND = 32 };

struct aro_loop {
    int epoll_fd;
    int wish_ms; /* what the chores asked for in the last round */
    struct aro_chore *first, **last;
    uint64_t rounds, longest_us;
};

struct aro_loop *aro_loop_create(void)
{
    struct aro_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->last = &loop->first;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void aro_loop_destroy(struct aro_loop *loop)
{
    if (loop == NULL)
        return;
    close(loop->epoll_fd);
    free(loop);
}

static int control(struct aro_loop *loop, int operation, struct aro_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) == 0 ? 0 : -errno;
}

int aro_loop_add(struct aro_loop *loop, struct aro_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int aro_loop_change(struct aro_loop *loop, struct aro_watch *watch, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void aro_loop_remove(struct aro_loop *loop, struct aro_watch *watch)
{
    control(loop, EPOLL_CTL_DEL, watch, 0);
}

void aro_loop_chore(struct aro_loop *loop, struct aro_chore *chore)
{
    chore->next = NULL;
    *loop->last = chore;
    loop->last = &chore->next;
}

uint64_t aro_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void aro_loop_once(struct aro_loop *loop, int wait_ms)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    int wait = wait_ms < loop->wish_ms ? wait_ms : loop->wish_ms;
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, wait);
    uint64_t began_ns = aro_now_ns(), took_us;

    for (int i = 0; i < n; i++) {
        struct aro_watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
    loop->wish_ms = ARO_CHORE_IDLE_MS;
    for (struct aro_chore *chore = loop->first; chore != NULL; chore = chore->next) {
        int wish_ms = chore->turn(chore, aro_now_ns());
        if (wish_ms < loop->wish_ms)
            loop->wish_ms = wish_ms;
    }
    took_us = (aro_now_ns() - began_ns) / 1000;
    if (took_us > loop->longest_us)
        loop->longest_us = took_us;
    loop->rounds++;
}

void aro_loop_run(struct aro_loop *loop, const bool *stop)
{
    while (!*stop)
        aro_loop_once(loop, ARO_CHORE_IDLE_MS);
}

uint64_t aro_loop_rounds(const struct aro_loop *loop)
{
    return loop->rounds;
}

uint64_t aro_loop_longest_us(const struct aro_loop *loop)
{
    return loop->longest_us;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that are kept until something happens: a name is known, a chunk has come. A client may
 * pipeline many of them on one connection. Bounded in number, per client and in all; each has a
 * deadline, and one whose client left is given up.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_HELD_H
#define ARO_CONTROL_HELD_H

#include "control/loop.h"
#include "control/rpc.h"

struct aro_held_calls;

/* Embed it. */
struct aro_held {
    struct aro_held *next, **at; /* the list's */
    struct aro_held_calls *calls;
    struct aro_call *call;
    uint64_t deadline_ns;
    /* Time is over, the client is gone (call->client NULL), or the daemon stops: answer now. */
    void (*give_up)(struct aro_held *held);
    /* Called now and then (50 ms) for what no event tells. May answer. NULL: none. */
    void (*look)(struct aro_held *held);
};

struct aro_held_calls *aro_held_create(struct aro_loop *loop); /* NULL with errno */
void aro_held_destroy(struct aro_held_calls *calls);           /* none left; takes NULL */
/* Gives all up, and refuses new ones. */
void aro_held_stop(struct aro_held_calls *calls);
bool aro_held_stopping(const struct aro_held_calls *calls);

/* Takes the call over. 0, or -1 with *error (8005, 6018) and the call still the caller's. */
int aro_hold(struct aro_held_calls *calls, struct aro_held *held, struct aro_call *call,
             uint64_t wait_ms, struct aro_error *error);
/* Off the list: the call is the caller's to answer. */
struct aro_call *aro_unhold(struct aro_held *held);

uint64_t aro_held_now(const struct aro_held_calls *calls);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/held.h"

#include <stdlib.h>

enum { LOOK_EVERY_MS = 50 };

struct aro_held_calls {
    struct aro_chore chore; /* first */
    struct aro_held *first;
    uint64_t now, looked_ns;
    bool stopping;
};

/* Deadlines are looked at now and then: nobody minds 50 ms, and there may be thousands. */
static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_held_calls *calls = (struct aro_held_calls *)(void *)chore;
    struct aro_held *next;

    if (calls->first == NULL)
        return ARO_CHORE_IDLE_MS;
    if (now_ns - calls->looked_ns < UINT64_C(1000000) * LOOK_EVERY_MS)
        return LOOK_EVERY_MS;
    calls->looked_ns = now_ns;
    for (struct aro_held *held = calls->first; held != NULL; held = next) {
        next = held->next;
        if (held->call->client == NULL || now_ns >= held->deadline_ns)
            held->give_up(held);
        else if (held->look != NULL)
            held->look(held);
    }
    return LOOK_EVERY_MS;
}

struct aro_held_calls *aro_held_create(struct aro_loop *loop)
{
    struct aro_held_calls *calls = calloc(1, sizeof(*calls));

    if (calls == NULL)
        return NULL;
    calls->chore.turn = turn;
    aro_loop_chore(loop, &calls->chore);
    return calls;
}

void aro_held_destroy(struct aro_held_calls *calls)
{
    free(calls);
}

void aro_held_stop(struct aro_held_calls *calls)
{
    calls->stopping = true;
    while (calls->first != NULL)
        calls->first->give_up(calls->first);
}

bool aro_held_stopping(const struct aro_held_calls *calls)
{
    return calls->stopping;
}

static unsigned of_client(const struct aro_held_calls *calls, const struct aro_client *client)
{
    unsigned n = 0;

    for (const struct aro_held *held = calls->first; held != NULL; held = held->next)
        n += held->call->client == client;
    return n;
}

int aro_hold(struct aro_held_calls *calls, struct aro_held *held, struct aro_call *call,
             uint64_t wait_ms, struct aro_error *error)
{
    if (calls->stopping)
        return aro_error_set(error, ARO_E_STOPPING, "the daemon is stopping");
    if (calls->now >= ARO_HELD_MAX || (calls->now >= ARO_HELD_PER_CLIENT_MAX &&
                                       of_client(calls, call->client) >= ARO_HELD_PER_CLIENT_MAX))
        return aro_error_set(error, ARO_E_ORIGIN_BUSY, "too many calls wait for an answer");
    held->calls = calls;
    held->call = call;
    held->deadline_ns = aro_now_ns() + wait_ms * 1000000;
    held->next = calls->first;
    held->at = &calls->first;
    if (held->next != NULL)
        held->next->at = &held->next;
    calls->first = held;
    calls->now++;
    return 0;
}

struct aro_call *aro_unhold(struct aro_held *held)
{
    *held->at = held->next;
    if (held->next != NULL)
        held->next->at = held->at;
    held->calls->now--;
    return held->call;
}

uint64_t aro_held_now(const struct aro_held_calls *calls)
{
    return calls->now;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single questions of the chunk protocol, as many under way as one likes, without a window: what a
 * benchmark needs that wants to choose what is asked and when. Several sockets stand for several
 * clients; each proves its address first. Arrivals carry the kernel's own stamp, so that they do
 * not look later than they were when this thread was busy. One thread.
 */
#ifndef ARO_PERF_ASKER_H
#define ARO_PERF_ASKER_H

#include "dataplane/proto/codec.h"

enum { ASKER_BURST = 64, ASKER_SOCKETS_MAX = 64 };

struct asker;

/* Sockets connected to the node at host. No token yet. */
struct asker *asker_make(const char *host, unsigned sockets);
void asker_free(struct asker *asker);

/* Asks until every socket has a token. Fails the benchmark when none comes. */
void asker_prove(struct asker *asker);

/*
 * Sends n <= ASKER_BURST questions from a socket; the token is put in. What does not fit into the
 * socket is lost like any datagram. Returns when, in ns of CLOCK_REALTIME.
 */
uint64_t asker_send(struct asker *asker, unsigned socket, struct aro_get get[], unsigned n);

/* What came: data, or a status (then data is NULL). */
struct asker_answer {
    const struct aro_data *data;
    const struct aro_status_msg *status;
    uint64_t arrived_ns; /* CLOCK_REALTIME, by the kernel */
};
typedef void asker_handler(void *arg, unsigned socket, const struct asker_answer *answer);

/*
 * Waits at most timeout_ms for something, then hands over all that is there, at most a burst of
 * each socket. Returns how many. Tokens are kept and counted only. Anything else that no server
 * sends fails the benchmark.
 */
unsigned asker_receive(struct asker *asker, int timeout_ms, asker_handler *handler, void *arg);

uint64_t asker_now_ns(void); /* CLOCK_REALTIME */

#endif

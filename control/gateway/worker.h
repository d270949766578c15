/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread of the gateway: takes connections, answers requests. Workers share nothing but the
 * configuration and the names; the kernel spreads connections over their listening sockets.
 *
 * create, stop, destroy and counters are for the main thread.
 */
#ifndef ARO_CONTROL_GATEWAY_WORKER_H
#define ARO_CONTROL_GATEWAY_WORKER_H

#include "control/gateway/counters.h"
#include "control/gateway/gate_config.h"
#include "control/gateway/names.h"

struct aro_worker;

enum { ARO_GATE_STOP_US = 5000000 }; /* what is under way may take so long once stopping */

/* Listens and is ready, but runs not yet. NULL with *error (9001..9004, 70xx). */
struct aro_worker *aro_worker_create(const struct aro_gate_config *config, unsigned number,
                                     struct aro_gate_names *names, struct aro_error *error);
/* 0, or -1 with *error (9003). */
int aro_worker_start(struct aro_worker *worker, struct aro_error *error);
/* Takes no more connections, finishes what is under way within ARO_GATE_STOP_US, then ends. */
void aro_worker_stop(struct aro_worker *worker);
/* Whether it has ended. */
bool aro_worker_ended(const struct aro_worker *worker);
/* Waits for its end. Takes NULL. */
void aro_worker_destroy(struct aro_worker *worker);

/* Grows several times a second while its thread advances. */
uint64_t aro_worker_turns(const struct aro_worker *worker);
/* Adds its counters to *sum. */
void aro_worker_counters(const struct aro_worker *worker, struct aro_gate_counters *sum);
/* Has it open the access log anew. */
void aro_worker_log_reopen(struct aro_worker *worker);

/* Whether an address can be listened on by nobody but us: 0, or -1 with *error (9001, 9002). */
int aro_listen_check(const struct aro_gate_address *address, const char *text,
                     struct aro_error *error);

#endif

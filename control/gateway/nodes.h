/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's way to the nodes: its own engine, and one UDP socket per node. The worker waits for
 * the sockets among its other descriptors and calls these in every round:
 *
 *     receive (those that became readable) -> timeout -> ... downloads are served ... -> send
 *
 * One thread.
 */
#ifndef ARO_CONTROL_GATEWAY_NODES_H
#define ARO_CONTROL_GATEWAY_NODES_H

#include "control/gateway/counters.h"
#include "control/gateway/gate_config.h"
#include "dataplane/client/engine.h"

struct aro_nodes;

/* buffer_bytes: for the content of all downloads together. NULL with *error (7001, 7012, 7013). */
struct aro_nodes *aro_nodes_create(const struct aro_gate_config *config, uint64_t buffer_bytes,
                                   struct aro_gate_counters *counters, struct aro_error *error);
void aro_nodes_destroy(struct aro_nodes *nodes); /* takes NULL; no download left */

struct aro_engine *aro_nodes_engine(const struct aro_nodes *nodes);
unsigned aro_nodes_count(const struct aro_nodes *nodes);
int aro_nodes_fd(const struct aro_nodes *nodes, unsigned node);

/* Takes a bounded portion of what arrived from one node. */
void aro_nodes_receive(struct aro_nodes *nodes, unsigned node);
/* Lets time pass. Call it when everything that became readable was received once. */
void aro_nodes_timeout(struct aro_nodes *nodes, uint64_t now_us);
void aro_nodes_send(struct aro_nodes *nodes, uint64_t now_us);
/* Brings the counters of nodes and content up to date. */
void aro_nodes_publish(struct aro_nodes *nodes);
/* How long nothing needs to be done unless something arrives; UINT64_MAX: for ever. */
uint64_t aro_nodes_sleep_us(const struct aro_nodes *nodes, uint64_t now_us);

/* Monotonic. */
uint64_t aro_gate_now_us(void);

#endif

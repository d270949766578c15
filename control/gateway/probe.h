/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether nodes answer. What workers hear of a node in passing is enough; one of which nobody heard
 * for a second is asked: a GET without a token, over a socket of its own, which a living node
 * answers with a token of 32 bytes. So a gateway without clients knows it, too, and one whose nodes
 * come back becomes ready again by itself.
 *
 * A node answers if something came from it within ARO_GATE_ANSWER_US: three questions may get lost.
 * Main thread only.
 */
#ifndef ARO_CONTROL_GATEWAY_PROBE_H
#define ARO_CONTROL_GATEWAY_PROBE_H

#include "control/gateway/gate_config.h"
#include "control/loop.h"

struct aro_gate_probe;

enum { ARO_GATE_ASK_US = 1000000, ARO_GATE_ANSWER_US = 4000000 };

/* Both borrowed. NULL with *error (70xx, 9003). */
struct aro_gate_probe *aro_gate_probe_create(struct aro_loop *loop,
                                             const struct aro_gate_config *config,
                                             struct aro_error *error);
/* The loop takes no turn after it. Takes NULL. */
void aro_gate_probe_destroy(struct aro_gate_probe *probe);

/* A worker heard of that node just now. */
void aro_gate_probe_heard(struct aro_gate_probe *probe, unsigned node, uint64_t now_us);
/* Asks those that are due. Call it a few times a second. */
void aro_gate_probe_turn(struct aro_gate_probe *probe, uint64_t now_us);
bool aro_gate_probe_answers(const struct aro_gate_probe *probe, unsigned node, uint64_t now_us);

#endif

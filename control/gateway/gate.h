/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway as a whole: names, workers, and the main thread's loop, which waits for signals.
 * Main thread only.
 */
#ifndef ARO_CONTROL_GATEWAY_GATE_H
#define ARO_CONTROL_GATEWAY_GATE_H

#include "control/gateway/gate_config.h"
#include "control/log.h"

struct aro_gate;

/* Serves from here on. config and log: borrowed. NULL with *error (9001..9004, 70xx). */
struct aro_gate *aro_gate_create(const struct aro_gate_config *config, const struct aro_log *log,
                                 struct aro_error *error);
/* Until SIGTERM or SIGINT, and until what was under way is over, within a bound. */
void aro_gate_run(struct aro_gate *gate);
void aro_gate_destroy(struct aro_gate *gate); /* takes NULL */

#endif

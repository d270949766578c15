/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start-up as a table of phases, each with its undoing: executed in order, undone in reverse.
 */
#ifndef ARO_CONTROL_PHASES_H
#define ARO_CONTROL_PHASES_H

#include "control/node.h"

/*
 * Brings the node up; logs how long each phase took. 0, or -1 with *error: what had started is
 * undone. node: config, config_path and log are set, the rest is zero.
 */
int aro_node_start(struct aro_node *node, struct aro_error *error);
/* Serves until node->stop, then ends the jobs under way. */
void aro_node_run(struct aro_node *node);
void aro_node_stop(struct aro_node *node);

#endif

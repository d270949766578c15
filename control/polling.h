/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Will the lcores poll a disk (store { poll })? Decided once, between the store's start and
 * theirs. Interrupts are as right as polling: who asked for it in vain is told and served.
 */
#ifndef ARO_CONTROL_POLLING_H
#define ARO_CONTROL_POLLING_H

struct aro_node;

/* Sets what the data plane is told, and node->poll_refused; logs a refusal where poll is on. */
void aro_node_polling_decide(struct aro_node *node);

#endif

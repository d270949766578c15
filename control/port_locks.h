/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeps other daemons from the kernel's interfaces that this node's ports take, from before the
 * devices come up until they are gone (control/api/interface_lock.h). Ports of one node may share
 * an interface. Control thread.
 */
#ifndef ARO_CONTROL_PORT_LOCKS_H
#define ARO_CONTROL_PORT_LOCKS_H

#include "cache/base/error.h"
#include "control/config.h"
#include "control/loop.h"

struct aro_port_locks {
    struct aro_loop *loop;
    struct aro_watch watch[ARO_PORTS_MAX];
    unsigned count;
};

/* 0, or -1 with the error; zeroed before. Ends with aro_port_locks_drop in either case. */
int aro_port_locks_take(struct aro_port_locks *locks, const struct aro_config *config,
                        struct aro_loop *loop, struct aro_error *error);
void aro_port_locks_drop(struct aro_port_locks *locks);

#endif

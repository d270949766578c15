/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an idle lcore can wait on: a descriptor that is readable while packets wait in a receive
 * queue. Few drivers offer one; which and how stands in the profile (idle_wait).
 */
#ifndef ARO_DATAPLANE_WAIT_H
#define ARO_DATAPLANE_WAIT_H

#include "dataplane/port.h"

/*
 * The descriptor of a queue of a started port, or -1: its lcore sleeps instead. The driver's, and
 * valid until the port stops. Control thread.
 */
int aro_wait_fd(const struct aro_port *port, uint16_t queue);

#endif

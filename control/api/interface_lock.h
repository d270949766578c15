/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One daemon per interface of the kernel: two on one wire would both answer, each for itself. The
 * lock is a listening Unix socket whose abstract name holds the interface's. Such names live in the
 * network namespace, as interfaces do, and end with the process however it ends; whoever connects
 * learns the holder's pid from the kernel. The holder accepts and closes, or its backlog fills.
 *
 * Any user of the machine can take such a name: that keeps a daemon from starting, and is told with
 * the pid. Any thread; nothing blocks.
 */
#ifndef ARO_CONTROL_API_INTERFACE_LOCK_H
#define ARO_CONTROL_API_INTERFACE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* The socket (close-on-exec, non-blocking) that is the lock, or -errno; -EADDRINUSE: held. */
int aro_interface_lock(const char *name);
/* Lets go those who asked who holds it. */
void aro_interface_lock_answer(int fd);

/* Is it held? *pid: by whom; 0 when that cannot be seen from here. */
bool aro_interface_held(const char *name, pid_t *pid);

#endif

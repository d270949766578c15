/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the service manager how we are: sd_notify(3)'s protocol, one datagram of KEY=VALUE lines to
 * the socket named by NOTIFY_SOCKET.
 *
 * Our own forty lines instead of libsystemd: the daemon needs nothing else of that library, which
 * brings four compression and cipher libraries into its address space. Without NOTIFY_SOCKET every
 * call does nothing. One thread; libc only.
 */
#ifndef ARO_CONTROL_API_NOTIFY_H
#define ARO_CONTROL_API_NOTIFY_H

#include <stdint.h>

struct aro_notify {
    int fd; /* -1: nobody listens */
    /* The manager expects WATCHDOG=1 at least this often; 0: it does not. */
    uint64_t watchdog_us;
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. 0, or -errno: a socket is named but cannot
 * be used (*ret is closed then, and calls with it do nothing).
 */
int aro_notify_open(struct aro_notify *ret);
void aro_notify_close(struct aro_notify *notify);

/*
 * Sends newline-separated assignments: "READY=1", "STATUS=...". While the manager's queue is full
 * it waits at most wait_ms (0 inside the control loop), then the message is lost.
 */
void aro_notify_send(const struct aro_notify *notify, int wait_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

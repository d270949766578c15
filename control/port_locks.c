/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/port_locks.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/api/interface_lock.h"
#include "control/eal_args.h"

static void on_asked(struct aro_watch *watch, uint32_t events)
{
    (void)events;
    aro_interface_lock_answer(watch->fd);
}

static int fail_taken(const struct aro_port_config *port, const char *name, pid_t pid,
                      struct aro_error *error)
{
    char who[32] = "";

    if (pid != 0)
        snprintf(who, sizeof(who), " (pid %d)", (int)pid);
    return aro_error_set(error, ARO_E_INTERFACE_TAKEN,
                         "port %s: %s is served by another daemon%s; give this node an interface "
                         "of its own",
                         port->name, name, who);
}

static int take(struct aro_port_locks *locks, const struct aro_port_config *port, const char *name,
                struct aro_error *error)
{
    struct aro_watch *watch = &locks->watch[locks->count];
    int fd = aro_interface_lock(name);
    pid_t pid;

    if (fd == -EADDRINUSE) {
        aro_interface_held(name, &pid);
        return pid == getpid() ? 0 : fail_taken(port, name, pid, error);
    }
    if (fd < 0)
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "port %s: the lock of %s: %s",
                             port->name, name, strerror(-fd));
    *watch = (struct aro_watch){.fd = fd, .ready = on_asked};
    fd = aro_loop_add(locks->loop, watch, EPOLLIN);
    if (fd != 0) {
        close(watch->fd);
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "event loop: %s", strerror(-fd));
    }
    locks->count++;
    return 0;
}

int aro_port_locks_take(struct aro_port_locks *locks, const struct aro_config *config,
                        struct aro_loop *loop, struct aro_error *error)
{
    char name[IFNAMSIZ];

    locks->loop = loop;
    for (unsigned i = 0; i < config->ports; i++)
        if (aro_device_iface(config->port[i].device, name) &&
            take(locks, &config->port[i], name, error) != 0)
            return -1;
    return 0;
}

void aro_port_locks_drop(struct aro_port_locks *locks)
{
    while (locks->count > 0) {
        struct aro_watch *watch = &locks->watch[--locks->count];
        aro_loop_remove(locks->loop, watch);
        close(watch->fd);
    }
}

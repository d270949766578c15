/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/interface_lock.h"

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16 };

/* A socket and the name of the lock; an alternative name of an interface is the same lock. */
static int named_socket(const char *name, struct sockaddr_un *address, socklen_t *bytes)
{
    char kernel_name[IF_NAMESIZE];
    unsigned index = if_nametoindex(name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), length;

    if (index != 0 && if_indextoname(index, kernel_name) != NULL)
        name = kernel_name;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    length = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
                      "arocache/interface/%.*s", IF_NAMESIZE - 1, name);
    *bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return fd >= 0 ? fd : -errno;
}

int aro_interface_lock(const char *name)
{
    struct sockaddr_un address;
    socklen_t bytes;
    int fd = named_socket(name, &address, &bytes), error;

    if (fd < 0)
        return fd;
    if (bind(fd, (const struct sockaddr *)&address, bytes) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

void aro_interface_lock_answer(int fd)
{
    for (unsigned i = 0; i < BACKLOG; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0)
            return;
        close(peer);
    }
}

bool aro_interface_held(const char *name, pid_t *pid)
{
    struct ucred holder = {0};
    socklen_t holder_bytes = sizeof(holder), bytes;
    struct sockaddr_un address;
    int fd = named_socket(name, &address, &bytes);
    bool held;

    *pid = 0;
    if (fd < 0)
        return false;
    /* EAGAIN: its backlog is full, so somebody is there */
    held = connect(fd, (const struct sockaddr *)&address, bytes) == 0 || errno == EAGAIN;
    if (held && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &holder_bytes) == 0)
        *pid = holder.pid;
    close(fd);
    return held;
}

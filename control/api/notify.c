/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api/units.h"

enum { MESSAGE_BYTES = 512 };

/* '@' in front: the abstract namespace. */
static int address_of(const char *path, struct sockaddr_un *ret, socklen_t *ret_length)
{
    size_t length = strlen(path);

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(ret->sun_path))
        return -EINVAL;
    memcpy(ret->sun_path, path, length);
    if (path[0] == '@')
        ret->sun_path[0] = '\0';
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

static uint64_t watchdog_us(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t us, process;

    if (interval == NULL || aro_count_parse(interval, &us) != 0)
        return 0;
    if (pid != NULL && (aro_count_parse(pid, &process) != 0 || process != (uint64_t)getpid()))
        return 0; /* meant for another process */
    return us;
}

int aro_notify_open(struct aro_notify *ret)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t length;
    int error;

    *ret = (struct aro_notify){.fd = -1};
    if (path == NULL || *path == '\0')
        return 0;
    error = address_of(path, &address, &length);
    if (error != 0)
        return error;
    ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ret->fd < 0 || connect(ret->fd, (const struct sockaddr *)&address, length) != 0) {
        error = -errno;
        aro_notify_close(ret);
        return error;
    }
    ret->watchdog_us = watchdog_us();
    return 0;
}

void aro_notify_close(struct aro_notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void aro_notify_send(const struct aro_notify *notify, int wait_ms, const char *format, ...)
{
    struct pollfd room = {.fd = notify->fd, .events = POLLOUT};
    char text[MESSAGE_BYTES];
    va_list args;
    int length;

    if (notify->fd < 0)
        return;
    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > (int)sizeof(text) - 1)
        length = (int)sizeof(text) - 1;
    if (send(notify->fd, text, (size_t)length, MSG_NOSIGNAL) < 0 && errno == EAGAIN &&
        wait_ms > 0 && poll(&room, 1, wait_ms) > 0)
        (void)!send(notify->fd, text, (size_t)length, MSG_NOSIGNAL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/api/notify.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A service manager's end at path ('@' in front: abstract); NOTIFY_SOCKET names it. */
static int manager(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    cr_assert_eq(bind(fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                 0);
    setenv("NOTIFY_SOCKET", path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return fd;
}

static const char *heard(int fd, char text[600])
{
    ssize_t got = recv(fd, text, 599, 0);

    text[got > 0 ? got : 0] = '\0';
    return text;
}

Test(notify, lines_arrive_as_one_datagram)
{
    char path[64], text[600];
    struct aro_notify notify;
    int fd;

    snprintf(path, sizeof(path), "/tmp/test-notify-%d", (int)getpid());
    fd = manager(path);
    cr_assert_eq(aro_notify_open(&notify), 0);
    aro_notify_send(&notify, 0, "READY=1\nSTATUS=%s", "serving");
    cr_assert_str_eq(heard(fd, text), "READY=1\nSTATUS=serving");
    cr_assert_eq(notify.watchdog_us, 0);
    aro_notify_close(&notify);
    aro_notify_send(&notify, 0, "STOPPING=1");
    cr_assert_str_eq(heard(fd, text), "", "closed");
    unlink(path);
}

Test(notify, an_abstract_socket_is_reached)
{
    char path[64], text[600];
    struct aro_notify notify;
    int fd;

    snprintf(path, sizeof(path), "@test-notify-%d", (int)getpid());
    fd = manager(path);
    cr_assert_eq(aro_notify_open(&notify), 0);
    aro_notify_send(&notify, 0, "WATCHDOG=1");
    cr_assert_str_eq(heard(fd, text), "WATCHDOG=1");
}

Test(notify, without_a_manager_nothing_happens)
{
    struct aro_notify notify;

    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "1000000", 1);
    cr_assert_eq(aro_notify_open(&notify), 0);
    cr_assert_eq(notify.fd, -1);
    cr_assert_eq(notify.watchdog_us, 0);
    aro_notify_send(&notify, 0, "READY=1");
    aro_notify_close(&notify);
}

Test(notify, a_socket_that_is_none_is_an_error_and_harms_nobody)
{
    static const char *const bad[] = {"relative", "/", "@", "/tmp/nobody-listens-here"};
    struct aro_notify notify;
    char longer[200];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        cr_assert_lt(aro_notify_open(&notify), 0, "%s", bad[i]);
        aro_notify_send(&notify, 0, "READY=1");
    }
    setenv("NOTIFY_SOCKET", longer, 1);
    cr_assert_eq(aro_notify_open(&notify), -EINVAL);
}

Test(notify, the_watchdog_is_ours_only_with_our_pid)
{
    char path[64], pid[16];
    struct aro_notify notify;

    snprintf(path, sizeof(path), "@test-watchdog-%d", (int)getpid());
    manager(path);
    setenv("WATCHDOG_USEC", "10000000", 1);
    cr_assert_eq(aro_notify_open(&notify), 0);
    cr_assert_eq(notify.watchdog_us, 10000000);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    cr_assert_eq(aro_notify_open(&notify), 0);
    cr_assert_eq(notify.watchdog_us, 10000000);
    setenv("WATCHDOG_PID", "1", 1);
    cr_assert_eq(aro_notify_open(&notify), 0);
    cr_assert_eq(notify.watchdog_us, 0);
}

Test(notify, a_full_queue_loses_a_message_at_once_and_an_important_one_waits_for_room)
{
    char path[64], text[600];
    struct aro_notify notify;
    int fd, sent = 0;

    snprintf(path, sizeof(path), "@test-full-%d", (int)getpid());
    fd = manager(path);
    cr_assert_eq(aro_notify_open(&notify), 0);
    for (int i = 0; i < 2000; i++)
        aro_notify_send(&notify, 0, "STATUS=%d", i);
    if (fork() == 0) { /* makes room while the other waits */
        usleep(50000);
        heard(fd, text);
        _exit(0);
    }
    aro_notify_send(&notify, 10000, "READY=1");
    while (*heard(fd, text) != '\0' && strcmp(text, "READY=1") != 0)
        sent++;
    cr_assert_str_eq(text, "READY=1");
    cr_assert_lt(sent, 2000, "a full queue was waited for");
}

Test(notify, a_long_status_is_cut)
{
    char path[64], text[600], longer[1000];
    struct aro_notify notify;
    int fd;

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    snprintf(path, sizeof(path), "@test-long-%d", (int)getpid());
    fd = manager(path);
    cr_assert_eq(aro_notify_open(&notify), 0);
    aro_notify_send(&notify, 0, "STATUS=%s", longer);
    cr_assert_eq(strlen(heard(fd, text)), 511);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "perf/fail.h"

enum {
    FOLDERS_MAX = 8,
    DIRECTORIES_OPEN_MAX = 16,
    TRIES_MAX = 30, /* what others made there may still be ending */
    TRY_NS = 100000000,
};

/* What the process beside is told: a path in which place; empty: none. */
struct message {
    unsigned place;
    char path[BENCH_FOLDER_BYTES];
};

static char folders[FOLDERS_MAX][BENCH_FOLDER_BYTES]; /* an empty path: free */
static int watcher = -1;                              /* our end of the way to it */

static int one_remove(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    remove(path);
    return 0;
}

/* False: something is still there. */
static bool empty(const char *path)
{
    nftw(path, one_remove, DIRECTORIES_OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return access(path, F_OK) != 0;
}

static void remove_all(void)
{
    for (unsigned i = 0; i < FOLDERS_MAX; i++)
        if (folders[i][0] != '\0')
            empty(folders[i]);
}

/* ---- the process beside ---- */

_Noreturn static void watch(int end)
{
    const struct timespec pause = {.tv_nsec = TRY_NS};
    struct message message;
    int null = open("/dev/null", O_RDWR);

    setsid();
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    dup2(end, 3);
    close_range(4, UINT_MAX, 0);
    while (read(3, &message, sizeof(message)) == sizeof(message))
        memcpy(folders[message.place], message.path, sizeof(message.path));
    for (unsigned i = 0; i < FOLDERS_MAX; i++)
        for (unsigned tries = 0; folders[i][0] != '\0' && !empty(folders[i]) && tries < TRIES_MAX;
             tries++)
            nanosleep(&pause, NULL);
    _exit(0);
}

void bench_folder_watch(void)
{
    int ends[2];
    pid_t child;

    if (watcher >= 0)
        return;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 || (child = fork()) < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no process to clean up: %s", strerror(errno));
    if (child == 0)
        watch(ends[0]);
    close(ends[0]);
    watcher = ends[1];
    if (atexit(remove_all) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
}

static void tell(unsigned place)
{
    struct message message = {.place = place};

    memcpy(message.path, folders[place], sizeof(message.path));
    if (send(watcher, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
        bench_fail(ARO_E_BENCH_RESOURCES, "nobody to clean up: %s", strerror(errno));
}

/* ---- */

void bench_folder_make(const char *parent, char ret_path[BENCH_FOLDER_BYTES])
{
    unsigned at = 0;

    bench_folder_watch();
    while (at < FOLDERS_MAX && folders[at][0] != '\0')
        at++;
    if (at == FOLDERS_MAX || strlen(parent) > BENCH_FOLDER_BYTES - 32)
        bench_fail(ARO_E_BENCH_RESOURCES, "no directory in %.300s: the name is too long", parent);
    snprintf(ret_path, BENCH_FOLDER_BYTES, "%s/arobench-XXXXXX", parent);
    if (mkdtemp(ret_path) == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no directory in %.300s: %s", parent, strerror(errno));
    memcpy(folders[at], ret_path, BENCH_FOLDER_BYTES);
    tell(at);
}

void bench_folder_remove(const char *path)
{
    empty(path);
    for (unsigned i = 0; i < FOLDERS_MAX; i++)
        if (strcmp(folders[i], path) == 0) {
            folders[i][0] = '\0';
            tell(i);
        }
}

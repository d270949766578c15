/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/child.h"
#include "perf/fail.h"
#include "perf/folder.h"

enum { MTU_PLAIN = 1500 };

/* ---- the namespaces ---- */

static bool file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return good;
}

/* An ordinary user is root in a namespace of its own. */
static bool user_enter(void)
{
    char user[32], group[32];

    snprintf(user, sizeof(user), "0 %u 1", geteuid());
    snprintf(group, sizeof(group), "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER) == 0 && file_write("/proc/self/setgroups", "deny") &&
           file_write("/proc/self/uid_map", user) && file_write("/proc/self/gid_map", group);
}

static bool enter(void)
{
    return (geteuid() == 0 || user_enter()) && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* ---- the child ---- */

static int end_of(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

const char *bench_apart_lacks(void)
{
    pid_t child;

    if (!bench_child_exists("ip"))
        return "ip is not installed (Debian: apt install iproute2)";
    child = fork();
    if (child == 0)
        _exit(enter() ? 0 : EXIT_FAILURE);
    return child > 0 && end_of(child) == 0
               ? NULL
               : "no network namespace can be made (root can, or a user where user namespaces are "
                 "allowed)";
}

void bench_apart(void (*body)(const struct compare *compare, const char *name),
                 const struct compare *compare, const char *name)
{
    pid_t parent = getpid(), child;
    int code;

    bench_folder_watch();
    fflush(NULL);
    child = fork();
    if (child < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no child process: %s", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || !enter())
            bench_fail(ARO_E_BENCH_RESOURCES, "no network namespace: %s", strerror(errno));
        bench_child_do("ip link set lo up");
        body(compare, name);
        exit(0);
    }
    code = end_of(child);
    if (code != 0)
        exit(code);
}

/* ---- wires ---- */

void bench_wire_make(unsigned n, unsigned mtu)
{
    bench_child_do("ip link add ar%u address 02:00:0a:09:%02x:01 mtu %u type veth peer name br%u "
                   "mtu %u",
                   n, n, mtu, n, mtu);
    bench_child_do("ip addr add 10.9.%u.2/24 dev br%u", n, n);
    bench_child_do("ip link set ar%u up", n);
    bench_child_do("ip link set br%u up", n);
    bench_child_do("ip neigh add 10.9.%u.1 lladdr 02:00:0a:09:%02x:01 dev br%u", n, n, n);
}

void bench_wire_host(unsigned n, char ret[BENCH_WIRE_HOST_BYTES])
{
    snprintf(ret, BENCH_WIRE_HOST_BYTES, "10.9.%u.1", n & 255);
}

void bench_wire_device(unsigned n, unsigned mtu, unsigned frames, char ret[BENCH_WIRE_DEVICE_BYTES])
{
    snprintf(ret, BENCH_WIRE_DEVICE_BYTES, "net_af_packet%u,iface=ar%u,%s,framecnt=%u", n, n,
             mtu > MTU_PLAIN ? "framesz=9216,blocksz=36864" : "framesz=2048,blocksz=4096", frames);
}

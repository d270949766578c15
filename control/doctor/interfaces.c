/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interfaces of this network namespace. /proc/net names them and the kernel tells
 * their state; /sys/class/net may be another namespace's (unshare --net without a mount). A PCI
 * device's interface may hang below a child of it (virtio), so its address is the last component of
 * that form in the device's path.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/doctor/checks.h"
#include "control/eal_args.h"

enum { PATH_BYTES = 512, LINE_BYTES = 512 };

static void pci_of(const struct aro_doctor *doctor, const char *name, char pci[16])
{
    char path[PATH_BYTES], real[PATH_MAX], *part, *state;

    pci[0] = '\0';
    snprintf(path, sizeof(path), "%s/sys/class/net/%s/device", doctor->root, name);
    if (realpath(path, real) == NULL)
        return;
    for (part = strtok_r(real, "/", &state); part != NULL; part = strtok_r(NULL, "/", &state))
        if (strlen(part) == 12 && aro_device_is_pci(part))
            strcpy(pci, part);
}

/* Destination and mask (or prefix length) of zero. */
static bool line_is_default(const char *line, bool ip6, char name[IFNAMSIZ])
{
    unsigned long destination, mask, flags;
    char text[33];

    if (!ip6)
        return sscanf(line, "%15s %lx %*x %lx %*d %*d %*d %lx", name, &destination, &flags,
                      &mask) == 4 &&
               destination == 0 && mask == 0;
    return sscanf(line, "%32s %lx %*s %*x %*s %*x %*x %*x %lx %15s", text, &mask, &flags, name) ==
               4 &&
           mask == 0 && strspn(text, "0") == 32 && (flags & 1) != 0 && strcmp(name, "lo") != 0;
}

static bool has_default_route(const struct aro_doctor *doctor, const char *name)
{
    static const char *const tables[] = {"/proc/net/route", "/proc/net/ipv6_route"};
    bool found = false;

    for (unsigned i = 0; i < 2; i++) {
        char path[PATH_BYTES], line[LINE_BYTES], out[IFNAMSIZ];
        FILE *in;
        snprintf(path, sizeof(path), "%s%s", doctor->root, tables[i]);
        in = fopen(path, "re");
        while (in != NULL && !found && fgets(line, sizeof(line), in) != NULL)
            found = line_is_default(line, i == 1, out) && strcmp(out, name) == 0;
        if (in != NULL)
            fclose(in);
    }
    return found;
}

bool aro_interface_foreign(const struct aro_doctor *doctor, const char *name, pid_t *pid)
{
    if (!aro_interface_held(name, pid))
        return false;
    return doctor->daemon_pid == 0 || (*pid != 0 && *pid != doctor->daemon_pid);
}

/* Administratively and the link; /sys where the kernel cannot be asked: below another root. */
static bool is_up(const struct aro_doctor *doctor, const char *name)
{
    char path[PATH_BYTES], state[32];
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = false;

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%.*s", IFNAMSIZ - 1, name);
    if (*doctor->root != '\0') {
        snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
        up = aro_file_line(doctor, path, state, sizeof(state)) && strcmp(state, "up") == 0;
    } else if (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
        up = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
    }
    if (fd >= 0)
        close(fd);
    return up;
}

static void interface_read(const struct aro_doctor *doctor, const char *name,
                           struct aro_interface *ret)
{
    pid_t pid;

    *ret = (struct aro_interface){.default_route = has_default_route(doctor, name),
                                  .foreign = aro_interface_foreign(doctor, name, &pid)};
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)sizeof(ret->name) - 1, name);
    ret->up = is_up(doctor, name);
    pci_of(doctor, name, ret->pci);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct aro_interface *)a)->name, ((const struct aro_interface *)b)->name);
}

unsigned aro_interfaces_read(const struct aro_doctor *doctor, struct aro_interface ret[],
                             unsigned max)
{
    char path[PATH_BYTES], line[LINE_BYTES], name[IFNAMSIZ];
    unsigned n = 0;
    FILE *in;

    snprintf(path, sizeof(path), "%s/proc/net/dev", doctor->root);
    in = fopen(path, "re");
    while (in != NULL && n < max && fgets(line, sizeof(line), in) != NULL)
        if (sscanf(line, " %15[^: |]:", name) == 1 && strchr(line, ':') != NULL &&
            strcmp(name, "lo") != 0)
            interface_read(doctor, name, &ret[n++]);
    if (in != NULL)
        fclose(in);
    qsort(ret, n, sizeof(ret[0]), by_name);
    return n;
}

const struct aro_interface *aro_interface_of(const struct aro_port_config *port,
                                             const struct aro_interface list[], unsigned n)
{
    size_t length = strcspn(port->device, ",");
    char name[IFNAMSIZ];
    bool named = aro_device_iface(port->device, name);
    bool pci = aro_device_is_pci(port->device);

    for (unsigned i = 0; i < n; i++) {
        const char *address = list[i].pci;
        if (named && strcmp(list[i].name, name) == 0)
            return &list[i];
        if (!pci || *address == '\0')
            continue;
        if (length == 7) /* without the domain */
            address += 5;
        if (strncasecmp(address, port->device, length) == 0)
            return &list[i];
    }
    return NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's interfaces as /sys and /proc show them. A PCI device's interface may hang below a
 * child of it (virtio), so its address is the last component of that form in the device's path.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void interface_read(const struct aro_doctor *doctor, const char *name,
                           struct aro_interface *ret)
{
    char path[PATH_BYTES], state[32], flags[32];
    pid_t pid;

    *ret = (struct aro_interface){.default_route = has_default_route(doctor, name),
                                  .foreign = aro_interface_foreign(doctor, name, &pid)};
    snprintf(ret->name, sizeof(ret->name), "%.*s", (int)sizeof(ret->name) - 1, name);
    snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
    aro_file_line(doctor, path, state, sizeof(state));
    snprintf(path, sizeof(path), "/sys/class/net/%s/flags", name);
    aro_file_line(doctor, path, flags, sizeof(flags));
    /* some virtual devices never say "up", only "unknown" */
    ret->up = strcmp(state, "up") == 0 ||
              (strcmp(state, "unknown") == 0 && (strtoul(flags, NULL, 16) & IFF_UP) != 0);
    pci_of(doctor, name, ret->pci);
}

static int is_interface(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "lo") != 0 &&
           strcmp(entry->d_name, "bonding_masters") != 0 && strlen(entry->d_name) < IFNAMSIZ;
}

unsigned aro_interfaces_read(const struct aro_doctor *doctor, struct aro_interface ret[],
                             unsigned max)
{
    char path[PATH_BYTES];
    struct dirent **entries;
    unsigned n = 0;
    int found;

    snprintf(path, sizeof(path), "%s/sys/class/net", doctor->root);
    found = scandir(path, &entries, is_interface, alphasort);
    for (int i = 0; i < found; i++) {
        if (n < max)
            interface_read(doctor, entries[i]->d_name, &ret[n++]);
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
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

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device of each port: there, with a driver that DPDK can use, and not the way by which this
 * machine is reached. Virtual devices without a kernel interface need nothing of the host.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/doctor/checks.h"
#include "control/eal_args.h"

#define LOOPBACK "lo" /* of every network namespace; aro_interfaces_read leaves it out */

struct survey {
    struct aro_doctor *doctor;
    const struct aro_port_config *port;
    char check[48]; /* "device p0" */
    struct aro_interface list[ARO_INTERFACES_MAX];
    unsigned interfaces;
};

static bool is_driver(const struct survey *survey, const char *name)
{
    return strncmp(survey->port->device, name, strlen(name)) == 0;
}

/* An interface that no port and no daemon takes and nobody reaches this machine by. NULL: none. */
static const struct aro_interface *spare(const struct survey *survey, bool pci)
{
    const struct aro_config *config = &survey->doctor->config;

    for (unsigned i = 0; i < survey->interfaces; i++) {
        const struct aro_interface *one = &survey->list[i];
        bool taken = one->default_route || one->foreign || (pci && *one->pci == '\0');
        for (unsigned p = 0; p < config->ports; p++)
            taken |= aro_interface_of(&config->port[p], survey->list, survey->interfaces) == one;
        if (!taken)
            return one;
    }
    return NULL;
}

/* "aro0", or the first number that nobody has. */
static void fresh_name(const char *prefix, char name[IFNAMSIZ])
{
    unsigned number = 0;
    pid_t pid;

    do
        snprintf(name, IFNAMSIZ, "%.10s%u", prefix, number);
    while ((if_nametoindex(name) != 0 || aro_interface_held(name, &pid)) && ++number < 1000);
}

/* The command that names another interface in the device string. */
static void rename_interface(const struct survey *survey, struct aro_finding *finding,
                             const char *name)
{
    const char *device = survey->port->device;
    const char *at = strstr(device, ",iface=") + 7;
    char value[300];

    snprintf(value, sizeof(value), "%.*s%s%s", (int)(at - device), device, name,
             at + strcspn(at, ","));
    aro_finding_set(survey->doctor, finding, "port", survey->port->name, "device", value);
}

/* Another interface; without one, a veth: of the port's name, or a fresh one when that exists. */
static void mend_interface(const struct survey *survey, struct aro_finding *finding,
                           const char *name)
{
    const struct aro_interface *other = spare(survey, false);
    char fresh[IFNAMSIZ];

    if (other != NULL) {
        rename_interface(survey, finding, other->name);
    } else if (strcmp(name, LOOPBACK) != 0 &&
               aro_interface_of(survey->port, survey->list, survey->interfaces) == NULL) {
        aro_finding_mend(finding, "ip link add %s type veth peer name %.12s-b   # a virtual wire",
                         name, name);
    } else {
        fresh_name("aro", fresh);
        aro_finding_mend(finding,
                         "ip link add %s type veth peer name %s-b && ip link set %s up && "
                         "ip link set %s-b up",
                         fresh, fresh, fresh, fresh);
        rename_interface(survey, finding, fresh);
    }
}

/* Two daemons on one interface would both answer. */
static bool check_foreign(struct survey *survey, const char *name)
{
    struct aro_finding *finding;
    char fresh[IFNAMSIZ], who[32] = "";
    pid_t pid;

    if (!aro_interface_foreign(survey->doctor, name, &pid))
        return false;
    if (pid != 0)
        snprintf(who, sizeof(who), " (pid %d)", (int)pid);
    finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                             "%s is served by another daemon%s: both would answer", name, who);
    if (is_driver(survey, "net_tap")) {
        fresh_name("arotap", fresh);
        rename_interface(survey, finding, fresh);
    } else {
        mend_interface(survey, finding, name);
    }
    return true;
}

/* "eth0, va" for the evidence. */
static void names_of(const struct survey *survey, char *text, size_t bytes)
{
    size_t used = 0;

    snprintf(text, bytes, "none");
    for (unsigned i = 0; i < survey->interfaces && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", i > 0 ? ", " : "",
                                 survey->list[i].name);
}

/* ---- on an interface of the kernel: af_packet, af_xdp ---- */

static void check_interface(struct survey *survey, const char *name)
{
    const struct aro_interface *at =
        aro_interface_of(survey->port, survey->list, survey->interfaces);
    struct aro_finding *finding;
    char names[200];

    if (strcmp(name, LOOPBACK) == 0) {
        finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                                 "%s is the loopback: a port on it answers nobody", name);
        mend_interface(survey, finding, name);
    } else if (at == NULL) {
        names_of(survey, names, sizeof(names));
        finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                                 "no interface %s (/proc/net/dev has %s)", name, names);
        mend_interface(survey, finding, name);
    } else if (at->default_route) {
        finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                                 "%s carries the default route (/proc/net/route): the port would "
                                 "answer beside the kernel on the machine's own address",
                                 name);
        mend_interface(survey, finding, name);
    } else if (!at->up) {
        finding = aro_doctor_say(survey->doctor, ARO_WARN, survey->check,
                                 "%s is there, its link is down (ip link)", name);
        aro_finding_mend(finding, "ip link set %s up", name);
    } else {
        aro_doctor_say(survey->doctor, ARO_PASS, survey->check,
                       "%s is there and up, carries no default route", name);
    }
}

/* ---- tap ---- */

static void check_tap(struct survey *survey, const char *name)
{
    char path[64];
    struct aro_finding *finding;

    if (access("/dev/net/tun", F_OK) != 0) {
        finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check, "/dev/net/tun: %s",
                                 strerror(errno));
        aro_finding_mend(finding, "modprobe tun");
        return;
    }
    snprintf(path, sizeof(path), "/sys/class/net/%s", name);
    if (aro_interface_of(survey->port, survey->list, survey->interfaces) != NULL &&
        aro_file_exists(survey->doctor, path) && survey->doctor->daemon_pid == 0) {
        snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", name);
        if (!aro_file_exists(survey->doctor, path)) {
            finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                                     "an interface %s exists and is no tap (/sys/class/net/%s)",
                                     name, name);
            aro_finding_set(survey->doctor, finding, "port", survey->port->name, "device",
                            "net_tap0,iface=arotap0");
            return;
        }
    }
    aro_doctor_say(survey->doctor, ARO_PASS, survey->check,
                   "/dev/net/tun is there, interface %s %s", name,
                   survey->doctor->daemon_pid != 0 ? "is the daemon's" : "will be made");
}

/* ---- PCI ---- */

static void pci_absent(struct survey *survey, const char *address)
{
    const struct aro_interface *other = spare(survey, true);
    struct aro_finding *finding =
        aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                       "no PCI device %s (/sys/bus/pci/devices)", address);

    if (other != NULL)
        aro_finding_set(survey->doctor, finding, "port", survey->port->name, "device", other->pci);
    else
        aro_finding_mend(finding, "lspci -D -d ::0200   # Ethernet controllers: name one of them");
}

/* Drivers that leave the device to a program; mlx5 shares it. */
static bool driver_fits(const char *driver)
{
    static const char *const fit[] = {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core"};

    for (unsigned i = 0; i < sizeof(fit) / sizeof(fit[0]); i++)
        if (strcmp(driver, fit[i]) == 0)
            return true;
    return false;
}

static void pci_unbound(struct survey *survey, const char *address, const char *driver)
{
    struct aro_finding *finding =
        aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                       "%s is bound to %s%s (/sys/bus/pci/devices/%s/driver)", address,
                       *driver != '\0' ? "the kernel's " : "no driver", driver, address);

    aro_finding_mend(finding,
                     "modprobe vfio-pci && echo vfio-pci | tee "
                     "/sys/bus/pci/devices/%s/driver_override && { echo %s | tee "
                     "/sys/bus/pci/devices/%s/driver/unbind; echo %s | tee "
                     "/sys/bus/pci/drivers_probe; }",
                     address, address, address, address);
}

static void check_pci(struct survey *survey)
{
    const struct aro_interface *at =
        aro_interface_of(survey->port, survey->list, survey->interfaces);
    int length = (int)strcspn(survey->port->device, ",");
    char address[16], path[128], driver[64];
    struct aro_finding *finding;

    snprintf(address, sizeof(address), "%s%.*s", length == 7 ? "0000:" : "", length,
             survey->port->device);
    for (char *c = address; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
    if (!aro_file_exists(survey->doctor, path)) {
        pci_absent(survey, address);
        return;
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
    aro_link_name(survey->doctor, path, driver, sizeof(driver));
    if (at != NULL && at->default_route && strcmp(driver, "mlx5_core") != 0) {
        finding = aro_doctor_say(survey->doctor, ARO_FAIL, survey->check,
                                 "%s is %s, which carries the default route (/proc/net/route): you "
                                 "would lose this machine",
                                 address, at->name);
        aro_finding_mend(finding, "lspci -D -d ::0200   # Ethernet controllers: name another one");
        if (spare(survey, true) != NULL)
            aro_finding_set(survey->doctor, finding, "port", survey->port->name, "device",
                            spare(survey, true)->pci);
    } else if (!driver_fits(driver)) {
        pci_unbound(survey, address, driver);
    } else {
        aro_doctor_say(survey->doctor, ARO_PASS, survey->check, "%s is bound to %s", address,
                       driver);
    }
}

/* ---- all ports ---- */

static void check_port(struct survey *survey)
{
    char name[IFNAMSIZ];
    bool named = aro_device_iface(survey->port->device, name);

    if (named && check_foreign(survey, name))
        return;
    if (aro_device_is_pci(survey->port->device))
        check_pci(survey);
    else if (is_driver(survey, "net_tap"))
        check_tap(survey, named ? name : "dtap0");
    else if (named)
        check_interface(survey, name);
    else
        aro_doctor_say(survey->doctor, ARO_PASS, survey->check,
                       "%.100s needs nothing of the kernel", survey->port->device);
}

void aro_check_devices(struct aro_doctor *doctor)
{
    struct survey survey = {.doctor = doctor};

    survey.interfaces = aro_interfaces_read(doctor, survey.list, ARO_INTERFACES_MAX);
    for (unsigned i = 0; i < doctor->config.ports; i++) {
        survey.port = &doctor->config.port[i];
        snprintf(survey.check, sizeof(survey.check), "device %s", survey.port->name);
        check_port(&survey);
    }
}

/* ---- IOMMU ---- */

/* A port that needs one: a NIC left to vfio-pci, or not yet bound. */
static bool wants_iommu(const struct aro_doctor *doctor)
{
    for (unsigned i = 0; doctor->has_config && i < doctor->config.ports; i++) {
        const char *device = doctor->config.port[i].device;
        char path[128], driver[64];
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.12s/driver", device);
        if (!aro_device_is_pci(device))
            continue;
        aro_link_name(doctor, path, driver, sizeof(driver));
        if (strcmp(driver, "mlx5_core") != 0 && strstr(driver, "uio") == NULL)
            return true;
    }
    return false;
}

void aro_check_iommu(struct aro_doctor *doctor)
{
    bool there = aro_file_exists(doctor, "/sys/kernel/iommu_groups/0");
    struct aro_finding *finding;

    if (there || !wants_iommu(doctor)) {
        aro_doctor_say(doctor, ARO_PASS, "iommu",
                       there ? "on (/sys/kernel/iommu_groups)"
                             : "off, and no port needs it "
                               "(/sys/kernel/iommu_groups is empty)");
        return;
    }
    finding =
        aro_doctor_say(doctor, ARO_FAIL, "iommu",
                       "/sys/kernel/iommu_groups is empty: vfio-pci takes no device; turn the "
                       "IOMMU on in the firmware, or in a virtual machine give it a vIOMMU");
    aro_finding_mend(finding, "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on amd_iommu=on "
                              "iommu=pt /' /etc/default/grub && update-grub && reboot");
}

/* ---- the kernel's own interface ---- */

void aro_check_control(struct aro_doctor *doctor)
{
    struct aro_interface list[ARO_INTERFACES_MAX];
    unsigned n = aro_interfaces_read(doctor, list, ARO_INTERFACES_MAX);
    struct aro_finding *finding;

    for (unsigned i = 0; i < n; i++) {
        bool taken = !list[i].up || list[i].foreign;
        for (unsigned p = 0; doctor->has_config && p < doctor->config.ports; p++)
            taken |= aro_interface_of(&doctor->config.port[p], list, n) == &list[i];
        if (!taken) {
            aro_doctor_say(doctor, ARO_PASS, "control interface",
                           "%s is up and stays the kernel's (/proc/net/dev, ip link)%s",
                           list[i].name, list[i].default_route ? ", with the default route" : "");
            return;
        }
    }
    finding = aro_doctor_say(doctor, ARO_WARN, "control interface",
                             "no interface is up beside the ports' own (/proc/net/dev): origins, "
                             "signaling and you reach this node over the kernel's stack");
    aro_finding_mend(finding, "ip -br link   # then: ip link set NAME up");
}

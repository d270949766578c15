/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that the machine of a test seldom has, in a /sys and /proc of its own: NICs on PCI with
 * every driver, an IOMMU or none. What can be had for real is tested for real (tests/e2e).
 */
#include "control/doctor/checks.h"

#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    char root[64];
    struct aro_doctor *doctor;
};

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* A NIC and its interface, when driver is the kernel's. */
static void add_nic(struct bench *bench, const char *address, const char *driver, const char *name)
{
    shell("cd %s && mkdir -p sys/bus/pci/drivers/%s sys/devices/pci0/%s && "
          "ln -s ../../../devices/pci0/%s sys/bus/pci/devices/%s && "
          "ln -s ../../../bus/pci/drivers/%s sys/devices/pci0/%s/driver",
          bench->root, driver, address, address, address, driver, address);
    if (*name != '\0')
        shell("cd %s && mkdir -p sys/devices/pci0/%s/net/%s && "
              "ln -s ../../devices/pci0/%s/net/%s sys/class/net/%s && "
              "ln -s ../.. sys/devices/pci0/%s/net/%s/device && "
              "echo up > sys/class/net/%s/operstate && printf '%%6s: 0 0\\n' %s >> proc/net/dev",
              bench->root, address, name, address, name, name, address, name, name, name);
}

static struct bench *bench_create(const char *device)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct aro_config *config;

    strcpy(bench->root, "/tmp/test-doctor-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->root));
    shell("cd %s && mkdir -p sys/class/net sys/bus/pci/devices sys/kernel/iommu_groups proc/net",
          bench->root);
    bench->doctor = calloc(1, sizeof(*bench->doctor));
    bench->doctor->root = bench->root;
    bench->doctor->config_path = "/nonexistent.conf";
    bench->doctor->has_config = true;
    config = &bench->doctor->config;
    config->ports = 1;
    strcpy(config->port[0].name, "p0");
    strcpy(config->port[0].device, device);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    shell("rm -rf %s", bench->root);
    free(bench->doctor);
    free(bench);
}

static const struct aro_finding *devices(struct bench *bench)
{
    bench->doctor->findings = 0;
    aro_check_devices(bench->doctor);
    cr_assert_eq(bench->doctor->findings, 1u);
    cr_assert_str_eq(bench->doctor->finding[0].check, "device p0");
    return &bench->doctor->finding[0];
}

static void default_route(struct bench *bench, const char *name)
{
    shell("printf 'Iface\\tDestination\\tGateway\\tFlags\\tRefCnt\\tUse\\tMetric\\tMask\\n"
          "%s\\t00000000\\t0102A8C0\\t0003\\t0\\t0\\t0\\t00000000\\t0\\t0\\t0\\n' > "
          "%s/proc/net/route",
          name, bench->root);
}

Test(doctor_device, a_nic_is_fit_with_a_driver_of_user_space_or_mlx5)
{
    static const struct {
        const char *driver;
        enum aro_verdict verdict;
    } rows[] = {{"vfio-pci", ARO_PASS},
                {"uio_pci_generic", ARO_PASS},
                {"igb_uio", ARO_PASS},
                {"mlx5_core", ARO_PASS},
                {"ixgbe", ARO_FAIL}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench *bench = bench_create("0000:3b:00.1,arg=1");
        const struct aro_finding *finding;
        add_nic(bench, "0000:3b:00.1", rows[i].driver, "");
        finding = devices(bench);
        cr_assert_eq(finding->verdict, rows[i].verdict, "%s: %s", rows[i].driver,
                     finding->evidence);
        cr_assert_not_null(strstr(finding->evidence, rows[i].driver));
        if (rows[i].verdict == ARO_FAIL)
            cr_assert_not_null(strstr(finding->mend, "vfio-pci | tee "
                                                     "/sys/bus/pci/devices/0000:3b:00.1/"
                                                     "driver_override"));
        bench_destroy(bench);
    }
}

Test(doctor_device, the_nic_of_the_default_route_is_refused_and_never_bound)
{
    struct bench *bench = bench_create("3B:00.0");
    const struct aro_finding *finding;

    add_nic(bench, "0000:3b:00.0", "ixgbe", "eth7");
    default_route(bench, "eth7");
    finding = devices(bench);
    cr_assert_eq(finding->verdict, ARO_FAIL);
    cr_assert_not_null(strstr(finding->evidence, "eth7, which carries the default route"), "%s",
                       finding->evidence);
    cr_assert_null(strstr(finding->mend, "unbind"));
    bench_destroy(bench);
}

Test(doctor_device, the_default_route_of_ipv6_counts_too)
{
    struct bench *bench = bench_create("net_af_packet0,iface=eth7");

    add_nic(bench, "0000:3b:00.0", "ixgbe", "eth7");
    cr_assert_eq(devices(bench)->verdict, ARO_PASS);
    shell(
        "printf '%%032d 00 %%032d 00 fe80000000000000000000000000000001 00000400 00000001 00000000 "
        "00000003     eth7\\n' 0 0 > %s/proc/net/ipv6_route",
        bench->root);
    cr_assert_eq(devices(bench)->verdict, ARO_FAIL, "%s", bench->doctor->finding[0].evidence);
    bench_destroy(bench);
}

Test(doctor_device, an_absent_nic_is_said_to_be_absent)
{
    struct bench *bench = bench_create("0000:3b:00.0");

    add_nic(bench, "0000:3b:00.1", "vfio-pci", "");
    cr_assert_eq(devices(bench)->verdict, ARO_FAIL);
    cr_assert_str_eq(bench->doctor->finding[0].evidence,
                     "no PCI device 0000:3b:00.0 (/sys/bus/pci/devices)");
    bench_destroy(bench);
}

Test(doctor_device, an_interface_whose_link_is_down_is_a_warning)
{
    struct bench *bench = bench_create("net_af_xdp0,iface=eth7,start_queue=0");

    add_nic(bench, "0000:3b:00.0", "ixgbe", "eth7");
    shell("echo down > %s/sys/class/net/eth7/operstate", bench->root);
    cr_assert_eq(devices(bench)->verdict, ARO_WARN);
    cr_assert_str_eq(bench->doctor->finding[0].mend, "ip link set eth7 up");
    bench_destroy(bench);
}

Test(doctor_device, an_iommu_is_wanted_by_vfio_only)
{
    static const struct {
        const char *device, *driver;
        bool there;
        enum aro_verdict verdict;
    } rows[] = {
        {"0000:3b:00.0", "vfio-pci", false, ARO_FAIL},
        {"0000:3b:00.0", "vfio-pci", true, ARO_PASS},
        {"0000:3b:00.0", "mlx5_core", false, ARO_PASS},
        {"net_tap0", "vfio-pci", false, ARO_PASS},
        {"0000:3b:00.0", "igb_uio", false, ARO_PASS},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench *bench = bench_create(rows[i].device);
        add_nic(bench, "0000:3b:00.0", rows[i].driver, "");
        if (rows[i].there)
            shell("mkdir %s/sys/kernel/iommu_groups/0", bench->root);
        aro_check_iommu(bench->doctor);
        cr_assert_eq(bench->doctor->finding[0].verdict, rows[i].verdict, "row %zu", i);
        bench_destroy(bench);
    }
}

Test(doctor_device, the_kernel_keeps_an_interface_of_its_own)
{
    struct bench *bench = bench_create("net_af_packet0,iface=eth7");

    add_nic(bench, "0000:3b:00.0", "ixgbe", "eth7");
    aro_check_control(bench->doctor);
    cr_assert_eq(bench->doctor->finding[0].verdict, ARO_WARN, "the only one is the port's");
    add_nic(bench, "0000:3b:00.1", "ixgbe", "eth8");
    aro_check_control(bench->doctor);
    cr_assert_eq(bench->doctor->finding[1].verdict, ARO_PASS);
    cr_assert_not_null(strstr(bench->doctor->finding[1].evidence, "eth8"));
    bench_destroy(bench);
}

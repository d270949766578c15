/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/eal_args.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

static void configure(struct aro_config *config, const char *device, unsigned lcore)
{
    memset(config, 0, sizeof(*config));
    strcpy(config->runtime_dir, "/tmp/x");
    config->log_level = ARO_LOG_INFO;
    config->lcores = (struct aro_lcore_list){.id = {lcore}, .count = 1};
    config->ports = 1;
    strcpy(config->port[0].device, device);
    config->port[0].mtu = 1500;
    config->port[0].lcores = 1;
}

static bool has(const struct aro_eal_args *args, const char *argument)
{
    for (int i = 0; i < args->argc; i++)
        if (strcmp(args->argv[i], argument) == 0)
            return true;
    return false;
}

static void cpus(struct aro_eal_machine *machine, int n)
{
    memset(machine, 0, sizeof(*machine));
    for (int i = 0; i < n; i++)
        CPU_SET(i, &machine->cpus);
}

Test(eal_args, control_and_packet_path_take_different_cpus)
{
    static const struct {
        int cpus;
        unsigned lcore;
        const char *lcores;
    } rows[] = {
        {2, 1, "--lcores=127@(0),1@1"},
        {4, 1, "--lcores=127@(0,2,3),1@1"},
        {1, 0, "--lcores=127@(0),0@0"},
        {2, 5, "--lcores=127@(0,1),5@(0,1)"}, /* no such CPU: anywhere */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_eal_machine machine;
        struct aro_eal_args args;
        struct aro_config config;
        configure(&config, "net_null0", rows[i].lcore);
        cpus(&machine, rows[i].cpus);
        cr_assert_eq(aro_eal_args_make(&config, &machine, &args), 0);
        cr_assert(has(&args, rows[i].lcores), "%s", rows[i].lcores);
        cr_assert(has(&args, "--main-lcore=127"));
        cr_assert_null(args.argv[args.argc]);
        aro_eal_args_free(&args);
    }
}

Test(eal_args, hugepages_are_used_when_enough_are_free)
{
    static const struct {
        uint64_t setting, free_bytes;
        bool huge;
    } rows[] = {
        {ARO_HUGEPAGES_AUTO, 0, false},      {ARO_HUGEPAGES_AUTO, 1 << 20, false},
        {ARO_HUGEPAGES_AUTO, 1 << 30, true}, {ARO_HUGEPAGES_OFF, 1 << 30, false},
        {ARO_HUGEPAGES_ON, 0, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_eal_machine machine;
        struct aro_eal_args args;
        struct aro_config config;
        configure(&config, "net_null0", 1);
        config.eal_hugepages = rows[i].setting;
        cpus(&machine, 2);
        machine.hugepages_free_bytes = rows[i].free_bytes;
        cr_assert_eq(aro_eal_args_make(&config, &machine, &args), 0);
        cr_assert_eq(args.huge, rows[i].huge);
        cr_assert_eq(has(&args, "--no-huge"), !rows[i].huge);
        cr_assert_eq(has(&args, "--in-memory"), rows[i].huge, "refused together with --no-huge");
        aro_eal_args_free(&args);
    }
}

Test(eal_args, only_a_pci_address_lets_eal_look_at_the_bus)
{
    static const struct {
        const char *device, *argument;
        bool pci;
    } rows[] = {
        {"net_tap0,iface=aro0", "--vdev=net_tap0,iface=aro0", false},
        {"0000:3b:00.0", "-a0000:3b:00.0", true},
        {"3b:00.1,representor=1", "-a3b:00.1,representor=1", true},
        {"net_null0", "--vdev=net_null0", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_eal_machine machine;
        struct aro_eal_args args;
        struct aro_config config;
        configure(&config, rows[i].device, 1);
        cpus(&machine, 2);
        cr_assert_eq(aro_device_is_pci(rows[i].device), rows[i].pci, "%s", rows[i].device);
        cr_assert_eq(aro_eal_args_make(&config, &machine, &args), 0);
        cr_assert(has(&args, rows[i].argument), "%s", rows[i].argument);
        cr_assert_eq(has(&args, "--no-pci"), !rows[i].pci);
        aro_eal_args_free(&args);
    }
}

Test(eal_args, two_runtime_directories_get_two_prefixes)
{
    char prefix[2][64] = {"", ""};

    for (int run = 0; run < 2; run++) {
        struct aro_eal_machine machine;
        struct aro_eal_args args;
        struct aro_config config;
        configure(&config, "net_null0", 1);
        snprintf(config.runtime_dir, sizeof(config.runtime_dir), "/tmp/x%d", run);
        cpus(&machine, 1);
        cr_assert_eq(aro_eal_args_make(&config, &machine, &args), 0);
        for (int i = 0; i < args.argc; i++)
            if (strncmp(args.argv[i], "--file-prefix=", 14) == 0)
                strcpy(prefix[run], args.argv[i]);
        aro_eal_args_free(&args);
    }
    cr_assert_str_neq(prefix[0], "");
    cr_assert_str_neq(prefix[0], prefix[1]);
}

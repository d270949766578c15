/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/eal_args.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/hash.h"
#include "control/eal.h"

enum {
    MEMORY_BASE_MIB = 64,        /* EAL itself, rings, tables of an lcore */
    MEMORY_QUEUE_MIB = 24,       /* packet buffers of a queue, MTU up to 2000 */
    MEMORY_QUEUE_JUMBO_MIB = 80, /* and above */
    MTU_JUMBO = 2000,
};

__attribute__((format(printf, 2, 3))) static int add(struct aro_eal_args *args, const char *format,
                                                     ...)
{
    const int room = sizeof(args->argv) / sizeof(args->argv[0]) - 1;
    va_list list;
    int length;

    if (args->argc == room)
        return -E2BIG;
    va_start(list, format);
    length = vasprintf(&args->argv[args->argc], format, list);
    va_end(list);
    if (length < 0) {
        args->argv[args->argc] = NULL;
        return -ENOMEM;
    }
    args->argc++;
    return 0;
}

bool aro_device_is_pci(const char *device)
{
    unsigned a, b, c, d;
    char rest = '\0';
    size_t length = strcspn(device, ",");

    return (sscanf(device, "%4x:%2x:%2x.%1x%c", &a, &b, &c, &d, &rest) >= 4 && length == 12) ||
           (sscanf(device, "%2x:%2x.%1x%c", &a, &b, &c, &rest) >= 3 && length == 7);
}

bool aro_device_iface(const char *device, char name[IFNAMSIZ])
{
    const char *at = strstr(device, ",iface=");
    size_t length = at == NULL ? 0 : strcspn(at + 7, ",");

    if (length == 0 || length >= IFNAMSIZ)
        return false;
    memcpy(name, at + 7, length);
    name[length] = '\0';
    return true;
}

uint64_t aro_eal_memory_wanted(const struct aro_config *config)
{
    uint64_t mib = MEMORY_BASE_MIB;

    if (config->eal_memory_bytes != 0)
        return (config->eal_memory_bytes + (1 << 20) - 1) >> 20 << 20;
    for (unsigned i = 0; i < config->ports; i++)
        mib +=
            config->port[i].lcores *
            (uint64_t)(config->port[i].mtu > MTU_JUMBO ? MEMORY_QUEUE_JUMBO_MIB : MEMORY_QUEUE_MIB);
    return mib << 20;
}

static int add_memory(struct aro_eal_args *args, const struct aro_config *config,
                      const struct aro_eal_machine *machine)
{
    int error = 0;

    args->memory_bytes = aro_eal_memory_wanted(config);
    args->huge = config->eal_hugepages == ARO_HUGEPAGES_ON ||
                 (config->eal_hugepages == ARO_HUGEPAGES_AUTO &&
                  machine->hugepages_free_bytes >= args->memory_bytes);
    if (!args->huge)
        error = add(args, "--no-huge");
    else
        error = add(args, "--in-memory"); /* no hugetlbfs: needs no right, leaves nothing behind */
    return error != 0 ? error : add(args, "-m%llu", (unsigned long long)(args->memory_bytes >> 20));
}

/* "(0,2,3)" of the CPUs in set; none: every CPU that the process may use. */
static void cpus_format(const cpu_set_t *set, char *text, size_t text_bytes)
{
    size_t used = 0;

    for (int cpu = 0; cpu < CPU_SETSIZE && used + 8 < text_bytes; cpu++)
        if (CPU_ISSET(cpu, set))
            used += (size_t)snprintf(text + used, text_bytes - used, "%c%d", used == 0 ? '(' : ',',
                                     cpu);
    snprintf(text + used, text_bytes - used, ")");
}

static int add_lcores(struct aro_eal_args *args, const struct aro_config *config,
                      const struct aro_eal_machine *machine)
{
    static const size_t room = 16384;
    char all[4096], main_cpus[4096], *list = calloc(1, room);
    cpu_set_t left = machine->cpus;
    size_t used;
    int error;

    if (list == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < config->lcores.count; i++)
        CPU_CLR(config->lcores.id[i], &left);
    cpus_format(&machine->cpus, all, sizeof(all));
    cpus_format(CPU_COUNT(&left) > 0 ? &left : &machine->cpus, main_cpus, sizeof(main_cpus));
    used = (size_t)snprintf(list, room, "%d@%s", ARO_MAIN_LCORE, main_cpus);
    for (unsigned i = 0; i < config->lcores.count && used < room; i++) {
        unsigned id = config->lcores.id[i];
        used += CPU_ISSET(id, &machine->cpus)
                    ? (size_t)snprintf(list + used, room - used, ",%u@%u", id, id)
                    : (size_t)snprintf(list + used, room - used, ",%u@%s", id, all);
    }
    error = add(args, "--lcores=%s", list);
    free(list);
    return error != 0 ? error : add(args, "--main-lcore=%d", ARO_MAIN_LCORE);
}

static int add_devices(struct aro_eal_args *args, const struct aro_config *config)
{
    bool pci = false;
    int error = 0;

    for (unsigned i = 0; i < config->ports && error == 0; i++) {
        bool is_pci = aro_device_is_pci(config->port[i].device);
        error = is_pci ? add(args, "-a%s", config->port[i].device)
                       : add(args, "--vdev=%s", config->port[i].device);
        pci |= is_pci;
    }
    return error != 0 || pci ? error : add(args, "--no-pci");
}

int aro_eal_args_make(const struct aro_config *config, const struct aro_eal_machine *machine,
                      struct aro_eal_args *ret)
{
    uint64_t prefix = aro_hash_bytes(config->runtime_dir, strlen(config->runtime_dir), 0);
    int error;

    memset(ret, 0, sizeof(*ret));
    error = add(ret, "arocached");
    if (error == 0)
        error = add_memory(ret, config, machine);
    if (error == 0)
        error = add_lcores(ret, config, machine);
    if (error == 0)
        error = add_devices(ret, config);
    if (error == 0)
        error = add(ret, "--file-prefix=aro-%016llx", (unsigned long long)prefix);
    if (error == 0)
        error = add(ret, "--no-shconf");
    if (error == 0)
        error = add(ret, "--no-telemetry");
    if (error == 0 && config->log_level == ARO_LOG_DEBUG)
        error = add(ret, "--log-level=*:info");
    for (unsigned i = 0; i < config->eal_args_count && error == 0; i++)
        error = add(ret, "%s", config->eal_args[i]);
    return error;
}

void aro_eal_args_free(struct aro_eal_args *args)
{
    for (int i = 0; i < args->argc; i++)
        free(args->argv[i]);
    args->argc = 0;
}

/* ---- the machine ---- */

static uint64_t number_in(const char *directory, const char *entry, const char *file)
{
    char path[512];
    unsigned long long value = 0;
    FILE *in;

    snprintf(path, sizeof(path), "%s/%s/%s", directory, entry, file);
    in = fopen(path, "re");
    if (in == NULL)
        return 0;
    if (fscanf(in, "%llu", &value) != 1)
        value = 0;
    fclose(in);
    return value;
}

void aro_eal_machine_read(struct aro_eal_machine *ret)
{
    static const char directory[] = "/sys/kernel/mm/hugepages";
    DIR *sizes = opendir(directory);
    struct dirent *entry;

    memset(ret, 0, sizeof(*ret));
    if (sched_getaffinity(0, sizeof(ret->cpus), &ret->cpus) != 0)
        CPU_SET(0, &ret->cpus);
    while (sizes != NULL && (entry = readdir(sizes)) != NULL) {
        unsigned long long kib;
        if (sscanf(entry->d_name, "hugepages-%llukB", &kib) == 1)
            ret->hugepages_free_bytes +=
                (kib << 10) * number_in(directory, entry->d_name, "free_hugepages");
    }
    if (sizes != NULL)
        closedir(sizes);
}

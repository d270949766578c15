/* SPDX-License-Identifier: BSD-3-Clause */
/* Hugepages, memory and what may be locked of it, against the configuration. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/api/units.h"
#include "control/doctor/checks.h"
#include "control/eal_args.h"

#define MIB 1048576ull

enum { ENTRY_BYTES = 192, PLACE_BYTES = 24 };

/* ---- hugepages ---- */

/* Pages of the default size that are reserved, so many free ones more. */
static unsigned long long pages_for(const struct aro_doctor *doctor, uint64_t missing_bytes)
{
    unsigned long long kib = 2048, total = 0;

    aro_file_number(doctor, "/proc/meminfo", "Hugepagesize:", &kib);
    aro_file_number(doctor, "/proc/meminfo", "HugePages_Total:", &total);
    return total + (missing_bytes + kib * 1024 - 1) / (kib * 1024);
}

static void hugepages_lack(struct aro_doctor *doctor, uint64_t packets, uint64_t chunks,
                           uint64_t free_bytes)
{
    bool must = doctor->config.eal_hugepages == ARO_HUGEPAGES_ON && free_bytes < packets;
    char wanted[ARO_UNITS_TEXT], buffers[ARO_UNITS_TEXT], have[ARO_UNITS_TEXT];
    struct aro_finding *finding = aro_doctor_say(
        doctor, must ? ARO_FAIL : ARO_WARN, "hugepages",
        "%s free (/sys/kernel/mm/hugepages), %s wanted for packets (eal.hugepages = %s) and %s for "
        "chunks%s",
        aro_bytes_human(free_bytes, have), aro_bytes_human(packets, buffers),
        doctor->config.eal_hugepages == ARO_HUGEPAGES_ON ? "on" : "auto",
        aro_bytes_human(chunks, wanted), must ? "" : ": ordinary pages do, slower");

    aro_finding_mend(finding, "sysctl -w vm.nr_hugepages=%llu",
                     pages_for(doctor, packets + chunks - free_bytes));
}

void aro_check_hugepages(struct aro_doctor *doctor)
{
    const struct aro_config *config = &doctor->config;
    uint64_t packets = aro_eal_memory_wanted(config), chunks = config->cache_memory_bytes;
    struct aro_eal_machine machine;
    char have[ARO_UNITS_TEXT], wanted[ARO_UNITS_TEXT];

    aro_eal_machine_read(&machine);
    if (config->eal_hugepages == ARO_HUGEPAGES_OFF)
        packets = 0;
    if (doctor->daemon_pid != 0)
        aro_doctor_say(doctor, ARO_PASS, "hugepages", "the daemon holds its own (pid %d)",
                       doctor->daemon_pid);
    else if (machine.hugepages_free_bytes >= packets + chunks)
        aro_doctor_say(doctor, ARO_PASS, "hugepages",
                       "%s free (/sys/kernel/mm/hugepages), %s wanted",
                       aro_bytes_human(machine.hugepages_free_bytes, have),
                       aro_bytes_human(packets + chunks, wanted));
    else
        hugepages_lack(doctor, packets, chunks, machine.hugepages_free_bytes);
}

/* ---- memory ---- */

/* What the daemon takes once chunks have come, tables included. */
static uint64_t memory_wanted(const struct aro_config *config)
{
    uint64_t entries = config->cache_chunks_max, places = 0;

    if (entries == 0)
        entries = config->cache_memory_bytes / 16384;
    for (unsigned i = 0; i < config->disks; i++) {
        const struct aro_disk_config *disk = &config->disk[i];
        places += disk->chunks_max != 0 ? disk->chunks_max : disk->size_bytes / 32768;
    }
    return config->cache_memory_bytes + config->cache_memory_bytes / 64 + entries * ENTRY_BYTES +
           aro_eal_memory_wanted(config) + places * PLACE_BYTES;
}

/* The limit of our own control group and those above it, v2 or v1; UINT64_MAX: none. */
static uint64_t cgroup_limit(const struct aro_doctor *doctor, char where[256])
{
    static const char *const files[] = {"/sys/fs/cgroup/memory.max",
                                        "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    unsigned long long value;
    uint64_t limit = UINT64_MAX;

    for (unsigned i = 0; i < 2; i++)
        if (aro_file_number(doctor, files[i], "", &value) && value < limit) {
            limit = value;
            snprintf(where, 256, "%s", files[i]);
        }
    return limit;
}

/* over_bytes: by how much the cache is too large to leave a fifth free. */
static void memory_mend(struct aro_doctor *doctor, struct aro_finding *finding, uint64_t over_bytes)
{
    uint64_t memory = doctor->config.cache_memory_bytes;
    uint64_t fits_mib = memory > over_bytes + 8 * MIB ? (memory - over_bytes) / MIB : 8;
    char value[32];

    snprintf(value, sizeof(value), "%lluMiB", (unsigned long long)fits_mib);
    aro_finding_set(doctor, finding, "cache", "", "memory", value);
}

void aro_check_memory(struct aro_doctor *doctor)
{
    uint64_t wanted = memory_wanted(&doctor->config), limit;
    unsigned long long kib = 0;
    char where[256] = "/proc/meminfo", need[ARO_UNITS_TEXT], have[ARO_UNITS_TEXT];
    struct aro_eal_machine machine;
    struct aro_finding *finding;
    enum aro_verdict verdict;
    uint64_t available;

    if (doctor->daemon_pid != 0) {
        aro_doctor_say(doctor, ARO_PASS, "memory", "the daemon holds its own (pid %d)",
                       doctor->daemon_pid);
        return;
    }
    aro_file_number(doctor, "/proc/meminfo", "MemAvailable:", &kib);
    aro_eal_machine_read(&machine);
    available = kib * 1024 + machine.hugepages_free_bytes;
    limit = cgroup_limit(doctor, where);
    if (limit < available)
        available = limit;
    else
        strcpy(where, "MemAvailable and free hugepages, /proc/meminfo");
    verdict = wanted > available ? ARO_FAIL : wanted > available / 10 * 9u ? ARO_WARN : ARO_PASS;
    finding = aro_doctor_say(
        doctor, verdict, "memory", "%s wanted with tables and packets, %s available (%s)",
        aro_bytes_human(wanted, need), aro_bytes_human(available, have), where);
    if (verdict != ARO_PASS)
        memory_mend(doctor, finding, wanted - available / 10 * 8);
}

/* ---- memlock ---- */

static bool may_lock_everything(const struct aro_doctor *doctor)
{
    char path[300], line[128];
    unsigned long long capabilities = 0;
    FILE *in;

    snprintf(path, sizeof(path), "%s/proc/self/status", doctor->root);
    in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof(line), in) != NULL)
        if (sscanf(line, "CapEff: %llx", &capabilities) == 1)
            break;
    if (in != NULL)
        fclose(in);
    return (capabilities >> 14 & 1) != 0; /* CAP_IPC_LOCK */
}

static uint64_t argument_of(const char *device, const char *key, uint64_t otherwise)
{
    const char *at = strstr(device, key);
    unsigned long long value;

    return at != NULL && sscanf(at + strlen(key), "%llu", &value) == 1 ? value : otherwise;
}

/* What a port cannot start without: its rings, or everything that its DMA may touch. */
static uint64_t port_locks(const struct aro_config *config, const struct aro_port_config *port)
{
    if (strncmp(port->device, "net_af_packet", 13) == 0) /* defaults of the driver */
        return 2 * argument_of(port->device, ",framesz=", 2048) *
               argument_of(port->device, ",framecnt=", 512);
    if (strncmp(port->device, "net_af_xdp", 10) == 0)
        return aro_eal_memory_wanted(config);
    if (aro_device_is_pci(port->device))
        return config->cache_memory_bytes + aro_eal_memory_wanted(config);
    return 0;
}

void aro_check_memlock(struct aro_doctor *doctor)
{
    uint64_t must = 0, wish = doctor->config.cache_memory_bytes;
    char limit[ARO_UNITS_TEXT], need[ARO_UNITS_TEXT];
    struct rlimit lock = {0};
    struct aro_finding *finding;

    for (unsigned i = 0; i < doctor->config.ports; i++)
        must += port_locks(&doctor->config, &doctor->config.port[i]);
    getrlimit(RLIMIT_MEMLOCK, &lock);
    if (may_lock_everything(doctor)) {
        aro_doctor_say(doctor, ARO_PASS, "memlock", "CAP_IPC_LOCK (/proc/self/status): no limit");
        return;
    }
    if (lock.rlim_cur == RLIM_INFINITY || lock.rlim_cur >= must + wish) {
        aro_doctor_say(doctor, ARO_PASS, "memlock", "RLIMIT_MEMLOCK of this user is enough (%s)",
                       lock.rlim_cur == RLIM_INFINITY ? "unlimited"
                                                      : aro_bytes_human(lock.rlim_cur, limit));
        return;
    }
    finding = aro_doctor_say(
        doctor, lock.rlim_cur < must ? ARO_FAIL : ARO_WARN, "memlock",
        "RLIMIT_MEMLOCK is %s, %s wanted: %s", aro_bytes_human(lock.rlim_cur, limit),
        aro_bytes_human(must + wish, need),
        lock.rlim_cur < must ? "the port does not start" : "disk reads go without fixed buffers");
    aro_finding_mend(
        finding, "echo \"$(id -un) - memlock unlimited\" | tee "
                 "/etc/security/limits.d/arocache.conf   # then log in again; the unit needs none");
}

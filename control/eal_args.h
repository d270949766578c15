/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The argument list for DPDK's EAL, made from the configuration. Pure but for what it is told about
 * the machine; knows no rte_*, so that it is tested without EAL.
 */
#ifndef ARO_CONTROL_EAL_ARGS_H
#define ARO_CONTROL_EAL_ARGS_H

#include <net/if.h>
#include <sched.h>

#include "control/config.h"

struct aro_eal_machine {
    cpu_set_t cpus;                /* that this process may use */
    uint64_t hugepages_free_bytes; /* of every size */
};

/* Looks at the machine. */
void aro_eal_machine_read(struct aro_eal_machine *ret);

struct aro_eal_args {
    char *argv[96]; /* owned; ends with NULL */
    int argc;
    bool huge;
    uint64_t memory_bytes;
};

/* Memory for packets and EAL itself: eal.memory, or from the number of queues. */
uint64_t aro_eal_memory_wanted(const struct aro_config *config);

/* 0, or -ENOMEM / -E2BIG. Ends with aro_eal_args_free in either case. */
int aro_eal_args_make(const struct aro_config *config, const struct aro_eal_machine *machine,
                      struct aro_eal_args *ret);
void aro_eal_args_free(struct aro_eal_args *args);

/* "0000:3b:00.0" and the like; everything else is the name of a virtual device. */
bool aro_device_is_pci(const char *device);
/* "va" of "net_af_packet0,iface=va"; false: the device names none. */
bool aro_device_iface(const char *device, char name[IFNAMSIZ]);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's environment: its argument list made from the configuration, its start, its log. With the
 * data plane the only place that includes rte_*.
 *
 * The control thread is EAL's main lcore under an id of its own (ARO_MAIN_LCORE) and shares no CPU
 * with the packet path while the machine has another one. Starts without hugepages, without
 * privileges and on one CPU.
 */
#ifndef ARO_CONTROL_EAL_H
#define ARO_CONTROL_EAL_H

#include "control/log.h"

enum { ARO_MAIN_LCORE = 127 }; /* RTE_MAX_LCORE - 1 */

struct aro_eal;

/*
 * Starts EAL and checks that every configured device came up. NULL with *error (3001, 3002): EAL
 * cannot start twice in a process, so the process ends. log: outlives EAL.
 */
struct aro_eal *aro_eal_start(const struct aro_config *config, const struct aro_log *log,
                              struct aro_error *error);
void aro_eal_stop(struct aro_eal *eal); /* takes NULL */
/* Packet buffers are in hugepages. */
bool aro_eal_huge(const struct aro_eal *eal);
uint64_t aro_eal_memory_bytes(const struct aro_eal *eal);

#endif

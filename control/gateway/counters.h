/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's counters. A worker's own are written by its thread alone and may be read by any: no
 * read-modify-write, no ordering between them.
 */
#ifndef ARO_CONTROL_GATEWAY_COUNTERS_H
#define ARO_CONTROL_GATEWAY_COUNTERS_H

#include <stdint.h>

struct aro_gate_counters {
#define ARO_GATE_COUNTER(name, sentence) uint64_t name;
#define ARO_GATE_GAUGE(name, sentence)   uint64_t name;
#include "control/gateway/counters.def"
#undef ARO_GATE_COUNTER
#undef ARO_GATE_GAUGE
};

static inline void aro_gate_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void aro_gate_add(uint64_t *counter, uint64_t more)
{
    aro_gate_set(counter, *counter + more);
}

/* *sum += of; of may belong to a running worker. */
static inline void aro_gate_counters_add(struct aro_gate_counters *sum,
                                         const struct aro_gate_counters *of)
{
#define ARO_GATE_COUNTER(name, sentence) sum->name += __atomic_load_n(&of->name, __ATOMIC_RELAXED);
#define ARO_GATE_GAUGE(name, sentence)   ARO_GATE_COUNTER(name, sentence)
#include "control/gateway/counters.def"
#undef ARO_GATE_COUNTER
#undef ARO_GATE_GAUGE
}

#endif

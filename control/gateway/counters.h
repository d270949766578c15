/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's counters. A worker's own are written by its thread alone and may be read by any: no
 * read-modify-write, no ordering between them.
 */
#ifndef ARO_CONTROL_GATEWAY_COUNTERS_H
#define ARO_CONTROL_GATEWAY_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "cache/base/error.h"
#include "control/gateway/gate_config.h"

/* clang-format off: one entry of the catalogue each */
enum {
    ARO_GATE_ERRORS = 0
#define ARO_ERROR(number, name, exit_code, cause, remedy) +1
#include "cache/base/errors.def"
#undef ARO_ERROR
};
/* clang-format on */

struct aro_gate_node_counters {
#define ARO_GATE_NODE_COUNTER(name, sentence) uint64_t name;
#define ARO_GATE_NODE_GAUGE(name, sentence)   uint64_t name;
#include "control/gateway/counters.def"
};

/* Numbers and nothing else: they are added up as an array. */
struct aro_gate_counters {
#define ARO_GATE_COUNTER(name, sentence) uint64_t name;
#define ARO_GATE_GAUGE(name, sentence)   uint64_t name;
#include "control/gateway/counters.def"
    struct aro_gate_node_counters node[ARO_GATE_NODES_MAX];
    uint64_t errors[ARO_GATE_ERRORS]; /* that ended an answer or its body; as aro_error_at counts */
};

static inline void aro_gate_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void aro_gate_add(uint64_t *counter, uint64_t more)
{
    aro_gate_set(counter, *counter + more);
}

static inline void aro_gate_count_error(struct aro_gate_counters *counters, enum aro_error_id id)
{
    for (size_t i = 0; id != ARO_E_NONE && i < ARO_GATE_ERRORS; i++)
        if (aro_error_at(i)->id == id)
            aro_gate_add(&counters->errors[i], 1);
}

/* *sum += of; of may belong to a running worker. */
static inline void aro_gate_counters_add(struct aro_gate_counters *sum,
                                         const struct aro_gate_counters *of)
{
    const uint64_t *from = (const uint64_t *)(const void *)of;
    uint64_t *to = (uint64_t *)(void *)sum;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

#endif

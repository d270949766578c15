/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters and drop reasons of one lcore, made from counters.def. Plain fields that only their
 * lcore writes; anybody may read them with aro_counter_read (a value may lag by a loop turn).
 */
#ifndef ARO_DATAPLANE_COUNTERS_H
#define ARO_DATAPLANE_COUNTERS_H

#include <stdint.h>

enum aro_drop {
#define ARO_COUNTER(name, sentence)
#define ARO_DROP(name, layer, sentence) ARO_DROP_##name,
#include "dataplane/counters.def"
#undef ARO_COUNTER
#undef ARO_DROP
    ARO_DROPS,
};

struct aro_counters {
#define ARO_COUNTER(name, sentence) uint64_t name;
#define ARO_DROP(name, layer, sentence)
#include "dataplane/counters.def"
#undef ARO_COUNTER
#undef ARO_DROP
    uint64_t drop[ARO_DROPS];
};

enum { ARO_COUNTERS = sizeof(struct aro_counters) / sizeof(uint64_t) };

struct aro_counter_info {
    const char *name;     /* "rx_packets", "drop_ip4_header" */
    const char *sentence; /* what it counts */
    uint32_t offset;      /* of the u64 in struct aro_counters */
    char layer;           /* 'c' counter, 'f' frame drop, 'r' request drop */
};

/* ARO_COUNTERS entries in the order of the struct. Static storage. */
extern const struct aro_counter_info aro_counter_infos[ARO_COUNTERS];

static inline uint64_t aro_counter_read(const struct aro_counters *counters,
                                        const struct aro_counter_info *info)
{
    return __atomic_load_n((const uint64_t *)(const void *)((const char *)counters + info->offset),
                           __ATOMIC_RELAXED);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One list of the node's own measures beside the packet path's (dataplane/counters.def): group,
 * name, unit in the name, sentence, where the value stands. `stats` prints it,
 * an exporter will read it.
 *
 * Names ending in _now, and flags, go up and down; all others only grow.
 */
#ifndef ARO_CONTROL_METRICS_H
#define ARO_CONTROL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"
#include "cache/disk/store.h"
#include "control/origin/stats.h"
#include "control/server.h"

struct aro_control_stats {
    struct aro_server_stats server;
    uint64_t requests, errors;
    uint64_t jobs_now;
    uint64_t rounds, longest_round_us;
};

/* What the metrics are read from. */
struct aro_metrics {
    struct aro_cache_stats cache;
    struct aro_store_stats store; /* zero without a store */
    struct aro_control_stats control;
    struct aro_origin_stats origin;
};

struct aro_metric {
    const char *group; /* "cache", "store", "control", "origin" */
    const char *name;
    const char *sentence;
    size_t offset; /* in struct aro_metrics */
    bool flag;     /* a bool, not a u64 */
};

extern const struct aro_metric aro_metric_list[];
extern const size_t aro_metric_count;

uint64_t aro_metric_read(const struct aro_metrics *metrics, const struct aro_metric *metric);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One list of the node's own measures beside the packet path's (dataplane/counters.def): group,
 * name, unit in the name, sentence, where the value stands. `stats` prints it, /metrics exports it
 * (control/watch/scrape.c).
 *
 * Names ending in _now, gauges and flags go up and down; all others only grow.
 */
#ifndef ARO_CONTROL_METRICS_H
#define ARO_CONTROL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"
#include "cache/disk/store.h"
#include "control/admission.h"
#include "control/origin/stats.h"
#include "control/server.h"
#include "control/watch/exporter.h"
#include "control/watch/request_log.h"

struct aro_control_stats {
    struct aro_server_stats server;
    struct aro_exporter_stats http;
    struct aro_request_log_stats request_log;
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
    struct aro_admission_stats admission; /* zero when nothing is deferred */
};

enum aro_metric_kind {
    ARO_METRIC_VALUE, /* u64; only grows unless its name ends in _now */
    ARO_METRIC_GAUGE, /* u64 */
    ARO_METRIC_FLAG,  /* bool */
};

struct aro_metric {
    const char *group; /* "cache", "store", "admission", "control", "origin" */
    const char *name;
    const char *sentence;
    size_t offset; /* in struct aro_metrics */
    enum aro_metric_kind kind;
};

extern const struct aro_metric aro_metric_list[];
extern const size_t aro_metric_count;

uint64_t aro_metric_read(const struct aro_metrics *metrics, const struct aro_metric *metric);
bool aro_metric_is_gauge(const struct aro_metric *metric);

#endif

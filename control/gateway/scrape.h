/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the gateway shows to a monitoring system: everything it counts as Prometheus' text, and
 * whether it is well and ready. Made from a plain copy of the state (control/gateway/observe.c
 * takes it), so that a test can make them from one of its own.
 *
 * The names are an API: tests/control/gateway/metrics.golden holds them, docs/metrics.md explains
 * them. They come from control/gateway/counters.def: arogate_, the name without _now, _total behind
 * a counter. Labels exist only where their values are few: node, status, error id, worker.
 *
 * Pure functions.
 */
#ifndef ARO_CONTROL_GATEWAY_SCRAPE_H
#define ARO_CONTROL_GATEWAY_SCRAPE_H

#include "control/api/exposition.h"
#include "control/gateway/counters.h"
#include "control/gateway/gate_config.h"
#include "control/gateway/names.h"

enum {
    ARO_GATE_SCRAPE_BYTES_MAX = 256 << 10, /* 16 nodes and every error take 45 KB */
    ARO_GATE_REASONS_BYTES = 1024,
};

struct aro_gate_scrape {
    const char *version;
    double started_unix_s;
    const struct aro_gate_config *config;
    bool stopping;
    bool advances[ARO_GATE_WORKERS_MAX];
    bool names_advance;
    bool answers[ARO_GATE_NODES_MAX]; /* the node did, within the last seconds */
    struct aro_gate_counters counters;
    struct aro_gate_names_stats names;
};

void aro_gate_scrape_write(const struct aro_gate_scrape *scrape, struct aro_exposition *to);

/* Every thread advances. Else reasons holds one line per reason, each with its newline. */
bool aro_gate_scrape_healthy(const struct aro_gate_scrape *scrape,
                             char reasons[ARO_GATE_REASONS_BYTES]);
/* Healthy, takes connections, and at least one node answers. */
bool aro_gate_scrape_ready(const struct aro_gate_scrape *scrape,
                           char reasons[ARO_GATE_REASONS_BYTES]);

#endif

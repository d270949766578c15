/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the node shows to a monitoring system: everything it counts as Prometheus' text, and whether
 * it is ready. Both are made from a plain copy of the state (control/watch/observe.c takes it), so
 * that a test can make them from one of its own.
 *
 * The names are an API: tests/control/watch/metrics.golden holds them, docs/metrics.md explains
 * them. Labels exist only where their values are few: lcore, port, disk, pool, reason, size.
 *
 * Pure functions.
 */
#ifndef ARO_CONTROL_WATCH_SCRAPE_H
#define ARO_CONTROL_WATCH_SCRAPE_H

#include "control/api/exposition.h"
#include "control/disks.h"
#include "control/metrics.h"
#include "dataplane/dataplane.h"

enum {
    ARO_SCRAPE_POOLS_MAX = 4 * ARO_LCORES_MAX,
    ARO_SCRAPE_BYTES_MAX = 2 << 20, /* 32 lcores with every counter take 300 KB */
    ARO_REASONS_BYTES = 1024,
};

struct aro_scrape {
    const char *version;
    double started_unix_s;
    double cycles_per_s; /* of the TSC */
    bool stopping;

    struct aro_metrics metrics;
    bool has_store; /* configured; metrics.store is valid */

    struct aro_lcore_info lcore[ARO_LCORES_MAX];
    bool advances[ARO_LCORES_MAX];
    unsigned lcores;
    struct aro_port_info port[ARO_PORTS_MAX];
    unsigned ports;
    struct aro_disk_info disk[ARO_DISKS_MAX];
    unsigned disks;
    struct aro_pool_info pool[ARO_SCRAPE_POOLS_MAX];
    unsigned pools;
};

void aro_scrape_write(const struct aro_scrape *scrape, struct aro_exposition *to);

/*
 * True: requests can be answered and content be taken in. Else reasons holds one line per reason,
 * each with its newline.
 */
bool aro_scrape_ready(const struct aro_scrape *scrape, char reasons[ARO_REASONS_BYTES]);

#endif

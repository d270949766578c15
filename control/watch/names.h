/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the names of our lists (dataplane/counters.def, control/metrics.c) to those that Prometheus'
 * users expect: prefix arocache_ and the group, base units at the end, _total behind a counter.
 *
 *     dataplane busy_cycles      arocache_dataplane_busy_seconds_total
 *     cache bytes_used_now       arocache_cache_used_bytes
 *     control longest_round_us   arocache_control_longest_round_seconds
 *
 * Pure, any thread.
 */
#ifndef ARO_CONTROL_WATCH_NAMES_H
#define ARO_CONTROL_WATCH_NAMES_H

#include <stdbool.h>

enum { ARO_EXPORTED_NAME_BYTES = 96 };

struct aro_exported {
    char name[ARO_EXPORTED_NAME_BYTES];
    double scale; /* of the value; 1: it stays the integer that it is */
};

/* cycles_per_s: of the TSC, for names ending in _cycles. */
void aro_exported_name(const char *group, const char *name, bool gauge, double cycles_per_s,
                       struct aro_exported *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters of names, pulls and origins; control/metrics.c has their sentences. */
#ifndef ARO_CONTROL_ORIGIN_STATS_H
#define ARO_CONTROL_ORIGIN_STATS_H

#include <stdint.h>

/* Cumulative unless it says now. */
struct aro_origin_stats {
    uint64_t lookups;
    uint64_t hits;          /* answered from the table of names */
    uint64_t hits_stale;    /* past their time, because the origin failed */
    uint64_t hits_negative; /* "not there" from the negative cache */
    uint64_t joined;        /* waited for a pull that somebody else had started */
    uint64_t unknown;       /* in no origin's prefix */
    uint64_t pulls;
    uint64_t pulls_done;
    uint64_t renewed; /* 304: still the same */
    uint64_t requests;
    uint64_t redirects;
    uint64_t resumed; /* went on behind a broken connection */
    uint64_t bytes;   /* of bodies */
    uint64_t failed_absent, failed_down, failed_refused, failed_length, failed_changed;
    uint64_t failed_redirect, failed_too_large, failed_busy, failed_here;
    uint64_t names_failed, names_damaged;
    uint64_t names_now;
    uint64_t pulls_now, waiting_now; /* under way; of them without a connection yet */
    uint64_t held_now;
};

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a resolver consists of; for resolver.c (lookups) and resolver_pulls.c only. */
#ifndef ARO_CONTROL_ORIGIN_RESOLVER_STATE_H
#define ARO_CONTROL_ORIGIN_RESOLVER_STATE_H

#include "control/origin/negative.h"
#include "control/origin/resolver.h"

struct aro_resolver {
    struct aro_resolver_config config;
    struct aro_chore chore;
    struct aro_names *names;
    struct aro_negative *negative;
    struct aro_http *http; /* NULL: no origin is configured */
    struct aro_pull_host host;
    struct aro_origin_stats stats;
    struct aro_pull *pulls, **pulls_last; /* by number */
    struct aro_lookup *ending;            /* done is to be called */
    unsigned last_number;
    unsigned lookups; /* under way */
    unsigned keeping; /* names on their way into the table */
    bool stopping;
    uint64_t log_second; /* since when */
    unsigned logged, suppressed;
};

/* resolver_pulls.c */

void aro_pulls_init(struct aro_resolver *resolver);
/* The pull that a lookup of url may join; NULL: none. */
struct aro_pull *aro_pulls_find(struct aro_resolver *resolver, const char *url);
/* Begins one. NULL with *error (8005, 6005). */
struct aro_pull *aro_pulls_begin(struct aro_resolver *resolver, const struct aro_lookup *lookup,
                                 struct aro_error *error);
/* The lookup waits for it, or ends at once when it is known what comes. */
void aro_pulls_join(struct aro_pull *pull, struct aro_lookup *lookup);
/* Turns of all; ms until the next. */
int aro_pulls_turn(struct aro_resolver *resolver, uint64_t now_ns);
/* Nobody joins any more, and what comes of it is not kept. which: as in the purges. */
void aro_pulls_detach(struct aro_resolver *resolver, enum aro_names_verb which, const char *text);

/* resolver.c */

/* Ends a lookup; its done is called in the next turn. */
void aro_lookup_here(struct aro_lookup *lookup, bool stale);
void aro_lookup_failed(struct aro_lookup *lookup, const struct aro_error *error, int http_status);
/* The origin failed it: what is past its time must do, else the error. */
void aro_lookup_origin_failed(struct aro_lookup *lookup, const struct aro_error *error,
                              int http_status);
void aro_lookup_arriving(struct aro_lookup *lookup, struct aro_pull *pull);

#endif

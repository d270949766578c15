/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Insert and evict: one thread's part of a population, first in, first out. Each step inserts a new
 * id and erases the oldest; an entry is used again after a grace period, as in the cache.
 */
#ifndef ARO_PERF_CHURN_H
#define ARO_PERF_CHURN_H

#include "perf/population.h"

enum {
    BENCH_CHURN_BATCH = 32, /* steps that share a ticket of the grace period */
    BENCH_CHURN_BATCHES = 128,
    BENCH_CHURN_SPARE = BENCH_CHURN_BATCH * BENCH_CHURN_BATCHES, /* entries waiting or free */
};

struct bench_churn {
    alignas(64) struct bench_population *population;
    struct aro_entry *ring; /* [ring_entries]: the live ones in order, then the spare ones */
    uint32_t ring_entries;
    uint32_t newest, oldest; /* next to be used; next to be erased */
    unsigned slot;           /* of QSBR */
    uint64_t number;         /* of the next id */
    uint64_t number_step;
    uint64_t steps;
    uint64_t refused; /* inserts: no slot was free for that id; its entry comes and goes unseen */
    uint64_t wrong;   /* members that could not be erased, batches of which more than half failed */
    uint64_t ticket[BENCH_CHURN_BATCHES]; /* what was erased in that batch, modulo */
};

/*
 * Takes entries first..first+live+SPARE-1 of the population and makes `live` of them members, of
 * ids number, number + step, ... Slot `slot` of QSBR goes online with bench_churn_begin.
 */
void bench_churn_make(struct bench_churn *churn, struct bench_population *population,
                      uint32_t first, uint32_t live, unsigned slot, uint64_t number,
                      uint64_t number_step);

/* On the thread that churns: around the steps. */
void bench_churn_begin(struct bench_churn *churn);
void bench_churn_end(struct bench_churn *churn);

/* BENCH_CHURN_BATCH steps; returns how many inserted one and evicted one. */
unsigned bench_churn_batch(struct bench_churn *churn);

#endif

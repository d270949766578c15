/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that do the same work at the same time, one per CPU: they start together, and stop after
 * a time or a number of operations each.
 */
#ifndef ARO_PERF_CREW_H
#define ARO_PERF_CREW_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "perf/machine.h"

enum { BENCH_THREADS_MAX = 62 }; /* of them one may be somebody else's among QSBR's 64 */

struct bench_worker {
    alignas(64) unsigned number; /* 0.. */
    void *work;                  /* this thread's own */
    const atomic_bool *over;
    uint64_t ops_max;
    uint64_t ops;   /* so far; by the body */
    uint64_t wrong; /* things found that were not looked for; by the body */
    struct bench_sample sample;
};

/* The body asks between two bursts. Nothing goes on once something was wrong. */
static inline bool bench_worker_goes_on(const struct bench_worker *worker)
{
    return worker->ops < worker->ops_max && worker->wrong == 0 &&
           !atomic_load_explicit(worker->over, memory_order_relaxed);
}

/* How long a round lasts: ops_max > 0, or seconds. */
struct bench_span {
    double seconds;
    uint64_t ops_max; /* all threads together; 0: seconds */
};

/*
 * Runs body on `threads` threads, each pinned and with its work[]. *ret is the sum of them. Returns
 * how many things were wrong.
 */
uint64_t bench_crew_run(const struct bench_cpus *cpus, unsigned threads, struct bench_span span,
                        void (*body)(struct bench_worker *worker), void *const work[],
                        struct bench_sample *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a benchmark asks of its machine: memory in large pages, CPUs to be pinned to, the time, and
 * how much of that time the host gave to others.
 */
#ifndef ARO_PERF_MACHINE_H
#define ARO_PERF_MACHINE_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed, advised to be in large pages, not touched yet. Fails the benchmark when there is none. */
void *bench_pages(size_t bytes);
void bench_pages_free(void *at, size_t bytes);

/* The CPUs this process may use. Taken before the first pin. */
struct bench_cpus {
    cpu_set_t set;
    unsigned count;
};

void bench_cpus_read(struct bench_cpus *ret);
/* The calling thread, from now on, to number `which` of them (modulo their count). */
void bench_pin(const struct bench_cpus *cpus, unsigned which);
/* To all of them. */
void bench_unpin(const struct bench_cpus *cpus);

/* One measurement, as it goes into the raw samples. */
struct bench_sample {
    uint64_t ops;
    uint64_t cycles;     /* of the TSC, summed over the threads */
    uint64_t ns;         /* of the thread that took longest */
    double beside_per_s; /* plain memory, or what another thread did meanwhile */
    double stolen;       /* share of the CPUs' time that the host kept for itself */
    double load;         /* the machine's, over the last minute */
};

/* Where a measurement began. */
struct bench_mark {
    uint64_t tsc;
    uint64_t ns;
    uint64_t stolen_ticks;
    uint64_t all_ticks;
};

void bench_mark(struct bench_mark *ret);
uint64_t bench_tsc_hz(void); /* takes a twentieth of a second */
/* A sample of `ops` operations by this thread since the mark. */
void bench_sample_take(const struct bench_mark *mark, uint64_t ops, struct bench_sample *ret);

static inline double bench_cycles_per_op(const struct bench_sample *sample)
{
    return sample->ops == 0 ? 0 : (double)sample->cycles / (double)sample->ops;
}

static inline double bench_ops_per_s(const struct bench_sample *sample)
{
    return sample->ns == 0 ? 0 : (double)sample->ops * 1e9 / (double)sample->ns;
}

/* Of n values, which are sorted on the way. */
double bench_median(double values[], unsigned n);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index with entries in it, as the benchmarks fill it: an array of entries (and of values, when
 * values have bytes), each entry either free or the member of some number's id. What threads do to
 * it is theirs to keep apart: an entry belongs to one thread.
 */
#ifndef ARO_PERF_POPULATION_H
#define ARO_PERF_POPULATION_H

#include "cache/index.h"
#include "cache/qsbr.h"
#include "perf/ids.h"

struct bench_population {
    struct aro_index *index;
    struct aro_entry *entries; /* [entries_max] */
    uint8_t *values;           /* value_stride bytes each; NULL: none */
    size_t value_stride;
    uint32_t value_bytes;
    uint32_t entries_max;
    struct aro_qsbr qsbr; /* one slot per thread */
};

/* All free. threads: of those that look up or churn. */
void bench_population_make(struct bench_population *population, uint32_t entries_max,
                           uint32_t value_bytes, unsigned threads);
void bench_population_free(struct bench_population *population);
/* entries[:n] become the members of 0..n-1. */
void bench_population_fill(struct bench_population *population, uint32_t n);

/* A free entry becomes RESIDENT, the member of a number's id; false: the index refused, it is GONE.
 */
bool bench_population_insert(struct bench_population *population, struct aro_entry *entry,
                             uint64_t number);

/*
 * Looks up ids[:n], n <= ARO_FIND_BURST_MAX, whose numbers are those of entries[:]; reads the
 * values. Returns how many were not found, or were not what they should be. Inside a read section.
 */
unsigned bench_population_lookup(const struct bench_population *population,
                                 const struct aro_id ids[], unsigned n);

/* n ids of numbers 0..population-1, in random order. Free with bench_pages_free. */
struct aro_id *bench_asked_make(uint32_t n, uint32_t population, uint64_t seed);

#endif

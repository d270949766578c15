/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zipf-distributed numbers: k = 0, 1, ... n - 1 with probability in proportion to 1 / (k +
 * 1)^alpha, exact to 32 bits, one table look-up each (Vose's alias method). The same seed gives the
 * same numbers.
 */
#ifndef ARO_PERF_ZIPF_H
#define ARO_PERF_ZIPF_H

#include <stdint.h>

#include "perf/ids.h"

/* Column k gives k with probability keep / 2^32, else its alias. */
struct zipf_column {
    uint32_t keep;
    uint32_t alias;
};

struct zipf {
    struct zipf_column *columns; /* [n] */
    uint32_t n;
    uint64_t state;
};

/* n >= 1. Fails the benchmark when there is no memory. */
void zipf_make(struct zipf *zipf, uint32_t n, double alpha, uint64_t seed);
void zipf_free(struct zipf *zipf);

static inline uint32_t zipf_next(struct zipf *zipf)
{
    uint64_t random = bench_random(&zipf->state);
    uint32_t k = (uint32_t)((random >> 32) * zipf->n >> 32);

    return (uint32_t)random < zipf->columns[k].keep ? k : zipf->columns[k].alias;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/zipf.h"

#include <math.h>
#include <stdlib.h>

#include "perf/fail.h"
#include "perf/machine.h"

/*
 * Columns are of equal width. Those with less than their share (low) are filled up from one with
 * more (high), which may become low by it. Every pairing finishes one column, so n - 1 do.
 */
static void pair_up(struct zipf_column columns[], double share[], uint32_t stack[], uint32_t n)
{
    uint32_t low = 0, high = n; /* stack[:low] and stack[high:] wait */

    for (uint32_t k = 0; k < n; k++)
        stack[share[k] < 1 ? low++ : --high] = k;
    while (low > 0 && high < n) {
        uint32_t from = stack[high], to = stack[--low];
        columns[to] = (struct zipf_column){(uint32_t)(share[to] * 0x1p32), from};
        share[from] -= 1 - share[to];
        if (share[from] < 1) {
            high++;
            stack[low++] = from;
        }
    }
    while (low > 0) { /* full but for rounding, as are those in stack[high:] */
        uint32_t k = stack[--low];
        columns[k] = (struct zipf_column){UINT32_MAX, k};
    }
    for (; high < n; high++)
        columns[stack[high]] = (struct zipf_column){UINT32_MAX, stack[high]};
}

void zipf_make(struct zipf *zipf, uint32_t n, double alpha, uint64_t seed)
{
    double *share = malloc(n * sizeof(*share));
    uint32_t *stack = malloc(n * sizeof(*stack));
    double sum = 0;

    *zipf = (struct zipf){.n = n, .state = seed};
    zipf->columns = bench_pages(n * sizeof(*zipf->columns));
    if (share == NULL || stack == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for %u objects", n);
    for (uint32_t k = 0; k < n; k++)
        sum += share[k] = pow(k + 1.0, -alpha);
    for (uint32_t k = 0; k < n; k++)
        share[k] *= n / sum;
    pair_up(zipf->columns, share, stack, n);
    free(share);
    free(stack);
}

void zipf_free(struct zipf *zipf)
{
    bench_pages_free(zipf->columns, zipf->n * sizeof(*zipf->columns));
}

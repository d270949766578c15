/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chunks asked for most, over all lcores: each fills a table of its own (cache/top.h), control
 * adds them up when somebody asks and lets them age.
 *
 * All tables age at once, so that each goes on counting by what its lcore serves. A minute halves
 * what is known - but never to less than half of TOP_WINDOW_MIN samples, or a quiet node would know
 * nothing.
 */
#include <stdlib.h>

#include <rte_cycles.h>

#include "dataplane/state.h"

enum { TOP_AGE_S = 60, TOP_WINDOW_MIN = 4096 };

static uint64_t window_sum(const struct aro_dataplane *dataplane)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < dataplane->lcores; i++)
        sum += aro_top_window(&dataplane->lcore[i]->top);
    return sum;
}

void aro_top_poll(struct aro_dataplane *dataplane)
{
    uint64_t now_tsc = rte_rdtsc();

    if (now_tsc - dataplane->top_aged_tsc < rte_get_tsc_hz() * TOP_AGE_S)
        return;
    dataplane->top_aged_tsc = now_tsc;
    if (window_sum(dataplane) < TOP_WINDOW_MIN)
        return;
    for (unsigned i = 0; i < dataplane->lcores; i++)
        aro_top_age(&dataplane->lcore[i]->top);
}

unsigned aro_dataplane_top(const struct aro_dataplane *dataplane, struct aro_top_item ret[],
                           unsigned max, uint64_t *ret_window)
{
    struct aro_top_item *item = calloc(dataplane->lcores, ARO_TOP_ROOM * sizeof(*item));
    unsigned n = 0;

    *ret_window = window_sum(dataplane);
    if (item == NULL)
        return 0;
    for (unsigned i = 0; i < dataplane->lcores; i++)
        n += aro_top_read(&dataplane->lcore[i]->top, item + n);
    n = RTE_MIN(aro_top_merge(item, n), max);
    memcpy(ret, item, n * sizeof(*item));
    free(item);
    return n;
}

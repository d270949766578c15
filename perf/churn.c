/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/churn.h"

#include <sched.h>

#include "perf/fail.h"

void bench_churn_make(struct bench_churn *churn, struct bench_population *population,
                      uint32_t first, uint32_t live, unsigned slot, uint64_t number,
                      uint64_t number_step)
{
    *churn = (struct bench_churn){.population = population,
                                  .ring = population->entries + first,
                                  .ring_entries = live + BENCH_CHURN_SPARE,
                                  .slot = slot,
                                  .number = number,
                                  .number_step = number_step};
    for (uint32_t i = 0; i < live; i++, churn->number += number_step)
        if (!bench_population_insert(population, &churn->ring[i], churn->number))
            bench_fail(ARO_E_BENCH_WRONG, "the index refuses entry %u of %u", i, live);
    churn->newest = live;
}

void bench_churn_begin(struct bench_churn *churn)
{
    aro_qsbr_online(&churn->population->qsbr, churn->slot);
}

void bench_churn_end(struct bench_churn *churn)
{
    aro_qsbr_offline(&churn->population->qsbr, churn->slot);
}

static uint32_t next_of(const struct bench_churn *churn, uint32_t at)
{
    return at + 1 == churn->ring_entries ? 0 : at + 1;
}

static bool step(struct bench_churn *churn)
{
    bool inserted =
        bench_population_insert(churn->population, &churn->ring[churn->newest], churn->number);
    bool erased = aro_index_erase(churn->population->index, &churn->ring[churn->oldest]);

    churn->newest = next_of(churn, churn->newest);
    churn->oldest = next_of(churn, churn->oldest);
    churn->number += churn->number_step;
    return inserted && erased;
}

/*
 * The entries that this batch uses were erased BATCHES batches ago, SPARE entries before. We report
 * first: a ticket waits for its own thread too.
 */
unsigned bench_churn_batch(struct bench_churn *churn)
{
    struct aro_qsbr *qsbr = &churn->population->qsbr;
    uint64_t *ticket = &churn->ticket[churn->steps / BENCH_CHURN_BATCH % BENCH_CHURN_BATCHES];
    unsigned failed = 0;

    aro_qsbr_quiescent(qsbr, churn->slot);
    while (!aro_qsbr_passed(qsbr, *ticket))
        sched_yield(); /* somebody reads: their CPU may be ours */
    for (unsigned i = 0; i < BENCH_CHURN_BATCH; i++)
        failed += !step(churn);
    *ticket = aro_qsbr_start(qsbr);
    churn->steps += BENCH_CHURN_BATCH;
    return failed;
}

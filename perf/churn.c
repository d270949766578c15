/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/churn.h"

#include <sched.h>

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
        churn->refused += !bench_population_insert(population, &churn->ring[i], churn->number);
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

static uint32_t ahead_of(const struct bench_churn *churn, uint32_t at, uint32_t steps)
{
    return at + steps >= churn->ring_entries ? at + steps - churn->ring_entries : at + steps;
}

/* As the keeper does, who knows what comes: buckets of the ids, and before these the entries. */
static void fetch_ahead(const struct bench_churn *churn)
{
    const struct aro_index *index = churn->population->index;
    struct aro_id coming = bench_id(churn->number + ARO_INDEX_AHEAD * churn->number_step);
    uint32_t going = ahead_of(churn, churn->oldest, ARO_INDEX_AHEAD);

    __builtin_prefetch(&churn->ring[ahead_of(churn, going, ARO_INDEX_AHEAD)]);
    aro_index_prefetch(index, &coming, true);
    aro_index_prefetch(index, &churn->ring[going].id, false);
}

static bool evict(struct bench_churn *churn, struct aro_entry *entry)
{
    if (aro_entry_state(entry) != ARO_ENTRY_RESIDENT)
        return false; /* it never came in */
    if (aro_index_erase(churn->population->index, entry))
        return true;
    churn->wrong++;
    return false;
}

static bool step(struct bench_churn *churn)
{
    bool inserted, evicted;

    fetch_ahead(churn);
    inserted =
        bench_population_insert(churn->population, &churn->ring[churn->newest], churn->number);
    evicted = evict(churn, &churn->ring[churn->oldest]);
    churn->refused += !inserted;
    churn->newest = ahead_of(churn, churn->newest, 1);
    churn->oldest = ahead_of(churn, churn->oldest, 1);
    churn->number += churn->number_step;
    return inserted && evicted;
}

/*
 * The entries that this batch uses were erased BATCHES batches ago, SPARE entries before. We report
 * first: a ticket waits for its own thread too.
 */
unsigned bench_churn_batch(struct bench_churn *churn)
{
    struct aro_qsbr *qsbr = &churn->population->qsbr;
    uint64_t *ticket = &churn->ticket[churn->steps / BENCH_CHURN_BATCH % BENCH_CHURN_BATCHES];
    unsigned done = 0;

    aro_qsbr_quiescent(qsbr, churn->slot);
    while (!aro_qsbr_passed(qsbr, *ticket))
        sched_yield(); /* somebody reads: their CPU may be ours */
    for (unsigned i = 0; i < BENCH_CHURN_BATCH; i++)
        done += step(churn);
    *ticket = aro_qsbr_start(qsbr);
    churn->wrong += done < BENCH_CHURN_BATCH / 2;
    churn->steps += BENCH_CHURN_BATCH;
    return done;
}

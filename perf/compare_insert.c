/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Insert one and evict the oldest, only pairs that succeeded counted: beside rte_hash on one
 * thread, and ours on two threads beside ours on one.
 */
#include "perf/compare.h"

#include "perf/baseline.h"
#include "perf/churn.h"
#include "perf/crew.h"
#include "perf/fail.h"
#include "perf/plain.h"

enum { THREADS = 2 };

static void right_or_fail(const char *who, uint64_t wrong)
{
    if (wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG,
                   "%s: %llu times members could not be erased, or inserts failed", who,
                   (unsigned long long)wrong);
}

/* ---- beside rte_hash ---- */

struct table_churn {
    uint32_t steps; /* per sample */
    void *table;
    uint64_t newest, oldest; /* numbers of ids */
    uint64_t refused;
};

struct our_churn {
    uint32_t steps;
    struct bench_churn churn;
};

static void ours_measure(void *arg, struct bench_sample *ret)
{
    struct our_churn *ours = arg;
    struct bench_mark mark;
    uint64_t done = 0;

    bench_churn_begin(&ours->churn);
    bench_mark(&mark);
    for (uint32_t i = 0; i < ours->steps; i += BENCH_CHURN_BATCH)
        done += bench_churn_batch(&ours->churn);
    bench_sample_take(&mark, done, ret);
    bench_churn_end(&ours->churn);
    right_or_fail("index", ours->churn.wrong);
}

static bool table_insert(struct table_churn *theirs)
{
    struct aro_id id = bench_id(theirs->newest++);
    bool inserted = baseline_rte_hash.insert(theirs->table, (const uint8_t *)&id,
                                             (void *)(uintptr_t)theirs->newest);

    theirs->refused += !inserted;
    return inserted;
}

static void table_measure(void *arg, struct bench_sample *ret)
{
    struct table_churn *theirs = arg;
    struct bench_mark mark;
    uint64_t done = 0;

    bench_mark(&mark);
    for (uint32_t i = 0; i < theirs->steps; i++) {
        struct aro_id old = bench_id(theirs->oldest++);
        bool inserted = table_insert(theirs);
        done += baseline_rte_hash.erase(theirs->table, (const uint8_t *)&old) && inserted;
    }
    bench_sample_take(&mark, done, ret);
}

void compare_insert_evict_rte_hash(const struct compare *compare, const char *name)
{
    struct bench_population population;
    struct our_churn ours = {.steps = compare->steps};
    struct table_churn theirs = {.steps = compare->steps};
    struct compare_result result;
    struct compare_pair pair = {
        .name = name, .ours = {ours_measure, &ours}, .theirs = {table_measure, &theirs}};

    bench_population_make(&population, compare->entries + BENCH_CHURN_SPARE, 0, 1);
    bench_churn_make(&ours.churn, &population, 0, compare->entries, 0, 0, 1);
    theirs.table = baseline_rte_hash.create(compare->entries + 1, true);
    if (theirs.table == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no rte_hash of %u entries", compare->entries);
    while (theirs.newest < compare->entries)
        table_insert(&theirs);
    compare_measure(compare, &pair, &result);
    compare_tell(name, &result, "1/s",
                 "insert a new id and evict the oldest of %u, one thread; rte_hash lock-free with "
                 "multi-writer add, hash given, places freed at once; ours with grace periods; "
                 "refused: ours %llu, theirs %llu",
                 compare->entries, (unsigned long long)ours.churn.refused,
                 (unsigned long long)theirs.refused);
    baseline_rte_hash.destroy(theirs.table);
    bench_population_free(&population);
}

/* ---- two threads beside one ---- */

/* After each sample the same threads write plain memory: does the machine scale? */
struct scaling {
    const struct compare *compare;
    struct bench_churn churn[THREADS];
    struct bench_plain plain[THREADS];
};

static void churn_body(struct bench_worker *worker)
{
    struct bench_churn *churn = worker->work;

    bench_churn_begin(churn);
    while (bench_worker_goes_on(worker)) {
        worker->ops += bench_churn_batch(churn);
        worker->wrong += churn->wrong;
    }
    bench_churn_end(churn);
}

static void plain_body(struct bench_worker *worker)
{
    for (; bench_worker_goes_on(worker); worker->ops += BENCH_CHURN_BATCH)
        bench_plain_write(worker->work, BENCH_CHURN_BATCH);
}

static void threads_measure(struct scaling *scaling, unsigned threads, struct bench_sample *ret)
{
    const struct bench_cpus *cpus = &scaling->compare->cpus;
    void *churns[THREADS] = {&scaling->churn[0], &scaling->churn[1]};
    void *plains[THREADS] = {&scaling->plain[0], &scaling->plain[1]};
    struct bench_span span = {.ops_max = (uint64_t)scaling->compare->steps * threads};
    struct bench_sample plain;

    right_or_fail("index", bench_crew_run(cpus, threads, span, churn_body, churns, ret));
    bench_crew_run(cpus, threads, span, plain_body, plains, &plain);
    ret->beside_per_s = bench_ops_per_s(&plain);
}

static void two_measure(void *arg, struct bench_sample *ret)
{
    threads_measure(arg, THREADS, ret);
}

static void one_measure(void *arg, struct bench_sample *ret)
{
    threads_measure(arg, 1, ret);
}

void compare_scaling(const struct compare *compare, const char *name)
{
    struct bench_population population;
    struct scaling scaling = {.compare = compare};
    struct compare_result result;
    struct compare_pair pair = {
        .name = name, .ours = {two_measure, &scaling}, .theirs = {one_measure, &scaling}};
    uint32_t each = compare->entries / THREADS;
    uint64_t lines_count;
    uint8_t *lines;

    if (compare->cpus.count < THREADS)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s takes two CPUs", name);
    bench_population_make(&population, (each + BENCH_CHURN_SPARE) * THREADS, 0, THREADS);
    lines = bench_plain_lines_make(compare->entries, &lines_count);
    for (unsigned i = 0; i < THREADS; i++) {
        bench_plain_make(&scaling.plain[i], lines, lines_count, i);
        bench_churn_make(&scaling.churn[i], &population, i * (each + BENCH_CHURN_SPARE), each, i, i,
                         THREADS);
    }
    compare_measure(compare, &pair, &result);
    compare_tell(
        name, &result, "1/s",
        "insert a new id and evict the oldest in one index of %u, ids apart: two pinned "
        "threads beside one of them alone; writes of as many lines to plain memory scale %.2f; "
        "refused %llu",
        each * THREADS, result.ours_beside / result.theirs_beside,
        (unsigned long long)(scaling.churn[0].refused + scaling.churn[1].refused));
    for (unsigned i = 0; i < THREADS; i++)
        bench_plain_free(&scaling.plain[i]);
    bench_plain_lines_free(lines, lines_count);
    bench_population_free(&population);
}

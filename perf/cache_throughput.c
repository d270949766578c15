/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arobench cache lookup, insert, mixed: what the index does per second. Every thread has its own
 * ids to ask for and its own entries to churn; the index is one. A mixed population is seven
 * eighths for lookups, which stay, and one eighth that comes and goes.
 */
#include "perf/cache_commands.h"

#include <stdio.h>

#include "perf/churn.h"
#include "perf/crew.h"
#include "perf/fail.h"

enum { ASKED = 1 << 20, ROUNDS_MAX = 99, CHURNING_PART = 8 };

struct part {
    const struct bench_options *options;
    struct bench_population *population;
    struct aro_id *asked; /* [ASKED] */
    uint32_t at;          /* next of them */
    struct bench_churn churn;
};

struct bench {
    const char *name;
    bool lookups;
    bool churns;
    void (*body)(struct bench_worker *worker);
};

static void lookup_burst(struct part *part, struct bench_worker *worker)
{
    unsigned n = part->options->burst;

    if (part->at + n > ASKED)
        part->at = 0;
    worker->wrong += bench_population_lookup(part->population, &part->asked[part->at], n);
    part->at += n;
    worker->ops += n;
}

static void lookup_body(struct bench_worker *worker)
{
    while (bench_worker_goes_on(worker))
        lookup_burst(worker->work, worker);
}

static void churn_batch(struct part *part, struct bench_worker *worker)
{
    worker->ops += bench_churn_batch(&part->churn);
    worker->wrong += part->churn.wrong;
}

static void insert_body(struct bench_worker *worker)
{
    struct part *part = worker->work;

    bench_churn_begin(&part->churn);
    while (bench_worker_goes_on(worker))
        churn_batch(part, worker);
    bench_churn_end(&part->churn);
}

/* The share of writes is kept by debt: each lookup owes some, and a batch pays. */
static void mixed_body(struct bench_worker *worker)
{
    struct part *part = worker->work;
    const unsigned writes = part->options->writes_percent;
    uint64_t owed = 0; /* hundredths of a write */

    bench_churn_begin(&part->churn);
    while (bench_worker_goes_on(worker)) {
        if (owed >= BENCH_CHURN_BATCH * (100ull - writes)) {
            churn_batch(part, worker);
            owed -= BENCH_CHURN_BATCH * (100ull - writes);
        } else {
            lookup_burst(part, worker);
            owed += (uint64_t)part->options->burst * writes;
        }
        aro_qsbr_quiescent(&part->population->qsbr, worker->number);
    }
    bench_churn_end(&part->churn);
}

/* ---- rounds ---- */

static void parts_make(const struct bench *bench, const struct bench_options *options,
                       struct bench_population *population, struct part parts[])
{
    uint32_t threads = options->threads;
    uint32_t churning = bench->lookups ? options->entries / CHURNING_PART : options->entries;
    uint32_t each = bench->churns ? churning / threads : 0;
    uint32_t stay = options->entries - each * threads;

    bench_population_make(population, options->entries + threads * BENCH_CHURN_SPARE,
                          options->value_bytes, threads);
    bench_population_fill(population, stay);
    for (unsigned i = 0; i < threads; i++) {
        parts[i] = (struct part){.options = options, .population = population};
        if (bench->lookups)
            parts[i].asked = bench_asked_make(ASKED, stay, i);
        if (bench->churns)
            bench_churn_make(&parts[i].churn, population, stay + i * (each + BENCH_CHURN_SPARE),
                             each, i, UINT64_C(1) << 32 | i, threads);
    }
}

static void report(const struct bench *bench, const struct bench_options *options,
                   const struct bench_sample samples[], uint64_t refused)
{
    double per_s[ROUNDS_MAX], cycles[ROUNDS_MAX], stolen = 0;
    uint64_t ops = 0;

    for (unsigned i = 0; i < options->rounds; i++) {
        per_s[i] = bench_ops_per_s(&samples[i]);
        cycles[i] = bench_cycles_per_op(&samples[i]);
        ops += samples[i].ops;
        if (samples[i].stolen > stolen)
            stolen = samples[i].stolen;
    }
    double per_s_median = bench_median(per_s, options->rounds);
    double cycles_median = bench_median(cycles, options->rounds);
    if (options->json)
        printf("{\"name\":\"cache.%s\",\"entries\":%u,\"threads\":%u,\"burst\":%u,"
               "\"value_bytes\":%u,\"writes_percent\":%u,\"rounds\":%u,\"operations\":%llu,"
               "\"per_s\":%.0f,\"per_s_min\":%.0f,\"per_s_max\":%.0f,\"cycles\":%.1f,"
               "\"refused\":%llu,\"wrong\":0,\"stolen\":%.3f}\n",
               bench->name, options->entries, options->threads, options->burst,
               options->value_bytes, options->writes_percent, options->rounds,
               (unsigned long long)ops, per_s_median, per_s[0], per_s[options->rounds - 1],
               cycles_median, (unsigned long long)refused, stolen);
    else
        printf("%s: %.2f M/s, %.1f cycles each (median of %u rounds; %.2f to %.2f M/s), all of "
               "%llu right, %llu refused; up to %.0f%% of the CPUs stolen\n",
               bench->name, per_s_median / 1e6, cycles_median, options->rounds, per_s[0] / 1e6,
               per_s[options->rounds - 1] / 1e6, (unsigned long long)ops,
               (unsigned long long)refused, stolen * 100);
}

static int run(const struct bench *bench, const struct bench_options *options)
{
    struct bench_span span = {.seconds = options->seconds, .ops_max = options->requests};
    struct bench_sample samples[ROUNDS_MAX];
    struct part parts[BENCH_THREADS_MAX];
    void *work[BENCH_THREADS_MAX];
    struct bench_population population;
    struct bench_cpus cpus;
    uint64_t refused = 0;

    bench_cpus_read(&cpus);
    parts_make(bench, options, &population, parts);
    for (unsigned i = 0; i < options->threads; i++)
        work[i] = &parts[i];
    for (unsigned i = 0; i < options->rounds; i++) {
        uint64_t wrong =
            bench_crew_run(&cpus, options->threads, span, bench->body, work, &samples[i]);
        if (wrong != 0)
            bench_fail(ARO_E_BENCH_WRONG, "%llu of %llu operations did not find what they should",
                       (unsigned long long)wrong, (unsigned long long)samples[i].ops);
    }
    for (unsigned i = 0; i < options->threads; i++) {
        refused += parts[i].churn.refused;
        if (bench->lookups)
            bench_pages_free(parts[i].asked, ASKED * sizeof(struct aro_id));
    }
    report(bench, options, samples, refused);
    bench_population_free(&population);
    return 0;
}

int cache_lookup(const struct bench_options *options)
{
    return run(&(struct bench){.name = "lookup", .lookups = true, .body = lookup_body}, options);
}

int cache_insert(const struct bench_options *options)
{
    return run(&(struct bench){.name = "insert", .churns = true, .body = insert_body}, options);
}

int cache_mixed(const struct bench_options *options)
{
    return run(
        &(struct bench){.name = "mixed", .lookups = true, .churns = true, .body = mixed_body},
        options);
}

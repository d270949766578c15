/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arobench cache replay, zipf: how much an eviction policy hits, and how many requests per second
 * index and policy take, on one thread (a policy has one keeper). Every round starts with an empty
 * cache; all rounds must count the same. Every hit's entry is compared with what was asked for.
 */
#include "perf/cache_commands.h"

#include <stdio.h>

#include "perf/fail.h"
#include "perf/machine.h"
#include "perf/replay.h"
#include "perf/trace.h"
#include "perf/zipf.h"

enum { ENTRIES_MAX = 48 << 20, ROUNDS_MAX = 99, PIECE = 1 << 16, ZIPF_SEED = 1 };

/* Where requests come from: fills the arrays, returns how many (0: no more). */
struct source {
    unsigned (*next)(struct source *source, struct aro_id ids[], uint32_t len_bytes[], unsigned n);
    struct trace trace;
    struct zipf zipf;
    uint64_t at, requests;
    uint32_t value_bytes;
    uint64_t skipped; /* requests for nothing: size 0 */
};

struct outcome {
    struct replay_counts counts;
    uint64_t skipped;
    double per_s[ROUNDS_MAX];
    double cycles[ROUNDS_MAX];
    double stolen;
};

static unsigned zipf_source_next(struct source *source, struct aro_id ids[], uint32_t len_bytes[],
                                 unsigned n)
{
    uint64_t left = source->requests - source->at;

    if (n > left)
        n = (unsigned)left;
    for (unsigned i = 0; i < n; i++) {
        ids[i] = bench_id(zipf_next(&source->zipf));
        len_bytes[i] = source->value_bytes;
    }
    source->at += n;
    return n;
}

static unsigned trace_source_next(struct source *source, struct aro_id ids[], uint32_t len_bytes[],
                                  unsigned n)
{
    unsigned made = 0;

    while (made < n && source->at < source->requests) {
        struct trace_request request = trace_at(&source->trace, source->at++);
        ids[made] = bench_id(request.object);
        len_bytes[made] = request.size_bytes;
        if (request.size_bytes > 0)
            made++;
        else
            source->skipped++;
    }
    return made;
}

/* ---- a round ---- */

static void check(const struct aro_entry *const hits[], const struct aro_id ids[], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (hits[i] != NULL && !aro_id_equal(&hits[i]->id, &ids[i]))
            bench_fail(ARO_E_BENCH_WRONG, "a hit is not what was asked for");
}

/* Requests are made a piece at a time, and only what the cache does with them is timed. */
static void round_run(const struct bench_options *options, struct source *source,
                      struct replay *replay, struct bench_sample *ret)
{
    static struct aro_id ids[PIECE];
    static uint32_t len_bytes[PIECE];
    uint64_t cycles = 0, ns = 0;
    struct bench_sample sample;
    struct bench_mark begin;
    unsigned n;

    bench_mark(&begin);
    while ((n = source->next(source, ids, len_bytes, PIECE)) > 0) {
        struct bench_mark mark;
        bench_mark(&mark);
        for (unsigned i = 0; i < n; i += options->burst) {
            const struct aro_entry *hits[REPLAY_BURST_MAX];
            unsigned burst = n - i < options->burst ? n - i : options->burst;
            replay_request_burst(replay, &ids[i], &len_bytes[i], burst, hits);
            check(hits, &ids[i], burst);
        }
        bench_sample_take(&mark, n, &sample);
        cycles += sample.cycles;
        ns += sample.ns;
    }
    bench_sample_take(&begin, replay->counts.requests, ret);
    ret->cycles = cycles;
    ret->ns = ns;
}

static void rounds_run(const struct bench_options *options, struct source *source,
                       uint64_t capacity_bytes, uint32_t entries_max, struct outcome *ret)
{
    struct bench_cpus cpus;

    bench_cpus_read(&cpus);
    bench_pin(&cpus, 0);
    *ret = (struct outcome){0};
    for (unsigned i = 0; i < options->rounds; i++) {
        struct bench_sample sample;
        struct replay replay;
        replay_make(&replay, options->policy, capacity_bytes, entries_max);
        source->at = source->skipped = 0;
        source->zipf.state = ZIPF_SEED;
        round_run(options, source, &replay, &sample);
        if (i > 0 && replay.counts.hits != ret->counts.hits)
            bench_fail(ARO_E_BENCH_WRONG, "two rounds of the same requests hit differently");
        ret->counts = replay.counts;
        ret->skipped = source->skipped;
        ret->per_s[i] = bench_ops_per_s(&sample);
        ret->cycles[i] = bench_cycles_per_op(&sample);
        if (sample.stolen > ret->stolen)
            ret->stolen = sample.stolen;
        replay_free(&replay);
    }
}

/* ---- what is told ---- */

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static void tell(const struct bench_options *options, const char *name, uint64_t capacity_bytes,
                 struct outcome *outcome)
{
    const struct replay_counts *counts = &outcome->counts;
    unsigned long long misses = counts->requests - counts->hits;
    double per_s = bench_median(outcome->per_s, options->rounds);
    double cycles = bench_median(outcome->cycles, options->rounds);

    if (options->json)
        printf("{\"name\":\"cache.%s\",\"policy\":\"%s\",\"capacity_bytes\":%llu,"
               "\"requests\":%llu,\"misses\":%llu,\"hit_ratio\":%.6f,\"byte_hit_ratio\":%.6f,"
               "\"refused\":%llu,\"skipped\":%llu,\"rounds\":%u,\"per_s\":%.0f,\"cycles\":%.1f,"
               "\"stolen\":%.3f}\n",
               name, options->policy->name, (unsigned long long)capacity_bytes,
               (unsigned long long)counts->requests, misses, share(counts->hits, counts->requests),
               share(counts->hit_bytes, counts->bytes), (unsigned long long)counts->refused,
               (unsigned long long)outcome->skipped, options->rounds, per_s, cycles,
               outcome->stolen);
    else
        printf("%s, %s: %llu requests, %llu misses, hit ratio %.4f, of bytes %.4f; %.2f M/s, %.1f "
               "cycles each (rounds: %u), every hit checked; up to %.0f%% of the CPUs "
               "stolen\n",
               name, options->policy->name, (unsigned long long)counts->requests, misses,
               share(counts->hits, counts->requests), share(counts->hit_bytes, counts->bytes),
               per_s / 1e6, cycles, options->rounds, outcome->stolen * 100);
}

/* The most that may be in at once: all there are, or as many of the smallest as fit. */
static uint32_t entries_wanted(const struct trace *trace, uint64_t capacity_bytes)
{
    uint64_t fit = capacity_bytes / trace->size_min_bytes + 1;
    uint64_t entries = fit < trace->requests ? fit : trace->requests;

    if (entries > ENTRIES_MAX)
        bench_fail(ARO_E_BENCH_RESOURCES, "more than %d chunks would be in at once", ENTRIES_MAX);
    return (uint32_t)entries;
}

int cache_replay(const struct bench_options *options)
{
    struct source source = {.next = trace_source_next};
    struct outcome outcome;
    struct aro_error error;

    if (trace_open(&source.trace, options->file, &error) != 0)
        bench_fail_with(&error);
    source.requests = source.trace.requests;
    rounds_run(options, &source, options->capacity_bytes,
               entries_wanted(&source.trace, options->capacity_bytes), &outcome);
    tell(options, "replay", options->capacity_bytes, &outcome);
    trace_close(&source.trace);
    return 0;
}

int cache_zipf(const struct bench_options *options)
{
    struct source source = {.next = zipf_source_next,
                            .requests = options->requests,
                            .value_bytes = options->value_bytes};
    uint64_t capacity_bytes = (uint64_t)options->entries * options->value_bytes;
    struct outcome outcome;

    zipf_make(&source.zipf, options->objects, options->alpha, ZIPF_SEED);
    rounds_run(options, &source, capacity_bytes, options->entries, &outcome);
    tell(options, "zipf", capacity_bytes, &outcome);
    zipf_free(&source.zipf);
    return 0;
}

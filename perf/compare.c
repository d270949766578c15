/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/compare.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "perf/arobench.h"
#include "perf/fail.h"

static double value_of(const struct compare_pair *pair, const struct bench_sample *sample)
{
    return pair->by_cycles ? bench_cycles_per_op(sample) : bench_ops_per_s(sample);
}

static double ratio_of(const struct compare_pair *pair, double ours, double theirs)
{
    return pair->by_cycles ? theirs / ours : ours / theirs;
}

static void raw_write(FILE *raw, const char *name, unsigned round, const char *side,
                      const struct bench_sample *sample)
{
    if (raw == NULL)
        return;
    fprintf(raw,
            "{\"name\":\"%s\",\"round\":%u,\"side\":\"%s\",\"operations\":%llu,\"cycles\":%llu,"
            "\"ns\":%llu,\"cycles_each\":%.2f,\"per_s\":%.0f,\"beside_per_s\":%.0f,"
            "\"stolen\":%.3f,\"load\":%.2f}\n",
            name, round, side, (unsigned long long)sample->ops, (unsigned long long)sample->cycles,
            (unsigned long long)sample->ns, bench_cycles_per_op(sample), bench_ops_per_s(sample),
            sample->beside_per_s, sample->stolen, sample->load);
}

/* What a side told, round by round. */
struct series {
    const struct compare_side *side;
    const char *name;
    double value[COMPARE_ROUNDS_MAX], beside[COMPARE_ROUNDS_MAX], cycles[COMPARE_ROUNDS_MAX];
};

static void measure(const struct compare *compare, const struct compare_pair *pair, unsigned round,
                    struct series *series)
{
    struct bench_sample sample;

    series->side->measure(series->side->arg, &sample);
    raw_write(compare->raw, pair->name, round, series->name, &sample);
    series->value[round] = value_of(pair, &sample);
    series->beside[round] = sample.beside_per_s;
    series->cycles[round] = bench_cycles_per_op(&sample);
}

void compare_measure(const struct compare *compare, const struct compare_pair *pair,
                     struct compare_result *ret)
{
    struct series ours = {.side = &pair->ours, .name = "ours"};
    struct series theirs = {.side = &pair->theirs, .name = "theirs"};
    double ratios[COMPARE_ROUNDS_MAX], cycles_ratios[COMPARE_ROUNDS_MAX];
    const unsigned rounds = compare->rounds;
    struct bench_sample all;
    struct bench_mark begin;

    *ret = (struct compare_result){.wire = pair->wire};
    bench_mark(&begin);
    for (unsigned i = 0; i < rounds; i++) {
        measure(compare, pair, i, &ours);
        measure(compare, pair, i, &theirs);
        ratios[i] = ratio_of(pair, ours.value[i], theirs.value[i]);
        cycles_ratios[i] = ours.cycles[i] / theirs.cycles[i];
    }
    bench_sample_take(&begin, rounds, &all);
    ret->stolen = all.stolen;
    ret->ratio = bench_median(ratios, rounds);
    ret->ratio_min = ratios[0];
    ret->ratio_max = ratios[rounds - 1];
    ret->ours = bench_median(ours.value, rounds);
    ret->theirs = bench_median(theirs.value, rounds);
    ret->ours_beside = bench_median(ours.beside, rounds);
    ret->theirs_beside = bench_median(theirs.beside, rounds);
    ret->ours_cycles = bench_median(ours.cycles, rounds);
    ret->theirs_cycles = bench_median(theirs.cycles, rounds);
    ret->cycles_ratio = bench_median(cycles_ratios, rounds);
}

static bool is_quick; /* of this run: said in every line */

void compare_tell(const char *name, const struct compare_result *result, const char *unit,
                  const char *note, ...)
{
    va_list arguments;

    printf("{\"name\":\"%s\",\"ours\":%.6g,\"theirs\":%.6g,\"ratio\":%.3f,\"unit\":\"%s\","
           "\"wire\":\"%s\",\"note\":\"",
           name, result->ours, result->theirs, result->ratio, unit,
           result->wire == NULL ? "memory" : result->wire);
    va_start(arguments, note);
    vprintf(note, arguments);
    va_end(arguments);
    if (is_quick)
        printf("; QUICK: sizes too small for a figure");
    if (result->ratio_max > 0) /* there were rounds */
        printf("; ratio of single rounds %.2f to %.2f; %.1f%% of the CPUs stolen",
               result->ratio_min, result->ratio_max, result->stolen * 100);
    printf("\"}\n");
    fflush(stdout);
}

static int unknown(const char *tool, const struct comparison list[], unsigned n, const char *name)
{
    fprintf(stderr, "arobench: %s compare: there is no comparison %.80s (ARO-1001)\n  try:", tool,
            name);
    for (unsigned i = 0; i < n; i++)
        fprintf(stderr, " %s", list[i].name);
    fputs("\n", stderr);
    return ARO_BENCH_EXIT_USAGE;
}

static FILE *raw_open(const char *path)
{
    FILE *raw = path == NULL ? NULL : fopen(path, "we");

    if (path != NULL && raw == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "%.300s cannot be written: %s", path, strerror(errno));
    return raw;
}

/* False: left out, and said why. */
static bool run_one(const struct compare *compare, const struct comparison *comparison)
{
    const char *lacks = comparison->lacks == NULL ? NULL : comparison->lacks();

    if (lacks == NULL)
        comparison->run(compare, comparison->name);
    else
        fprintf(stderr, "arobench: %s is left out: %s\n", comparison->name, lacks);
    return lacks == NULL;
}

int compare_run(const char *tool, const struct comparison list[], unsigned n,
                const struct bench_options *options, const struct compare *sizes)
{
    struct compare compare = *sizes;
    unsigned named = 0, told = 0;

    is_quick = options->quick;
    compare.rounds = options->rounds;
    compare.raw = raw_open(options->raw);
    bench_cpus_read(&compare.cpus);
    bench_pin(&compare.cpus, 0);
    for (unsigned i = 0; i < n; i++) {
        if (options->only != NULL && strcmp(options->only, list[i].name) != 0)
            continue;
        named++;
        told += run_one(&compare, &list[i]);
    }
    if (compare.raw != NULL && fclose(compare.raw) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%.300s cannot be written: %s", options->raw,
                   strerror(errno));
    if (named == 0)
        return unknown(tool, list, n, options->only);
    return told == named ? 0 : COMPARE_EXIT_LEFT_OUT;
}

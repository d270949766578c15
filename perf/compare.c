/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/compare.h"

#include <stdarg.h>

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

static double measure(const struct compare *compare, const struct compare_pair *pair,
                      unsigned round, const char *side_name, const struct compare_side *side,
                      double *ret_beside)
{
    struct bench_sample sample;

    side->measure(side->arg, &sample);
    raw_write(compare->raw, pair->name, round, side_name, &sample);
    *ret_beside = sample.beside_per_s;
    return value_of(pair, &sample);
}

void compare_measure(const struct compare *compare, const struct compare_pair *pair,
                     struct compare_result *ret)
{
    double ours[COMPARE_ROUNDS_MAX], theirs[COMPARE_ROUNDS_MAX], ratios[COMPARE_ROUNDS_MAX];
    double our_beside[COMPARE_ROUNDS_MAX], their_beside[COMPARE_ROUNDS_MAX];
    const unsigned rounds = compare->rounds;
    struct bench_sample all;
    struct bench_mark begin;

    *ret = (struct compare_result){0};
    bench_mark(&begin);
    for (unsigned i = 0; i < rounds; i++) {
        ours[i] = measure(compare, pair, i, "ours", &pair->ours, &our_beside[i]);
        theirs[i] = measure(compare, pair, i, "theirs", &pair->theirs, &their_beside[i]);
        ratios[i] = ratio_of(pair, ours[i], theirs[i]);
    }
    bench_sample_take(&begin, rounds, &all);
    ret->stolen = all.stolen;
    ret->ratio = bench_median(ratios, rounds);
    ret->ratio_min = ratios[0];
    ret->ratio_max = ratios[rounds - 1];
    ret->ours = bench_median(ours, rounds);
    ret->theirs = bench_median(theirs, rounds);
    ret->ours_beside = bench_median(our_beside, rounds);
    ret->theirs_beside = bench_median(their_beside, rounds);
}

void compare_tell(const char *name, const struct compare_result *result, const char *unit,
                  const char *note, ...)
{
    va_list arguments;

    printf("{\"name\":\"%s\",\"ours\":%.6g,\"theirs\":%.6g,\"ratio\":%.3f,\"unit\":\"%s\","
           "\"wire\":\"memory\",\"note\":\"",
           name, result->ours, result->theirs, result->ratio, unit);
    va_start(arguments, note);
    vprintf(note, arguments);
    va_end(arguments);
    if (result->ratio_max > 0) /* there were rounds */
        printf("; ratio of single rounds %.2f to %.2f; %.1f%% of the CPUs stolen",
               result->ratio_min, result->ratio_max, result->stolen * 100);
    printf("\"}\n");
    fflush(stdout);
}

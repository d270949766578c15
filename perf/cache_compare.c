/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench cache compare: which comparisons there are, and how large. */
#include "perf/cache_commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "perf/arobench.h"
#include "perf/compare.h"
#include "perf/fail.h"

/* Memory first: its children start from a process that has nothing yet. */
static const struct comparison {
    const char *name;
    void (*run)(const struct compare *compare, const char *name);
} comparisons[] = {
    {"cache.bytes_in_memory", compare_bytes_in_memory},
    {"cache.bytes_on_disk_only", compare_bytes_on_disk_only},
    {"cache.lookup_vs_rte_hash", compare_lookup_rte_hash},
    {"cache.lookup_vs_lfht", compare_lookup_lfht},
    {"cache.lookup_vs_floor", compare_lookup_floor},
    {"cache.lookup_under_writes", compare_lookup_under_writes},
    {"cache.insert_evict_vs_rte_hash", compare_insert_evict_rte_hash},
    {"cache.scaling_two_cores", compare_scaling},
    {"cache.s3fifo_vs_lru", compare_s3fifo_lru},
};
enum { COMPARISONS = sizeof(comparisons) / sizeof(comparisons[0]) };

static const struct compare full_size = {.entries = 16000000,
                                         .lookups = 1 << 18,
                                         .steps = 1 << 18,
                                         .objects = 10000000,
                                         .requests = 100000000,
                                         .chunks = 4000000};
static const struct compare quick_size = {.entries = 50000,
                                          .lookups = 1 << 12,
                                          .steps = 1 << 13,
                                          .objects = 20000,
                                          .requests = 200000,
                                          .chunks = 20000};

static int unknown(const char *name)
{
    fprintf(stderr,
            "arobench: cache compare: there is no comparison %.80s (ARO-1001)\n  try:", name);
    for (unsigned i = 0; i < COMPARISONS; i++)
        fprintf(stderr, " %s", comparisons[i].name);
    fputs("\n", stderr);
    return ARO_BENCH_EXIT_USAGE;
}

int cache_compare(const struct cache_options *options)
{
    struct compare compare = options->quick ? quick_size : full_size;
    unsigned run = 0;

    compare.rounds = options->rounds;
    if (options->raw != NULL && (compare.raw = fopen(options->raw, "we")) == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "%.300s cannot be written: %s", options->raw,
                   strerror(errno));
    bench_cpus_read(&compare.cpus);
    bench_pin(&compare.cpus, 0);
    for (unsigned i = 0; i < COMPARISONS; i++) {
        if (options->only != NULL && strcmp(options->only, comparisons[i].name) != 0)
            continue;
        comparisons[i].run(&compare, comparisons[i].name);
        run++;
    }
    if (compare.raw != NULL && fclose(compare.raw) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%.300s cannot be written: %s", options->raw,
                   strerror(errno));
    return run > 0 ? 0 : unknown(options->only);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench cache compare: which comparisons there are, and how large. */
#include "perf/cache_commands.h"

#include "perf/compare.h"

/* Memory first: its children start from a process that has nothing yet. */
static const struct comparison comparisons[] = {
    {"cache.bytes_in_memory", compare_bytes_in_memory, NULL},
    {"cache.bytes_on_disk_only", compare_bytes_on_disk_only, NULL},
    {"cache.lookup_vs_rte_hash", compare_lookup_rte_hash, NULL},
    {"cache.lookup_vs_lfht", compare_lookup_lfht, NULL},
    {"cache.lookup_vs_floor", compare_lookup_floor, NULL},
    {"cache.lookup_under_writes", compare_lookup_under_writes, NULL},
    {"cache.insert_evict_vs_rte_hash", compare_insert_evict_rte_hash, NULL},
    {"cache.scaling_two_cores", compare_scaling, NULL},
    {"cache.s3fifo_vs_lru", compare_s3fifo_lru, NULL},
    {"cache.s3fifo_vs_lru_fetched", compare_s3fifo_lru_fetched, NULL},
};

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

int cache_compare(const struct bench_options *options)
{
    return compare_run("cache", comparisons, sizeof(comparisons) / sizeof(comparisons[0]), options,
                       options->quick ? &quick_size : &full_size);
}

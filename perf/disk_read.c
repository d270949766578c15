/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench disk read: what the reader of an lcore does per second, and where its time goes. */
#include <stdio.h>

#include "perf/disk_commands.h"
#include "perf/disk_load.h"

enum { ROUNDS_MAX = 99 };

/* All rounds together, and the rates of each. */
struct total {
    struct disk_load_result sum;
    double per_s[ROUNDS_MAX];
    double stolen; /* of the worst round */
};

static void add(struct total *total, unsigned round, const struct disk_load_result *result)
{
    total->per_s[round] = bench_ops_per_s(&result->sample);
    disk_load_add(&total->sum, result);
    if (result->sample.stolen > total->stolen)
        total->stolen = result->sample.stolen;
}

static void report(const struct bench_options *options, struct total *total,
                   const struct aro_disk_reader_stats *reader)
{
    const struct disk_load_result *sum = &total->sum;
    const double reads = (double)sum->sample.ops;
    const double median = bench_median(total->per_s, options->rounds);

    if (options->json)
        printf("{\"name\":\"disk.read\",\"chunk_bytes\":%llu,\"depth\":%u,\"rounds\":%u,"
               "\"operations\":%llu,\"per_s\":%.0f,\"per_s_min\":%.0f,\"per_s_max\":%.0f,"
               "\"cycles\":%.1f,\"find_cycles\":%.1f,\"verify_cycles\":%.1f,\"enters\":%.3f,"
               "\"read_bytes\":%llu,\"delivered_bytes\":%llu,\"fixed_buffers\":%s,"
               "\"fixed_files\":%s,"
               "\"defer_taskrun\":%s,\"wrong\":0,\"stolen\":%.3f}\n",
               (unsigned long long)options->chunk_bytes, options->depth, options->rounds,
               (unsigned long long)sum->sample.ops, median, total->per_s[0],
               total->per_s[options->rounds - 1], bench_cycles_per_op(&sum->sample),
               (double)sum->find_cycles / reads, (double)sum->verify_cycles / reads,
               (double)sum->enters / reads, (unsigned long long)sum->read_bytes,
               (unsigned long long)sum->delivered_bytes, reader->fixed_buffers ? "true" : "false",
               reader->fixed_files ? "true" : "false", reader->defer_taskrun ? "true" : "false",
               total->stolen);
    else
        printf("read: %.0f/s, %.1f MB/s (median of %u rounds; %.0f/s to %.0f/s), all of %llu "
               "right; cycles each: %.0f from submit to reap, %.0f to find, %.0f to verify; %.2f "
               "system calls each; up to %.0f%% of the CPUs stolen\n",
               median, median * (double)options->chunk_bytes / 1e6, options->rounds,
               total->per_s[0], total->per_s[options->rounds - 1],
               (unsigned long long)sum->sample.ops, bench_cycles_per_op(&sum->sample),
               (double)sum->find_cycles / reads, (double)sum->verify_cycles / reads,
               (double)sum->enters / reads, total->stolen * 100);
}

int disk_read(const struct bench_options *options)
{
    const struct bench_span span = {.seconds = options->seconds, .ops_max = options->requests};
    struct aro_disk_reader_stats reader;
    struct total total = {0};
    struct disk_stock stock;
    struct disk_load *load;
    struct bench_cpus cpus;

    bench_cpus_read(&cpus);
    bench_pin(&cpus, 0);
    disk_stock_make(&stock,
                    &(struct disk_stock_config){.parent = options->directory,
                                                .data_bytes = options->size_bytes,
                                                .chunk_bytes = (uint32_t)options->chunk_bytes});
    load = disk_load_make(&stock, options->depth);
    for (unsigned i = 0; i < options->rounds; i++) {
        struct disk_load_result result;
        disk_load_run(load, span, &result);
        add(&total, i, &result);
    }
    disk_load_reader(load, &reader);
    disk_load_free(load);
    disk_stock_free(&stock);
    report(options, &total, &reader);
    return 0;
}

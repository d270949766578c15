/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench disk compare: which comparisons there are, and how large. */
#include "perf/compare_disk.h"
#include "perf/compare_node.h"
#include "perf/disk_commands.h"
#include "perf/fio.h"

enum { STARTS_QUICK = 3 };

static const struct comparison comparisons[] = {
    {"disk.random_64k_vs_fio", compare_disk_64k, fio_lacks},
    {"disk.random_4k_vs_fio", compare_disk_4k, fio_lacks},
    {"disk.tmpfs_64k_vs_fio", compare_disk_tmpfs_64k, compare_disk_tmpfs_lacks},
    {"disk.read_amplification", compare_read_amplification, NULL},
    {"disk.put_vs_fio", compare_put_fio, fio_lacks},
    {"disk.one_read_for_many", compare_one_read, compare_one_read_lacks},
    {"disk.restart_first_answer_s", compare_restart, compare_node_lacks},
    {"disk.hits_under_misses", compare_hits_under_misses, compare_node_lacks},
    {"disk.client_64k_vs_fio", compare_client_64k, compare_client_lacks},
    {"disk.client_4k_vs_fio", compare_client_4k, compare_client_lacks},
    {"disk.client_tmpfs_64k_vs_fio", compare_client_tmpfs_64k, compare_client_tmpfs_lacks},
};

int disk_compare(const struct bench_options *options)
{
    struct compare sizes = {.directory = options->directory,
                            .depth = options->depth,
                            .seconds = options->seconds,
                            .file_bytes = 512 << 20,
                            .requests = 10000,
                            .chunks_stored = 1000000,
                            .starts = options->starts};

    compare_node_choose(options->daemon);

    if (options->quick) {
        sizes.seconds = 0.1;
        sizes.file_bytes = 8 << 20;
        sizes.requests = 1000;
        sizes.chunks_stored = 50000;
        sizes.starts = options->starts < STARTS_QUICK ? options->starts : STARTS_QUICK;
    }
    return compare_run("disk", comparisons, sizeof(comparisons) / sizeof(comparisons[0]), options,
                       &sizes);
}

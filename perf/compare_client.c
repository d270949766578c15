/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random cold chunks all the way: disk, lcore, wire, our client, which verifies each by its
 * SHA-256; beside fio on the same file, which only reads. The client and the node's control thread
 * share the first CPU, where fio runs in its turns; the lcore has the second.
 */
#include "perf/compare_node.h"

#include <stdlib.h>

#include "perf/apart.h"
#include "perf/client_load.h"
#include "perf/compare_disk.h"
#include "perf/crew.h"
#include "perf/fail.h"
#include "perf/fio.h"
#include "perf/node.h"

enum {
    MTU = 9000,
    FRAMES = 2048,
    MEMORY_SHARE = 8, /* of the stock, one part in so many: before a chunk comes again it is gone */
    STOCK_BYTES_MIN = 128 << 20,
    PENDING = 1024,
    WARM = 3, /* seconds of a sample: until the client's window is what it will be */
};

struct contest {
    struct bench_span span;
    struct disk_stock stock;
    struct bench_node node;
    struct client_load *load;
    struct fio_job job;
    uint64_t cpu_ns, node_cpu_ns, ns; /* of our rounds */
    uint64_t slices, slices_memory;
};

static void measure_ours(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    struct client_load_result result;
    uint64_t node_cpu_ns = bench_node_cpu_ns(&contest->node);

    client_load_run(contest->load, contest->span.seconds, &result);
    contest->node_cpu_ns += bench_node_cpu_ns(&contest->node) - node_cpu_ns;
    contest->cpu_ns += result.cpu_ns;
    contest->ns += result.sample.ns;
    contest->slices += result.slices;
    contest->slices_memory += result.slices_memory;
    *ret = result.sample;
}

static void measure_fio(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    struct fio_result result;
    struct bench_mark mark;

    bench_mark(&mark);
    fio_run(&contest->job, &result);
    bench_sample_take(&mark, result.ops, ret); /* for what the host took */
    ret->ns = result.ns;
}

static void tell(const struct contest *contest, const struct compare_result *result,
                 const char *name)
{
    compare_tell(
        name, result, "1/s",
        "random cold chunks of %u bytes out of %llu MiB in one segment, %u under way, from "
        "the disk to a client that verified each by its SHA-256, over a veth (af_packet, MTU "
        "%u); theirs: %s on the same file, as many in flight, nothing verified, nothing sent; "
        "meanwhile the client took %.2f CPUs and the node %.2f, of two; %.2f%% of the slices "
        "came out of memory",
        contest->stock.chunk_bytes, (unsigned long long)(contest->stock.data_bytes >> 20),
        contest->job.depth, MTU, fio_version(), (double)contest->cpu_ns / (double)contest->ns,
        (double)contest->node_cpu_ns / (double)contest->ns,
        100 * (double)contest->slices_memory / (double)(contest->slices + 1));
}

static void node_make(struct contest *contest, const struct compare *compare, const char *folder)
{
    char host[BENCH_WIRE_HOST_BYTES];

    bench_wire_make(0, MTU);
    bench_wire_host(0, host);
    bench_node_make(&contest->node, &(struct bench_node_config){
                                        .program = compare_node_program(),
                                        .folder = folder,
                                        .store = contest->stock.folder,
                                        .store_bytes = contest->stock.store_bytes,
                                        .segment_bytes = contest->stock.segment_bytes,
                                        .chunks_max = contest->stock.chunks + 64,
                                        .memory_bytes = contest->stock.data_bytes / MEMORY_SHARE,
                                        .lcores = 1,
                                        .mtu = MTU,
                                        .frames = FRAMES,
                                        .pending = PENDING,
                                        .reads = 2 * compare->depth,
                                        .cpus = compare->cpus.set});
    bench_node_start(&contest->node);
    bench_node_wait(&contest->node);
    contest->load = client_load_make(&contest->stock, host, compare->depth);
}

static void run(const struct compare *compare, const char *name, const char *directory,
                const char *wire, uint32_t chunk_bytes)
{
    struct contest contest = {.span.seconds = compare->seconds};
    const struct compare_pair pair = {
        .name = name,
        .wire = wire,
        .ours = {measure_ours, &contest},
        .theirs = {measure_fio, &contest},
    };
    char folder[BENCH_FOLDER_BYTES];
    struct client_load_result warm;
    struct compare_result result;
    struct aro_store_stats stats;

    bench_folder_make(compare->directory, folder);
    disk_stock_make(&contest.stock,
                    &(struct disk_stock_config){.parent = directory,
                                                .data_bytes = compare->file_bytes > STOCK_BYTES_MIN
                                                                  ? compare->file_bytes
                                                                  : STOCK_BYTES_MIN,
                                                .chunk_bytes = chunk_bytes,
                                                .digests = true});
    aro_store_stats(contest.stock.store, &stats);
    disk_stock_close(&contest.stock);
    contest.job = (struct fio_job){.path = contest.stock.data_path,
                                   .direct = stats.direct,
                                   .size_bytes = contest.stock.data_bytes,
                                   .block_bytes = chunk_bytes,
                                   .depth = compare->depth,
                                   .seconds = compare->seconds};
    node_make(&contest, compare, folder);
    client_load_run(contest.load, WARM * compare->seconds, &warm);
    compare_measure(compare, &pair, &result);
    bench_node_stop(&contest.node);
    tell(&contest, &result, name);
    client_load_free(contest.load);
    disk_stock_free(&contest.stock);
    bench_folder_remove(folder);
}

static void body_64k(const struct compare *compare, const char *name)
{
    run(compare, name, compare->directory, "disk", 64 << 10);
}

static void body_4k(const struct compare *compare, const char *name)
{
    run(compare, name, compare->directory, "disk", 4 << 10);
}

static void body_tmpfs(const struct compare *compare, const char *name)
{
    run(compare, name, SHARED_MEMORY, "tmpfs", 64 << 10);
}

void compare_client_64k(const struct compare *compare, const char *name)
{
    bench_apart(body_64k, compare, name);
}

void compare_client_4k(const struct compare *compare, const char *name)
{
    bench_apart(body_4k, compare, name);
}

void compare_client_tmpfs_64k(const struct compare *compare, const char *name)
{
    bench_apart(body_tmpfs, compare, name);
}

const char *compare_client_lacks(void)
{
    const char *lacks = fio_lacks();

    return lacks != NULL ? lacks : compare_node_lacks();
}

const char *compare_client_tmpfs_lacks(void)
{
    const char *lacks = compare_disk_tmpfs_lacks();

    return lacks != NULL ? lacks : compare_node_lacks();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random chunks by the reader of an lcore beside fio on the same file: the same depth, direct both,
 * registered buffers both; and what the kernel read for what was delivered.
 */
#include "perf/compare_disk.h"

#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "perf/disk_load.h"
#include "perf/fail.h"
#include "perf/fio.h"

struct contest {
    struct bench_span span;
    struct disk_load *load;
    struct disk_load_result total; /* ours, over the rounds */
    struct fio_job job;
    double tsc_per_ns;
};

static void measure_ours(void *arg, struct bench_sample *ret)
{
    struct contest *contest = arg;
    struct disk_load_result result;

    disk_load_run(contest->load, contest->span, &result);
    disk_load_add(&contest->total, &result);
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
    ret->cycles = (uint64_t)(result.cpu_ns * contest->tsc_per_ns);
}

static const char *registered(const struct aro_disk_reader_stats *reader)
{
    if (reader->fixed_files)
        return reader->fixed_buffers ? "buffers and files" : "files";
    return reader->fixed_buffers ? "buffers" : "nothing";
}

static void tell(const char *name, const struct compare_result *result,
                 const struct contest *contest, const struct disk_stock *stock)
{
    const struct disk_load_result *total = &contest->total;
    const double reads = (double)total->sample.ops;
    struct aro_disk_reader_stats reader;

    disk_load_reader(contest->load, &reader);
    compare_tell(name, result, "1/s",
                 "random chunks of %u bytes, each verified, %u in flight, out of %llu MiB in one "
                 "segment, %s, registered: %s; theirs: %s on the same file, direct, "
                 "registered buffers and files, not verified; CPU cycles per read from submit to "
                 "reap %.0f, fio's thread %.0f: %.2f times; apart: place %.0f, checksum and prefix "
                 "sums %.0f; %.2f system calls per read",
                 stock->chunk_bytes, contest->job.depth,
                 (unsigned long long)(stock->data_bytes >> 20),
                 contest->job.direct ? "direct" : "buffered: no direct I/O here",
                 registered(&reader), fio_version(), result->ours_cycles, result->theirs_cycles,
                 result->cycles_ratio, (double)total->find_cycles / reads,
                 (double)total->verify_cycles / reads, (double)total->enters / reads);
}

static void compare_random(const struct compare *compare, const char *name, const char *directory,
                           const char *wire, uint32_t chunk_bytes)
{
    struct contest contest = {.span.seconds = compare->seconds};
    const struct compare_pair pair = {
        .name = name,
        .wire = wire,
        .ours = {measure_ours, &contest},
        .theirs = {measure_fio, &contest},
    };
    struct compare_result result;
    struct aro_store_stats stats;
    struct disk_stock stock;

    disk_stock_make(&stock, &(struct disk_stock_config){.parent = directory,
                                                        .data_bytes = compare->file_bytes,
                                                        .chunk_bytes = chunk_bytes});
    contest.load = disk_load_make(&stock, compare->depth);
    contest.tsc_per_ns = (double)bench_tsc_hz() / 1e9;
    aro_store_stats(stock.store, &stats);
    contest.job = (struct fio_job){.path = stock.data_path,
                                   .direct = stats.direct,
                                   .size_bytes = stock.data_bytes,
                                   .block_bytes = chunk_bytes,
                                   .depth = compare->depth,
                                   .seconds = compare->seconds};
    compare_measure(compare, &pair, &result);
    tell(name, &result, &contest, &stock);
    disk_load_free(contest.load);
    disk_stock_free(&stock);
}

void compare_disk_64k(const struct compare *compare, const char *name)
{
    compare_random(compare, name, compare->directory, "disk", 64 << 10);
}

void compare_disk_4k(const struct compare *compare, const char *name)
{
    compare_random(compare, name, compare->directory, "disk", 4 << 10);
}

void compare_disk_tmpfs_64k(const struct compare *compare, const char *name)
{
    compare_random(compare, name, SHARED_MEMORY, "tmpfs", 64 << 10);
}

const char *compare_disk_tmpfs_lacks(void)
{
    struct statfs status;

    if (statfs(SHARED_MEMORY, &status) != 0 || status.f_type != TMPFS_MAGIC)
        return SHARED_MEMORY " is not a tmpfs";
    return fio_lacks();
}

/* ---- amplification ---- */

/* What this process made the block layer read, in all its life. */
static uint64_t block_bytes_read(void)
{
    unsigned long long bytes;
    FILE *file = fopen("/proc/self/io", "re");

    if (file == NULL ||
        fscanf(file, "rchar: %*u wchar: %*u syscr: %*u syscw: %*u read_bytes: %llu", &bytes) != 1)
        bench_fail(ARO_E_BENCH_RESOURCES, "/proc/self/io does not say what was read");
    fclose(file);
    return bytes;
}

/* Bytes read for each byte delivered. */
static double amplification(const struct compare *compare, const char *name, uint32_t chunk_bytes)
{
    struct disk_load_result result;
    struct disk_stock stock;
    struct disk_load *load;
    uint64_t before, read;

    disk_stock_make(&stock, &(struct disk_stock_config){.parent = compare->directory,
                                                        .data_bytes = compare->file_bytes,
                                                        .chunk_bytes = chunk_bytes});
    load = disk_load_make(&stock, compare->depth);
    before = block_bytes_read();
    disk_load_run(load, (struct bench_span){.ops_max = stock.chunks}, &result);
    read = block_bytes_read() - before;
    disk_load_free(load);
    disk_stock_free(&stock);
    if (compare->raw != NULL)
        fprintf(compare->raw,
                "{\"name\":\"%s\",\"chunk_bytes\":%u,\"block_layer_bytes\":%llu,\"asked_bytes\":"
                "%llu,\"delivered_bytes\":%llu}\n",
                name, chunk_bytes, (unsigned long long)read, (unsigned long long)result.read_bytes,
                (unsigned long long)result.delivered_bytes);
    if (read < result.delivered_bytes) /* a file system that is no block device's */
        read = result.read_bytes;
    return (double)read / (double)result.delivered_bytes;
}

void compare_read_amplification(const struct compare *compare, const char *name)
{
    enum { ODD = 70000 };
    const double goal = 1.02;
    double large = amplification(compare, name, 64 << 10);
    double small = amplification(compare, name, 4 << 10);
    double odd = amplification(compare, name, ODD);
    double worse = large > small ? large : small;
    struct compare_result result = {
        .ours = worse, .theirs = goal, .ratio = goal / worse, .wire = "disk"};

    compare_tell(name, &result, "bytes",
                 "read at the block layer by this process for each byte delivered and verified, "
                 "every chunk cold; 64 KiB chunks %.4f, 4 KiB chunks %.4f, and chunks of %u bytes "
                 "(blocks of 4096) %.4f, which do not count; theirs is the goal",
                 large, small, ODD, odd);
}

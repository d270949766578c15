/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random chunks through the lcore's own road: place -> aro_disk_read -> submit -> reap -> verify a
 * piece per turn, as many in flight as the ring takes; all on the calling thread, which never
 * sleeps, as an lcore with reads in flight does not. Where its time goes is counted by stage.
 */
#ifndef ARO_PERF_DISK_LOAD_H
#define ARO_PERF_DISK_LOAD_H

#include "cache/disk/reader.h"
#include "perf/crew.h"
#include "perf/disk_stock.h"

enum {
    DISK_DEPTH_MIN = 8,
    DISK_DEPTH_MAX = 1024,
};

struct disk_load;

/* What happened since the run before. Cycles of the TSC; turns that found nothing count nowhere. */
struct disk_load_result {
    struct bench_sample sample; /* ops: chunks verified; cycles: submit to reap */
    uint64_t find_cycles;       /* places */
    uint64_t verify_cycles;     /* checksum and prefix sums */
    uint64_t enters;            /* system calls */
    uint64_t read_bytes;        /* asked of the device */
    uint64_t delivered_bytes;
};

/* On the thread that will run it. depth: a power of two. */
struct disk_load *disk_load_make(const struct disk_stock *stock, unsigned depth);
void disk_load_free(struct disk_load *load);

/* Reads for a time or a number of chunks, then ends what is in flight. Anything wrong fails it. */
void disk_load_run(struct disk_load *load, struct bench_span span, struct disk_load_result *ret);
/* Sums up, but for rates of a sample. */
void disk_load_add(struct disk_load_result *total, const struct disk_load_result *result);
/* What the reader got from this kernel. */
void disk_load_reader(const struct disk_load *load, struct aro_disk_reader_stats *ret);

#endif

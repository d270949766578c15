/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system on a block device whose every read takes longer, by as much as one likes: ext4 on a
 * loop device, on a file of nbdfuse, which nbdkit's delay filter serves. What the kernel asks of
 * that device is counted where it asks, at the block layer. Inside of perf/apart.h, real root only;
 * one thread.
 */
#ifndef ARO_PERF_DELAYED_H
#define ARO_PERF_DELAYED_H

#include <sched.h>
#include <stdint.h>
#include <sys/types.h>

#include "perf/folder.h"

struct delayed_disk {
    char image[BENCH_FOLDER_BYTES + 16]; /* what it holds */
    char fuse[BENCH_FOLDER_BYTES + 16];  /* the same, delayed: a file in here */
    char mount[BENCH_FOLDER_BYTES + 16]; /* the file system */
    char log[BENCH_FOLDER_BYTES + 16];
    pid_t child; /* 0: not delayed yet */
};

/* What the device was asked for, ever. */
struct delayed_reads {
    uint64_t reads, sectors;
};

/* NULL: there can be one; otherwise a sentence that says what is missing. */
const char *delayed_disk_lacks(void);

/* An empty file system, its image in folder; not delayed yet. */
void delayed_disk_make(struct delayed_disk *disk, const char *folder, uint64_t bytes);
/* From now on reads take delay_ms longer, and nothing of it is in memory. No file is open on it. */
void delayed_disk_delay(struct delayed_disk *disk, unsigned delay_ms, const cpu_set_t *cpus);
void delayed_disk_reads(const struct delayed_disk *disk, struct delayed_reads *ret);
void delayed_disk_free(struct delayed_disk *disk);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fio, the opponent on disks, as a child process on the CPU of the calling thread: one job through
 * its io_uring engine with registered buffers and files, no clock read per operation. Its own
 * figures are taken, so that starting and ending it count nowhere.
 */
#ifndef ARO_PERF_FIO_H
#define ARO_PERF_FIO_H

#include <stdbool.h>
#include <stdint.h>

struct fio_job {
    const char *path;
    bool writes; /* from begin to end, once; otherwise random reads */
    bool direct;
    uint64_t size_bytes;
    uint32_t block_bytes;
    unsigned depth;
    double seconds;           /* of reads */
    uint64_t datasync_blocks; /* writes: an fdatasync after so many, an fsync at the end */
};

struct fio_result {
    uint64_t ops;
    uint64_t ns;
    double cpu_ns; /* of the thread that submits and reaps, the kernel's part included */
};

/* NULL: it is installed; otherwise a sentence that says what is missing. */
const char *fio_lacks(void);
const char *fio_version(void); /* "fio-3.33"; once fio_lacks was NULL */

/* Fails the benchmark when fio does. */
void fio_run(const struct fio_job *job, struct fio_result *ret);

#endif

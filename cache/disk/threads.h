/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What uring.h promises, by threads that call pread and its kind: for kernels and containers that
 * refuse io_uring. Slower and correct; uring.c chooses, nobody else includes this.
 *
 * One thread owns it, as it would a ring, and never waits in queue, submit or reap: operations go
 * to the workers by a ring of pointers, come back on a stack, and a semaphore wakes workers.
 */
#ifndef ARO_CACHE_DISK_THREADS_H
#define ARO_CACHE_DISK_THREADS_H

#include "cache/disk/uring.h"

enum aro_threads_kind {
    ARO_THREADS_NOP,
    ARO_THREADS_READ,
    ARO_THREADS_WRITE,
    ARO_THREADS_READV,
    ARO_THREADS_WRITEV,
    ARO_THREADS_DATASYNC,
    ARO_THREADS_SYNC,
    ARO_THREADS_ALLOCATE,
    ARO_THREADS_UNLINK,
    ARO_THREADS_CLOSE,
};

/* Fields that the kind has no use for are ignored. */
struct aro_threads_op {
    enum aro_threads_kind kind;
    int fd;
    union {
        void *buffer;
        const void *data;
        const char *path;
        const struct iovec *iov;
    };
    uint64_t len_bytes;    /* READV, WRITEV: how many pieces */
    uint64_t offset_bytes; /* or ARO_IO_HERE */
};

struct aro_threads;

/* depth: operations in flight, a power of two. wakes: fd becomes readable. NULL with errno. */
struct aro_threads *aro_threads_create(unsigned depth, bool wakes);
/* Takes NULL. Ends reads that wait for a pipe; waits for the rest; callbacks run. */
void aro_threads_destroy(struct aro_threads *threads);

int aro_threads_fd(const struct aro_threads *threads);
unsigned aro_threads_in_flight(const struct aro_threads *threads);
/* How many were queued since the oldest that is in flight, this one included. Looks at depth jobs.
 */
unsigned aro_threads_behind(const struct aro_threads *threads);
/* 0, or -EAGAIN: depth is reached. */
int aro_threads_queue(struct aro_threads *threads, struct aro_io *io,
                      const struct aro_threads_op *op);
void aro_threads_submit(struct aro_threads *threads);
unsigned aro_threads_reap(struct aro_threads *threads, unsigned max);
/* Submits and sleeps until something completes; needs wakes, or looks every millisecond. */
void aro_threads_wait(struct aro_threads *threads);

#endif

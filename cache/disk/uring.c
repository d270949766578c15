/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <liburing.h>

#include "cache/disk/threads.h"

enum {
    PIECE_BYTES = 1u << 30, /* the kernel's limit for one registered buffer */
};

struct aro_uring {
    struct io_uring ring;
    unsigned depth;
    unsigned in_flight;
    bool deferred;
    bool polled;
    uint64_t enters;
    uintptr_t base; /* registered memory, in pieces of PIECE_BYTES */
    size_t base_bytes;
    struct aro_threads *threads; /* instead of the ring; NULL: none */
    int refused;                 /* errno: why not the ring; 0: because it was chosen so */
};

static bool threads_chosen; /* before any ring was made */

void aro_uring_choose_threads(void)
{
    threads_chosen = true;
}

/* io_uring is forbidden here, or the kernel has none; anything else is for the caller. */
static bool is_refusal(int error)
{
    return error == -EPERM || error == -EACCES || error == -ENOSYS;
}

static int ring_open(struct aro_uring *ring, unsigned depth, const unsigned flags[],
                     unsigned choices)
{
    int error = -EINVAL;

    for (unsigned i = 0; i < choices && error == -EINVAL; i++) {
        error = io_uring_queue_init(depth, &ring->ring, flags[i]);
        ring->deferred = (flags[i] & IORING_SETUP_DEFER_TASKRUN) != 0;
    }
    return error;
}

static struct aro_uring *create(unsigned depth, const unsigned flags[], unsigned choices,
                                bool wakes)
{
    struct aro_uring *ring = calloc(1, sizeof(*ring));
    int error = 0;

    if (ring == NULL)
        return NULL;
    ring->depth = depth;
    if (!threads_chosen)
        error = ring_open(ring, depth, flags, choices);
    if (threads_chosen || is_refusal(error)) {
        ring->refused = -error;
        ring->deferred = false;
        ring->threads = aro_threads_create(depth, wakes);
        error = ring->threads == NULL ? -errno : 0;
    }
    if (error == 0)
        return ring;
    free(ring);
    errno = -error;
    return NULL;
}

struct aro_uring *aro_uring_create(unsigned depth)
{
    static const unsigned plain[] = {0};

    return create(depth, plain, 1, true);
}

/*
 * What a file cannot do without waiting, the kernel gives to threads of its own. They inherit the
 * one CPU that an lcore is pinned to and would fight with it there: they go to all others that the
 * kernel takes, one asked after the other, because a set with one outside our cpuset is refused.
 */
static void workers_elsewhere(struct aro_uring *ring)
{
    const int cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
    cpu_set_t ours, one, theirs;

    CPU_ZERO(&theirs);
    if (sched_getaffinity(0, sizeof(ours), &ours) != 0)
        return;
    for (int cpu = 0; cpu < cpus && cpu < CPU_SETSIZE; cpu++) {
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (!CPU_ISSET(cpu, &ours) &&
            io_uring_register_iowq_aff(&ring->ring, sizeof(one), &one) == 0)
            CPU_SET(cpu, &theirs);
    }
    if (CPU_COUNT(&theirs) > 0)
        io_uring_register_iowq_aff(&ring->ring, sizeof(theirs), &theirs);
}

struct aro_uring *aro_uring_create_lcore(unsigned depth)
{
    static const unsigned best_first[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };

    struct aro_uring *ring = create(depth, best_first, 3, false);

    if (ring != NULL && ring->threads == NULL)
        workers_elsewhere(ring);
    return ring;
}

struct aro_uring *aro_uring_create_polled(unsigned depth)
{
    static const unsigned best_first[] = {
        IORING_SETUP_IOPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_IOPOLL,
    };
    struct aro_uring *ring = create(depth, best_first, 2, false);

    if (ring != NULL && ring->threads == NULL) {
        ring->polled = true;
        workers_elsewhere(ring);
    }
    return ring;
}

/*
 * Nothing may write into memory of ours after this ring is gone: cancel, then wait for all. Polled
 * reads cannot be cancelled.
 */
void aro_uring_destroy(struct aro_uring *ring)
{
    struct io_uring_sqe *sqe;

    if (ring == NULL)
        return;
    if (ring->threads != NULL) {
        aro_threads_destroy(ring->threads);
        free(ring);
        return;
    }
    aro_uring_submit(ring);
    sqe = ring->in_flight == 0 || ring->polled ? NULL : io_uring_get_sqe(&ring->ring);
    if (sqe != NULL) {
        io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_data(sqe, NULL);
    }
    while (ring->in_flight > 0 && aro_uring_wait(ring) == 0)
        aro_uring_reap(ring, ring->depth);
    io_uring_queue_exit(&ring->ring);
    free(ring);
}

int aro_uring_fd(const struct aro_uring *ring)
{
    return ring->threads != NULL ? aro_threads_fd(ring->threads) : ring->ring.ring_fd;
}

unsigned aro_uring_in_flight(const struct aro_uring *ring)
{
    return ring->threads != NULL ? aro_threads_in_flight(ring->threads) : ring->in_flight;
}

unsigned aro_uring_queued(const struct aro_uring *ring)
{
    return ring->threads != NULL ? aro_threads_behind(ring->threads)
                                 : io_uring_sq_ready(&ring->ring);
}

bool aro_uring_is_threads(const struct aro_uring *ring, int *ret_refused)
{
    *ret_refused = ring->refused;
    return ring->threads != NULL;
}

bool aro_uring_deferred(const struct aro_uring *ring)
{
    return ring->deferred;
}

uint64_t aro_uring_enters(const struct aro_uring *ring)
{
    return ring->enters;
}

/* One slot of the submission queue, tagged, or NULL when depth is reached. */
static struct io_uring_sqe *take(struct aro_uring *ring)
{
    struct io_uring_sqe *sqe;

    if (ring->threads != NULL || ring->in_flight >= ring->depth)
        return NULL;
    sqe = io_uring_get_sqe(&ring->ring);
    if (sqe != NULL)
        ring->in_flight++;
    return sqe;
}

static int by_threads(struct aro_uring *ring, struct aro_io *io, struct aro_threads_op op)
{
    return aro_threads_queue(ring->threads, io, &op);
}

/* Number of the registered piece that holds the whole buffer, or -1. */
static int piece_of(const struct aro_uring *ring, const void *buffer, uint32_t len_bytes)
{
    uintptr_t from = (uintptr_t)buffer - ring->base;
    uintptr_t last = from + len_bytes - 1;

    if ((uintptr_t)buffer < ring->base || last >= ring->base_bytes)
        return -1;
    return from / PIECE_BYTES == last / PIECE_BYTES ? (int)(from / PIECE_BYTES) : -1;
}

static void read_prepare(const struct aro_uring *ring, struct io_uring_sqe *sqe, struct aro_io *io,
                         int file, void *buffer, uint32_t len_bytes, uint64_t offset_bytes)
{
    int piece = piece_of(ring, buffer, len_bytes);

    if (piece >= 0)
        io_uring_prep_read_fixed(sqe, file, buffer, len_bytes, offset_bytes, piece);
    else
        io_uring_prep_read(sqe, file, buffer, len_bytes, offset_bytes);
    io_uring_sqe_set_data(sqe, io);
}

int aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                   uint32_t len_bytes, uint64_t offset_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = ARO_THREADS_READ,
                                                  .fd = fd,
                                                  .buffer = buffer,
                                                  .len_bytes = len_bytes,
                                                  .offset_bytes = offset_bytes});
    if (sqe == NULL)
        return -EAGAIN;
    read_prepare(ring, sqe, io, fd, buffer, len_bytes, offset_bytes);
    return 0;
}

int aro_uring_read_slot(struct aro_uring *ring, struct aro_io *io, unsigned slot, void *buffer,
                        uint32_t len_bytes, uint64_t offset_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (sqe == NULL)
        return -EAGAIN;
    read_prepare(ring, sqe, io, (int)slot, buffer, len_bytes, offset_bytes);
    sqe->flags |= IOSQE_FIXED_FILE;
    return 0;
}

int aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                    uint32_t len_bytes, uint64_t offset_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = ARO_THREADS_WRITE,
                                                  .fd = fd,
                                                  .data = buffer,
                                                  .len_bytes = len_bytes,
                                                  .offset_bytes = offset_bytes});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_write(sqe, fd, buffer, len_bytes, offset_bytes);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_readv(struct aro_uring *ring, struct aro_io *io, int fd, const struct iovec *iov,
                    unsigned n, uint64_t offset_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = ARO_THREADS_READV,
                                                  .fd = fd,
                                                  .iov = iov,
                                                  .len_bytes = n,
                                                  .offset_bytes = offset_bytes});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_readv(sqe, fd, iov, n, offset_bytes);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_writev(struct aro_uring *ring, struct aro_io *io, int fd, const struct iovec *iov,
                     unsigned n, uint64_t offset_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = ARO_THREADS_WRITEV,
                                                  .fd = fd,
                                                  .iov = iov,
                                                  .len_bytes = n,
                                                  .offset_bytes = offset_bytes});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_writev(sqe, fd, iov, n, offset_bytes);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

static int sync_file(struct aro_uring *ring, struct aro_io *io, int fd, unsigned flags)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = flags & IORING_FSYNC_DATASYNC
                                                              ? ARO_THREADS_DATASYNC
                                                              : ARO_THREADS_SYNC,
                                                  .fd = fd});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_fsync(sqe, fd, flags);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd)
{
    return sync_file(ring, io, fd, IORING_FSYNC_DATASYNC);
}

int aro_uring_sync(struct aro_uring *ring, struct aro_io *io, int fd)
{
    return sync_file(ring, io, fd, 0);
}

int aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd, uint64_t offset_bytes,
                       uint64_t len_bytes)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io,
                          (struct aro_threads_op){.kind = ARO_THREADS_ALLOCATE,
                                                  .fd = fd,
                                                  .len_bytes = len_bytes,
                                                  .offset_bytes = offset_bytes});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_fallocate(sqe, fd, 0, (off_t)offset_bytes, (off_t)len_bytes);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_nop(struct aro_uring *ring, struct aro_io *io)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io, (struct aro_threads_op){.kind = ARO_THREADS_NOP});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_unlink(struct aro_uring *ring, struct aro_io *io, int dir_fd, const char *path)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(
            ring, io,
            (struct aro_threads_op){.kind = ARO_THREADS_UNLINK, .fd = dir_fd, .path = path});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_unlinkat(sqe, dir_fd, path, 0);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_close(struct aro_uring *ring, struct aro_io *io, int fd)
{
    struct io_uring_sqe *sqe = take(ring);

    if (ring->threads != NULL)
        return by_threads(ring, io, (struct aro_threads_op){.kind = ARO_THREADS_CLOSE, .fd = fd});
    if (sqe == NULL)
        return -EAGAIN;
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_data(sqe, io);
    return 0;
}

int aro_uring_register(struct aro_uring *ring, void *base, size_t len_bytes)
{
    size_t pieces = (len_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
    struct iovec *iov;
    int error;

    if (ring->threads != NULL)
        return -ENOSYS;
    iov = calloc(pieces, sizeof(*iov));
    if (iov == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < pieces; i++) {
        size_t rest = len_bytes - i * PIECE_BYTES;
        iov[i].iov_base = (char *)base + i * PIECE_BYTES;
        iov[i].iov_len = rest < PIECE_BYTES ? rest : PIECE_BYTES;
    }
    error = io_uring_register_buffers(&ring->ring, iov, (unsigned)pieces);
    free(iov);
    if (error != 0)
        return error;
    ring->base = (uintptr_t)base;
    ring->base_bytes = len_bytes;
    return 0;
}

int aro_uring_files_make(struct aro_uring *ring, unsigned slots)
{
    return ring->threads != NULL ? -ENOSYS : io_uring_register_files_sparse(&ring->ring, slots);
}

int aro_uring_file_set(struct aro_uring *ring, unsigned slot, int fd)
{
    int result = io_uring_register_files_update(&ring->ring, slot, &fd, 1);

    return result < 0 ? result : 0;
}

static bool kernel_holds_completions(const struct aro_uring *ring)
{
    return ring->in_flight > 0 &&
           (ring->polled || (IO_URING_READ_ONCE(*ring->ring.sq.kflags) & IORING_SQ_TASKRUN) != 0);
}

int aro_uring_submit(struct aro_uring *ring)
{
    int result;

    if (ring->threads != NULL) {
        aro_threads_submit(ring->threads);
        return 0;
    }
    if (kernel_holds_completions(ring))
        result = io_uring_submit_and_get_events(&ring->ring);
    else if (io_uring_sq_ready(&ring->ring) > 0)
        result = io_uring_submit(&ring->ring);
    else
        return 0;
    ring->enters++;
    return result < 0 ? result : 0;
}

/* Each slot is released before its callback runs, which may queue the next operation. */
unsigned aro_uring_reap(struct aro_uring *ring, unsigned max)
{
    struct io_uring_cqe *cqe;
    unsigned n = 0;

    if (ring->threads != NULL)
        return aro_threads_reap(ring->threads, max);
    while (n < max && io_uring_cq_ready(&ring->ring) > 0 &&
           io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
        struct aro_io *io = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&ring->ring, cqe);
        if (io == NULL) /* our own cancel request */
            continue;
        ring->in_flight--;
        io->done(io, result);
        n++;
    }
    return n;
}

unsigned aro_uring_poll(struct aro_uring *ring, unsigned max)
{
    aro_uring_submit(ring);
    return aro_uring_reap(ring, max);
}

int aro_uring_wait(struct aro_uring *ring)
{
    int result;

    if (ring->threads != NULL) {
        aro_threads_wait(ring->threads);
        return 0;
    }
    if (ring->in_flight == 0)
        return 0;
    do {
        result = io_uring_submit_and_wait(&ring->ring, 1);
        ring->enters++;
    } while (result == -EINTR);
    return result < 0 ? result : 0;
}

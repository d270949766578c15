/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place that knows liburing. A ring belongs to the thread that created it.
 *
 * Two users: lcores read chunks (cache/disk/reader.h); the control thread writes, syncs and reads
 * what it ingests. An operation is an embedded struct aro_io; its callback runs from
 * aro_uring_poll, never inside the call that started it. Queued operations reach the kernel with
 * aro_uring_submit (or poll).
 */
#ifndef ARO_CACHE_DISK_URING_H
#define ARO_CACHE_DISK_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct aro_uring;

struct aro_io {
    void (*done)(struct aro_io *io, int result); /* bytes or 0, or -errno */
};

/* The operation that embeds this io. */
#define ARO_IO_OWNER(io, type, member) ((type *)(void *)((char *)(io)-offsetof(type, member)))

#define ARO_IO_HERE UINT64_MAX /* offset: the file's own position (pipes) */

/*
 * Every ring made from now on is threads that call pread and its kind (cache/disk/threads.h): what
 * operators may choose, and tests do. Before the first ring.
 */
void aro_uring_choose_threads(void);

/*
 * NULL with errno. Where io_uring is refused, threads do its work. depth: operations in flight, a
 * power of two 8..4096. The _lcore form asks for SINGLE_ISSUER, DEFER_TASKRUN and TASKRUN_FLAG, or
 * as much of it as the kernel has: completions then appear only when the owner submits. Not for a
 * thread that sleeps in epoll. Threads that the kernel makes for it stay off the CPUs that the
 * caller is pinned to.
 */
struct aro_uring *aro_uring_create(unsigned depth);
struct aro_uring *aro_uring_create_lcore(unsigned depth);
/*
 * As _lcore, for direct reads of files that may be polled (cache/disk/polling.h) and for nothing
 * else: completions appear when the owner submits, which enters the kernel while any are awaited.
 */
struct aro_uring *aro_uring_create_polled(unsigned depth);
/* Takes NULL. Cancels what is in flight and waits for it; its callbacks run (-ECANCELED). */
void aro_uring_destroy(struct aro_uring *ring);

/* Readable when completions wait: for the owner's epoll (which may be interrupted: EINTR). */
int aro_uring_fd(const struct aro_uring *ring);
unsigned aro_uring_in_flight(const struct aro_uring *ring); /* queued ones included */
/*
 * Not handed to the kernel yet, which holds their files from then on. By threads: from the oldest
 * that has not ended on, for its descriptor may be needed still.
 */
unsigned aro_uring_queued(const struct aro_uring *ring);
bool aro_uring_deferred(const struct aro_uring *ring); /* DEFER_TASKRUN is in use */
/* *ret_refused: the errno that io_uring was refused with; 0: threads were chosen. */
bool aro_uring_is_threads(const struct aro_uring *ring, int *ret_refused);
uint64_t aro_uring_enters(const struct aro_uring *ring); /* system calls to submit and reap */

/* Queue one operation: 0, or -EAGAIN when depth is reached. */
int aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                   uint32_t len_bytes, uint64_t offset_bytes);
/* The same; slot of the ring's table of files instead of a descriptor. */
int aro_uring_read_slot(struct aro_uring *ring, struct aro_io *io, unsigned slot, void *buffer,
                        uint32_t len_bytes, uint64_t offset_bytes);
int aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                    uint32_t len_bytes, uint64_t offset_bytes);
/* Pieces of memory that lie side by side in the file. iov [:n] stays valid until done, too. */
int aro_uring_readv(struct aro_uring *ring, struct aro_io *io, int fd, const struct iovec *iov,
                    unsigned n, uint64_t offset_bytes);
int aro_uring_writev(struct aro_uring *ring, struct aro_io *io, int fd, const struct iovec *iov,
                     unsigned n, uint64_t offset_bytes);
int aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd);
/* fsync: for directories (fdatasync need not cover new names). */
int aro_uring_sync(struct aro_uring *ring, struct aro_io *io, int fd);
/* Completes with the next poll: wakes the owner's epoll. */
int aro_uring_nop(struct aro_uring *ring, struct aro_io *io);
/* path must stay valid until done. */
int aro_uring_unlink(struct aro_uring *ring, struct aro_io *io, int dir_fd, const char *path);
int aro_uring_close(struct aro_uring *ring, struct aro_io *io, int fd);
int aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd, uint64_t offset_bytes,
                       uint64_t len_bytes);

/*
 * Registers memory that reads will land in (several calls per region are made as the kernel's
 * 1 GiB limit asks). 0 or -errno (then reads still work, without registration).
 */
int aro_uring_register(struct aro_uring *ring, void *base, size_t len_bytes);

/*
 * A table of slots for files, all empty; the ring holds what is put there until it is taken out or
 * the ring ends. 0 or -errno (no such tables in this kernel; by threads).
 */
int aro_uring_files_make(struct aro_uring *ring, unsigned slots);
/* fd: -1 empties the slot, which no queued operation may name. A system call. 0 or -errno. */
int aro_uring_file_set(struct aro_uring *ring, unsigned slot, int fd);

/*
 * Hands queued operations to the kernel, and lets it deliver what it holds back for us (the TASKRUN
 * flag); no system call when there is neither. 0 or -errno (operations stay queued: call again).
 */
int aro_uring_submit(struct aro_uring *ring);
/* Runs up to max callbacks of what has completed; never enters the kernel. Returns how many. */
unsigned aro_uring_reap(struct aro_uring *ring, unsigned max);
/* submit, then reap. */
unsigned aro_uring_poll(struct aro_uring *ring, unsigned max);
/* Submits and sleeps until something completes (start-up, shutdown, tests). 0 or -errno. */
int aro_uring_wait(struct aro_uring *ring);

#endif

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

struct aro_uring;

struct aro_io {
    void (*done)(struct aro_io *io, int result); /* bytes or 0, or -errno */
};

#define ARO_IO_HERE UINT64_MAX /* offset: the file's own position (pipes) */

/* NULL with errno. depth: operations in flight, a power of two 8..4096. */
struct aro_uring *aro_uring_create(unsigned depth);
void aro_uring_destroy(struct aro_uring *ring); /* takes NULL; cancels what is in flight */

/* Readable when completions wait: for the owner's epoll. */
int aro_uring_fd(const struct aro_uring *ring);
unsigned aro_uring_in_flight(const struct aro_uring *ring);

/* Queue one operation: 0, or -EAGAIN when depth is reached. */
int aro_uring_read(struct aro_uring *ring, struct aro_io *io, int fd, void *buffer,
                   uint32_t len_bytes, uint64_t offset_bytes);
int aro_uring_write(struct aro_uring *ring, struct aro_io *io, int fd, const void *buffer,
                    uint32_t len_bytes, uint64_t offset_bytes);
int aro_uring_datasync(struct aro_uring *ring, struct aro_io *io, int fd);
int aro_uring_allocate(struct aro_uring *ring, struct aro_io *io, int fd, uint64_t offset_bytes,
                       uint64_t len_bytes);

/*
 * Registers memory that reads will land in (several calls per region are made as the kernel's
 * 1 GiB limit asks). 0 or -errno (then reads still work, without registration).
 */
int aro_uring_register(struct aro_uring *ring, void *base, size_t len_bytes);

/* Hands queued operations to the kernel; no system call when there is nothing to hand over. */
int aro_uring_submit(struct aro_uring *ring);
/* Submits, then runs up to max callbacks; returns how many ran. */
unsigned aro_uring_poll(struct aro_uring *ring, unsigned max);

#endif

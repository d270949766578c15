/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a put reads from. A regular file has a size and is read ahead at offsets; anything else
 * (pipe, socket, device) is a stream, read piece after piece and only when it has something, so
 * that no read waits in the kernel where it could not be cancelled.
 */
#ifndef ARO_CONTROL_PUT_SOURCE_H
#define ARO_CONTROL_PUT_SOURCE_H

#include "cache/base/error.h"
#include "cache/disk/uring.h"

struct aro_put_source {
    int fd;
    bool stream;
    uint64_t size_bytes; /* not for a stream */
    uint64_t held_bytes; /* of them, less the holes of the file */
};

/* Looks at fd. 0, or -1 with *error (6022): a directory, not open for reading. */
int aro_put_source_init(struct aro_put_source *source, int fd, struct aro_error *error);
/* A stream: would a read return at once? A file: yes. */
bool aro_put_source_ready(const struct aro_put_source *source);
/* Queues a read (of a stream: into one piece). iov stays valid until done; offset_bytes counts for
 * files only. 0 or -EAGAIN. */
int aro_put_source_read(const struct aro_put_source *source, struct aro_uring *ring,
                        struct aro_io *io, const struct iovec *iov, unsigned n,
                        uint64_t offset_bytes);

#endif

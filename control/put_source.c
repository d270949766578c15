/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/put_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

int aro_put_source_init(struct aro_put_source *source, int fd, struct aro_error *error)
{
    int flags = fcntl(fd, F_GETFL);
    struct stat info;

    if (flags < 0 || fstat(fd, &info) != 0)
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE, "the source: %s", strerror(errno));
    if (S_ISDIR(info.st_mode))
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE, "the source is a directory");
    if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) != 0)
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE, "the source is not open for reading");
    source->fd = fd;
    /* files of /proc and /sys have content but no size */
    source->stream = !S_ISREG(info.st_mode) || info.st_size == 0;
    source->size_bytes = source->stream ? 0 : (uint64_t)info.st_size;
    source->held_bytes = (uint64_t)info.st_blocks * 512;
    if (source->held_bytes > source->size_bytes)
        source->held_bytes = source->size_bytes;
    return 0;
}

bool aro_put_source_ready(const struct aro_put_source *source)
{
    struct pollfd look = {.fd = source->fd, .events = POLLIN};

    return !source->stream || poll(&look, 1, 0) > 0;
}

int aro_put_source_read(const struct aro_put_source *source, struct aro_uring *ring,
                        struct aro_io *io, const struct iovec *iov, unsigned n,
                        uint64_t offset_bytes)
{
    if (n > 1)
        return aro_uring_readv(ring, io, source->fd, iov, n, offset_bytes);
    return aro_uring_read(ring, io, source->fd, iov->iov_base, (uint32_t)iov->iov_len,
                          source->stream ? ARO_IO_HERE : offset_bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/polling.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cache/disk/store.h"
#include "cache/disk/uring.h"

/* 1, 0, or -1: no block device, or one that does not say. */
static int device_polls(dev_t device)
{
    static const char *const at[] = {"", "../"}; /* a partition's queue is its disk's */
    char path[80];
    int polls = -1;

    for (unsigned i = 0; i < 2 && polls < 0; i++) {
        FILE *file;
        snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/io_poll", major(device),
                 minor(device), at[i]);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fscanf(file, "%d", &polls) != 1)
            polls = -1;
        fclose(file);
    }
    return polls;
}

struct trial {
    struct aro_io io;
    int result;
};

static void trial_done(struct aro_io *io, int result)
{
    ARO_IO_OWNER(io, struct trial, io)->result = result;
}

/* Bytes, or -errno. */
static int read_polled(int fd, void *block)
{
    struct trial trial = {.io.done = trial_done, .result = -EIO};
    struct aro_uring *ring = aro_uring_create_polled(8);

    if (ring == NULL)
        return -errno;
    if (aro_uring_read(ring, &trial.io, fd, block, ARO_BLOCK_BYTES, 0) == 0)
        while (aro_uring_in_flight(ring) > 0 && aro_uring_wait(ring) == 0)
            aro_uring_reap(ring, 1);
    aro_uring_destroy(ring);
    return trial.result;
}

const char *aro_polling_try(const char *path)
{
    static alignas(ARO_BLOCK_BYTES) char block[ARO_BLOCK_BYTES];
    int fd = open(path, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    const char *refused = NULL;

    if (fd < 0)
        return "no direct I/O on a file without a name";
    if (pwrite(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
        refused = "no block could be written to try it";
    else if (read_polled(fd, block) != (int)sizeof(block))
        refused = "a polled read failed";
    close(fd);
    return refused;
}

/* Its first block: read only. */
static const char *try_device(const char *path)
{
    static alignas(ARO_BLOCK_BYTES) char block[ARO_BLOCK_BYTES];
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    bool good = fd >= 0 && read_polled(fd, block) == (int)sizeof(block);

    if (fd >= 0)
        close(fd);
    return good ? NULL : "a polled read failed";
}

const char *aro_polling_refused(const char *path)
{
    struct stat status;
    bool raw;
    int polls;

    if (stat(path, &status) != 0)
        return "the store is not there";
    raw = S_ISBLK(status.st_mode);
    polls = device_polls(raw ? status.st_rdev : status.st_dev);
    if (polls < 0)
        return "no block device of its own is behind the store";
    if (polls == 0)
        return "the device has no poll queues (queue/io_poll is 0)";
    return raw ? try_device(path) : aro_polling_try(path);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/state.h"

enum {
    MODE = 0640,
    BLOCKS_MAX = 1u << 20, /* 4 GiB: what the index can name */
};

bool aro_directory_parse_name(const char *name, uint32_t *ret_number, bool *ret_is_data)
{
    char suffix[8];
    uint32_t number;
    char again[24];

    if (sscanf(name, "seg-%" SCNu32 ".%7s", &number, suffix) != 2 || number == 0)
        return false;
    snprintf(again, sizeof(again), "seg-%08" PRIu32 ".%s", number, suffix);
    if (strcmp(again, name) != 0)
        return false;
    *ret_is_data = strcmp(suffix, "data") == 0;
    *ret_number = number;
    return *ret_is_data || strcmp(suffix, "table") == 0;
}

static int list(struct aro_store *store, int (*each)(void *arg, const struct aro_part *part),
                void *arg)
{
    int fd = openat(store->volume_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct stat status;
    int error = 0;

    if (dir == NULL)
        return -errno;
    while (error == 0 && (entry = readdir(dir)) != NULL) {
        struct aro_part part = {0};
        if (!aro_directory_parse_name(entry->d_name, &part.number, &part.is_data))
            continue;
        if (fstatat(store->volume_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            part.bytes = (uint64_t)status.st_size;
        error = each(arg, &part);
    }
    closedir(dir);
    return error;
}

/* ---- segments ---- */

static void name_segment(struct aro_segment *segment)
{
    snprintf(segment->data_name, sizeof(segment->data_name), "seg-%08" PRIu32 ".data",
             segment->number);
    snprintf(segment->table_name, sizeof(segment->table_name), "seg-%08" PRIu32 ".table",
             segment->number);
}

/* With O_DIRECT if the file system has it. */
static int open_data(struct aro_segment *segment, int flags)
{
    struct aro_store *store = segment->store;
    int fd = openat(store->volume_fd, segment->data_name, flags | O_DIRECT | O_CLOEXEC, MODE);

    if (fd < 0 && errno == EINVAL) { /* this file system has no direct I/O */
        fd = openat(store->volume_fd, segment->data_name, (flags & ~O_EXCL) | O_CLOEXEC, MODE);
        store->stats.direct = false;
    }
    return fd < 0 ? -errno : fd;
}

static int segment_open(struct aro_segment *segment, bool alone, uint64_t *ret_table_bytes)
{
    const struct aro_store *store = segment->store;
    int access = store->read_only ? O_RDONLY : O_RDWR;
    struct stat data, table;

    name_segment(segment);
    segment->table_fd = openat(store->volume_fd, segment->table_name, access | O_CLOEXEC);
    if (segment->table_fd < 0 || fstat(segment->table_fd, &table) != 0)
        return -errno;
    aro_volume_drop_cached(segment->table_fd);
    *ret_table_bytes = (uint64_t)table.st_size;
    segment->blocks = BLOCKS_MAX;
    if (alone)
        return 0;
    segment->data_fd = open_data(segment, access);
    if (segment->data_fd < 0)
        return segment->data_fd;
    if (fstat(segment->data_fd, &data) != 0)
        return -errno;
    if ((uint64_t)data.st_size / ARO_BLOCK_BYTES > BLOCKS_MAX)
        return -EFBIG;
    segment->blocks = (uint32_t)((uint64_t)data.st_size / ARO_BLOCK_BYTES);
    return 0;
}

static void segment_forget(struct aro_segment *segment)
{
    unlinkat(segment->store->volume_fd, segment->data_name, 0);
    unlinkat(segment->store->volume_fd, segment->table_name, 0);
}

static int segment_create(struct aro_segment *segment)
{
    name_segment(segment);
    segment->table_fd = openat(segment->store->volume_fd, segment->table_name,
                               O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
    if (segment->table_fd < 0)
        return -errno;
    segment->data_fd = open_data(segment, O_RDWR | O_CREAT | O_EXCL);
    if (segment->data_fd >= 0)
        return 0;
    segment_forget(segment);
    return segment->data_fd;
}

static int segment_allocate(struct aro_segment *segment, struct aro_io *io)
{
    return aro_uring_allocate(segment->store->ring, io, segment->data_fd, 0,
                              (uint64_t)segment->blocks * ARO_BLOCK_BYTES);
}

static int segment_allocated(struct aro_segment *segment, int result)
{
    if (result != -EOPNOTSUPP && result != -EINVAL)
        return result;
    return ftruncate(segment->data_fd, segment->blocks * (off_t)ARO_BLOCK_BYTES) == 0 ? 0 : -errno;
}

static int segment_unlink(struct aro_segment *segment, struct aro_io *io, bool data)
{
    return aro_uring_unlink(segment->store->ring, io, segment->store->volume_fd,
                            data ? segment->data_name : segment->table_name);
}

static void segment_gone(struct aro_segment *segment)
{
    (void)segment;
}

static const char *segment_look(const struct aro_segment *segment)
{
    struct stat data = {0}, table = {0};

    if (fstat(segment->data_fd, &data) != 0 || fstat(segment->table_fd, &table) != 0)
        return "its files cannot be looked at";
    if ((uint64_t)data.st_size < (uint64_t)segment->blocks * ARO_BLOCK_BYTES)
        return "its data file is shorter than it was";
    if ((uint64_t)table.st_size < (uint64_t)segment->records * ARO_RECORD_BYTES)
        return "its table is shorter than it was";
    return NULL;
}

static int table_cut(struct aro_segment *segment, uint32_t records)
{
    return ftruncate(segment->table_fd, (off_t)records * ARO_RECORD_BYTES) == 0 ? 0 : -errno;
}

static int names_sync(struct aro_store *store, struct aro_io *io)
{
    return aro_uring_sync(store->ring, io, store->volume_fd);
}

/* ---- the log of objects ---- */

/* It is older than the first segment: where there are segments, somebody took it away. */
static int log_file(struct aro_store *store)
{
    int access = (store->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    int fd = openat(store->volume_fd, ARO_LOG_NAME, access);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (store->stats.recovery_segments > 0)
        aro_recovery_lose(store, 0, 0);
    errno = ENOENT;
    return store->read_only ? -1 : openat(store->volume_fd, ARO_LOG_NAME, access | O_CREAT, MODE);
}

static int log_open(struct aro_store *store, uint64_t *ret_bytes)
{
    struct stat status;

    *ret_bytes = 0;
    if (!store->read_only)
        unlinkat(store->volume_fd, ARO_LOG_NAME_NEW, 0);
    store->log.fd = log_file(store);
    if (store->log.fd < 0 && errno == ENOENT && store->read_only)
        return 0; /* a store without objects, as far as anybody can tell */
    if (store->log.fd < 0 || fstat(store->log.fd, &status) != 0)
        return -errno;
    aro_volume_drop_cached(store->log.fd);
    *ret_bytes = (uint64_t)status.st_size;
    return 0;
}

static int log_cut(struct aro_store *store, uint32_t records)
{
    if (ftruncate(store->log.fd, (off_t)records * ARO_OBJECT_RECORD_BYTES) != 0 ||
        fdatasync(store->log.fd) != 0 || fsync(store->volume_fd) != 0)
        return -errno;
    return 0;
}

static int log_new(struct aro_store *store, uint32_t records_max)
{
    (void)records_max;
    store->log.new_fd =
        openat(store->volume_fd, ARO_LOG_NAME_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    return store->log.new_fd < 0 ? -errno : 0;
}

static int log_rename(struct aro_store *store, struct aro_io *io)
{
    (void)io;
    return renameat(store->volume_fd, ARO_LOG_NAME_NEW, store->volume_fd, ARO_LOG_NAME) == 0
               ? 1
               : -errno;
}

static void close_directory(struct aro_store *store)
{
    if (store->volume_fd >= 0)
        close(store->volume_fd);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
}

const struct aro_volume_api aro_directory = {
    .list = list,
    .segment_open = segment_open,
    .segment_create = segment_create,
    .segment_allocate = segment_allocate,
    .segment_allocated = segment_allocated,
    .segment_unlink = segment_unlink,
    .segment_forget = segment_forget,
    .segment_gone = segment_gone,
    .tables_end = true,
    .segment_look = segment_look,
    .table_cut = table_cut,
    .names_sync = names_sync,
    .log_open = log_open,
    .log_cut = log_cut,
    .log_new = log_new,
    .log_rename = log_rename,
    .close = close_directory,
};

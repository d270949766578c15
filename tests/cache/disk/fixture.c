/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/cache/disk/fixture.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "cache/disk/reader.h"
#include "cache/disk/state.h"

enum { PENDING = 1 }; /* an op's result before its completion */

void fixture_begin(struct fixture *f)
{
    const char *tmp = getenv("TMPDIR");

    memset(f, 0, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "%s/aro-store-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    cr_assert_not_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/device", f->dir);
    aro_qsbr_init(&f->qsbr, 1);
    f->ring = aro_uring_create(128);
    cr_assert_not_null(f->ring);
    f->config = (struct aro_store_config){
        .path = fixture_on_device ? f->path : f->dir,
        .file_as_device = fixture_on_device,
        .size_bytes = 16u << 20,
        .segment_bytes = 2u << 20,
        .seed = 7,
        .ring = f->ring,
        .qsbr = &f->qsbr,
    };
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

void fixture_end(struct fixture *f)
{
    fixture_close(f);
    aro_uring_destroy(f->ring);
    if (f->mounted)
        umount2(f->dir, MNT_DETACH);
    remove_tree(f->dir);
}

/* A device is somewhat larger than what fits on it. */
static struct aro_store_config config_of(struct fixture *f)
{
    struct aro_store_config config = f->config;

    memset(&f->error, 0, sizeof(f->error));
    config.path = fixture_on_device ? f->path : f->dir;
    config.qsbr = &f->qsbr;
    if (!fixture_on_device)
        return config;
    fixture_make_device(f);
    config.chunks_max = config.chunks_max == 0 ? config.size_bytes / 32768 : config.chunks_max;
    config.size_bytes +=
        (3u << 20) + config.segment_bytes + config.size_bytes / 32 + config.segment_bytes / 32;
    return config;
}

bool fixture_open(struct fixture *f)
{
    struct aro_store_config config = config_of(f);

    f->store = aro_store_open(&config, NULL, NULL, &f->error);
    return f->store != NULL;
}

void fixture_start(struct fixture *f)
{
    struct aro_store_config config = config_of(f);

    f->store = aro_store_start(&config, &f->error);
    cr_assert_not_null(f->store, "%s", f->error.text);
}

void fixture_turn(struct fixture *f)
{
    if (!aro_store_poll(f->store) && aro_uring_in_flight(f->ring) > 0)
        cr_assert_eq(aro_uring_wait(f->ring), 0);
    aro_uring_poll(f->ring, 64);
}

void fixture_close(struct fixture *f)
{
    aro_store_close(f->store);
    f->store = NULL;
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    cr_assert(fixture_open(f), "%s", f->error.text);
}

const uint8_t *fixture_chunk(uint32_t n, uint32_t len_bytes, struct aro_id *ret_id)
{
    static _Alignas(4096) uint8_t bytes[ARO_CHUNK_BYTES_MAX];
    uint32_t state = n * 2654435761u + 1;

    for (uint32_t i = 0; i < len_bytes; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
    *ret_id = aro_sha256(bytes, len_bytes);
    return bytes;
}

struct aro_id fixture_id(uint32_t n, uint32_t len_bytes)
{
    struct aro_id id;

    fixture_chunk(n, len_bytes, &id);
    return id;
}

void fixture_note(struct aro_store_op *op, int result)
{
    op->result = result;
    op->store = NULL;
}

int fixture_wait(struct fixture *f, struct aro_store_op *op)
{
    while (op->store != NULL) {
        cr_assert_eq(aro_uring_wait(f->ring), 0);
        aro_uring_reap(f->ring, 64);
        if (op->store != NULL)
            aro_store_poll(f->store);
        if (f->each != NULL)
            f->each(f);
    }
    return op->result;
}

int fixture_append(struct fixture *f, uint32_t n, uint32_t len_bytes)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data = fixture_chunk(n, len_bytes, &id);
    int result = aro_store_append(f->store, &op, &id, data, len_bytes);

    return result != 0 ? result : fixture_wait(f, &op);
}

int fixture_sync(struct fixture *f, uint64_t mark)
{
    struct aro_store_op op = {.done = fixture_note};
    int result = aro_store_sync(f->store, &op, mark);

    return result != 0 ? result : fixture_wait(f, &op);
}

struct aro_object fixture_object(uint32_t n, uint32_t len_bytes)
{
    struct aro_object object = {
        .id = fixture_id(n, len_bytes),
        .digest = aro_sha256(&n, sizeof(n)),
        .total_bytes = (uint64_t)n * 1000,
        .created_ns = UINT64_C(1700000000000000000) + n,
        .chunk_bytes = 65536,
        .chunks = n,
    };
    snprintf(object.label, sizeof(object.label), "object %u", n);
    return object;
}

int fixture_object_add(struct fixture *f, uint32_t n, uint32_t len_bytes, uint64_t mark)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_object object = fixture_object(n, len_bytes);
    int result = aro_store_object_add(f->store, &op, &object, mark);

    return result != 0 ? result : fixture_wait(f, &op);
}

int fixture_object_remove(struct fixture *f, uint32_t n, uint32_t len_bytes)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_id id = fixture_id(n, len_bytes);
    int result = aro_store_object_remove(f->store, &op, &id);

    return result != 0 ? result : fixture_wait(f, &op);
}

void fixture_settle(struct fixture *f)
{
    for (int quiet = 0; quiet < 3; quiet++) {
        aro_store_poll(f->store);
        while (aro_uring_in_flight(f->ring) > 0) {
            cr_assert_eq(aro_uring_wait(f->ring), 0);
            aro_uring_reap(f->ring, 64);
            aro_store_poll(f->store);
            if (f->each != NULL)
                f->each(f);
            quiet = 0;
        }
    }
}

int fixture_check(struct fixture *f, uint32_t n, uint32_t len_bytes)
{
    static _Alignas(4096) uint8_t buffer[ARO_CHUNK_BYTES_MAX];
    struct aro_disk_reader_config config = {.store = f->store, .depth = 8};
    struct aro_disk_reader *reader = aro_disk_reader_create(&config);
    struct aro_id id = fixture_id(n, len_bytes);
    struct aro_disk_done done;
    struct aro_place place;
    int found = 0;

    cr_assert_not_null(reader);
    for (unsigned nth = 0; aro_store_find(f->store, &id, nth, &place) == 0; nth++) {
        cr_assert_eq(aro_disk_read(reader, &place, buffer, 1), 0);
        do {
            aro_disk_submit(reader);
        } while (aro_disk_reap_burst(reader, &done, 1) == 0);
        if (done.result != 0 || aro_place_checksum(&id, place.segment, place.block, buffer,
                                                   place.len_bytes) != place.checksum)
            continue;
        cr_assert_eq(place.len_bytes, len_bytes);
        cr_assert_eq(memcmp(buffer, fixture_chunk(n, len_bytes, &id), len_bytes), 0,
                     "chunk %u: a wrong byte", n);
        found = 1;
    }
    aro_disk_reader_destroy(reader);
    return found;
}

bool fixture_mount(struct fixture *f, uint64_t size_bytes)
{
    char size[32];

    snprintf(size, sizeof(size), "size=%llu", (unsigned long long)size_bytes);
    f->mounted = unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, "") == 0 &&
                 mount("aro", f->dir, "tmpfs", 0, size) == 0;
    return f->mounted;
}

uint64_t fixture_mount_used(const struct fixture *f)
{
    struct statvfs status;

    cr_assert_eq(statvfs(f->dir, &status), 0);
    return (status.f_blocks - status.f_bfree) * status.f_frsize;
}

static void path_of(const struct fixture *f, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", f->dir, name);
}

/* The same, or the device and where in it that part begins. */
static uint64_t part_of(const struct fixture *f, const char *name, char path[512])
{
    uint64_t at = 0;

    path_of(f, name, path);
    if (fixture_on_device && fixture_device_find(f, name, &at))
        snprintf(path, 512, "%s", f->path);
    return at;
}

bool fixture_exists(const struct fixture *f, const char *name)
{
    char path[512];

    (void)part_of(f, name, path);
    return access(path, F_OK) == 0;
}

static struct stat status_of(const struct fixture *f, const char *name)
{
    char path[512];
    struct stat status;

    path_of(f, name, path);
    cr_assert_eq(stat(path, &status), 0, "%s: %s", path, strerror(errno));
    return status;
}

uint64_t fixture_file_size(const struct fixture *f, const char *name)
{
    return (uint64_t)status_of(f, name).st_size;
}

uint64_t fixture_disk_bytes(const struct fixture *f)
{
    DIR *dir = fixture_on_device ? NULL : opendir(f->dir);
    struct dirent *entry;
    struct stat status;
    uint64_t bytes = 0;

    if (fixture_on_device) /* it is as large as it is */
        return 0;
    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &status, 0) == 0)
            bytes += (uint64_t)status.st_blocks * 512;
    closedir(dir);
    return bytes;
}

uint64_t fixture_inode(const struct fixture *f, const char *name)
{
    return (uint64_t)status_of(f, name).st_ino;
}

void fixture_truncate(const struct fixture *f, const char *name, uint64_t size_bytes)
{
    char path[512];

    path_of(f, name, path);
    cr_assert_eq(truncate(path, (off_t)size_bytes), 0);
}

void fixture_unlink(const struct fixture *f, const char *name)
{
    char path[512];

    path_of(f, name, path);
    cr_assert(unlink(path) == 0 || errno == ENOENT);
}

void fixture_write_file(const struct fixture *f, const char *name, const void *bytes, size_t n,
                        uint64_t offset)
{
    char path[512];
    int fd;

    offset += part_of(f, name, path);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, bytes, n, (off_t)offset), (ssize_t)n);
    close(fd);
}

void fixture_flip_bit(const struct fixture *f, const char *name, uint64_t bit)
{
    char path[512];
    uint8_t byte = 0;
    int fd;

    bit += part_of(f, name, path) * 8;
    fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte ^= (uint8_t)(1u << bit % 8);
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

void fixture_copy(const struct fixture *from, struct fixture *to)
{
    char command[1024];

    fixture_begin(to);
    to->config.size_bytes = from->config.size_bytes;
    to->config.segment_bytes = from->config.segment_bytes;
    to->config.chunks_max = from->config.chunks_max;
    to->config.fingerprint_mask = from->config.fingerprint_mask;
    to->config.judge = from->config.judge;
    to->config.judge_arg = to;
    snprintf(command, sizeof(command), "cp --sparse=always %s/* %s/", from->dir, to->dir);
    cr_assert_eq(system(command), 0);
}

unsigned fixture_cut_short(const struct fixture *f)
{
    unsigned n = 0;

    for (size_t i = 0; i < f->store->losts; i++)
        n += f->store->lost[i].missing > 0;
    return n;
}

struct aro_store_stats fixture_stats(const struct fixture *f)
{
    struct aro_store_stats stats;

    aro_store_stats(f->store, &stats);
    return stats;
}

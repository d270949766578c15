/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory: is it ours, is it free, may we? Nothing is written into it before that is known.
 */
#include "cache/disk/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/disk/format.h"

#define SUPER_NAME     "STORE"
#define SUPER_NAME_NEW "STORE.new"
#define LOCK_NAME      "LOCK"

enum { MODE = 0640, MODE_DIRECTORY = 0750 };

/* What a directory holds. */
struct contents {
    bool super;
    bool data; /* segments or objects */
    char foreign[256];
};

static int fail(struct aro_error *error, const char *path, int errnum, const char *what)
{
    enum aro_error_id id = ARO_E_STORE_IO;

    if (errnum == EACCES || errnum == EPERM)
        id = ARO_E_STORE_PERMISSION;
    else if (errnum == EROFS)
        id = ARO_E_STORE_READ_ONLY;
    else if (errnum == ENOENT || errnum == ENOTDIR)
        id = ARO_E_STORE_CREATE;
    else if (errnum == ENOSPC || errnum == EDQUOT)
        id = ARO_E_STORE_NO_SPACE;
    return aro_error_set(error, id, "cannot %s the store %s: %s", what, path, strerror(errnum));
}

static int open_directory(const char *path, bool read_only, struct aro_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && !read_only) {
        if (mkdir(path, MODE_DIRECTORY) != 0)
            return fail(error, path, errno, "create");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd < 0 ? fail(error, path, errno, "open") : fd;
}

static void note(struct contents *contents, const char *name)
{
    uint32_t number;
    bool is_data;

    if (strcmp(name, SUPER_NAME) == 0)
        contents->super = true;
    else if (aro_segment_parse_name(name, &number, &is_data) || strcmp(name, "objects.log") == 0)
        contents->data = true;
    else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, LOCK_NAME) != 0 &&
             strcmp(name, SUPER_NAME_NEW) != 0 && strcmp(name, "objects.log.new") != 0 &&
             strcmp(name, "lost+found") != 0)
        snprintf(contents->foreign, sizeof(contents->foreign), "%s", name);
}

static int look_around(int dir_fd, struct contents *contents)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    memset(contents, 0, sizeof(*contents));
    if (dir == NULL)
        return -errno;
    while ((entry = readdir(dir)) != NULL)
        note(contents, entry->d_name);
    closedir(dir);
    return 0;
}

static int check_contents(const struct contents *contents, const char *path,
                          struct aro_error *error)
{
    if (contents->super)
        return 0;
    if (contents->data)
        return aro_error_set(error, ARO_E_STORE_DAMAGED,
                             "%s holds chunks but its superblock file %s is missing", path,
                             SUPER_NAME);
    if (contents->foreign[0] != '\0')
        return aro_error_set(error, ARO_E_STORE_FOREIGN,
                             "%s is not empty and not a store: it holds '%.64s'", path,
                             contents->foreign);
    return 0;
}

/* Whoever only looks shares the lock with others that do; without its file nobody has it. */
static int lock(struct aro_store *store, const char *path, struct aro_error *error)
{
    int access = store->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    char text[24] = "";
    ssize_t got;
    int errnum;

    store->lock_fd = openat(store->dir_fd, LOCK_NAME, access | O_CLOEXEC, MODE);
    if (store->lock_fd < 0 && errno == ENOENT && store->read_only)
        return 0;
    if (store->lock_fd < 0)
        return fail(error, path, errno, "lock");
    if (flock(store->lock_fd, (store->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        errnum = errno;
        got = pread(store->lock_fd, text, sizeof(text) - 1, 0);
        text[got > 0 ? strcspn(text, "\n") : 0] = '\0';
        if (errnum != EWOULDBLOCK)
            return fail(error, path, errnum, "lock");
        return aro_error_set(error, ARO_E_STORE_LOCKED, "the store %s is in use by process %s",
                             path, text[0] == '\0' ? "(unknown)" : text);
    }
    if (store->read_only)
        return 0;
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) != 0 ||
        pwrite(store->lock_fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        return fail(error, path, errno, "lock");
    return 0;
}

static void seal(struct aro_super *super)
{
    aro_store_le64(super->check, aro_hash_bytes(super, offsetof(struct aro_super, check), 0));
}

static bool sealed(const struct aro_super *super)
{
    return aro_load_le64(super->check) ==
           aro_hash_bytes(super, offsetof(struct aro_super, check), 0);
}

static int write_copies(int fd, const struct aro_super *super)
{
    for (int i = 0; i < ARO_SUPER_COPIES; i++)
        if (pwrite(fd, super, sizeof(*super), (off_t)i * ARO_SUPER_STEP_BYTES) !=
            (ssize_t)sizeof(*super))
            return errno != 0 ? -errno : -EIO;
    return fsync(fd) != 0 ? -errno : 0;
}

/* A store exists from the rename on: a crash before leaves an empty directory. */
static int create(struct aro_store *store, struct aro_super *super)
{
    struct timespec now;
    int error, fd;

    clock_gettime(CLOCK_REALTIME, &now);
    memset(super, 0, sizeof(*super));
    memcpy(super->magic, ARO_SUPER_MAGIC, sizeof(super->magic));
    aro_store_le32(super->version, ARO_STORE_VERSION);
    aro_store_le32(super->block_bytes, ARO_BLOCK_BYTES);
    aro_store_le64(super->created_ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    if (getrandom(super->uuid, sizeof(super->uuid), 0) != (ssize_t)sizeof(super->uuid))
        return -EIO;
    seal(super);
    fd = openat(store->dir_fd, SUPER_NAME_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (fd < 0)
        return -errno;
    error = write_copies(fd, super);
    close(fd);
    if (error == 0 && (renameat(store->dir_fd, SUPER_NAME_NEW, store->dir_fd, SUPER_NAME) != 0 ||
                       fsync(store->dir_fd) != 0))
        error = -errno;
    return error;
}

/* Judges one copy: 0 good, 1 unreadable, -1 with *error: it says that we must not go on. */
static int judge(const struct aro_super *super, const char *path, struct aro_error *error)
{
    uint32_t version = aro_load_le32(super->version);

    if (memcmp(super->magic, ARO_SUPER_MAGIC, sizeof(super->magic)) != 0)
        return 1;
    if (!sealed(super))
        return 1;
    if (version > ARO_STORE_VERSION)
        return aro_error_set(error, ARO_E_STORE_NEWER,
                             "the store %s has format version %u, this program knows up to %u",
                             path, version, (unsigned)ARO_STORE_VERSION);
    return 0;
}

static int read_copies(int fd, const char *path, bool mend, struct aro_super *ret,
                       struct aro_error *error)
{
    struct aro_super copy[ARO_SUPER_COPIES] = {0};
    int good = -1, damaged = 0;
    bool ours = false;

    for (int i = 0; i < ARO_SUPER_COPIES; i++) {
        int verdict;
        if (pread(fd, &copy[i], sizeof(copy[i]), (off_t)i * ARO_SUPER_STEP_BYTES) < 0)
            return fail(error, path, errno, "read");
        verdict = judge(&copy[i], path, error);
        if (verdict < 0)
            return -1;
        if (verdict == 0 && good < 0)
            good = i;
        damaged += verdict != 0;
        ours |= memcmp(copy[i].magic, ARO_SUPER_MAGIC, sizeof(copy[i].magic)) == 0;
    }
    if (good >= 0) {
        *ret = copy[good];
        if (damaged > 0 && mend) /* while there is one to mend from */
            (void)!write_copies(fd, ret);
        return 0;
    }
    if (!ours)
        return aro_error_set(error, ARO_E_STORE_FOREIGN, "%s/%s is not a superblock of ours", path,
                             SUPER_NAME);
    return aro_error_set(error, ARO_E_STORE_DAMAGED, "both superblock copies in %s/%s are damaged",
                         path, SUPER_NAME);
}

static int load(struct aro_store *store, const char *path, struct aro_super *super,
                struct aro_error *error)
{
    int access = store->read_only ? O_RDONLY : O_RDWR;
    int fd = openat(store->dir_fd, SUPER_NAME, access | O_CLOEXEC);
    int result;

    if (fd < 0)
        return fail(error, path, errno, "open");
    result = read_copies(fd, path, !store->read_only, super, error);
    close(fd);
    return result;
}

int aro_super_open(struct aro_store *store, const char *path, struct aro_error *error)
{
    struct contents contents;
    struct aro_super super;
    int result;

    store->dir_fd = open_directory(path, store->read_only, error);
    if (store->dir_fd < 0)
        return -1;
    result = look_around(store->dir_fd, &contents);
    if (result != 0)
        return fail(error, path, -result, "read");
    if (check_contents(&contents, path, error) != 0)
        return -1;
    if (store->read_only && !contents.super)
        return aro_error_set(error, ARO_E_STORE_CREATE, "there is no store in %s", path);
    if (lock(store, path, error) != 0)
        return -1;
    result = look_around(store->dir_fd, &contents); /* somebody may have created it meanwhile */
    if (result == 0 && !contents.super)
        result = create(store, &super);
    else if (result == 0 && load(store, path, &super, error) != 0)
        return -1;
    if (result != 0)
        return fail(error, path, -result, "create");
    store->uuid_hash = aro_hash_bytes(super.uuid, sizeof(super.uuid), 0);
    return 0;
}

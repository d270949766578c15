/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory of a store: is it ours, is it free, may we? Nothing is written into it before that
 * is known.
 */
#include "cache/disk/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/state.h"
#include "cache/disk/super.h"

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

static int open_directory(const char *path, bool read_only, struct aro_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && !read_only) {
        if (mkdir(path, MODE_DIRECTORY) != 0)
            return aro_volume_fail(error, path, errno, "create");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd < 0 ? aro_volume_fail(error, path, errno, "open") : fd;
}

static void note(struct contents *contents, const char *name)
{
    uint32_t number;
    bool is_data;

    if (strcmp(name, SUPER_NAME) == 0)
        contents->super = true;
    else if (aro_directory_parse_name(name, &number, &is_data) || strcmp(name, ARO_LOG_NAME) == 0)
        contents->data = true;
    else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, LOCK_NAME) != 0 &&
             strcmp(name, SUPER_NAME_NEW) != 0 && strcmp(name, ARO_LOG_NAME_NEW) != 0 &&
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

    store->lock_fd = openat(store->volume_fd, LOCK_NAME, access | O_CLOEXEC, MODE);
    if (store->lock_fd < 0 && errno == ENOENT && store->read_only)
        return 0;
    if (store->lock_fd < 0)
        return aro_volume_fail(error, path, errno, "lock");
    if (flock(store->lock_fd, (store->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        errnum = errno;
        got = pread(store->lock_fd, text, sizeof(text) - 1, 0);
        text[got > 0 ? strcspn(text, "\n") : 0] = '\0';
        if (errnum != EWOULDBLOCK)
            return aro_volume_fail(error, path, errnum, "lock");
        return aro_error_set(error, ARO_E_STORE_LOCKED, "the store %s is in use by process %s",
                             path, text[0] == '\0' ? "(unknown)" : text);
    }
    if (store->read_only)
        return 0;
    snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) != 0 ||
        pwrite(store->lock_fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        return aro_volume_fail(error, path, errno, "lock");
    return 0;
}

/* A store exists from the rename on: a crash before leaves an empty directory. */
static int create(struct aro_store *store, struct aro_super_block *super)
{
    int error = aro_super_make(ARO_LAYOUT_DIRECTORY, NULL, super), fd;

    if (error != 0)
        return error;
    fd = openat(store->volume_fd, SUPER_NAME_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
    if (fd < 0)
        return -errno;
    error = aro_super_write(fd, super);
    close(fd);
    if (error == 0 &&
        (renameat(store->volume_fd, SUPER_NAME_NEW, store->volume_fd, SUPER_NAME) != 0 ||
         fsync(store->volume_fd) != 0))
        error = -errno;
    return error;
}

static int load(struct aro_store *store, const char *path, struct aro_super_block *super,
                struct aro_error *error)
{
    int access = store->read_only ? O_RDONLY : O_RDWR;
    int fd = openat(store->volume_fd, SUPER_NAME, access | O_CLOEXEC);
    int result;

    if (fd < 0)
        return aro_volume_fail(error, path, errno, "open");
    result = aro_super_read(fd, path, !store->read_only, super, error);
    close(fd);
    if (result == 0 && aro_super_kind(super) != ARO_LAYOUT_DIRECTORY)
        return aro_error_set(error, ARO_E_STORE_FOREIGN,
                             "the superblock in %s is that of a store on a device", path);
    return result;
}

int aro_directory_open(struct aro_store *store, const char *path, struct aro_error *error)
{
    struct contents contents;
    struct aro_super_block super;
    int result;

    store->volume = &aro_directory;
    store->volume_fd = open_directory(path, store->read_only, error);
    if (store->volume_fd < 0)
        return -1;
    result = look_around(store->volume_fd, &contents);
    if (result != 0)
        return aro_volume_fail(error, path, -result, "read");
    if (check_contents(&contents, path, error) != 0)
        return -1;
    if (store->read_only && !contents.super)
        return aro_error_set(error, ARO_E_STORE_CREATE, "there is no store in %s", path);
    if (lock(store, path, error) != 0)
        return -1;
    result = look_around(store->volume_fd, &contents); /* somebody may have created it meanwhile */
    if (result == 0 && !contents.super)
        result = create(store, &super);
    else if (result == 0 && load(store, path, &super, error) != 0)
        return -1;
    if (result != 0)
        return aro_volume_fail(error, path, -result, "create");
    store->uuid_hash = aro_super_uuid_hash(&super);
    return 0;
}

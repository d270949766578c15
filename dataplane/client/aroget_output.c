/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing half there: content goes to a file without a name (O_TMPFILE) in the final one's folder
 * and gets its name when everything was verified. Whatever ends the program before, even a kill,
 * leaves nothing behind. Where the file system has no such files a temporary name must do.
 *
 * To be resumed it has a name from the start, FILE.part, and stays when the fetch ends early. What
 * it holds is verified like anything else, so whatever wrote it does no harm.
 *
 * Only a regular file is ever replaced. A device, pipe or socket is written in place (renaming
 * over /dev/null as root would break the machine), and of a symbolic link the target is meant.
 */
#include "dataplane/client/aroget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int named_open(struct aroget_output *output)
{
    mode_t mask = umask(0);

    umask(mask);
    snprintf(output->temporary, sizeof(output->temporary), "%s.XXXXXX", output->final);
    output->fd = mkostemp(output->temporary, O_CLOEXEC);
    if (output->fd < 0)
        return -errno;
    fchmod(output->fd, 0666 & ~mask); /* mkostemp makes it private */
    output->named = true;
    return 0;
}

/* Something is there that must not be replaced: write into it. */
static int in_place_open(struct aroget_output *output, const char *path)
{
    output->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (output->fd < 0)
        return -errno;
    output->in_place = true;
    return 0;
}

/* Sets output->final to path, or to what it leads to. *ret_exists: something is there. */
static int final_resolve(struct aroget_output *output, const char *path, struct stat *ret_info,
                         bool *ret_exists)
{
    char *resolved;
    int error = 0;

    *ret_exists = stat(path, ret_info) == 0;
    if (!*ret_exists && (errno != ENOENT || lstat(path, ret_info) == 0))
        return -errno; /* also a link that leads nowhere: lstat leaves stat's ENOENT alone */
    resolved = *ret_exists ? realpath(path, NULL) : strdup(path);
    if (resolved == NULL)
        return -errno;
    if (strlen(resolved) + sizeof(".") > sizeof(output->final))
        error = -ENAMETOOLONG;
    else
        strcpy(output->final, resolved);
    free(resolved);
    return error;
}

/* FILE.part, as an earlier try left it. One writer at a time. */
static int part_open(struct aroget_output *output)
{
    struct stat info;

    snprintf(output->temporary, sizeof(output->temporary), "%s.part", output->final);
    output->fd =
        open(output->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (output->fd < 0)
        return -errno;
    int error = fstat(output->fd, &info) != 0 ? -errno : 0;
    if (error == 0 && !S_ISREG(info.st_mode))
        error = -EEXIST;
    if (error == 0 && flock(output->fd, LOCK_EX | LOCK_NB) != 0)
        error = -EBUSY;
    if (error != 0) {
        close(output->fd);
        return error;
    }
    output->named = output->resumes = true;
    output->partial_bytes = (uint64_t)info.st_size;
    return 0;
}

int aroget_output_have(void *arg, uint64_t at, void *bytes, size_t len)
{
    const struct aroget_output *output = arg;

    if (at + len > output->partial_bytes)
        return 0;
    return pread(output->fd, bytes, len, (off_t)at) == (ssize_t)len;
}

int aroget_output_open(struct aroget_output *output, const char *path, bool resume)
{
    char folder[AROGET_PATH_BYTES];
    struct stat info;
    bool exists;
    int error;

    *output = (struct aroget_output){.fd = STDOUT_FILENO, .in_place = true};
    if (strcmp(path, "-") == 0)
        return 0;
    output->in_place = false;
    error = final_resolve(output, path, &info, &exists);
    if (error != 0)
        return error;
    if (exists && S_ISDIR(info.st_mode))
        return -EISDIR;
    if (exists && !S_ISREG(info.st_mode))
        return in_place_open(output, path);
    if (resume)
        return part_open(output);
    const char *slash = strrchr(output->final, '/');
    size_t len = slash != NULL ? (size_t)(slash - output->final) + 1 : 0;
    memcpy(folder, output->final, len);
    memcpy(folder + len, ".", 2);
    output->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (output->fd >= 0)
        return 0;
    return errno == EOPNOTSUPP || errno == EISDIR ? named_open(output) : -errno;
}

/* Gives the nameless file a temporary name; link never replaces, rename does. */
static int name_give(struct aroget_output *output)
{
    char self[64];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", output->fd);
    snprintf(output->temporary, sizeof(output->temporary), "%s.%d", output->final, (int)getpid());
    if (linkat(AT_FDCWD, self, AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW) != 0)
        return -errno;
    output->named = true;
    return 0;
}

/* The last look before a rename: what is there now may be replaced. */
static bool replaceable(const char *path)
{
    struct stat info;

    return lstat(path, &info) != 0 ? errno == ENOENT : S_ISREG(info.st_mode);
}

int aroget_output_close(struct aroget_output *output, bool keep)
{
    int error = 0;

    if (output->resumes && keep) /* an earlier try may have left more than there is */
        error = ftruncate(output->fd, lseek(output->fd, 0, SEEK_CUR)) != 0 ? -errno : 0;
    if (output->in_place)
        return output->fd != STDOUT_FILENO && close(output->fd) != 0 ? -errno : 0;
    if (keep && error == 0 && !output->named)
        error = name_give(output);
    if (close(output->fd) != 0 && error == 0)
        error = -errno;
    if (keep && error == 0 && !replaceable(output->final))
        error = -EEXIST;
    if (keep && error == 0 && rename(output->temporary, output->final) != 0)
        error = -errno;
    if (output->named && !output->resumes && (!keep || error != 0))
        unlink(output->temporary);
    return error;
}

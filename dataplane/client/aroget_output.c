/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing half there: content goes to a file without a name (O_TMPFILE) in the final one's folder
 * and gets its name when everything was verified. Whatever ends the program before, even a kill,
 * leaves nothing behind. Where the file system has no such files a temporary name must do.
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

int aroget_output_open(struct aroget_output *output, const char *path)
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

    if (output->in_place)
        return output->fd != STDOUT_FILENO && close(output->fd) != 0 ? -errno : 0;
    if (keep && !output->named)
        error = name_give(output);
    if (close(output->fd) != 0 && error == 0)
        error = -errno;
    if (keep && error == 0 && !replaceable(output->final))
        error = -EEXIST;
    if (keep && error == 0 && rename(output->temporary, output->final) != 0)
        error = -errno;
    if (output->named && (!keep || error != 0))
        unlink(output->temporary);
    return error;
}

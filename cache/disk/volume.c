/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/disk/device.h"
#include "cache/disk/state.h"

int aro_volume_fail(struct aro_error *error, const char *path, int errnum, const char *what)
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

void aro_volume_drop_cached(int fd)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int aro_volume_open(struct aro_store *store, const struct aro_store_config *config,
                    struct aro_error *error)
{
    struct stat status;
    bool there = stat(config->path, &status) == 0;

    if (there && (S_ISBLK(status.st_mode) || (S_ISREG(status.st_mode) && config->file_as_device)))
        return aro_device_open(store, config, error);
    return aro_directory_open(store, config->path, error);
}

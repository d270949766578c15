/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store in a directory: each part is a file, and the file system keeps names and lengths. Private
 * to directory.c and directory_open.c.
 */
#ifndef ARO_CACHE_DISK_DIRECTORY_H
#define ARO_CACHE_DISK_DIRECTORY_H

#include "cache/disk/volume.h"

#define ARO_LOG_NAME     "objects.log"
#define ARO_LOG_NAME_NEW "objects.log.new"

extern const struct aro_volume_api aro_directory;

/* Number from a file name, and which of the two files; false for any other name. */
bool aro_directory_parse_name(const char *name, uint32_t *ret_number, bool *ret_is_data);

#endif

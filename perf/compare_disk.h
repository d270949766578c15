/* SPDX-License-Identifier: BSD-3-Clause */
/* The comparisons of arobench disk, each with files of its own. */
#ifndef ARO_PERF_COMPARE_DISK_H
#define ARO_PERF_COMPARE_DISK_H

#include "perf/compare.h"

#define SHARED_MEMORY "/dev/shm" /* a tmpfs, on most machines */

/* perf/compare_disk.c */
void compare_disk_64k(const struct compare *compare, const char *name);
void compare_disk_4k(const struct compare *compare, const char *name);
void compare_disk_tmpfs_64k(const struct compare *compare, const char *name);
const char *compare_disk_tmpfs_lacks(void); /* fio, or a tmpfs */
void compare_read_amplification(const struct compare *compare, const char *name);
/* perf/compare_put.c */
void compare_put_fio(const struct compare *compare, const char *name);

#endif

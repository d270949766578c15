/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of arobench disk; each returns the exit code. */
#ifndef ARO_PERF_DISK_COMMANDS_H
#define ARO_PERF_DISK_COMMANDS_H

#include "perf/options.h"

/* perf/disk_read.c */
int disk_read(const struct bench_options *options);
/* perf/disk_compare.c */
int disk_compare(const struct bench_options *options);

#endif

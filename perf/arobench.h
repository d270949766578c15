/* SPDX-License-Identifier: BSD-3-Clause */
/* The tools of arobench: each reads its own command line and returns the exit code. */
#ifndef ARO_PERF_AROBENCH_H
#define ARO_PERF_AROBENCH_H

enum { ARO_BENCH_EXIT_USAGE = 2 };

/* perf/cache_commands.c; argv[0] is "cache". */
int arobench_cache(int argc, char **argv);
/* perf/disk_commands.c; argv[0] is "disk". */
int arobench_disk(int argc, char **argv);

#endif

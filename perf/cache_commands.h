/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of arobench cache; each returns the exit code. */
#ifndef ARO_PERF_CACHE_COMMANDS_H
#define ARO_PERF_CACHE_COMMANDS_H

#include "perf/options.h"

/* perf/cache_throughput.c */
int cache_lookup(const struct bench_options *options);
int cache_insert(const struct bench_options *options);
int cache_mixed(const struct bench_options *options);

/* perf/cache_replay.c */
int cache_replay(const struct bench_options *options);
int cache_zipf(const struct bench_options *options);
/* perf/cache_compare.c */
int cache_compare(const struct bench_options *options);

#endif

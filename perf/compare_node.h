/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Comparisons of a whole node: a daemon as a child process, its store, its wire, and clients of
 * this program. Each has a network of its own (perf/apart.h).
 */
#ifndef ARO_PERF_COMPARE_NODE_H
#define ARO_PERF_COMPARE_NODE_H

#include "perf/compare.h"

/* The daemon that all of them run; NULL: bench_node_program() looks for it. Before the others. */
void compare_node_choose(const char *program);
const char *compare_node_lacks(void); /* the daemon, or a network of its own */
const char *compare_node_program(void);

/* perf/compare_one_read.c */
void compare_one_read(const struct compare *compare, const char *name);
const char *compare_one_read_lacks(void); /* or the slow device */
/* perf/compare_restart.c */
void compare_restart(const struct compare *compare, const char *name);
/* perf/compare_hits.c */
void compare_hits_under_misses(const struct compare *compare, const char *name);
/* perf/compare_client.c */
void compare_client_64k(const struct compare *compare, const char *name);
void compare_client_4k(const struct compare *compare, const char *name);
void compare_client_tmpfs_64k(const struct compare *compare, const char *name);
const char *compare_client_lacks(void); /* or fio */
const char *compare_client_tmpfs_lacks(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories of a benchmark's own, gone with all that is in them when it ends, however it ends: a
 * process beside it, which no signal from a keyboard reaches, waits for that and removes what is
 * left. One thread.
 */
#ifndef ARO_PERF_FOLDER_H
#define ARO_PERF_FOLDER_H

enum { BENCH_FOLDER_BYTES = 256 };

/* Starts that process; before mounts or namespaces that it should not hold on to. */
void bench_folder_watch(void);

/* A new directory inside parent. Fails the benchmark when there can be none. */
void bench_folder_make(const char *parent, char ret_path[BENCH_FOLDER_BYTES]);
/* With what is in it, but for mounted file systems. */
void bench_folder_remove(const char *path);

#endif

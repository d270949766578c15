/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directories of a benchmark's own, gone with their files when it ends, however it ends - a signal
 * excepted. One thread.
 */
#ifndef ARO_PERF_FOLDER_H
#define ARO_PERF_FOLDER_H

enum { BENCH_FOLDER_BYTES = 256 };

/* A new directory inside parent. Fails the benchmark when there can be none. */
void bench_folder_make(const char *parent, char ret_path[BENCH_FOLDER_BYTES]);
/* With the plain files in it. */
void bench_folder_remove(const char *path);

#endif

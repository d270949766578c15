/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon of a benchmark's own: arocached as a child process, with a configuration, runtime
 * directory and log in a folder of the benchmark, asked over its control socket. It ends with this
 * process. One thread.
 */
#ifndef ARO_PERF_NODE_H
#define ARO_PERF_NODE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "perf/folder.h"

struct aro_connection;

enum { BENCH_NODE_LCORES_MAX = 2 };

struct bench_node_config {
    const char *program; /* arocached */
    const char *folder;  /* for its files */
    const char *store;   /* the store's directory */
    uint64_t store_bytes, segment_bytes, chunks_max;
    uint64_t memory_bytes;
    unsigned lcores; /* 1..BENCH_NODE_LCORES_MAX; one keeps away from the first CPU if it can */
    unsigned mtu;    /* each lcore has wire number 0.. (perf/apart.h) of its own */
    unsigned frames; /* of a wire's rings */
    unsigned pending, reads;
    cpu_set_t cpus;
};

struct bench_node {
    struct bench_node_config config;
    char path[BENCH_FOLDER_BYTES + 16], log[BENCH_FOLDER_BYTES + 16],
        socket[BENCH_FOLDER_BYTES + 32];
    pid_t child; /* 0: does not run */
    struct aro_connection *connection;
};

/* The daemon to use: named (NULL: beside this program, in its build directory, or in PATH). */
const char *bench_node_program(const char *named);

/* Writes the configuration. Nothing runs yet. */
void bench_node_make(struct bench_node *node, const struct bench_node_config *config);
/* Begins to start it; returns at once. */
void bench_node_start(struct bench_node *node);
/* Whether its control socket answers; connects to it. Fails the benchmark when the daemon ended. */
bool bench_node_answers(struct bench_node *node);
/* Waits until it answers and its store's index is whole. */
void bench_node_wait(struct bench_node *node);

/* Whether its store's index is still being built. */
bool bench_node_recovers(struct bench_node *node);
/* A counter of its data plane (dataplane/counters.def), of all lcores together. */
uint64_t bench_node_count(struct bench_node *node, const char *counter);
/* The same of one lcore, in order of their numbers. */
uint64_t bench_node_lcore_count(struct bench_node *node, unsigned which, const char *counter);
uint64_t bench_node_cpu_ns(const struct bench_node *node); /* that it took so far */
/* Whatever this start's log says last of a key: "eal_us". 0: nothing. */
uint64_t bench_node_logged(const struct bench_node *node, const char *key);

void bench_node_kill(struct bench_node *node); /* -9 */
void bench_node_stop(struct bench_node *node); /* as an operator does; it must end well */

#endif

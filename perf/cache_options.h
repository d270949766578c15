/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of `arobench cache SUBCOMMAND`. Each subcommand says which options mean
 * something to it, and what they are when they are not given.
 */
#ifndef ARO_PERF_CACHE_OPTIONS_H
#define ARO_PERF_CACHE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/policy.h"

struct cache_options {
    uint32_t entries;
    unsigned threads;
    unsigned burst;
    unsigned rounds;
    uint32_t value_bytes;
    unsigned writes_percent; /* mixed: of the operations */
    double seconds;          /* per round, unless requests says how many */
    uint64_t requests;       /* per round, all threads together; 0: seconds */
    uint32_t objects;        /* zipf */
    double alpha;            /* zipf */
    uint64_t capacity_bytes; /* replay */
    const struct aro_policy_ops *policy;
    const char *file; /* replay: the trace */
    const char *only; /* compare; NULL: all */
    const char *raw;  /* compare; NULL: nowhere */
    bool quick;       /* compare */
    bool json;
};

struct cache_command {
    const char *name;
    const char *does;           /* for people, with the defaults */
    const char *takes;          /* the letters of its options; 'F': the name of a file */
    struct cache_options given; /* before the command line is read */
    int (*run)(const struct cache_options *options); /* returns the exit code */
};

/* Every option, a line each, on standard output. */
void cache_options_help(void);

/* -1: go on with *ret; else the exit code, everything is said. argv[0] is the subcommand. */
int cache_options_parse(const struct cache_command *command, int argc, char **argv,
                        struct cache_options *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of `arobench TOOL SUBCOMMAND`. Each subcommand says which options mean something
 * to it, and what they are when they are not given.
 */
#ifndef ARO_PERF_OPTIONS_H
#define ARO_PERF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/policy.h"

struct bench_options {
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
    const char *file;      /* replay: the trace */
    const char *only;      /* compare; NULL: all */
    const char *raw;       /* compare; NULL: nowhere */
    bool quick;            /* compare */
    const char *directory; /* disk */
    uint64_t size_bytes;   /* disk: of the file that is read */
    uint64_t chunk_bytes;  /* disk */
    unsigned depth;        /* disk: reads in flight */
    unsigned starts;       /* disk compare: of a node after kill -9 */
    const char *daemon;    /* disk compare; NULL: it is looked for */
    bool json;
};

struct bench_command {
    const char *name;
    const char *does;           /* for people, with the defaults */
    const char *takes;          /* the letters of its options; 'F': the name of a file */
    struct bench_options given; /* before the command line is read */
    int (*run)(const struct bench_options *options); /* returns the exit code */
};

struct bench_tool {
    const char *name;
    const struct bench_command *commands;
    unsigned count;
    const char *remark; /* the last words of its help */
};

/* Every option that a subcommand of the tool takes, a line each, on standard output. */
void bench_options_help(const struct bench_tool *tool);

/* -1: go on with *ret; else the exit code, everything is said. argv[0] is the subcommand. */
int bench_options_parse(const struct bench_tool *tool, const struct bench_command *command,
                        int argc, char **argv, struct bench_options *ret);

#endif

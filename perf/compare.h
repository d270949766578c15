/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paired comparisons: ours and theirs measured in turn, A B A B, in one process on the same pinned
 * thread, several rounds; medians are told, as one JSON object per line on standard output, and
 * every sample is kept in the raw file. One thread.
 */
#ifndef ARO_PERF_COMPARE_H
#define ARO_PERF_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "perf/machine.h"
#include "perf/options.h"

enum {
    COMPARE_ROUNDS_MAX = 99,
    /* of lookups before ids come again: what one sample touched is not cached for the next */
    COMPARE_SAMPLES = 16,
    COMPARE_EXIT_LEFT_OUT = 77,
};

/* How large, and where to. Constant while comparing. */
struct compare {
    struct bench_cpus cpus;
    FILE *raw; /* NULL: samples are dropped */
    unsigned rounds;
    uint32_t entries;  /* of the tables */
    uint32_t lookups;  /* per sample, COMPARE_SAMPLES times as many ids at hand */
    uint32_t steps;    /* inserts with evictions per sample */
    uint32_t objects;  /* of the Zipf stream */
    uint64_t requests; /* of the Zipf stream, all rounds together; for one cold chunk */
    uint32_t chunks;   /* whose memory is weighed */
    /* of disks */
    const char *directory;
    uint64_t file_bytes;
    unsigned depth;
    double seconds;         /* per sample */
    uint64_t chunks_stored; /* of a node that starts */
    unsigned starts;
};

/* One line of a tool's comparisons. */
struct comparison {
    const char *name;
    void (*run)(const struct compare *compare, const char *name);
    const char *(*lacks)(void); /* why this machine cannot: the line is left out; NULL: it can */
};

/*
 * Runs list[:n], or the one that the options name, pinned. Returns the exit code; with
 * COMPARE_EXIT_LEFT_OUT every line but those whose opponent is missing was told.
 */
int compare_run(const char *tool, const struct comparison list[], unsigned n,
                const struct bench_options *options, const struct compare *sizes);

/* One side measures once; the sample says how many operations it was. */
struct compare_side {
    void (*measure)(void *arg, struct bench_sample *ret);
    void *arg;
};

struct compare_pair {
    const char *name;
    const char *wire; /* NULL: memory */
    bool by_cycles;   /* cycles for each, less is better; else operations per second */
    struct compare_side ours, theirs;
};

/*
 * Medians over the rounds. The ratio is the median of the rounds' own - each pair met the same
 * weather -, > 1: ours is better.
 */
struct compare_result {
    double ours, theirs, ratio;
    double ratio_min, ratio_max; /* over the rounds */
    double ours_beside, theirs_beside;
    double ours_cycles, theirs_cycles, cycles_ratio; /* of the CPU, each; ours in theirs */
    const char *wire;                                /* NULL: memory */
    double stolen;                                   /* share of the CPUs' time, over all rounds */
};

void compare_measure(const struct compare *compare, const struct compare_pair *pair,
                     struct compare_result *ret);

/* The line of a comparison. note says what the two sides were: no quotes in it. */
void compare_tell(const char *name, const struct compare_result *result, const char *unit,
                  const char *note, ...) __attribute__((format(printf, 4, 5)));

/* ---- the comparisons, each with memory of its own; name: its own ---- */

/* perf/compare_lookup.c */
void compare_lookup_rte_hash(const struct compare *compare, const char *name);
void compare_lookup_lfht(const struct compare *compare, const char *name);
void compare_lookup_floor(const struct compare *compare, const char *name);
/* perf/compare_writes.c */
void compare_lookup_under_writes(const struct compare *compare, const char *name);
/* perf/compare_insert.c */
void compare_insert_evict_rte_hash(const struct compare *compare, const char *name);
void compare_scaling(const struct compare *compare, const char *name);
/* perf/compare_policy.c */
void compare_s3fifo_lru(const struct compare *compare, const char *name);
void compare_s3fifo_lru_fetched(const struct compare *compare, const char *name);
/* perf/compare_memory.c */
void compare_bytes_in_memory(const struct compare *compare, const char *name);
void compare_bytes_on_disk_only(const struct compare *compare, const char *name);

#endif

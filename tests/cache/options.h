/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the plain stress programs are told: how long, from which seed, on how many CPUs.
 */
#ifndef ARO_TESTS_CACHE_OPTIONS_H
#define ARO_TESTS_CACHE_OPTIONS_H

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "tests/cache/chunks.h"

struct options {
    uint64_t count; /* of whatever the program counts; 0: by time */
    double seconds;
    uint64_t seed;
};

static inline double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Keeps this thread and those it starts on the first so many of the CPUs it may use. */
static inline void cpus_use(unsigned long cpus)
{
    cpu_set_t allowed, chosen;

    CPU_ZERO(&chosen);
    REQUIRE(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && cpus > 0; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &chosen);
            cpus--;
        }
    }
    REQUIRE(sched_setaffinity(0, sizeof(chosen), &chosen) == 0);
}

/* -n COUNT, -t SECONDS, -s SEED, -c CPUS (at once). False: something else. */
static inline bool options_read(struct options *options, int argc, char *argv[])
{
    int option;

    while ((option = getopt(argc, argv, "n:t:s:c:")) != -1) {
        switch (option) {
        case 'n':
            options->count = strtoull(optarg, NULL, 0);
            break;
        case 't':
            options->seconds = strtod(optarg, NULL);
            break;
        case 's':
            options->seed = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            cpus_use(strtoul(optarg, NULL, 0));
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

#endif

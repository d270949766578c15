/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What bookkeeping a chunk costs, weighed from outside: resident memory of a process with so many
 * chunks less that of the same process with none, divided by them. Payload never counts: chunk
 * memory is reserved, and given back before each look. Each weighing is a child process of its own
 * that starts with next to nothing; call it before the process has grown.
 */
#ifndef ARO_PERF_FOOTPRINT_H
#define ARO_PERF_FOOTPRINT_H

#include <stdint.h>

struct footprint {
    double filled_bytes;  /* each, the prefix sums included, when only ever filled */
    double churned_bytes; /* each, after as many again came and pushed them out */
    double sums_bytes;    /* each: the prefix sums alone */
    uint64_t chunks;      /* that were in at the end */
    uint64_t refused;     /* for want of a slot */
};

/* Chunks of 4 KiB in memory, through cache/cache.h. Fails the benchmark when it cannot. */
void footprint_in_memory(uint32_t chunks, struct footprint *ret);
/* Places of chunks on disk, cache/disk/places.h; churned: each erased and another inserted. */
void footprint_on_disk(uint32_t chunks, struct footprint *ret);

#endif

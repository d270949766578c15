/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes to plain memory, as many lines at places like those that an insert with its evict writes:
 * two at random in memory as large as the index, one that moves on through a ring of entries. What
 * that costs is the machine's share of what inserting costs.
 */
#ifndef ARO_PERF_PLAIN_H
#define ARO_PERF_PLAIN_H

#include <stdint.h>

/* One thread's; lines may be shared by several. */
struct bench_plain {
    uint8_t *lines; /* of 64 bytes */
    uint64_t lines_count;
    uint8_t *ring;
    uint64_t at; /* in the ring, counted on */
    uint64_t random;
};

/* As many lines as an index of so many entries has, touched; free with bench_plain_lines_free. */
uint8_t *bench_plain_lines_make(uint32_t entries, uint64_t *ret_count);
void bench_plain_lines_free(uint8_t *lines, uint64_t count);

void bench_plain_make(struct bench_plain *plain, uint8_t *lines, uint64_t lines_count,
                      uint64_t seed);
void bench_plain_free(struct bench_plain *plain);

/* As many lines as n inserts with their evicts write. */
void bench_plain_write(struct bench_plain *plain, unsigned n);

#endif

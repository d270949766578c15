/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/plain.h"

#include "cache/index.h"
#include "perf/ids.h"
#include "perf/machine.h"

enum { LINE = 64, RING = 1 << 16 };

uint8_t *bench_plain_lines_make(uint32_t entries, uint64_t *ret_count)
{
    uint64_t count = entries / (ARO_INDEX_SLOTS / 2); /* half full */
    uint8_t *lines = bench_pages(count * LINE);

    for (uint64_t i = 0; i < count; i++)
        lines[i * LINE] = 1;
    *ret_count = count;
    return lines;
}

void bench_plain_lines_free(uint8_t *lines, uint64_t count)
{
    bench_pages_free(lines, count * LINE);
}

void bench_plain_make(struct bench_plain *plain, uint8_t *lines, uint64_t lines_count,
                      uint64_t seed)
{
    *plain = (struct bench_plain){.lines = lines,
                                  .lines_count = lines_count,
                                  .ring = bench_pages(RING * LINE),
                                  .random = seed};
}

void bench_plain_free(struct bench_plain *plain)
{
    bench_pages_free(plain->ring, RING * LINE);
}

static void line_write(uint8_t *line, unsigned value)
{
    *(volatile uint8_t *)line = (uint8_t)value;
}

void bench_plain_write(struct bench_plain *plain, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < 2; j++) {
            uint64_t at = (bench_random(&plain->random) >> 32) * plain->lines_count >> 32;
            line_write(plain->lines + at * LINE, i);
        }
        line_write(plain->ring + plain->at++ % RING * LINE, i);
    }
}

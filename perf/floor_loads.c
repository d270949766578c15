/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/baseline.h"

#include <string.h>

static uint64_t load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

unsigned floor_loads_burst(const struct floor_loads *floor, const uint8_t *ids, unsigned n,
                           uint64_t *ret_sum)
{
    const uint8_t *line[BASELINE_BURST_MAX], *entry[BASELINE_BURST_MAX];
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        line[i] =
            floor->lines +
            ((load(ids + i * BASELINE_ID_BYTES) & UINT32_MAX) * floor->lines_count >> 32) * 64;
        entry[i] = floor->entries + load(ids + i * BASELINE_ID_BYTES + 8) * floor->entry_bytes;
        __builtin_prefetch(line[i]);
        __builtin_prefetch(entry[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        *ret_sum += load(line[i]);
        found += load(entry[i]) == load(ids + i * BASELINE_ID_BYTES);
    }
    return found;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes of chunks as they come to a node, for the instruments that measure what memory loses.
 *
 *   mixed   by number: 60% of 64 KiB, 15% tails (1 B..64 KiB, any length alike), 10% of 4 KiB, 5%
 * of 256 KiB, 10% of 1 MiB; `shift` moves chunks of 64 KiB to 1 MiB or back spread  any length up
 * to a limit that is 8 KiB, 16 KiB, ... or 1 MiB, each alike small   1 B..4 KiB, any length alike:
 * the worst for memory in pages
 */
#ifndef ARO_PERF_SIZE_MIX_H
#define ARO_PERF_SIZE_MIX_H

#include <stdint.h>
#include <string.h>

static inline uint32_t size_mixed(uint64_t random, int shift_percent)
{
    int pick = (int)(random % 100);
    uint32_t tail = 1 + (uint32_t)(random >> 32) % 65536;

    if (pick < 15)
        return tail;
    if (pick < 25)
        return 4096;
    if (pick < 30)
        return 256 << 10;
    return pick < 40 + shift_percent ? 1 << 20 : 64 << 10;
}

static inline uint32_t size_spread(uint64_t random)
{
    return 1 + (uint32_t)(random >> 32) % (1u << (13 + random % 8));
}

static inline uint32_t size_small(uint64_t random)
{
    return 1 + (uint32_t)(random >> 32) % 4096;
}

/* shift_percent: -10..60, for mixed. An unknown name is mixed. */
static inline uint32_t size_of_mix(const char *mix, uint64_t random, int shift_percent)
{
    if (strcmp(mix, "spread") == 0)
        return size_spread(random);
    if (strcmp(mix, "small") == 0)
        return size_small(random);
    return size_mixed(random, shift_percent);
}

#endif

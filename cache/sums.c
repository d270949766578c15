/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/sums.h"

#include <string.h>

#include "cache/cache.h"

/* Adding the two halves of a wide sum keeps its value in one's complement. */
static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* 128 bytes as 32-bit words in 64-bit lanes, which cannot overflow: vectorised at SSE2 and up. */
static uint64_t sum_step(const uint8_t *bytes)
{
    uint64_t low = 0;
    uint64_t high = 0;

    for (unsigned i = 0; i < ARO_SUM_STEP; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        low += word & 0xffffffff;
        high += word >> 32;
    }
    return low + high;
}

void aro_sums_extend(uint16_t *sums, uint32_t first_step, const uint8_t *bytes, uint32_t len_bytes)
{
    uint16_t *sum = &sums[first_step];

    for (; len_bytes >= ARO_SUM_STEP; len_bytes -= ARO_SUM_STEP, bytes += ARO_SUM_STEP, sum++)
        sum[1] = fold(sum[0] + sum_step(bytes));
    if (len_bytes > 0) {
        uint8_t last[ARO_SUM_STEP] = {0}; /* RFC 1071: an odd end is padded with zero */
        memcpy(last, bytes, len_bytes);
        sum[1] = fold(sum[0] + sum_step(last));
    }
}

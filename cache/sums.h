/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prefix sums of the Internet checksum (RFC 1071), precomputed because chunks are immutable: the
 * sum of any slice that starts and ends on 128-byte steps (or at the chunk's end) is one
 * subtraction. Sums are of 16-bit words in memory order, folded to 16 bits: byte order does not
 * matter to a one's-complement sum as long as everybody uses the same. Pure functions.
 */
#ifndef ARO_CACHE_SUMS_H
#define ARO_CACHE_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* How many u16 the sums of a chunk take: one per started step, and one. */
static inline uint32_t aro_sums_count(uint32_t len_bytes)
{
    return (len_bytes + 127) / 128 + 1;
}

/*
 * Computes sums[first_step + 1 ..] for `bytes`, which starts at step first_step of the chunk;
 * sums[first_step] is set already (sums[0] = 0). len_bytes: any; only the chunk's end may be
 * ragged. About 0.1 cycles per byte.
 */
void aro_sums_extend(uint16_t *sums, uint32_t first_step, const uint8_t *bytes, uint32_t len_bytes);

/* a - b in one's complement: the sum of what lies between two prefixes. */
static inline uint16_t aro_sums_between(uint16_t from, uint16_t to)
{
    uint32_t difference = (uint32_t)to + (uint16_t)~from;

    return (uint16_t)((difference & 0xffff) + (difference >> 16));
}

#endif

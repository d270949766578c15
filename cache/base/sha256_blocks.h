/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The block function of SHA-256 (FIPS 180-4) with the CPU's SHA extensions: for one state, for two
 * over the same blocks, or for two over blocks of their own - the instructions wait for each other,
 * so a second state costs little. Private to sha256_pair.c.
 */
#ifndef ARO_CACHE_BASE_SHA256_BLOCKS_H
#define ARO_CACHE_BASE_SHA256_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARO_SHA256_BLOCK_BYTES = 64 };

struct aro_sha256_state {
    uint32_t h[8];
};

/* Whether this CPU can run those below. */
bool aro_sha256_extensions(void);

void aro_sha256_blocks(struct aro_sha256_state *state, const uint8_t *bytes, size_t blocks);
void aro_sha256_blocks_both(struct aro_sha256_state *a, struct aro_sha256_state *b,
                            const uint8_t *bytes, size_t blocks);
void aro_sha256_blocks_two(struct aro_sha256_state *a, const uint8_t *bytes_a,
                           struct aro_sha256_state *b, const uint8_t *bytes_b, size_t blocks);

#endif

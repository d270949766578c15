/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/sha256_blocks.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

enum { QUADS = 16 }; /* of rounds */

static const uint32_t constants[4 * QUADS] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The eight words as the instructions want them. */
struct lanes {
    __m128i abef, cdgh;
};

#define WITH_EXTENSIONS __attribute__((target("sha,sse4.1")))
#define INLINE          __attribute__((always_inline)) static inline

INLINE WITH_EXTENSIONS struct lanes lanes_load(const struct aro_sha256_state *state)
{
    __m128i abcd = _mm_loadu_si128((const __m128i *)(const void *)&state->h[0]);
    __m128i efgh = _mm_loadu_si128((const __m128i *)(const void *)&state->h[4]);
    __m128i badc = _mm_shuffle_epi32(abcd, 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(efgh, 0x1b);

    return (struct lanes){_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

INLINE WITH_EXTENSIONS void lanes_store(struct lanes lanes, struct aro_sha256_state *state)
{
    __m128i feba = _mm_shuffle_epi32(lanes.abef, 0x1b);
    __m128i dchg = _mm_shuffle_epi32(lanes.cdgh, 0xb1);

    _mm_storeu_si128((__m128i *)(void *)&state->h[0], _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)&state->h[4], _mm_alignr_epi8(dchg, feba, 8));
}

INLINE WITH_EXTENSIONS struct lanes rounds4(struct lanes lanes, __m128i words)
{
    lanes.cdgh = _mm_sha256rnds2_epu32(lanes.cdgh, lanes.abef, words);
    lanes.abef = _mm_sha256rnds2_epu32(lanes.abef, lanes.cdgh, _mm_shuffle_epi32(words, 0x0e));
    return lanes;
}

/* W[t..t+3] from the four quads before, oldest first. */
INLINE WITH_EXTENSIONS __m128i schedule(__m128i w16, __m128i w12, __m128i w8, __m128i w4)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w16, w12), _mm_alignr_epi8(w4, w8, 4));

    return _mm_sha256msg2_epu32(sum, w4);
}

/* One block's message quad q, from memory or from the schedule. */
INLINE WITH_EXTENSIONS __m128i quad(__m128i w[4], const uint8_t *bytes, unsigned q, __m128i swap)
{
    if (q < 4)
        w[q] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * q)),
                                swap);
    else
        w[q % 4] = schedule(w[q % 4], w[(q + 1) % 4], w[(q + 2) % 4], w[(q + 3) % 4]);
    return _mm_add_epi32(w[q % 4],
                         _mm_load_si128((const __m128i *)(const void *)&constants[4 * q]));
}

INLINE WITH_EXTENSIONS void run(struct aro_sha256_state *a, struct aro_sha256_state *b,
                                const uint8_t *bytes, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    struct lanes la = lanes_load(a), lb = b != NULL ? lanes_load(b) : la;

    for (; blocks > 0; blocks--, bytes += ARO_SHA256_BLOCK_BYTES) {
        struct lanes before_a = la, before_b = lb;
        __m128i w[4];
#pragma GCC unroll 16
        for (unsigned q = 0; q < QUADS; q++) {
            __m128i words = quad(w, bytes, q, swap);
            la = rounds4(la, words);
            if (b != NULL)
                lb = rounds4(lb, words);
        }
        la.abef = _mm_add_epi32(la.abef, before_a.abef);
        la.cdgh = _mm_add_epi32(la.cdgh, before_a.cdgh);
        lb.abef = _mm_add_epi32(lb.abef, before_b.abef);
        lb.cdgh = _mm_add_epi32(lb.cdgh, before_b.cdgh);
    }
    lanes_store(la, a);
    if (b != NULL)
        lanes_store(lb, b);
}

static bool extensions_look(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0 &&
           __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0;
}

/* Asked once: a virtual machine leaves to its host for every CPUID, some 20 us. */
bool aro_sha256_extensions(void)
{
    static _Atomic signed char known; /* 0: not yet, 1: there, -1: not there */
    signed char is = atomic_load_explicit(&known, memory_order_relaxed);

    if (is == 0) {
        is = extensions_look() ? 1 : -1;
        atomic_store_explicit(&known, is, memory_order_relaxed);
    }
    return is > 0;
}

WITH_EXTENSIONS void aro_sha256_blocks(struct aro_sha256_state *state, const uint8_t *bytes,
                                       size_t blocks)
{
    run(state, NULL, bytes, blocks);
}

WITH_EXTENSIONS void aro_sha256_blocks_both(struct aro_sha256_state *a, struct aro_sha256_state *b,
                                            const uint8_t *bytes, size_t blocks)
{
    run(a, b, bytes, blocks);
}

WITH_EXTENSIONS void aro_sha256_blocks_two(struct aro_sha256_state *a, const uint8_t *bytes_a,
                                           struct aro_sha256_state *b, const uint8_t *bytes_b,
                                           size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    struct lanes la = lanes_load(a), lb = lanes_load(b);

    for (; blocks > 0; blocks--) {
        struct lanes before_a = la, before_b = lb;
        __m128i wa[4], wb[4];
#pragma GCC unroll 16
        for (unsigned q = 0; q < QUADS; q++) {
            la = rounds4(la, quad(wa, bytes_a, q, swap));
            lb = rounds4(lb, quad(wb, bytes_b, q, swap));
        }
        la.abef = _mm_add_epi32(la.abef, before_a.abef);
        la.cdgh = _mm_add_epi32(la.cdgh, before_a.cdgh);
        lb.abef = _mm_add_epi32(lb.abef, before_b.abef);
        lb.cdgh = _mm_add_epi32(lb.cdgh, before_b.cdgh);
        bytes_a += ARO_SHA256_BLOCK_BYTES;
        bytes_b += ARO_SHA256_BLOCK_BYTES;
    }
    lanes_store(la, a);
    lanes_store(lb, b);
}

#else

bool aro_sha256_extensions(void)
{
    return false;
}

/* Never called: there are no extensions. */
void aro_sha256_blocks(struct aro_sha256_state *state, const uint8_t *bytes, size_t blocks)
{
    (void)state, (void)bytes, (void)blocks;
    abort();
}

void aro_sha256_blocks_both(struct aro_sha256_state *a, struct aro_sha256_state *b,
                            const uint8_t *bytes, size_t blocks)
{
    (void)a, (void)b, (void)bytes, (void)blocks;
    abort();
}

void aro_sha256_blocks_two(struct aro_sha256_state *a, const uint8_t *bytes_a,
                           struct aro_sha256_state *b, const uint8_t *bytes_b, size_t blocks)
{
    (void)a, (void)bytes_a, (void)b, (void)bytes_b, (void)blocks;
    abort();
}

#endif

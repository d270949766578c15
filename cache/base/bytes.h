/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads and stores of fixed-endian integers at any alignment. The wire is big-endian (_be), the
 * disk little-endian (_le). Header only, any thread; each compiles to one or two instructions.
 */
#ifndef ARO_CACHE_BASE_BYTES_H
#define ARO_CACHE_BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ARO_BYTES_ACCESSORS(bits, order)                                                           \
    static inline uint##bits##_t aro_load_##order##bits(const void *at)                            \
    {                                                                                              \
        uint##bits##_t raw;                                                                        \
        memcpy(&raw, at, sizeof(raw));                                                             \
        return order##bits##toh(raw);                                                              \
    }                                                                                              \
    static inline void aro_store_##order##bits(void *at, uint##bits##_t value)                     \
    {                                                                                              \
        uint##bits##_t raw = hto##order##bits(value);                                              \
        memcpy(at, &raw, sizeof(raw));                                                             \
    }

ARO_BYTES_ACCESSORS(16, be)
ARO_BYTES_ACCESSORS(32, be)
ARO_BYTES_ACCESSORS(64, be)
ARO_BYTES_ACCESSORS(16, le)
ARO_BYTES_ACCESSORS(32, le)
ARO_BYTES_ACCESSORS(64, le)

#undef ARO_BYTES_ACCESSORS

#endif

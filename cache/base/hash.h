/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XXH3, for buckets and bit rot - never for identity (it is not collision resistant). The only
 * place that includes xxHash. The seed is a secret of the process where strangers choose ids.
 */
#ifndef ARO_CACHE_BASE_HASH_H
#define ARO_CACHE_BASE_HASH_H

/* In line: a call per id is a tenth of a lookup. And the stream's state by value: no heap. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cache/base/id.h"

/* Bucket hash of an id; about 5 ns. */
static inline uint64_t aro_hash_id(const struct aro_id *id, uint64_t seed)
{
    return XXH3_64bits_withSeed(id, sizeof(*id), seed);
}

/* Checksum of any bytes. */
static inline uint64_t aro_hash_bytes(const void *bytes, size_t len_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len_bytes, seed);
}

/* The same in pieces: begin, feed any number of times, end. */
struct aro_hash_stream {
    XXH3_state_t state;
};

static inline void aro_hash_stream_begin(struct aro_hash_stream *stream, uint64_t seed)
{
    XXH3_INITSTATE(&stream->state);
    XXH3_64bits_reset_withSeed(&stream->state, seed);
}

static inline void aro_hash_stream_feed(struct aro_hash_stream *stream, const void *bytes,
                                        size_t len_bytes)
{
    XXH3_64bits_update(&stream->state, bytes, len_bytes);
}

static inline uint64_t aro_hash_stream_end(const struct aro_hash_stream *stream)
{
    return XXH3_64bits_digest(&stream->state);
}

#endif

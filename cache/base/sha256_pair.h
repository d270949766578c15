/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two SHA-256 in one pass: of a part, and of the whole that it belongs to.
 *
 * Whoever cuts or joins content needs both. One stream waits for its own results most of the time;
 * two of them over the same bytes share the message schedule and fill each other's gaps, so on a
 * CPU with SHA extensions the second digest costs a fifth of the first (docs/decisions/0003). That
 * holds while all parts but the last are multiples of 64 bytes; otherwise, and on other CPUs, it
 * costs as much as two.
 *
 * A context belongs to one thread at a time. Never called on an lcore. Without the extensions
 * libcrypto copies its contexts on the heap, and a refusal there ends the process.
 */
#ifndef ARO_CACHE_BASE_SHA256_PAIR_H
#define ARO_CACHE_BASE_SHA256_PAIR_H

#include <stddef.h>

#include "cache/base/id.h"

struct aro_sha256_pair;

/* An empty whole, its first part begun; or NULL with errno (ENOMEM). */
struct aro_sha256_pair *aro_sha256_pair_create(void);
/* The same without the CPU's extensions. */
struct aro_sha256_pair *aro_sha256_pair_create_plain(void);
void aro_sha256_pair_destroy(struct aro_sha256_pair *pair); /* takes NULL */

/* Both as after create. */
void aro_sha256_pair_reset(struct aro_sha256_pair *pair);
/* A part begins at the end of the whole. */
void aro_sha256_pair_begin(struct aro_sha256_pair *pair);
/* These bytes follow, in the part and in the whole. */
void aro_sha256_pair_update(struct aro_sha256_pair *pair, const void *bytes, size_t len_bytes);
/* The part begun last was no good: the whole is what it was before it. An empty part begins. */
void aro_sha256_pair_drop(struct aro_sha256_pair *pair);

/* Digests so far; change nothing. */
struct aro_id aro_sha256_pair_part(const struct aro_sha256_pair *pair);
struct aro_id aro_sha256_pair_whole(const struct aro_sha256_pair *pair);

/*
 * The digests of two pieces of the same length, for about the time of one with the CPU's
 * extensions, of two without.
 */
void aro_sha256_two(const void *a, const void *b, size_t len_bytes, struct aro_id *ret_a,
                    struct aro_id *ret_b);

#endif

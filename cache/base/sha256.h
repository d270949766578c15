/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SHA-256, the identity of everything here (libcrypto underneath: SHA-NI where the CPU has it,
 * about 2 GB/s). Never called on an lcore: ingest, fills, scrub and clients only.
 *
 * A context belongs to one thread at a time. Costs one heap object per context, none per call.
 */
#ifndef ARO_CACHE_BASE_SHA256_H
#define ARO_CACHE_BASE_SHA256_H

#include <stddef.h>

#include "cache/base/id.h"

struct aro_sha256;

/* A fresh context ready for update, or NULL with errno (ENOMEM). Ends with aro_sha256_destroy. */
struct aro_sha256 *aro_sha256_create(void);
void aro_sha256_destroy(struct aro_sha256 *ctx); /* takes NULL */

/* Forget what was hashed so far. */
void aro_sha256_reset(struct aro_sha256 *ctx);
void aro_sha256_update(struct aro_sha256 *ctx, const void *bytes, size_t len_bytes);
/* The digest of everything since the last reset; resets. */
struct aro_id aro_sha256_final(struct aro_sha256 *ctx);

/* One-shot digest. */
struct aro_id aro_sha256(const void *bytes, size_t len_bytes);

#endif

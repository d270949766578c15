/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Manifests in memory, verified ones shared: a thousand downloads of one object walk one copy of
 * its manifest, and the next one finds it here instead of fetching it.
 *
 * A block is born with one holder, who fills it. Once its digest agreed it may be shared under its
 * id. Who is the last to let go of a shared one leaves it behind, up to kept_bytes_max of such, the
 * oldest out first. One thread.
 */
#ifndef ARO_DATAPLANE_CLIENT_MANIFESTS_H
#define ARO_DATAPLANE_CLIENT_MANIFESTS_H

#include "cache/base/id.h"

enum { ARO_MANIFESTS_BUCKETS = 256 };

struct aro_manifest_block;

struct aro_manifests {
    struct aro_manifest_block *bucket[ARO_MANIFESTS_BUCKETS];
    struct aro_manifest_block *oldest, *newest; /* shared, held by nobody */
    uint64_t kept_bytes, kept_bytes_max;
};

void aro_manifests_init(struct aro_manifests *manifests, uint64_t kept_bytes_max);
/* Nothing is held any more. */
void aro_manifests_fini(struct aro_manifests *manifests);

/* Bytes of a new block, the caller's to fill and to release. NULL: no memory. */
uint8_t *aro_manifest_alloc(size_t len);
/*
 * bytes, of which len were verified against the id, belong to everybody from here on. Returns what
 * to use instead, held in their place: they may move, or be there already.
 */
uint8_t *aro_manifests_share(struct aro_manifests *manifests, uint8_t *bytes, size_t len,
                             const struct aro_id *id);
/* A shared manifest, held for the caller; NULL: not here. */
uint8_t *aro_manifests_find(struct aro_manifests *manifests, const struct aro_id *id,
                            size_t *ret_len);
/*
 * Nobody finds it any more, because what it lists is gone: the next who wants it asks for it anew.
 * Who holds it keeps it until released.
 */
void aro_manifests_forget(struct aro_manifests *manifests, const struct aro_id *id);
/* Lets go of bytes, shared or not. Takes NULL. */
void aro_manifest_release(uint8_t *bytes);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which chunks the puts under way count on.
 *
 * Two puts may meet the same chunk, and one of them may fail: the chunk must then stay for the
 * other, and go only when nobody counts on it and no object ever did. A claim is a chunk id, how
 * many puts count on it, and on which disks it is fresh: stored there by a running put and not yet
 * part of an object of that disk. Without disks, memory counts as disk 0.
 *
 * Control thread only. About 64 bytes per claim; bounded by ARO_CLAIMS_MAX.
 */
#ifndef ARO_CONTROL_CLAIMS_H
#define ARO_CONTROL_CLAIMS_H

#include "cache/base/id.h"

enum { ARO_CLAIMS_MAX = 4 << 20 }; /* 256 GiB in 64 KiB chunks */

struct aro_claims;
struct aro_deferred;

struct aro_claim {
    struct aro_id id;
    struct aro_claim *next; /* in its bucket */
    uint32_t users;
    uint32_t len_bytes; /* of the chunk, for whoever wants to know; else 0 */
    uint32_t fresh;     /* a bit per disk */
    /* control/admission.h: */
    bool loose;                 /* the chunk is in memory and nowhere else */
    bool lost;                  /* it was, and is not any more */
    struct aro_deferred *owner; /* loose: whose it is; NULL: of a put under way */
};

struct aro_claims *aro_claims_create(uint64_t seed); /* NULL with errno */
void aro_claims_destroy(struct aro_claims *claims);  /* takes NULL; empty by then */

/* One more put counts on id. NULL with errno: ENOSPC (limit), ENOMEM. */
struct aro_claim *aro_claims_take(struct aro_claims *claims, const struct aro_id *id);
/*
 * One less. kept: the disks, a bit each, where an object has the chunk now. Returns the disks on
 * which it is nobody's: it was fresh there, and this was the last put that counted on it. The claim
 * may be gone afterwards.
 */
uint32_t aro_claims_release(struct aro_claims *claims, struct aro_claim *claim, uint32_t kept);
/* NULL: no put counts on it. */
struct aro_claim *aro_claims_find(const struct aro_claims *claims, const struct aro_id *id);
uint64_t aro_claims_now(const struct aro_claims *claims);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/claims.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/base/hash.h"

enum { BUCKETS_MIN = 1024 };

struct aro_claims {
    struct aro_claim **bucket;
    uint64_t buckets; /* a power of two */
    uint64_t now;
    uint64_t seed;
};

struct aro_claims *aro_claims_create(uint64_t seed)
{
    struct aro_claims *claims = calloc(1, sizeof(*claims));

    if (claims == NULL)
        return NULL;
    claims->seed = seed;
    claims->buckets = BUCKETS_MIN;
    claims->bucket = calloc(BUCKETS_MIN, sizeof(*claims->bucket));
    if (claims->bucket == NULL) {
        free(claims);
        return NULL;
    }
    return claims;
}

void aro_claims_destroy(struct aro_claims *claims)
{
    if (claims == NULL)
        return;
    free(claims->bucket);
    free(claims);
}

static struct aro_claim **bucket_of(const struct aro_claims *claims, const struct aro_id *id)
{
    return &claims->bucket[aro_hash_id(id, claims->seed) & (claims->buckets - 1)];
}

/* Doubles the table; when there is no memory the chains just grow longer. */
static void grow(struct aro_claims *claims)
{
    struct aro_claim **old = claims->bucket;
    uint64_t old_buckets = claims->buckets;
    struct aro_claim **larger = calloc(2 * old_buckets, sizeof(*larger));

    if (larger == NULL)
        return;
    claims->bucket = larger;
    claims->buckets = 2 * old_buckets;
    for (uint64_t i = 0; i < old_buckets; i++) {
        for (struct aro_claim *claim = old[i], *next; claim != NULL; claim = next) {
            struct aro_claim **at = bucket_of(claims, &claim->id);
            next = claim->next;
            claim->next = *at;
            *at = claim;
        }
    }
    free(old);
}

struct aro_claim *aro_claims_find(const struct aro_claims *claims, const struct aro_id *id)
{
    for (struct aro_claim *claim = *bucket_of(claims, id); claim != NULL; claim = claim->next)
        if (aro_id_equal(&claim->id, id))
            return claim;
    return NULL;
}

struct aro_claim *aro_claims_take(struct aro_claims *claims, const struct aro_id *id)
{
    struct aro_claim *claim = aro_claims_find(claims, id), **at;

    if (claim != NULL) {
        claim->users++;
        return claim;
    }
    if (claims->now == ARO_CLAIMS_MAX) {
        errno = ENOSPC;
        return NULL;
    }
    if (claims->now > claims->buckets)
        grow(claims);
    claim = calloc(1, sizeof(*claim));
    if (claim == NULL)
        return NULL;
    at = bucket_of(claims, id);
    *claim = (struct aro_claim){.id = *id, .next = *at, .users = 1};
    *at = claim;
    claims->now++;
    return claim;
}

uint32_t aro_claims_release(struct aro_claims *claims, struct aro_claim *claim, uint32_t kept)
{
    struct aro_claim **at;
    uint32_t orphan;

    claim->fresh &= ~kept;
    if (--claim->users > 0)
        return 0;
    orphan = claim->fresh;
    for (at = bucket_of(claims, &claim->id); *at != claim; at = &(*at)->next)
        ;
    *at = claim->next;
    claims->now--;
    free(claim);
    return orphan;
}

uint64_t aro_claims_now(const struct aro_claims *claims)
{
    return claims->now;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has to be asked for twice before it comes onto the disk (docs/decisions/0011-admission.md).
 *
 * An object that was pulled once is deferred: its chunks are in memory, under the cache's policy,
 * and some may be on disk for other reasons. It holds a claim on each (control/claims.h); one that
 * is in memory and nowhere else is loose, and has this object as its owner.
 *
 *     put --defer--> WAITS --asked again, or all on disk--> WRITES -> RECORDS -> the store's object
 *                      |                                      | its disk fails: back to WAITS
 *                      +----- a loose chunk leaves memory ----+------------> gone, pulled again
 *
 * The keeper asks before it evicts (aro_cache_on_leave). A loose chunk is written first when the
 * policy had kept it for its hits, or when its object is on its way - arriving, or being written;
 * bounded, beyond that it goes. Any other one goes, and with it its object.
 *
 * Control thread only. Every function takes NULL for the admission: then nothing is ever deferred.
 */
#ifndef ARO_CONTROL_ADMISSION_H
#define ARO_CONTROL_ADMISSION_H

#include "cache/cache.h"
#include "cache/disk/disks.h"
#include "control/claims.h"

struct aro_admission;

enum {
    ARO_DEFERRED_MAX = 16384, /* objects */
    ARO_DEFERRED_CHUNKS_MAX = ARO_CLAIMS_MAX / 4,
    ARO_DEFERRED_BYTES_MAX = 256 << 20, /* one; its chunks are gone through in one turn */
    ARO_ARRIVING_SHARE = 16,         /* all that arrive may take such a part: kept from eviction */
    ARO_DEFERRED_SHARE = 32,         /* one may take so small a part of chunk memory */
    ARO_DEFERRED_URLS_MAX = 1 << 16, /* of recent pulls, as fingerprints */
    ARO_ADMISSION_LEAVING_MAX = 16,  /* chunks that wait to be written before they go */
    ARO_ADMISSION_WRITES_MAX = 2 * ARO_ADMISSION_LEAVING_MAX, /* pins of the reader, from 0 on */
};
#define ARO_LEAVING_NS_MAX UINT64_C(2000000000) /* so long the store may not take one */

/* Cumulative unless it says now. */
struct aro_admission_stats {
    uint64_t deferred;      /* objects kept in memory at first */
    uint64_t admitted;      /* of them written: asked for again, or all chunks were on disk */
    uint64_t dropped;       /* of them gone before that */
    uint64_t failed;        /* times that the store did not take one */
    uint64_t recalled;      /* pulls written as they arrived: asked for again, or by hand */
    uint64_t large;         /* the same: too large, of unknown length, or too many at once */
    uint64_t evict_writes;  /* chunks written before eviction took them */
    uint64_t evict_shed;    /* that should have been: too many waited, or the store failed */
    uint64_t evict_dropped; /* chunks that left unwritten: not hit since they were pulled */
    uint64_t objects_now;   /* deferred */
    uint64_t bytes_now;     /* content of these */
};

struct aro_admission_config {
    struct aro_cache *cache;
    struct aro_reader *reader; /* offline between calls; pins [:WRITES_MAX] are ours */
    struct aro_disks *disks;
    struct aro_uring *ring; /* the disks' */
    struct aro_claims *claims;
    uint32_t objects_max; /* up to ARO_DEFERRED_MAX; 0: that */
};

/* seed: secret, as strangers choose names and ids. NULL with errno. */
struct aro_admission *aro_admission_create(const struct aro_admission_config *config,
                                           uint64_t seed);
/* Waits for what is being written, forgets the rest. */
void aro_admission_destroy(struct aro_admission *admission);
/* A bounded turn. True: there is more to do. */
bool aro_admission_turn(struct aro_admission *admission);

/*
 * Should this pull stay in memory at first? Remembers its URL. total_bytes: UINT64_MAX when the
 * origin does not say. wanted: more than one asks already, or an operator does. After true, call
 * arrived with the same bytes when the put is over.
 */
bool aro_admission_defers(struct aro_admission *admission, const char *url, uint64_t total_bytes,
                          bool wanted);
void aro_admission_arrived(struct aro_admission *admission, uint64_t total_bytes);
/*
 * The object of a put is whole; disk: where it is to go, mark: from before its first chunk. 0: the
 * claims, and the array, are ours now. -EEXIST: it is deferred already, and counts as asked for;
 * -ESTALE: a chunk has left memory since; -ENOSPC, -ENOMEM.
 */
int aro_admission_defer(struct aro_admission *admission, const struct aro_object *object,
                        struct aro_claim **claim, uint64_t claims, unsigned disk, uint64_t mark);
/* The chunk of this claim is on disk, whoever wrote it. */
void aro_admission_stored(struct aro_claim *claim);

/* Somebody asks for it: if it is deferred it is written now. */
void aro_admission_ask(struct aro_admission *admission, const struct aro_id *object);
/* It was asked for, and its writing has not ended. */
bool aro_admission_writes(const struct aro_admission *admission, const struct aro_id *object);
/* Until thaw nobody's asking has it written. -EAGAIN: it is being written now. */
int aro_admission_freeze(struct aro_admission *admission, const struct aro_id *object);
void aro_admission_thaw(struct aro_admission *admission, const struct aro_id *object);
/* It is gone, and its claims are given back. -ENOENT: not deferred; -EAGAIN: just being written. */
int aro_admission_forget(struct aro_admission *admission, const struct aro_id *object);
/* The store has it, by another way. */
void aro_admission_recorded(struct aro_admission *admission, const struct aro_id *object);
/* Forgets all that are not being recorded. */
void aro_admission_clear(struct aro_admission *admission);

/* Deferred objects: by id or digest, or number i, the oldest first. NULL: none. */
const struct aro_object *aro_admission_find(const struct aro_admission *admission,
                                            const struct aro_id *id, enum aro_kind kind);
const struct aro_object *aro_admission_at(const struct aro_admission *admission, uint64_t i);
void aro_admission_stats(const struct aro_admission *admission, struct aro_admission_stats *ret);

#endif

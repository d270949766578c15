/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control thread does with content: objects by name, chunks by id, from memory or disk.
 * The ground on which put, verify, evict and stat stand (control/put.h, control/check.h, ...).
 *
 * Objects live on the disks, and those that may come there later in the admission
 * (control/admission.h); without a disk, in a bounded list in memory.
 *
 * Fetching a chunk is asynchronous: copied out of memory, or read from disk on a ring of the
 * control thread's own, then checked against its SHA-256 in steps. Callbacks come from
 * aro_content_poll, never from inside the starting call.
 */
#ifndef ARO_CONTROL_CONTENT_H
#define ARO_CONTROL_CONTENT_H

#include "cache/cache.h"
#include "cache/disk/readers.h"
#include "control/admission.h"
#include "control/claims.h"
#include "control/hasher.h"
#include "control/pins.h"

struct aro_content;

enum {
    ARO_MEMORY_OBJECTS_MAX = 4096,                /* without a store */
    ARO_HASH_TURN_BYTES = 256 << 10,              /* of a turn, on the control thread */
    ARO_FETCH_BUFFER_BYTES = ARO_CHUNK_BYTES_MAX, /* 4 KiB-aligned */
};

struct aro_content_config {
    struct aro_cache *cache;
    struct aro_disks *disks; /* NULL: memory only */
    struct aro_uring *ring;  /* the control thread's */
    uint64_t pin_bytes_max;  /* control/pins.h; 0: nothing can be pinned */
    bool second_hit;         /* with a store: control/admission.h */
    uint64_t seed;
};

struct aro_content *aro_content_create(const struct aro_content_config *config); /* NULL: errno */
/* Nothing under way. Takes NULL. */
void aro_content_destroy(struct aro_content *content);

struct aro_cache *aro_content_cache(const struct aro_content *content);
struct aro_disks *aro_content_disks(const struct aro_content *content); /* NULL: memory only */
struct aro_uring *aro_content_ring(const struct aro_content *content);
struct aro_claims *aro_content_claims(const struct aro_content *content);
struct aro_pins *aro_content_pins(const struct aro_content *content);
/* NULL: whatever is pulled is admitted to the disk, or there is none. */
struct aro_admission *aro_content_admission(const struct aro_content *content);
struct aro_hasher *aro_content_hasher(const struct aro_content *content);

/* ---- objects ---- */

/* By object id or by digest. 0 or -ENOENT. */
int aro_content_object_find(const struct aro_content *content, const struct aro_id *id,
                            enum aro_kind kind, struct aro_object *ret);
/*
 * Number i: disk by disk, each in insertion order, then the deferred ones; NULL past the end. Valid
 * until the next change. *ret_disk: its disk's number, ARO_DISKS_MAX while it is deferred, as it
 * was without disks. May be NULL.
 */
const struct aro_object *aro_content_object_at(const struct aro_content *content, uint64_t i,
                                               unsigned *ret_disk);
/* Whether it is durable. */
bool aro_content_object_on_disk(const struct aro_content *content, const struct aro_id *id);
/* Memory only: adds or replaces. 0 or -ENOSPC. */
int aro_content_memory_add(struct aro_content *content, const struct aro_object *object);
/* Memory only. 0 or -ENOENT. */
int aro_content_memory_remove(struct aro_content *content, const struct aro_id *id);

/* ---- chunks ---- */

struct aro_where {
    bool in_memory;
    bool on_disk;       /* as far as the index knows (fingerprints) */
    uint32_t len_bytes; /* 0: unknown */
};
void aro_content_where(struct aro_content *content, const struct aro_id *id, struct aro_where *ret);

bool aro_content_in_memory(struct aro_content *content, const struct aro_id *id);

/*
 * Forgets a chunk on these disks, a bit each, and in memory unless another disk has it. True when
 * it was anywhere.
 */
bool aro_content_chunk_remove(struct aro_content *content, const struct aro_id *id, uint32_t disks);

/* ---- fetching ---- */

struct aro_fetch {
    void (*done)(struct aro_fetch *fetch, int result);
    struct aro_id id;
    uint8_t *buffer;    /* ARO_FETCH_BUFFER_BYTES, 4 KiB-aligned */
    bool disk_first;    /* verify: memory only when the disk has none */
    uint32_t len_bytes; /* result */
    bool from_disk;     /* result */
    /* content.c's */
    struct aro_fetch *next;
    struct aro_disk_cursor at; /* behind the places tried */
    struct aro_place place;
    bool memory_tried;
    int fault; /* of a place: -EBADMSG or the disk's error; 0: none */
    int result;
    uint32_t hashed_bytes;
};

/*
 * Starts; done comes later with 0, -ENOENT (nowhere), -EBADMSG (bytes are here, but damaged) or
 * -errno of the disk (and no other has it). id, buffer, disk_first and done are set by the caller.
 */
void aro_content_fetch(struct aro_content *content, struct aro_fetch *fetch);
unsigned aro_content_fetching(const struct aro_content *content);
/* What was read from a disk for it. */
void aro_content_disk_stats(const struct aro_content *content, unsigned disk,
                            struct aro_disk_reader_stats *ret);

/* A turn: reaps, hashes a bounded amount, calls back. Returns true while fetches are under way. */
bool aro_content_poll(struct aro_content *content);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disk tier: chunks and objects that survive.
 *
 * Append-only segment files hold payloads, each aligned and alone, so that an lcore reads one with
 * O_DIRECT straight into chunk memory. Ids, lengths and checksums stand in a table per segment;
 * objects (manifest id, whole digest, sizes) in records of their own. docs/disk-format.md has the
 * bytes.
 *
 *   reader   an lcore: finds a chunk's place (lock-free), reads it by its own ring
 *   writer   exactly one thread, control: appends, syncs, removes, recovers. Never blocks after
 *            open and recovery: every write and fsync goes through the control thread's ring, and
 *            its completion calls back from aro_uring_poll, never from inside the starting call.
 *
 * Durability: what a completed aro_store_sync or aro_store_object_add covered survives kill -9 and
 * power loss. An object becomes visible only when it and everything it names is durable.
 *
 * A put is: take a mark; append every chunk (-EEXIST is as good as done); object_add with the mark.
 * When the disk lost un-synced chunks after the mark - ours, or somebody's that -EEXIST made us
 * rely on - the object_add fails with -EIO and nothing is visible; put again.
 */
#ifndef ARO_CACHE_DISK_STORE_H
#define ARO_CACHE_DISK_STORE_H

#include <stdbool.h>

#include "cache/base/error.h"
#include "cache/base/id.h"
#include "cache/disk/uring.h"
#include "cache/qsbr.h"

struct aro_store;

enum {
    ARO_BLOCK_BYTES = 4096,  /* alignment and granularity of payloads */
    ARO_STORE_OPS_MAX = 256, /* appends in flight */
    ARO_STORE_RUN_MAX = 16,  /* appends that share a write, of 1 MiB at most */
    ARO_STORE_READERS_MAX = 64,
};

static inline uint32_t aro_blocks(uint32_t len_bytes)
{
    return (len_bytes + ARO_BLOCK_BYTES - 1) / ARO_BLOCK_BYTES;
}

/* What becomes of a chunk when its segment is emptied. */
enum aro_keep {
    ARO_KEEP_NOT,  /* goes */
    ARO_KEEP_HOT,  /* stays while what stays is at most half of the segment */
    ARO_KEEP_MUST, /* stays */
};

struct aro_victim_chunk {
    struct aro_id id;
    uint64_t checksum;
    uint32_t block;
    uint32_t len_bytes;
    enum aro_keep keep; /* the owner's to set while it judges; NOT at first */
};

/* The segment to be emptied. */
struct aro_victim {
    uint32_t segment;
    uint32_t count;
    struct aro_victim_chunk *chunk; /* [:count] by block */
    uint64_t carry_blocks_max;      /* what may stay, about */
};

struct aro_store_config {
    const char *path;    /* directory, created when its parent exists; or a block device on which a
                            store was made (device.h) */
    uint64_t size_bytes; /* budget: never exceeded by all files together (budget.c) */
    uint64_t segment_bytes; /* of a new segment, 2 MiB..4 GiB; 0: 256 MiB, less when size is small;
                               a device has its own */
    uint64_t chunks_max;    /* index slots; 0: size_bytes / 32 KiB */
    uint64_t seed;          /* secret: bucket hash of the index */
    struct aro_uring *ring; /* the writer thread's */
    struct aro_qsbr *qsbr;  /* readers of the index and of segment descriptors report here */
    bool read_only;         /* look, change nothing: what a check does */
    /*
     * The store is about to be full: judge every chunk of the victim, now or later, and then call
     * aro_store_victim_settle or _leave. NULL: a full store refuses.
     */
    void (*judge)(void *arg, const struct aro_victim *victim);
    void *judge_arg;
    bool file_as_device;       /* a test's: a regular file at path stands in for a block device */
    uint64_t fingerprint_mask; /* 0: all bits; a test narrows it to make chunks collide */
};

/* Where a chunk's payload is. A value: copy it. */
struct aro_place {
    uint32_t segment; /* number of the segment */
    uint32_t block;   /* offset in the segment in units of 4 KiB */
    uint32_t len_bytes;
    uint32_t disk;     /* number of the store among the node's (disks.h); the store itself says 0 */
    uint64_t checksum; /* XXH3 of the payload seeded with segment, block and id */
};

struct aro_object {
    struct aro_id id;     /* chunk id of the root manifest */
    struct aro_id digest; /* SHA-256 of the whole content */
    uint64_t total_bytes;
    uint64_t created_ns; /* wall clock */
    uint32_t chunk_bytes;
    uint32_t chunks; /* content chunks */
    uint32_t level;  /* of the root manifest */
    char label[128]; /* what the operator called it; may be empty; NUL-terminated */
};

/* Cumulative unless it says now. */
struct aro_store_stats {
    uint64_t size_bytes;       /* budget */
    uint64_t bytes_taken_now;  /* of it: all files, and what they may grow by without asking */
    uint64_t bytes_files_now;  /* size of all data files */
    uint64_t bytes_chunks_now; /* payload that the index knows */
    uint64_t chunks_now;
    uint64_t objects_now;
    uint64_t segments_now;
    uint64_t bytes_written;
    uint64_t writes;          /* chunks that came onto the disk */
    uint64_t rejected;        /* chunks that found no room: over budget, index or disk full */
    uint64_t removed;         /* chunks, by request */
    uint64_t recycled;        /* segments emptied to make room */
    uint64_t recycle_dropped; /* chunks of theirs that went */
    uint64_t recycle_objects; /* objects forgotten because they were to lose a chunk */
    uint64_t carried;         /* and that were copied, because they must stay or are hot */
    uint64_t bytes_carried;
    uint64_t syncs;
    uint64_t sync_failures;
    uint64_t write_failures;
    uint64_t quarantined;        /* chunks whose bytes disagreed with their checksum */
    uint64_t recovered_chunks;   /* at the last start */
    uint64_t recovered_torn;     /* records that did not verify: dropped */
    uint64_t recovered_lost;     /* segments set aside: a file is missing or cannot be read; and
                                    files that had been longer */
    uint64_t recovered_segments; /* looked at so far, of recovery_segments; the same in bytes of
                                    tables */
    uint64_t recovered_bytes;
    uint64_t recovery_segments;
    uint64_t recovery_bytes;
    uint64_t recovery_us;     /* the building of the index took, or has taken so far */
    uint64_t objects_dropped; /* at the last start: their manifest was not here */
    bool recovering;          /* the index is being built */
    bool direct;              /* O_DIRECT in use */
    bool writable;            /* false after a failed sync or a full disk, until it heals */
};

/*
 * Opens and locks the store. Its index is empty and is built by aro_store_poll, the youngest
 * segment first; meanwhile what is in it is found, appends are told -EAGAIN, and syncs and object
 * operations wait. NULL with *error: foreign directory, newer version, locked by another process,
 * not permitted, damaged beyond repair.
 */
struct aro_store *aro_store_start(const struct aro_store_config *config, struct aro_error *error);
/* Any thread. Before a lookup, not after it: then what it does not find is not here. */
bool aro_store_is_whole(const struct aro_store *store);
/* Starts, and waits until the index is whole. progress may be NULL: bytes of tables. */
struct aro_store *aro_store_open(const struct aro_store_config *config,
                                 void (*progress)(void *arg, uint64_t done, uint64_t total),
                                 void *arg, struct aro_error *error);
/* Writer; no reader is left. Ends what is in flight, syncs the rest. Takes NULL. */
void aro_store_close(struct aro_store *store);

/* ---- readers ---- */

/*
 * The nth place (0, 1, ...) that may hold this chunk. The index keeps fingerprints, so a place can
 * be another chunk's: its checksum, seeded with the id, tells. 0 or -ENOENT. Lock-free; about two
 * cache misses. The answer stays readable until the caller's next quiescent state - or longer
 * while a read of it is in flight.
 */
int aro_store_find(const struct aro_store *store, const struct aro_id *id, unsigned nth,
                   struct aro_place *ret);

/* ---- writer ---- */

/* An operation under way; embed it. Fields are the store's between start and done. */
struct aro_store_op {
    void (*done)(struct aro_store_op *op, int result); /* 0 or -errno; may free the op */
    struct aro_store_op *next;
    struct aro_store *store;
    struct aro_segment *segment;
    struct aro_io io;
    struct aro_store_op *run; /* the next one of the same write */
    struct iovec iov[ARO_STORE_RUN_MAX];
    const void *data;
    struct aro_id id;
    struct aro_place place;
    struct aro_object object;
    uint64_t sequence;
    uint64_t mark;
    int kind;
    int result;
    bool shared; /* somebody else was told -EEXIST because of it */
};

/*
 * Writes a chunk that is not there yet. data: 4 KiB-aligned with readable padding up to the next
 * 4 KiB, stays valid until done. done(0): written and findable, not yet durable; op->place is set.
 * At once, with nothing started: -EEXIST: stored already or under way (see mark); -ENOSPC: over
 * budget, index or disk full, and no segment can be emptied (done may say so too, after a wait);
 * -EAGAIN: too many operations in flight, or the index is being built; -EINVAL: bad length.
 */
int aro_store_append(struct aro_store *store, struct aro_store_op *op, const struct aro_id *id,
                     const void *data, uint32_t len_bytes);

/* One of a burst: what aro_store_append takes, and what it returns. */
struct aro_append {
    struct aro_store_op *op;
    const struct aro_id *id;
    const void *data;
    uint32_t len_bytes;
    int result;
};
/* Several at once, in this order: those that come to lie side by side are one write. */
void aro_store_append_burst(struct aro_store *store, struct aro_append append[], unsigned n);

/*
 * Would append say -EEXIST? Whoever counts on it takes a mark before, as for an append. Cost: one
 * checksum of the data where a fingerprint agrees.
 */
bool aro_store_has(struct aro_store *store, const struct aro_id *id, const void *data,
                   uint32_t len_bytes);

/*
 * Take it before the first append (or -EEXIST) that a sync is to answer for. It counts the times
 * that chunks were lost which some caller may count on.
 */
uint64_t aro_store_mark(const struct aro_store *store);

/*
 * done(0): everything appended or removed since mark is durable. done(-EIO): some of it is lost.
 * Calls are grouped.
 */
int aro_store_sync(struct aro_store *store, struct aro_store_op *op, uint64_t mark);

/*
 * Syncs, then records the object and its digest alias durably; visible at done(0). -ENOSPC at once:
 * the budget has no room for its record.
 */
int aro_store_object_add(struct aro_store *store, struct aro_store_op *op,
                         const struct aro_object *object, uint64_t mark);
/* Forgets an object (its chunks stay) at done(0): durable. -ENOENT at once. */
int aro_store_object_remove(struct aro_store *store, struct aro_store_op *op,
                            const struct aro_id *id);
/*
 * Forgets a chunk: no longer found, and not after a restart either once synced. 0 or -ENOENT. Looks
 * the id up in the segment's table: the first look into a segment reads that file (256 KiB for
 * 64 KiB chunks in 256 MiB), normally out of the page cache.
 */
int aro_store_chunk_remove(struct aro_store *store, const struct aro_id *id);
/*
 * The bytes at this place disagreed with their checksum: never answer from it again, count it. Does
 * nothing when the place is another chunk's with the same fingerprint. Cost as chunk_remove.
 */
void aro_store_quarantine(struct aro_store *store, const struct aro_id *id,
                          const struct aro_place *place);

/* Object by its id, by its whole digest (0 or -ENOENT), or number i in insertion order (NULL). */
int aro_store_object_find(const struct aro_store *store, const struct aro_id *id,
                          struct aro_object *ret);
int aro_store_digest_find(const struct aro_store *store, const struct aro_id *digest,
                          struct aro_object *ret);
const struct aro_object *aro_store_object_at(const struct aro_store *store, uint64_t i);

/*
 * The segment whose chunks are being judged; NULL: none any more (the store is closing). While it
 * is judged, and until it is gone, no append relies on a chunk in it (-EEXIST).
 */
struct aro_victim *aro_store_victim(struct aro_store *store);
/* Would what is marked MUST so far fit? False: the owner is done with it, the store tries another.
 */
bool aro_store_victim_fits(struct aro_store *store);
/* Judged. Objects that lose a chunk have been forgotten durably (but one whose manifest is here
 * keeps that). */
void aro_store_victim_settle(struct aro_store *store, uint64_t objects_forgotten);
/* Not now: appends that wait fail with -ENOSPC, another attempt comes in a second. */
void aro_store_victim_leave(struct aro_store *store);

/*
 * Timers: retires empty segments, syncs what nobody asked to sync for a second, heals; after
 * aro_store_start a piece of the index. Call at least once a second and after aro_uring_poll; never
 * blocks. True: it would like to be called again at once.
 */
bool aro_store_poll(struct aro_store *store);

/* It empties segments when it is full. */
bool aro_store_recycles(const struct aro_store *store);
/* More payload than this it never holds, whatever gives way. */
uint64_t aro_store_payload_bytes_max(const struct aro_store *store);

void aro_store_stats(const struct aro_store *store, struct aro_store_stats *ret);

/* What it takes a look at every segment to say. */
struct aro_store_totals {
    uint64_t records;
    uint64_t written_bytes; /* blocks of the data files that were given to payloads */
    uint64_t live_bytes;    /* of those, blocks of chunks that the index knows */
};
void aro_store_totals(const struct aro_store *store, struct aro_store_totals *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One segment: two parts of the volume, and what the writer knows about them.
 *
 *   CREATING -> ACTIVE -> SEALED -> RETIRING -> gone
 *   CREATING  its parts are being allocated; appends wait
 *   ACTIVE    takes appends; at most one
 *   SEALED    takes removals only: full, or a sync of it failed
 *   RETIRING  no live chunk is left: out of the map; its parts go when no reader can name them
 *
 * Records of finished payload writes collect in `pending`. A commit takes them as `batch`:
 * (more room in the table,) fdatasync of the data, write of batch and COMMIT to the table,
 * fdatasync of the table. So no record reaches the disk before its payload.
 *
 * The writer thread owns everything here; readers use the map alone.
 */
#ifndef ARO_CACHE_DISK_SEGMENT_H
#define ARO_CACHE_DISK_SEGMENT_H

#include <errno.h>
#include <stdatomic.h>

#include "cache/disk/format.h"
#include "cache/disk/store.h"

enum aro_segment_state {
    ARO_SEGMENT_CREATING,
    ARO_SEGMENT_ACTIVE,
    ARO_SEGMENT_SEALED,
    ARO_SEGMENT_RETIRING,
};

/* What the segment's one operation (io) is doing. */
enum aro_segment_step {
    ARO_STEP_IDLE,
    ARO_STEP_ALLOCATE,
    ARO_STEP_TABLE_RESERVE, /* commit: the table is to have more records than before */
    ARO_STEP_DATA_SYNC,     /* and payloads */
    ARO_STEP_TABLE_WRITE,
    ARO_STEP_TABLE_SYNC,
    ARO_STEP_GRACE, /* retire: no operation, waits for readers */
    ARO_STEP_UNLINK_DATA,
    ARO_STEP_UNLINK_TABLE,
    ARO_STEP_CLOSE_DATA,
    ARO_STEP_CLOSE_TABLE,
    ARO_STEP_GONE,
};

struct aro_records {
    struct aro_record *record;
    size_t count;
    size_t room;
};

struct aro_segment {
    struct aro_segment *next; /* of the store */
    struct aro_segment *next_busy;
    struct aro_store *store;
    uint32_t number;
    uint32_t blocks;      /* size of the data file */
    uint32_t next_block;  /* where the next payload goes */
    uint32_t records;     /* in the table file: number of the next one */
    uint32_t durable;     /* of them: synced */
    uint32_t found;       /* by the start, good or not */
    uint64_t live;        /* chunks that the index knows */
    uint64_t live_blocks; /* what they take */
    uint64_t table_bytes; /* counted for the table (budget.c) */
    unsigned writes;      /* payload writes in flight */
    int data_fd;
    int table_fd;
    uint64_t data_base_bytes; /* where the payloads begin in data_fd */
    uint64_t table_base_bytes;
    uint64_t seed;         /* of its records' checks */
    uint32_t records_max;  /* that the table may have now: table_reserve */
    uint32_t records_room; /* that it may ever have */
    uint32_t slot;         /* on a device */
    uint8_t *pair;         /* on a device: NULL, or its head being written */
    enum aro_segment_state state;
    enum aro_segment_step step;
    bool step_queued; /* io is in flight; otherwise the step waits for room in the ring */
    bool busy;        /* in the store's busy list */
    bool named;       /* the directory entries are durable */
    bool naming;      /* a sync of the directory that covers them is in flight */
    bool failed;      /* a sync failed: payload writes in flight are lost too */
    bool passed_over; /* keeps too much to be emptied in this round */
    bool undeleted;   /* a file of it could not be deleted */
    struct aro_records pending;
    struct aro_records batch;
    uint64_t grace_ticket;
    bool grace_passed;
    uint32_t removal;                             /* which of the map's it was */
    uint64_t reader_reads[ARO_STORE_READERS_MAX]; /* reads queued when the grace period ended */
    char data_name[24];
    char table_name[24];
    struct aro_io io;
};

/* A segment object; no parts yet. NULL: no memory. */
struct aro_segment *aro_segment_new(struct aro_store *store, uint32_t number);
/* Closes what is open and frees. The caller has unlinked it from the store. */
void aro_segment_free(struct aro_segment *segment);

/* Where block or record number n is, in data_fd and table_fd. */
static inline uint64_t aro_segment_data_at(const struct aro_segment *segment, uint32_t block)
{
    return segment->data_base_bytes + (uint64_t)block * ARO_BLOCK_BYTES;
}

static inline uint64_t aro_segment_table_at(const struct aro_segment *segment, uint32_t record)
{
    return segment->table_base_bytes + (uint64_t)record * ARO_RECORD_BYTES;
}

/* Begins a new active segment: 0, or -errno with nothing left behind. */
int aro_segment_create(struct aro_store *store);
void aro_segment_seal(struct aro_segment *segment);

/* Into the busy list: there is something to commit, to advance or to retire. */
void aro_segment_touch(struct aro_segment *segment);

/* Remembers a record for the next commit. 0 or -ENOMEM. */
int aro_segment_log(struct aro_segment *segment, const struct aro_record *record);

static inline bool aro_segment_dirty(const struct aro_segment *segment)
{
    return segment->pending.count > 0 || segment->batch.count > 0;
}

/* Drops what is not durable: a sync failed. Its chunks are no longer found; the mark moves. */
void aro_segment_lose(struct aro_segment *segment);

/* Commits pending records; the outcome shows as step IDLE and an empty batch. */
void aro_segment_commit(struct aro_segment *segment);
/* One of its steps has ended. */
void aro_segment_commit_done(struct aro_segment *segment, int result);

static inline uint32_t aro_segment_batch_bytes(const struct aro_segment *segment)
{
    return (uint32_t)(segment->batch.count * sizeof(struct aro_record));
}

/* Takes the step's operation to the ring if it is not there yet; follows grace periods. */
void aro_segment_advance(struct aro_segment *segment);

/* Starts retirement when nothing live is left and nothing is under way; returns whether it did. */
bool aro_segment_retire(struct aro_segment *segment);

/*
 * number -> descriptor and offset, for readers: slot = number modulo a power of two. Numbers are
 * chosen so that live ones never share a slot.
 */
struct aro_segment_map {
    uint32_t slots;
    _Atomic uint32_t removals; /* so far, modulo 2^32; readers look for what they hold then */
    struct aro_segment_map_slot {
        _Atomic uint32_t number; /* 0: none */
        _Atomic int fd;
        _Atomic uint64_t base_bytes;
        struct aro_segment *segment; /* writer */
    } * slot;
};

int aro_segment_map_init(struct aro_segment_map *map, uint32_t segments_max); /* 0 or -ENOMEM */
void aro_segment_map_add(struct aro_segment_map *map, struct aro_segment *segment);
/* Returns which removal it was: for readers that hold files (cache/disk/file_table.h). */
uint32_t aro_segment_map_remove(struct aro_segment_map *map, uint32_t number);
bool aro_segment_map_taken(const struct aro_segment_map *map, uint32_t number);

/* Writer. NULL: gone or retiring. */
static inline struct aro_segment *aro_segment_map_find(const struct aro_segment_map *map,
                                                       uint32_t number)
{
    const struct aro_segment_map_slot *slot = &map->slot[number & (map->slots - 1)];

    return atomic_load_explicit(&slot->number, memory_order_relaxed) == number ? slot->segment
                                                                               : NULL;
}

/* Any thread, inside a read section. Descriptor or -ESTALE; where the payloads begin in it. */
static inline int aro_segment_map_fd(const struct aro_segment_map *map, uint32_t number,
                                     uint64_t *ret_base_bytes)
{
    const struct aro_segment_map_slot *slot = &map->slot[number & (map->slots - 1)];

    if (atomic_load_explicit(&slot->number, memory_order_acquire) != number)
        return -ESTALE;
    *ret_base_bytes = atomic_load_explicit(&slot->base_bytes, memory_order_relaxed);
    return atomic_load_explicit(&slot->fd, memory_order_relaxed);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is behind struct aro_store. Private to cache/disk.
 *
 * Everything that happens is level-triggered: API calls and completions only change state, then
 * aro_store_advance looks at all of it and starts what can be started. A full ring therefore delays
 * a step, never loses it. Callers hear of results through `finished`, which is delivered from a
 * completion or from aro_store_poll, never inside their own call.
 */
#ifndef ARO_CACHE_DISK_STATE_H
#define ARO_CACHE_DISK_STATE_H

#include <stdalign.h>

#include "cache/disk/places.h"
#include "cache/disk/objects.h"
#include "cache/disk/segment.h"
#include "cache/disk/store.h"
#include "cache/disk/volume.h"
#include "cache/disk/witness.h"

enum aro_store_op_kind {
    ARO_OP_APPEND,
    ARO_OP_SYNC,
    ARO_OP_OBJECT_ADD,
    ARO_OP_OBJECT_REMOVE,
};

/* The grouped sync: one at a time, for all operations that waited when it began. */
enum aro_cycle_step {
    ARO_CYCLE_IDLE,
    ARO_CYCLE_DRAIN,     /* appends that came before are still being written */
    ARO_CYCLE_DIRECTORY, /* names of new segments */
    ARO_CYCLE_COMMIT,    /* segments begin to commit */
    ARO_CYCLE_COMMITTING,
    ARO_CYCLE_LOG_WRITE, /* object records */
    ARO_CYCLE_LOG_SYNC,
    ARO_CYCLE_LOG_RENAME, /* after objects.log was replaced */
    ARO_CYCLE_LOG_DIRECTORY,
};

/* First in, first out, by aro_store_op.next. */
struct aro_op_queue {
    struct aro_store_op *head;
    struct aro_store_op **tail;
};

/* Emptying a segment (recycle.c). */
enum aro_recycle_step {
    ARO_RECYCLE_IDLE,
    ARO_RECYCLE_COMMITTING,
    ARO_RECYCLE_JUDGING,
    ARO_RECYCLE_DROPPING,
    ARO_RECYCLE_CARRYING,
    ARO_RECYCLE_SYNCING,
    ARO_RECYCLE_LEAVING,
    ARO_RECYCLE_CLOSING,
    ARO_RECYCLE_RETIRING,
};

enum {
    ARO_CARRIERS = 4,
    ARO_BYTES_PER_INDEX_SLOT = 32768, /* when nobody says how many chunks */
};

/* One chunk being copied. */
struct aro_carrier {
    struct aro_io io;
    struct aro_store *store;
    struct aro_segment *segment; /* it is written into */
    struct aro_place place;
    uint8_t *buffer; /* NULL, or room for the largest chunk */
    uint32_t index;  /* of the chunk */
    enum {
        ARO_CARRIER_FREE,
        ARO_CARRIER_READING,
        ARO_CARRIER_HOLDING, /* read and right */
        ARO_CARRIER_WRITING,
    } step;
    bool queued; /* io is in flight */
};

struct aro_recycle {
    enum aro_recycle_step step;
    struct aro_segment *segment; /* NULL: no turn */
    struct aro_victim victim;
    uint32_t next;        /* chunk that the step looks at */
    uint64_t owed_blocks; /* of the active segment: appends leave them */
    uint64_t mark;        /* before the first copy */
    bool failed;
    bool unreadable;  /* it failed because of a chunk of the victim */
    bool last_resort; /* every segment keeps more than half: this one the least */
    bool op_busy;
    uint32_t least; /* of those passed over: number of the cheapest; 0: none */
    uint64_t least_blocks;
    uint64_t pause_until_ms;
    struct aro_store_op op;
    struct aro_carrier carrier[ARO_CARRIERS];
};

/* objects.log */
struct aro_object_log {
    int fd;
    uint64_t base_bytes;  /* where it begins in fd */
    uint64_t seed;        /* of its records' checks */
    uint32_t records_max; /* that there is room for */
    uint32_t records;     /* in the file */
    uint32_t found;       /* by the start, good or not */
    uint32_t turn;        /* how often the file was replaced, ever (witness.h) */
    bool broken;          /* a write or sync of it failed: replace the file */
    int new_fd;           /* -1, or the replacement being written */
    uint64_t new_base_bytes;
    uint64_t new_seed;
    uint32_t new_records_max;
    bool unsure;     /* which one a start would take: a rename was not synced yet */
    bool resolving;  /* that is what this cycle does first */
    uint8_t *buffer; /* being written */
    size_t buffer_bytes;
    uint32_t records_after; /* once buffer is durable */
    uint32_t replaced;      /* how often the file was */
    bool gap;               /* at the start: a damaged record, more may follow */
};

/* The table of one segment, as last read for aro_place_owner. */
struct aro_table_view {
    uint32_t segment; /* 0: none */
    struct aro_record *record;
    uint32_t count;
    uint32_t hint; /* where the last search ended */
};

/* A segment that the last start set aside, or that lacks something. error 0: one of its files is
 * missing. */
struct aro_lost {
    uint32_t number; /* 0: no segment; objects.log is missing, or a head on a device damaged */
    int error;       /* -errno of reading it, or of putting it right */
    uint32_t
        missing; /* records of its table, or of objects.log: it is not set aside, but shorter */
};

/* One reader's read counters, told to the writer so that it knows when a descriptor is unused. */
struct aro_reader_slot {
    alignas(64) _Atomic bool taken;
    _Atomic uint64_t queued;    /* reads prepared so far */
    _Atomic uint64_t submitted; /* of those, handed to the kernel */
    _Atomic bool holds_files;   /* its ring has a table of them */
    _Atomic uint32_t let_go;    /* removals of the map after which that holds none of theirs */
    _Atomic uint64_t ended;     /* none before this one is under way; told when asked, or at rest */
    _Atomic bool asked;
};

struct aro_store {
    /* constant after open */
    struct aro_places *places;
    struct aro_segment_map map;
    struct aro_uring *ring;
    struct aro_qsbr *qsbr;
    uint64_t size_bytes; /* all files together: budget.c */
    uint64_t segment_bytes;
    uint64_t chunks_max;
    uint64_t uuid_hash;
    void (*judge)(void *arg, const struct aro_victim *victim);
    void *judge_arg;
    const struct aro_volume_api *volume; /* NULL: not open */
    struct aro_device *device;           /* NULL: a directory */
    int volume_fd;
    int lock_fd;
    bool read_only; /* nothing is ever written: not even what a start would put right */

    _Atomic bool whole; /* the index knows every chunk there is */

    /* writer */
    struct aro_recovery *recovery; /* NULL: the index is whole */
    struct aro_lost *lost;
    size_t losts;
    struct aro_segment *segments;
    struct aro_segment *busy;     /* those with something to do */
    struct aro_segment *creating; /* NULL: none */
    struct aro_segment *active;   /* NULL: none takes appends */
    uint32_t last_number;
    struct aro_op_queue appends;  /* being written or waiting for a segment, by sequence */
    struct aro_op_queue waiting;  /* for the next cycle */
    struct aro_op_queue cycling;  /* in this cycle */
    struct aro_op_queue finished; /* to be told */
    unsigned appends_count;
    unsigned appends_waiting; /* of those, without a place yet */
    bool appends_stalled;     /* until a segment was emptied */
    bool closing;
    unsigned probes; /* under way: probe.h */
    struct aro_recycle recycle;
    uint64_t sequence;       /* of the last append */
    uint64_t losses;         /* the mark */
    uint64_t bytes_tables;   /* counted for tables */
    uint64_t bytes_left;     /* files that are nobody's any more but there */
    uint64_t disk_bytes;     /* that the file system has left, as last seen (budget.c) */
    uint64_t disk_look_ms;   /* when that was */
    unsigned disk_turns;     /* of recycling for its sake since it last gave us a file */
    uint64_t objects_coming; /* object_adds under way */
    enum aro_cycle_step cycle;
    uint64_t cycle_cut; /* covers appends up to this sequence */
    bool cycle_queued;  /* io is in flight */
    int cycle_log_result;
    uint64_t cycle_ms;  /* when the last one began */
    uint64_t create_ms; /* when a segment was last asked for */
    struct aro_io io;   /* of the cycle */
    struct aro_io nop;
    bool nop_queued;
    struct aro_objects *objects;
    struct aro_object_log log;
    struct aro_witness witness;
    struct aro_table_view view;
    struct aro_store_stats stats;

    struct aro_reader_slot reader[ARO_STORE_READERS_MAX];
};

void aro_op_push(struct aro_op_queue *queue, struct aro_store_op *op);
struct aro_store_op *aro_op_pop(struct aro_op_queue *queue);

/* The operation is over: tell its owner later. */
void aro_store_finish(struct aro_store *store, struct aro_store_op *op, int result);
/* Starts whatever can be started now. */
void aro_store_advance(struct aro_store *store);
/* End of every completion: advance, then tell the owners of finished operations. */
void aro_store_deliver(struct aro_store *store);
/* Something of ours must come out of the ring soon. */
void aro_store_kick(struct aro_store *store);
/* The same, whatever is to be done. */
void aro_store_wake(struct aro_store *store);
uint64_t aro_store_now_ms(void);

/* append.c: payload writes of appends that wait for a segment; or fail them all with error. */
void aro_append_advance(struct aro_store *store);
void aro_append_fail_waiting(struct aro_store *store, int error);
/* The payload at place is written: from now on it can be found. 0 or -errno. */
int aro_store_index_add(struct aro_store *store, struct aro_segment *segment,
                        const struct aro_id *id, const struct aro_place *place);
/* No longer found; the removal waits for the next sync. */
void aro_store_forget(struct aro_store *store, const struct aro_id *id,
                      const struct aro_place *place);

/* recycle.c */
void aro_recycle_advance(struct aro_store *store);
void aro_recycle_close(struct aro_store *store);
/* A turn is at work in it: it does not retire yet. */
bool aro_recycle_holds(const struct aro_segment *segment);
/* The segment's files are deleted. */
void aro_recycle_segment_gone(struct aro_store *store, const struct aro_segment *segment);
/* Whoever finds no room may wait for some. */
bool aro_recycle_can_help(const struct aro_store *store);
/* The file system refused a segment with this error: whether appends may wait for another's room.
 */
bool aro_recycle_for_disk(struct aro_store *store, int error);
/* It is being emptied: do not rely on what is in it. */
bool aro_recycle_empties(const struct aro_store *store, uint32_t number);
/* The index still knows this chunk in the segment that is being emptied. */
bool aro_recycle_is_here(const struct aro_store *store, const struct aro_victim_chunk *chunk);

/* carry.c */
bool aro_carry_advance(struct aro_store *store); /* true: over, nothing is in flight */
bool aro_carry_is_busy(const struct aro_store *store);
void aro_carry_end(struct aro_store *store); /* its memory */

/* budget.c */
int aro_budget_open(
    struct aro_store *store); /* after recovery: counts what is there. 0 or -errno */
uint64_t aro_budget_taken(const struct aro_store *store);
uint64_t aro_budget_room(const struct aro_store *store);
/* The longest data file that a new segment may have now; 0: none. */
uint64_t aro_budget_segment_bytes(const struct aro_store *store);
/* What the file system has left, for a store that recycles. */
void aro_budget_look_at_disk(struct aro_store *store);
/* It is the file system that keeps the next segment short, not the budget. */
bool aro_budget_disk_is_short(const struct aro_store *store);
bool aro_budget_takes_append(const struct aro_segment *segment);
bool aro_budget_takes_object(const struct aro_store *store);
/* Records of the segment, or writes to it, have changed. */
void aro_budget_recount(struct aro_segment *segment);
/* The index knows one chunk more of this segment, or one less. */
void aro_budget_chunk_in(struct aro_segment *segment, const struct aro_place *place);
void aro_budget_chunk_out(struct aro_segment *segment, const struct aro_place *place);
void aro_budget_segment_gone(struct aro_segment *segment);

/* sync.c */
void aro_cycle_advance(struct aro_store *store);
/* aro_store_sync from within: starts nothing yet. */
void aro_store_sync_queue(struct aro_store *store, struct aro_store_op *op, uint64_t mark);

/* object_log.c */
int aro_object_log_open(struct aro_store *store, struct aro_error *error);
void aro_object_log_close(struct aro_store *store);
/* Records of the object operations in `cycling`. 0: queued; -EAGAIN: later; -errno: failed. */
int aro_object_log_write(struct aro_store *store, struct aro_io *io);
int aro_object_log_sync(struct aro_store *store, struct aro_io *io);
/* The records are durable (0) or not (-errno). 1: in a new log, rename it; 0; or -errno: lost. */
int aro_object_log_settle(struct aro_store *store, int result);
/* The new log becomes the log. 1: done, sync the names; 0: queued; -EAGAIN: later; -errno: lost. */
int aro_object_log_rename(struct aro_store *store, struct aro_io *io);
/* What was queued has ended. 0: sync the names; or -errno. */
int aro_object_log_renamed(struct aro_store *store, int result);

/* 256 bytes of the file: are they record so and so of it? */
bool aro_object_record_good(const struct aro_store *store, const void *record, uint32_t number);

/* lookup.c: whose payload is at place? 0, -ENOENT, or -errno of reading the table. */
int aro_place_owner(struct aro_store *store, const struct aro_place *place, struct aro_id *ret);

/* Start: fills the log's buffer with records that say nothing, up to this many in the file. */
void aro_object_log_make_up(struct aro_store *store, uint32_t records);

/*
 * Removes objects whose manifest is not in the index, number *at and up to max - 1 more; fills the
 * log's buffer with records that say so. True: there are more to look at.
 */
bool aro_object_log_drop_headless(struct aro_store *store, uint64_t *at, unsigned max);

/* recover.c: what is there, and memory for it; then turns until store->recovery is NULL. */
int aro_recovery_begin(struct aro_store *store, const struct aro_store_config *config,
                       struct aro_error *error);
/* One piece. True: there is more to do at once; false: the ring must turn first. */
bool aro_recovery_turn(struct aro_store *store);
/* Set aside: its files and its number stay as they are. error 0: one of the files is missing. */
void aro_recovery_lose(struct aro_store *store, uint32_t number, int error);
/* Of its table, or of objects.log (number 0), so many records are not there any more. */
void aro_recovery_lack(struct aro_store *store, uint32_t number, uint32_t missing);
/* Gives up what is not done. */
void aro_recovery_stop(struct aro_store *store);

#endif

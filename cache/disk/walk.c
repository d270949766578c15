/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/walk.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/record.h"
#include "cache/disk/state.h"
#include "cache/disk/table.h"

enum {
    IO_BYTES = 256 << 10,
    RECORDS_PER_CALL = 1024,
    TYPE_DAMAGED = 0xff, /* in memory only: a record that does not check */
};

enum step { STEP_LOST, STEP_NEXT, STEP_READ, STEP_APPLY, STEP_RECORDS, STEP_LOG, STEP_OVER };

struct aro_walk {
    struct aro_store *store;
    enum step step;
    size_t lost;     /* of the segments set aside: told so far */
    uint32_t number; /* of the segment at hand, or the last one */
    uint64_t segments;
    struct aro_table table;
    struct aro_table_of of;
    uint64_t bytes; /* of the table read */
    uint32_t at;    /* records that this step is done with */
    uint64_t live;  /* chunks that the table names */
    uint8_t *log;   /* of objects.log: what was read last, from record log_first on */
    uint32_t log_first, log_at, log_end;
    uint32_t log_turn; /* the file that it is of */
    bool waiting, arrived;
    int result;
    struct aro_io io;
};

bool aro_place_is_indexed(const struct aro_store *store, const struct aro_id *id,
                          const struct aro_place *place)
{
    struct aro_place known;

    for (unsigned nth = 0; aro_places_find(store->places, id, nth, &known) == 0; nth++)
        if (known.segment == place->segment && known.block == place->block)
            return true;
    return false;
}

static void arrived(struct aro_io *io, int result)
{
    struct aro_walk *walk = ARO_IO_OWNER(io, struct aro_walk, io);

    walk->waiting = false;
    walk->arrived = true;
    walk->result = result;
}

struct aro_walk *aro_walk_create(struct aro_store *store)
{
    struct aro_walk *walk = calloc(1, sizeof(*walk));

    if (walk == NULL)
        return NULL;
    walk->store = store;
    walk->io.done = arrived;
    return walk;
}

void aro_walk_destroy(struct aro_walk *walk)
{
    if (walk == NULL)
        return;
    aro_table_free(&walk->table);
    free(walk->log);
    free(walk);
}

bool aro_walk_waits(const struct aro_walk *walk)
{
    return walk->waiting;
}

uint64_t aro_walk_segments(const struct aro_walk *walk)
{
    return walk->segments;
}

/* ---- what is told ---- */

static int tell(const struct aro_walk *walk, const char *problem, struct aro_walk_item *ret)
{
    *ret = (struct aro_walk_item){.problem = problem, .place.segment = walk->number};
    return 1;
}

static int tell_record(const struct aro_walk *walk, const char *problem, uint32_t number,
                       struct aro_walk_item *ret)
{
    const struct aro_record *record = &walk->table.record[number];

    tell(walk, problem, ret);
    ret->record = number;
    ret->has_record = true;
    if (record->type == ARO_RECORD_CHUNK) {
        ret->has_chunk = true;
        ret->id = aro_id_load(record->id);
        ret->place = aro_record_place(record);
    }
    return 1;
}

/* ---- from segment to segment ---- */

static const char *lost_told(const struct aro_store *store, const struct aro_lost *lost)
{
    if (lost->missing > 0)
        return lost->number == 0 ? "lacked records at the start that were there before"
                                 : "its table lacked records at the start that were there before";
    if (lost->number == 0 && store->device != NULL)
        return "the head of a slot or of a log is damaged: set aside at the start";
    if (lost->number == 0)
        return "objects.log was missing at the start: no object is known";
    return lost->error == 0 ? "one of its two files is missing: set aside at the start"
                            : "could not be read or put right at the start: set aside";
}

static int lost_next(struct aro_walk *walk, struct aro_walk_item *ret)
{
    const struct aro_lost *lost;

    if (walk->lost == walk->store->losts) {
        walk->step = STEP_NEXT;
        return -EAGAIN;
    }
    lost = &walk->store->lost[walk->lost++];
    tell(walk, lost_told(walk->store, lost), ret);
    ret->place.segment = lost->number;
    ret->of_log = lost->number == 0 && lost->missing > 0;
    ret->error = lost->error;
    return 1;
}

static struct aro_segment *segment_behind(const struct aro_store *store, uint32_t number)
{
    struct aro_segment *best = NULL;

    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        if (s->number > number && (best == NULL || s->number < best->number) &&
            aro_segment_map_find(&store->map, s->number) == s)
            best = s;
    return best;
}

static int segment_begin(struct aro_walk *walk, struct aro_walk_item *ret)
{
    const struct aro_segment *segment = segment_behind(walk->store, walk->number);
    const char *problem;
    uint64_t bytes;
    int error;

    if (segment == NULL) {
        walk->step = STEP_LOG;
        return -EAGAIN;
    }
    walk->number = segment->number;
    walk->segments++;
    walk->of = (struct aro_table_of){segment->seed, segment->number, segment->blocks};
    bytes = (uint64_t)segment->records * ARO_RECORD_BYTES;
    problem = walk->store->volume->segment_look(segment);
    if (problem != NULL)
        return tell(walk, problem, ret);
    error = aro_table_init(&walk->table, bytes, segment->blocks);
    if (error != 0)
        return tell(walk, "no memory for its table", ret);
    walk->bytes = 0;
    walk->at = 0;
    walk->live = 0;
    walk->step = STEP_READ;
    return -EAGAIN;
}

static int segment_end(struct aro_walk *walk)
{
    aro_table_free(&walk->table);
    walk->step = STEP_NEXT;
    return -EAGAIN;
}

/* ---- one segment ---- */

static void check_some(struct aro_walk *walk)
{
    uint32_t end = (uint32_t)(walk->bytes / ARO_RECORD_BYTES);

    end = end - walk->at > RECORDS_PER_CALL ? walk->at + RECORDS_PER_CALL : end;
    for (; walk->at < end; walk->at++) {
        struct aro_record *record = &walk->table.record[walk->at];
        if (aro_table_is_void(record) || !aro_table_record_good(&walk->table, &walk->of, walk->at))
            record->type = TYPE_DAMAGED;
        else if (record->type == ARO_RECORD_COMMIT)
            walk->table.committed = walk->at + 1;
    }
}

static int read_on(struct aro_walk *walk, const struct aro_segment *segment,
                   struct aro_walk_item *ret)
{
    uint64_t whole = (uint64_t)walk->table.count * ARO_RECORD_BYTES, left;

    if (walk->arrived && walk->result <= 0) {
        walk->arrived = false;
        tell(walk, "its table cannot be read", ret);
        ret->error = walk->result;
        segment_end(walk);
        return 1;
    }
    if (walk->arrived)
        walk->bytes += (uint32_t)walk->result;
    walk->arrived = false;
    left = whole - walk->bytes;
    if (left > 0 && !walk->waiting)
        walk->waiting = aro_uring_read(walk->store->ring, &walk->io, segment->table_fd,
                                       (uint8_t *)walk->table.record + walk->bytes,
                                       left < IO_BYTES ? (uint32_t)left : IO_BYTES,
                                       segment->table_base_bytes + walk->bytes) == 0;
    check_some(walk);
    if (walk->at == walk->table.count) {
        walk->step = STEP_APPLY;
        walk->at = 0;
    }
    return -EAGAIN;
}

static int apply_on(struct aro_walk *walk)
{
    uint32_t left = walk->table.count - walk->at;
    uint32_t end = walk->at + (left < RECORDS_PER_CALL ? left : RECORDS_PER_CALL);

    aro_table_apply(&walk->table, &walk->of, walk->at, end);
    walk->at = end;
    if (end == walk->table.count) {
        walk->step = STEP_RECORDS;
        walk->at = 0;
    }
    return -EAGAIN;
}

static bool has_removal(const struct aro_records *records, uint32_t block)
{
    for (size_t i = 0; i < records->count; i++)
        if (records->record[i].type == ARO_RECORD_REMOVE &&
            aro_load_le32(records->record[i].block) == block)
            return true;
    return false;
}

/*
 * Was it removed since the table was read? By a record that waits, or by one behind those we have:
 * then the number of records has changed, and the next walk sees it.
 */
static bool is_removed(const struct aro_walk *walk, const struct aro_segment *segment,
                       uint32_t block)
{
    return segment->records != walk->table.count || has_removal(&segment->pending, block) ||
           has_removal(&segment->batch, block);
}

/* One record: tells something of it (1), or not (-EAGAIN). */
static int record_judge(struct aro_walk *walk, const struct aro_segment *segment, uint32_t number,
                        struct aro_walk_item *ret)
{
    const struct aro_record *record = &walk->table.record[number];
    bool believed = number < walk->table.committed && !segment->failed;
    struct aro_place place;
    struct aro_id id;

    if (record->type == TYPE_DAMAGED)
        return believed ? tell_record(walk, "a record of its table is damaged", number, ret)
                        : -EAGAIN;
    if (record->type != ARO_RECORD_CHUNK)
        return -EAGAIN;
    id = aro_id_load(record->id);
    place = aro_record_place(record);
    if (aro_place_is_indexed(walk->store, &id, &place)) {
        walk->live++;
        return tell_record(walk, NULL, number, ret);
    }
    if (!believed || is_removed(walk, segment, place.block))
        return -EAGAIN;
    return tell_record(walk, "the index does not know this chunk", number, ret);
}

/* All records are told: does the index know more of this segment than its table? */
static int count_judge(struct aro_walk *walk, const struct aro_segment *segment,
                       struct aro_walk_item *ret)
{
    bool quiet = segment->records == walk->table.count && !aro_segment_dirty(segment);
    uint64_t live = walk->live;

    segment_end(walk);
    if (!quiet || segment->live <= live)
        return -EAGAIN;
    return tell(walk, "the index knows chunks of it that its table does not name", ret);
}

static int records_on(struct aro_walk *walk, const struct aro_segment *segment,
                      struct aro_walk_item *ret)
{
    for (unsigned i = 0; i < RECORDS_PER_CALL && walk->at < walk->table.count; i++)
        if (record_judge(walk, segment, walk->at++, ret) == 1)
            return 1;
    if (walk->at < walk->table.count)
        return -EAGAIN;
    return count_judge(walk, segment, ret);
}

/* ---- objects.log ---- */

static int log_end(struct aro_walk *walk, const char *problem, struct aro_walk_item *ret)
{
    walk->step = STEP_OVER;
    if (problem == NULL)
        return 0;
    *ret = (struct aro_walk_item){.problem = problem, .of_log = true};
    return 1;
}

/* Begins to read what is behind the records looked at. */
static int log_read(struct aro_walk *walk, struct aro_walk_item *ret)
{
    const struct aro_object_log *log = &walk->store->log;
    uint64_t left = (uint64_t)(log->records - walk->log_at) * ARO_OBJECT_RECORD_BYTES;

    if (walk->log == NULL)
        walk->log = malloc(IO_BYTES);
    if (walk->log == NULL)
        return log_end(walk, "no memory to read it", ret);
    walk->waiting =
        aro_uring_read(walk->store->ring, &walk->io, log->fd, walk->log,
                       left < IO_BYTES ? (uint32_t)left : IO_BYTES,
                       log->base_bytes + (uint64_t)walk->log_at * ARO_OBJECT_RECORD_BYTES) == 0;
    return -EAGAIN;
}

/* Records that the store counts on; what is behind them was torn off before it counted. */
static int log_on(struct aro_walk *walk, struct aro_walk_item *ret)
{
    const struct aro_object_log *log = &walk->store->log;
    uint32_t first = walk->log_at;

    if (walk->waiting)
        return -EAGAIN;
    if (walk->log_turn != log->replaced) { /* another file: from its beginning */
        walk->log_turn = log->replaced;
        walk->log_at = walk->log_end = 0;
        walk->arrived = false;
    }
    if (walk->arrived) {
        walk->arrived = false;
        if (walk->result < ARO_OBJECT_RECORD_BYTES) {
            log_end(walk, "it cannot be read, or became shorter", ret);
            ret->error = walk->result < 0 ? walk->result : 0;
            return 1;
        }
        walk->log_end = walk->log_at + (uint32_t)walk->result / ARO_OBJECT_RECORD_BYTES;
        walk->log_first = first;
    }
    while (walk->log_at < walk->log_end) {
        uint32_t number = walk->log_at++;
        if (aro_object_record_good(
                walk->store,
                walk->log + (size_t)(number - walk->log_first) * ARO_OBJECT_RECORD_BYTES, number))
            continue;
        *ret = (struct aro_walk_item){.problem = "a record does not verify",
                                      .of_log = true,
                                      .has_record = true,
                                      .record = number};
        return 1;
    }
    return walk->log_at < log->records ? log_read(walk, ret) : log_end(walk, NULL, ret);
}

int aro_walk_next(struct aro_walk *walk, struct aro_walk_item *ret)
{
    const struct aro_segment *segment;

    if (walk->step == STEP_LOST)
        return lost_next(walk, ret);
    if (walk->step == STEP_NEXT)
        return segment_begin(walk, ret);
    if (walk->step == STEP_LOG)
        return log_on(walk, ret);
    if (walk->step == STEP_OVER)
        return 0;
    if (walk->waiting && walk->step != STEP_READ)
        return -EAGAIN;
    segment = aro_segment_map_find(&walk->store->map, walk->number);
    if (segment == NULL && walk->waiting)
        return -EAGAIN;
    if (segment == NULL) /* it has retired */
        return segment_end(walk);
    if (walk->step == STEP_READ)
        return read_on(walk, segment, ret);
    if (walk->step == STEP_APPLY)
        return apply_on(walk);
    return records_on(walk, segment, ret);
}

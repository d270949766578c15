/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room for what comes: one segment at a time is emptied and deleted.
 *
 *   COMMITTING every full segment has records that nobody synced yet: a sync of our own
 *   choose    nearly empty segments first, else the oldest. From here on -EEXIST is said of none
 *             of its chunks: what is put again is written again
 *   JUDGING   the owner says what must stay, and forgets the objects that will lose a chunk
 *   DROPPING  what does not stay leaves the index
 *   CARRYING  what stays is copied into the segment that takes appends (carry.c)
 *   SYNCING   the copies become durable
 *   LEAVING   their old places leave the index
 *   CLOSING   all removals become durable
 *   RETIRING  the segment, empty now, retires like any other: not before, though it be empty long
 *             since, for until here operations of the turn know it
 *
 * A turn that fails anywhere leaves what it had copied in two places, which costs room and nothing
 * else. Writer thread.
 */
#include "cache/disk/state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/record.h"

enum {
    DROPS_PER_TURN = 1024,
    PAUSE_MS = 1000,    /* after a turn that led to nothing */
    INDEX_SPARE = 16,   /* the index is short when less than one of so many slots is free */
    EMPTY_SHARE = 8,    /* a segment is nearly empty below one live block of so many */
    LAST_RESORT = 16,   /* at the least one block of so many must come free */
    SEGMENT_HALVES = 2, /* what is carried over: half a segment */
    DISK_TURNS_MAX = 3, /* others take what the disk gets back: no more for them */
};

static struct aro_recycle *recycle_of(struct aro_store *store)
{
    return &store->recycle;
}

static uint64_t active_free(const struct aro_store *store)
{
    return store->active == NULL ? 0 : store->active->blocks - store->active->next_block;
}

bool aro_recycle_empties(const struct aro_store *store, uint32_t number)
{
    return store->recycle.segment != NULL && store->recycle.segment->number == number;
}

bool aro_recycle_holds(const struct aro_segment *segment)
{
    const struct aro_recycle *turn = &segment->store->recycle;

    return turn->segment == segment && turn->step != ARO_RECYCLE_RETIRING;
}

bool aro_store_recycles(const struct aro_store *store)
{
    return store->judge != NULL;
}

bool aro_recycle_can_help(const struct aro_store *store)
{
    if (store->judge == NULL || store->closing)
        return false;
    if (store->recycle.step != ARO_RECYCLE_IDLE)
        return true;
    return aro_store_now_ms() >= store->recycle.pause_until_ms &&
           (store->disk_turns < DISK_TURNS_MAX || !aro_budget_disk_is_short(store));
}

bool aro_recycle_for_disk(struct aro_store *store, int error)
{
    if ((error != -ENOSPC && error != -EDQUOT) || store->judge == NULL)
        return false;
    store->disk_bytes = 0; /* whatever it says */
    return aro_recycle_can_help(store);
}

/* ---- choosing ---- */

static bool index_is_short(const struct aro_store *store)
{
    return aro_places_count(store->places) + store->appends_count >=
           store->chunks_max - store->chunks_max / INDEX_SPARE;
}

/* The next segment would be a short one. Half of the present one serves appends meanwhile. */
static bool is_wanted(const struct aro_store *store)
{
    if (!aro_recycle_can_help(store))
        return false;
    if (index_is_short(store))
        return true;
    if (store->creating != NULL || (store->active == NULL && store->appends_waiting == 0) ||
        aro_budget_segment_bytes(store) >= store->segment_bytes / 2)
        return false;
    /* what the budget has does not go away; what the disk has may be back when it is needed */
    return !aro_budget_disk_is_short(store) || store->active == NULL ||
           active_free(store) <= store->active->blocks / SEGMENT_HALVES;
}

static bool is_candidate(const struct aro_segment *segment)
{
    return segment->state == ARO_SEGMENT_SEALED && segment->step == ARO_STEP_IDLE &&
           !aro_segment_dirty(segment) && segment->writes == 0 && segment->live > 0 &&
           !segment->passed_over;
}

static bool is_cheaper(const struct aro_segment *one, const struct aro_segment *other)
{
    bool empty = one->live_blocks * EMPTY_SHARE < one->blocks;
    bool other_empty = other->live_blocks * EMPTY_SHARE < other->blocks;

    return empty != other_empty ? empty : one->number < other->number;
}

static struct aro_segment *choose(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);
    struct aro_segment *best = NULL;

    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        if (is_candidate(s) && (best == NULL || is_cheaper(s, best)))
            best = s;
    turn->last_resort = best == NULL;
    if (best == NULL && turn->least != 0) { /* each keeps more than half: then the one with least */
        best = aro_segment_map_find(&store->map, turn->least);
        if (best != NULL && (turn->least_blocks > best->blocks - best->blocks / LAST_RESORT ||
                             turn->least_blocks > active_free(store)))
            best = NULL;
        turn->least = 0;
    }
    return best;
}

static void end_round(struct aro_store *store)
{
    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        s->passed_over = false;
    store->recycle.least = 0;
}

static void end_turn(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);

    assert(!turn->op_busy && !aro_carry_is_busy(store));
    aro_carry_end(store);
    free(turn->victim.chunk);
    turn->victim = (struct aro_victim){0};
    if (turn->segment != NULL)
        aro_segment_touch(turn->segment); /* others may have emptied it meanwhile */
    turn->segment = NULL;
    turn->step = ARO_RECYCLE_IDLE;
    turn->owed_blocks = 0;
}

/* Led to nothing: appends that wait are told, the next attempt is later. */
static void give_up(struct aro_store *store)
{
    end_turn(store);
    end_round(store);
    store->recycle.pause_until_ms = aro_store_now_ms() + PAUSE_MS;
    aro_store_wake(store);
}

/* This one cannot be emptied now: the next one may. */
static void pass_over(struct aro_store *store)
{
    store->recycle.segment->passed_over = true;
    if (store->recycle.last_resort)
        give_up(store);
    else
        end_turn(store);
    aro_store_wake(store);
}

void aro_recycle_close(struct aro_store *store)
{
    store->closing = true;
    if (store->recycle.step == ARO_RECYCLE_JUDGING)
        give_up(store);
}

/* ---- what is in it ---- */

bool aro_recycle_is_here(const struct aro_store *store, const struct aro_victim_chunk *chunk)
{
    struct aro_place place;

    for (unsigned nth = 0; aro_places_find(store->places, &chunk->id, nth, &place) == 0; nth++)
        if (place.segment == store->recycle.victim.segment && place.block == chunk->block)
            return true;
    return false;
}

static int by_block(const void *a, const void *b)
{
    const struct aro_victim_chunk *x = a, *y = b;

    return x->block < y->block ? -1 : x->block > y->block;
}

static void note_chunk(struct aro_store *store, const struct aro_record *record, uint32_t number)
{
    struct aro_victim *victim = &store->recycle.victim;
    struct aro_place place = aro_record_place(record);
    struct aro_victim_chunk *chunk = &victim->chunk[victim->count];

    if (record->type != ARO_RECORD_CHUNK ||
        !aro_record_valid(record, store->recycle.segment->seed, victim->segment, number))
        return;
    *chunk = (struct aro_victim_chunk){.id = aro_id_load(record->id),
                                       .block = place.block,
                                       .len_bytes = place.len_bytes,
                                       .checksum = place.checksum};
    if (aro_recycle_is_here(store, chunk) && victim->count < store->recycle.segment->live)
        victim->count++;
}

/* From the table, normally in the page cache. The index decides what is still there. */
static int list_chunks(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);
    const struct aro_segment *segment = turn->segment;
    size_t bytes = segment->records * sizeof(struct aro_record);
    struct aro_record *records = malloc(bytes + 1);
    int error = records == NULL ? -ENOMEM : 0;

    turn->victim = (struct aro_victim){.segment = segment->number};
    turn->victim.chunk = calloc(segment->live + 1, sizeof(*turn->victim.chunk));
    if (turn->victim.chunk == NULL)
        error = -ENOMEM;
    if (error == 0 && pread(segment->table_fd, records, bytes,
                            (off_t)aro_segment_table_at(segment, 0)) != (ssize_t)bytes)
        error = -EIO;
    for (uint32_t i = 0; error == 0 && i < segment->records; i++)
        note_chunk(store, &records[i], i);
    free(records);
    qsort(turn->victim.chunk, turn->victim.count, sizeof(*turn->victim.chunk), by_block);
    return error;
}

static uint64_t carry_max(const struct aro_store *store)
{
    const struct aro_segment *segment = store->recycle.segment;
    uint64_t most = store->recycle.last_resort ? segment->blocks - segment->blocks / LAST_RESORT
                                               : segment->blocks / SEGMENT_HALVES;

    return most < active_free(store) ? most : active_free(store);
}

static void synced(struct aro_store_op *op, int result)
{
    struct aro_recycle *turn = ARO_IO_OWNER(op, struct aro_recycle, op);
    struct aro_store *store = ARO_IO_OWNER(turn, struct aro_store, recycle);

    turn->op_busy = false;
    turn->failed |= result != 0;
    turn->next = 0;
    if (turn->step == ARO_RECYCLE_SYNCING)
        turn->step = ARO_RECYCLE_LEAVING;
    else
        turn->step = turn->step == ARO_RECYCLE_CLOSING ? ARO_RECYCLE_RETIRING : ARO_RECYCLE_IDLE;
    aro_store_wake(store);
}

static void start_sync(struct aro_store *store, enum aro_recycle_step step)
{
    struct aro_recycle *turn = recycle_of(store);

    assert(!turn->op_busy);
    turn->step = step;
    turn->op_busy = true;
    turn->op.done = synced;
    aro_store_sync_queue(store, &turn->op,
                         step == ARO_RECYCLE_SYNCING ? turn->mark : store->losses);
}

/* Nothing to choose from now; but soon, when a segment that is full is committed or one is gone. */
static void wait_or_give_up(struct aro_store *store)
{
    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        if (s->state == ARO_SEGMENT_RETIRING)
            return;
    for (struct aro_segment *s = store->segments; s != NULL; s = s->next)
        if (s->state == ARO_SEGMENT_SEALED && aro_segment_dirty(s)) {
            start_sync(store, ARO_RECYCLE_COMMITTING);
            return;
        }
    give_up(store);
}

static void begin_turn(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);

    /* whatever is chosen: where it is carried to must not fill up meanwhile */
    turn->owed_blocks = store->active == NULL ? 0 : store->active->blocks / SEGMENT_HALVES;
    turn->segment = choose(store);
    if (turn->segment == NULL) {
        wait_or_give_up(store);
        return;
    }
    if (list_chunks(store) != 0) {
        pass_over(store);
        return;
    }
    store->disk_turns += aro_budget_disk_is_short(store);
    turn->step = ARO_RECYCLE_JUDGING;
    turn->failed = turn->unreadable = false;
    turn->next = 0;
    turn->victim.carry_blocks_max = turn->owed_blocks = carry_max(store);
    store->judge(store->judge_arg, &turn->victim);
}

/* ---- judged ---- */

static uint64_t blocks_of(const struct aro_victim *victim, enum aro_keep keep)
{
    uint64_t blocks = 0;

    for (uint32_t i = 0; i < victim->count; i++)
        if (victim->chunk[i].keep == keep)
            blocks += aro_blocks(victim->chunk[i].len_bytes);
    return blocks;
}

struct aro_victim *aro_store_victim(struct aro_store *store)
{
    return store->recycle.step == ARO_RECYCLE_JUDGING ? &store->recycle.victim : NULL;
}

bool aro_store_victim_fits(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);
    uint64_t blocks = blocks_of(&turn->victim, ARO_KEEP_MUST);

    turn->victim.carry_blocks_max = carry_max(store);
    if (blocks <= turn->victim.carry_blocks_max)
        return true;
    if (turn->least == 0 || blocks < turn->least_blocks) {
        turn->least = turn->segment->number;
        turn->least_blocks = blocks;
    }
    pass_over(store);
    return false;
}

void aro_store_victim_leave(struct aro_store *store)
{
    give_up(store);
}

/* An object that is listed keeps its manifest; of what is hot, as much as half a segment holds. */
void aro_store_victim_settle(struct aro_store *store, uint64_t objects_forgotten)
{
    struct aro_recycle *turn = recycle_of(store);
    struct aro_victim *victim = &turn->victim;
    uint64_t blocks;

    for (uint32_t i = 0; i < victim->count; i++)
        if (aro_objects_by_id(store->objects, &victim->chunk[i].id) != NULL)
            victim->chunk[i].keep = ARO_KEEP_MUST;
    store->stats.recycle_objects += objects_forgotten;
    blocks = blocks_of(victim, ARO_KEEP_MUST);
    if (blocks > active_free(store)) { /* more of it must stay than when it was looked at first */
        pass_over(store);
        return;
    }
    for (uint32_t i = 0; i < victim->count; i++) {
        struct aro_victim_chunk *chunk = &victim->chunk[i];
        if (chunk->keep == ARO_KEEP_HOT && blocks + aro_blocks(chunk->len_bytes) > carry_max(store))
            chunk->keep = ARO_KEEP_NOT;
        else if (chunk->keep == ARO_KEEP_HOT)
            blocks += aro_blocks(chunk->len_bytes);
    }
    turn->owed_blocks = blocks;
    turn->step = ARO_RECYCLE_DROPPING;
    aro_store_wake(store);
}

/* ---- steps; each returns true when the next one can be looked at ---- */

static void forget_chunk(struct aro_store *store, const struct aro_victim_chunk *chunk)
{
    struct aro_place place = {.segment = store->recycle.victim.segment,
                              .block = chunk->block,
                              .len_bytes = chunk->len_bytes,
                              .checksum = chunk->checksum};

    if (aro_recycle_is_here(store, chunk))
        aro_store_forget(store, &chunk->id, &place);
}

static bool drop(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);
    uint32_t end = turn->next + DROPS_PER_TURN;

    for (; turn->next < turn->victim.count && turn->next < end; turn->next++) {
        const struct aro_victim_chunk *chunk = &turn->victim.chunk[turn->next];
        if (chunk->keep != ARO_KEEP_NOT)
            continue;
        store->stats.recycle_dropped += aro_recycle_is_here(store, chunk);
        forget_chunk(store, chunk);
    }
    if (turn->next < turn->victim.count) {
        aro_store_wake(store);
        return false;
    }
    turn->next = 0;
    turn->mark = store->losses;
    turn->step = ARO_RECYCLE_CARRYING;
    return true;
}

static bool carry(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);

    if (!aro_carry_advance(store))
        return false;
    if (turn->unreadable && !store->closing) {
        pass_over(store);
        return false;
    }
    if (turn->failed || store->closing) {
        give_up(store);
        return false;
    }
    turn->owed_blocks = 0;
    start_sync(store, ARO_RECYCLE_SYNCING);
    return false;
}

/* What was carried over is durable where it is now: the old places go. */
static bool leave(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);
    uint32_t end = turn->next + DROPS_PER_TURN;

    if (turn->failed) {
        give_up(store);
        return false;
    }
    for (; turn->next < turn->victim.count && turn->next < end; turn->next++)
        forget_chunk(store, &turn->victim.chunk[turn->next]);
    if (turn->next < turn->victim.count) {
        aro_store_wake(store);
        return false;
    }
    start_sync(store, ARO_RECYCLE_CLOSING);
    return false;
}

/* It goes by itself now; unless records of its table could not be read. */
static bool retire(struct aro_store *store)
{
    struct aro_recycle *turn = recycle_of(store);

    if (turn->segment->live > 0) {
        pass_over(store);
        return false;
    }
    aro_segment_touch(turn->segment);
    return false;
}

void aro_recycle_segment_gone(struct aro_store *store, const struct aro_segment *segment)
{
    if (store->recycle.segment != segment)
        return;
    store->stats.recycled++;
    aro_budget_look_at_disk(store);
    store->recycle.segment = NULL;
    end_turn(store);
    end_round(store);
}

void aro_recycle_advance(struct aro_store *store)
{
    bool on = true;

    while (on) {
        switch (store->recycle.step) {
        case ARO_RECYCLE_IDLE:
            on = false;
            if (is_wanted(store))
                begin_turn(store);
            break;
        case ARO_RECYCLE_DROPPING:
            on = drop(store);
            break;
        case ARO_RECYCLE_CARRYING:
            on = carry(store);
            break;
        case ARO_RECYCLE_LEAVING:
            on = leave(store);
            break;
        case ARO_RECYCLE_RETIRING:
            on = retire(store);
            break;
        case ARO_RECYCLE_JUDGING:
        case ARO_RECYCLE_COMMITTING:
        case ARO_RECYCLE_SYNCING:
        case ARO_RECYCLE_CLOSING:
            on = false;
            break;
        }
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks into segments and out of the index. An append is placed when a segment has room for it,
 * written straight from the caller's memory, and found from the moment its write has finished; its
 * table record waits for the next sync. What is placed together lies side by side and is written
 * together, as a run: a write costs the kernel and the disk about the same for 64 KiB and for 1
 * MiB.
 */
#include "cache/disk/state.h"

#include <errno.h>

#include "cache/disk/reader.h"
#include "cache/disk/record.h"

uint64_t aro_place_checksum(const struct aro_id *id, uint32_t segment, uint32_t block,
                            const void *data, uint32_t len_bytes)
{
    return aro_hash_bytes(data, len_bytes, aro_place_seed(id, segment, block));
}

static struct aro_store_op *under_way(const struct aro_store *store, const struct aro_id *id)
{
    struct aro_store_op *op = store->appends.head;

    while (op != NULL && !aro_id_equal(&op->id, id))
        op = op->next;
    return op;
}

/*
 * Is this very chunk here? The ids are not in memory, but the bytes are at hand: a place of equal
 * fingerprint and length whose checksum is that of these bytes under this id is this chunk's.
 */
static bool is_stored(const struct aro_store *store, const struct aro_id *id, const void *data,
                      uint32_t len_bytes)
{
    struct aro_place place;

    for (unsigned nth = 0; aro_places_find(store->places, id, nth, &place) == 0; nth++)
        if (place.len_bytes == len_bytes && !aro_recycle_empties(store, place.segment) &&
            place.checksum == aro_place_checksum(id, place.segment, place.block, data, len_bytes))
            return true;
    return false;
}

bool aro_store_has(struct aro_store *store, const struct aro_id *id, const void *data,
                   uint32_t len_bytes)
{
    struct aro_store_op *twin = under_way(store, id);

    if (twin != NULL)
        twin->shared = true;
    return twin != NULL || is_stored(store, id, data, len_bytes);
}

static bool has_room(const struct aro_segment *segment, uint64_t blocks)
{
    return segment != NULL && segment->blocks - segment->next_block >= blocks &&
           aro_budget_takes_append(segment);
}

static bool index_is_full(const struct aro_store *store)
{
    return aro_places_count(store->places) + store->appends_count - store->appends_waiting >=
           store->chunks_max;
}

/*
 * Sees to it that there is, or will be, a segment with room. 0; -EINPROGRESS: once another segment
 * is emptied; or -errno.
 */
static int make_room(struct aro_store *store, uint32_t blocks)
{
    int no_room = aro_recycle_can_help(store) ? -EINPROGRESS : -ENOSPC;

    if (index_is_full(store))
        return no_room;
    if (store->creating != NULL || has_room(store->active, store->recycle.owed_blocks + blocks))
        return 0;
    if (store->recycle.step == ARO_RECYCLE_CARRYING)
        return no_room;
    if (store->judge != NULL && aro_budget_segment_bytes(store) == 0)
        return no_room; /* what is left of this one is where chunks are carried to */
    if (store->active != NULL)
        aro_segment_seal(store->active);
    return aro_segment_create(store);
}

/* Into the queue. 0 or as aro_store_append. */
static int enqueue(struct aro_store *store, struct aro_append *append)
{
    struct aro_store_op *op = append->op;
    const uint32_t len_bytes = append->len_bytes;
    int error;

    if (len_bytes < ARO_CHUNK_BYTES_MIN || len_bytes > ARO_CHUNK_BYTES_MAX ||
        (uintptr_t)append->data % ARO_BLOCK_BYTES != 0)
        return -EINVAL;
    if (store->recovery != NULL || store->read_only)
        return store->read_only ? -EROFS : -EAGAIN;
    if (aro_store_has(store, append->id, append->data, len_bytes))
        return -EEXIST;
    if (store->appends_count >= ARO_STORE_OPS_MAX)
        return -EAGAIN;
    error = store->appends_waiting == 0 ? make_room(store, aro_blocks(len_bytes)) : 0;
    if (error != 0 && error != -EINPROGRESS) {
        store->stats.rejected++;
        return error;
    }
    op->store = store;
    op->kind = ARO_OP_APPEND;
    op->segment = NULL;
    op->data = append->data;
    op->id = *append->id;
    op->place = (struct aro_place){.len_bytes = len_bytes};
    op->sequence = ++store->sequence;
    op->shared = false;
    aro_op_push(&store->appends, op);
    store->appends_count++;
    store->appends_waiting++;
    return 0;
}

void aro_store_append_burst(struct aro_store *store, struct aro_append append[], unsigned n)
{
    bool any = false;

    for (unsigned i = 0; i < n; i++) {
        append[i].result = enqueue(store, &append[i]);
        any |= append[i].result == 0;
    }
    if (!any)
        return;
    aro_append_advance(store);
    aro_store_kick(store); /* others may have failed for want of room */
}

int aro_store_append(struct aro_store *store, struct aro_store_op *op, const struct aro_id *id,
                     const void *data, uint32_t len_bytes)
{
    struct aro_append one = {.op = op, .id = id, .data = data, .len_bytes = len_bytes};

    aro_store_append_burst(store, &one, 1);
    return one.result;
}

static void leave(struct aro_store *store, struct aro_store_op *op, int result)
{
    struct aro_store_op **at = &store->appends.head;

    while (*at != op)
        at = &(*at)->next;
    *at = op->next;
    if (*at == NULL)
        store->appends.tail = at;
    store->appends_count--;
    if (result != 0 && op->shared)
        store->losses++;
    aro_store_finish(store, op, result);
}

void aro_append_fail_waiting(struct aro_store *store, int error)
{
    struct aro_store_op *op = store->appends.head;

    while (op != NULL) {
        struct aro_store_op *next = op->next;
        if (op->segment == NULL) {
            store->appends_waiting--;
            store->stats.rejected++;
            leave(store, op, error);
        }
        op = next;
    }
}

int aro_store_index_add(struct aro_store *store, struct aro_segment *segment,
                        const struct aro_id *id, const struct aro_place *place)
{
    struct aro_record record = aro_record_make(ARO_RECORD_CHUNK, segment->number, place, id);
    int error = aro_segment_log(segment, &record);

    if (error != 0)
        return error;
    error = aro_places_insert(store->places, id, place);
    if (error != 0) {
        segment->pending.count--;
        aro_budget_recount(segment);
        return error;
    }
    aro_budget_chunk_in(segment, place);
    return 0;
}

static uint32_t bytes_of(const struct aro_store_op *op)
{
    return aro_blocks(op->place.len_bytes) * ARO_BLOCK_BYTES;
}

/* result: 0, or -errno of the write that op was part of. */
static void written(struct aro_store_op *op, int result)
{
    struct aro_store *store = op->store;

    op->segment->writes--;
    aro_budget_recount(op->segment);
    if (result == 0 && op->segment->failed)
        result = -EIO;
    if (result == 0) {
        result = aro_store_index_add(store, op->segment, &op->id, &op->place);
        store->stats.writes += result == 0;
        store->stats.bytes_written += result == 0 ? op->place.len_bytes : 0;
    } else {
        store->stats.write_failures++;
    }
    aro_segment_touch(op->segment);
    leave(store, op, result);
}

/* ---- runs ---- */

/* Placed one behind the other, not queued yet. */
struct run {
    struct aro_segment *segment;
    struct aro_store_op *first, *last;
    unsigned appends;
    uint32_t len_bytes;
};

enum { RUN_BYTES_MAX = 1 << 20 };

/* Of a write that ended early, what it came to is there. */
static void run_done(struct aro_io *io, int result)
{
    struct aro_store_op *next, *op = ARO_IO_OWNER(io, struct aro_store_op, io);
    struct aro_store *store = op->store;
    int64_t left = result;

    for (; op != NULL; op = next) {
        next = op->run;
        left -= bytes_of(op);
        written(op, left >= 0 ? 0 : result < 0 ? result : -EIO);
    }
    aro_store_deliver(store);
}

static bool run_takes(const struct run *run, const struct aro_store_op *op)
{
    return run->appends < ARO_STORE_RUN_MAX && run->len_bytes + bytes_of(op) <= RUN_BYTES_MAX;
}

/* Gives op the next blocks of the active segment. */
static void run_add(struct run *run, struct aro_segment *active, struct aro_store_op *op)
{
    if (run->appends == 0)
        *run = (struct run){.segment = active, .first = op};
    else
        run->last->run = op;
    run->last = op;
    op->run = NULL;
    op->segment = active;
    op->place.segment = active->number;
    op->place.block = active->next_block;
    run->first->iov[run->appends++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)op->data, .iov_len = bytes_of(op)};
    run->len_bytes += bytes_of(op);
    active->next_block += aro_blocks(op->place.len_bytes);
    active->writes++;
    active->store->appends_waiting--;
    aro_budget_recount(active);
}

/* As before run_add; nothing was placed since. */
static void run_undo(struct run *run)
{
    run->segment->next_block = run->first->place.block;
    run->segment->writes -= run->appends;
    run->segment->store->appends_waiting += run->appends;
    aro_budget_recount(run->segment);
    for (struct aro_store_op *op = run->first; op != NULL; op = op->run)
        op->segment = NULL;
    run->appends = 0;
}

/* Queues the write of a run, if there is one. False: the ring is full. */
static bool run_write(struct run *run)
{
    struct aro_store_op *first = run->first;
    uint64_t offset;
    int error;

    if (run->appends == 0)
        return true;
    offset = aro_segment_data_at(run->segment, first->place.block);
    first->io.done = run_done;
    if (run->appends == 1)
        error = aro_uring_write(first->store->ring, &first->io, run->segment->data_fd, first->data,
                                run->len_bytes, offset);
    else
        error = aro_uring_writev(first->store->ring, &first->io, run->segment->data_fd, first->iov,
                                 run->appends, offset);
    if (error != 0) {
        run_undo(run);
        return false;
    }
    for (struct aro_store_op *op = first; op != NULL; op = op->run)
        op->place.checksum = aro_place_checksum(&op->id, op->place.segment, op->place.block,
                                                op->data, op->place.len_bytes);
    run->appends = 0;
    return true;
}

void aro_append_advance(struct aro_store *store)
{
    struct aro_store_op *op = store->appends.head;
    struct run run = {0};
    int error = 0;

    store->appends_stalled = false;
    for (; op != NULL && store->appends_waiting > 0; op = op->next) {
        if (op->segment != NULL)
            continue;
        if (run.appends > 0 && !run_takes(&run, op) && !run_write(&run))
            return;
        error = make_room(store, aro_blocks(op->place.len_bytes));
        if (error != 0 || store->active == NULL) /* a segment without room is no longer active */
            break;
        run_add(&run, store->active, op);
    }
    if (!run_write(&run))
        return;
    store->appends_stalled = error == -EINPROGRESS;
    if (error != 0 && error != -EINPROGRESS)
        aro_append_fail_waiting(store, error);
}

/* ---- out ---- */

void aro_store_forget(struct aro_store *store, const struct aro_id *id,
                      const struct aro_place *place)
{
    struct aro_segment *segment = aro_segment_map_find(&store->map, place->segment);
    struct aro_record record = aro_record_make(ARO_RECORD_REMOVE, place->segment, place, id);

    if (aro_places_erase(store->places, id, place) != 0)
        return;
    aro_budget_chunk_out(segment, place);
    if (aro_segment_log(segment, &record) != 0)
        store->losses++; /* gone from memory, but not for good: no sync may say so */
}

int aro_store_chunk_remove(struct aro_store *store, const struct aro_id *id)
{
    struct aro_place place;
    struct aro_id owner;
    unsigned nth = 0;
    int result = -ENOENT;

    while (aro_places_find(store->places, id, nth, &place) == 0) {
        int error = aro_place_owner(store, &place, &owner);
        if (error == 0 && aro_id_equal(&owner, id)) {
            aro_store_forget(store, id, &place);
            store->stats.removed++;
            result = 0;
            continue;
        }
        nth++;
    }
    return result;
}

/* An unreadable table cannot clear the place of suspicion: out of the index with it. */
void aro_store_quarantine(struct aro_store *store, const struct aro_id *id,
                          const struct aro_place *place)
{
    struct aro_id owner;
    struct aro_place known;
    int error = aro_place_owner(store, place, &owner);

    if (error == -ENOENT || (error == 0 && !aro_id_equal(&owner, id)))
        return;
    for (unsigned nth = 0; aro_places_find(store->places, id, nth, &known) == 0; nth++)
        if (known.segment == place->segment && known.block == place->block) {
            aro_store_forget(store, id, &known);
            store->stats.quarantined++;
            store->losses++; /* a put under way may have been told -EEXIST */
            return;
        }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/segment.h"

#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/state.h"

/* ---- object, names, map ---- */

static void segment_done(struct aro_io *io, int result);

struct aro_segment *aro_segment_new(struct aro_store *store, uint32_t number)
{
    struct aro_segment *segment = calloc(1, sizeof(*segment));

    if (segment == NULL)
        return NULL;
    segment->store = store;
    segment->number = number;
    segment->data_fd = segment->table_fd = -1;
    segment->io.done = segment_done;
    return segment;
}

void aro_segment_free(struct aro_segment *segment)
{
    if (segment->data_fd >= 0)
        close(segment->data_fd);
    if (segment->table_fd >= 0)
        close(segment->table_fd);
    free(segment->pending.record);
    free(segment->batch.record);
    free(segment->pair);
    free(segment);
}

int aro_segment_map_init(struct aro_segment_map *map, uint32_t segments_max)
{
    map->slots = 16;
    while (map->slots < 2 * (uint64_t)segments_max && map->slots < 1u << 30)
        map->slots *= 2;
    map->slot = calloc(map->slots, sizeof(*map->slot));
    return map->slot == NULL ? -ENOMEM : 0;
}

void aro_segment_map_add(struct aro_segment_map *map, struct aro_segment *segment)
{
    struct aro_segment_map_slot *slot = &map->slot[segment->number & (map->slots - 1)];

    slot->segment = segment;
    atomic_store_explicit(&slot->fd, segment->data_fd, memory_order_relaxed);
    atomic_store_explicit(&slot->base_bytes, segment->data_base_bytes, memory_order_relaxed);
    atomic_store_explicit(&slot->number, segment->number, memory_order_release);
}

uint32_t aro_segment_map_remove(struct aro_segment_map *map, uint32_t number)
{
    struct aro_segment_map_slot *slot = &map->slot[number & (map->slots - 1)];

    atomic_store_explicit(&slot->number, 0, memory_order_release);
    return atomic_fetch_add_explicit(&map->removals, 1, memory_order_release) + 1;
}

bool aro_segment_map_taken(const struct aro_segment_map *map, uint32_t number)
{
    return atomic_load_explicit(&map->slot[number & (map->slots - 1)].number,
                                memory_order_relaxed) != 0;
}

/* ---- life ---- */

void aro_segment_touch(struct aro_segment *segment)
{
    if (segment->busy)
        return;
    segment->busy = true;
    segment->next_busy = segment->store->busy;
    segment->store->busy = segment;
}

/* The index cannot name a segment whose low 24 bits are zero; live ones never share a map slot. */
static uint32_t next_number(struct aro_store *store)
{
    do {
        store->last_number++;
    } while ((store->last_number & 0xffffff) == 0 ||
             aro_segment_map_taken(&store->map, store->last_number));
    return store->last_number;
}

int aro_segment_create(struct aro_store *store)
{
    uint64_t bytes = aro_budget_segment_bytes(store);
    struct aro_segment *segment;
    int error;

    store->create_ms = aro_store_now_ms();
    if (bytes == 0)
        return -ENOSPC;
    segment = aro_segment_new(store, next_number(store));
    if (segment == NULL)
        return -ENOMEM;
    segment->blocks = (uint32_t)(bytes / ARO_BLOCK_BYTES);
    segment->seed = store->uuid_hash;
    segment->records_max = segment->records_room = UINT32_MAX;
    error = store->volume->segment_create(segment);
    if (error != 0) {
        aro_segment_free(segment);
        store->stats.writable = false;
        return error;
    }
    segment->state = ARO_SEGMENT_CREATING;
    segment->step = ARO_STEP_ALLOCATE;
    segment->next = store->segments;
    store->segments = segment;
    store->creating = segment;
    store->stats.bytes_files_now += bytes;
    aro_budget_recount(segment);
    store->stats.segments_now++;
    aro_segment_touch(segment);
    aro_segment_advance(segment);
    return 0;
}

/* The parts have their sizes, or cannot have them. */
static void allocated(struct aro_segment *segment, int result)
{
    struct aro_store *store = segment->store;

    result = store->volume->segment_allocated(segment, result);
    store->creating = NULL;
    if (result != 0) {
        store->volume->segment_forget(segment);
        segment->step = ARO_STEP_CLOSE_DATA;
        segment->state = ARO_SEGMENT_RETIRING;
        store->stats.writable = false;
        if (!aro_recycle_for_disk(store, result))
            aro_append_fail_waiting(store, result);
        return;
    }
    store->disk_turns = 0;
    aro_budget_look_at_disk(store);
    segment->step = ARO_STEP_IDLE;
    segment->state = ARO_SEGMENT_ACTIVE;
    store->active = segment;
    store->stats.writable = true;
    aro_segment_map_add(&store->map, segment);
}

void aro_segment_seal(struct aro_segment *segment)
{
    if (segment->state == ARO_SEGMENT_ACTIVE)
        segment->state = ARO_SEGMENT_SEALED;
    if (segment->store->active == segment)
        segment->store->active = NULL;
    aro_segment_touch(segment);
}

bool aro_segment_retire(struct aro_segment *segment)
{
    struct aro_store *store = segment->store;

    if (segment->state != ARO_SEGMENT_SEALED || segment->live > 0 || segment->writes > 0 ||
        aro_segment_dirty(segment) || segment->step != ARO_STEP_IDLE || aro_recycle_holds(segment))
        return false;
    segment->removal = aro_segment_map_remove(&store->map, segment->number);
    segment->state = ARO_SEGMENT_RETIRING;
    segment->step = ARO_STEP_GRACE;
    segment->grace_ticket = aro_qsbr_start(store->qsbr);
    return true;
}

/* It has looked, since this removal, for files of segments that are gone. */
static bool has_let_go(const struct aro_reader_slot *reader, uint32_t removal)
{
    uint32_t let_go;

    if (!atomic_load_explicit(&reader->holds_files, memory_order_acquire))
        return true;
    let_go = atomic_load_explicit(&reader->let_go, memory_order_acquire);
    return (int32_t)(let_go - removal) >= 0;
}

/*
 * May the descriptor go? Once every reader was quiescent, none can prepare a read of it any more;
 * what was prepared before must also have reached the kernel, which then holds the file itself. On
 * a device it must have ended: the place itself will be another segment's. And no ring may keep the
 * file: its space is counted as free once it is deleted.
 */
static bool reader_is_done(const struct aro_segment *segment, unsigned reader)
{
    struct aro_reader_slot *slot = &segment->store->reader[reader];
    uint64_t reads = segment->reader_reads[reader];

    if (atomic_load_explicit(&slot->submitted, memory_order_acquire) < reads ||
        !has_let_go(slot, segment->removal))
        return false;
    if (segment->store->device == NULL ||
        atomic_load_explicit(&slot->ended, memory_order_acquire) >= reads)
        return true;
    atomic_store_explicit(&slot->asked, true, memory_order_relaxed);
    return false;
}

static bool readers_are_done(struct aro_segment *segment)
{
    struct aro_store *store = segment->store;

    if (!segment->grace_passed) {
        if (!aro_qsbr_passed(store->qsbr, segment->grace_ticket))
            return false;
        segment->grace_passed = true;
        for (unsigned i = 0; i < ARO_STORE_READERS_MAX; i++)
            segment->reader_reads[i] =
                atomic_load_explicit(&store->reader[i].queued, memory_order_acquire);
    }
    for (unsigned i = 0; i < ARO_STORE_READERS_MAX; i++)
        if (!reader_is_done(segment, i))
            return false;
    return true;
}

/* ---- the one operation under way ---- */

static int start_step(struct aro_segment *segment)
{
    const struct aro_volume_api *volume = segment->store->volume;
    struct aro_uring *ring = segment->store->ring;
    struct aro_io *io = &segment->io;

    switch (segment->step) {
    case ARO_STEP_ALLOCATE:
        return volume->segment_allocate(segment, io);
    case ARO_STEP_TABLE_RESERVE:
        return volume->table_reserve(segment, io,
                                     segment->records + (uint32_t)segment->batch.count);
    case ARO_STEP_DATA_SYNC:
        return aro_uring_datasync(ring, io, segment->data_fd);
    case ARO_STEP_TABLE_WRITE:
        return aro_uring_write(ring, io, segment->table_fd, segment->batch.record,
                               aro_segment_batch_bytes(segment),
                               aro_segment_table_at(segment, segment->records));
    case ARO_STEP_TABLE_SYNC:
        return aro_uring_datasync(ring, io, segment->table_fd);
    case ARO_STEP_UNLINK_DATA: /* first: a table without data is known to be a removal's rest */
        return volume->segment_unlink(segment, io, true);
    case ARO_STEP_UNLINK_TABLE:
        return volume->segment_unlink(segment, io, false);
    case ARO_STEP_CLOSE_DATA:
        return aro_uring_close(ring, io, segment->data_fd);
    case ARO_STEP_CLOSE_TABLE:
        return aro_uring_close(ring, io, segment->table_fd);
    case ARO_STEP_IDLE:
    case ARO_STEP_GRACE:
    case ARO_STEP_GONE:
        break;
    }
    return -EAGAIN;
}

void aro_segment_advance(struct aro_segment *segment)
{
    if (segment->step_queued)
        return;
    if (segment->step == ARO_STEP_GRACE && readers_are_done(segment))
        segment->step = ARO_STEP_UNLINK_DATA;
    segment->step_queued = start_step(segment) == 0;
}

/*
 * Failures while retiring are ignored: the files that stay hold nothing live, and the next start
 * tries again.
 */
static void segment_done(struct aro_io *io, int result)
{
    struct aro_segment *segment = ARO_IO_OWNER(io, struct aro_segment, io);

    segment->step_queued = false;
    switch (segment->step) {
    case ARO_STEP_ALLOCATE:
        allocated(segment, result);
        break;
    case ARO_STEP_TABLE_RESERVE:
        aro_segment_commit_done(segment, segment->store->volume->table_reserved(segment, result));
        break;
    case ARO_STEP_DATA_SYNC:
    case ARO_STEP_TABLE_WRITE:
    case ARO_STEP_TABLE_SYNC:
        aro_segment_commit_done(segment, result);
        break;
    case ARO_STEP_CLOSE_DATA:
        segment->data_fd = -1;
        segment->step++;
        break;
    case ARO_STEP_CLOSE_TABLE:
        segment->table_fd = -1;
        segment->step++;
        break;
    case ARO_STEP_UNLINK_DATA:
    case ARO_STEP_UNLINK_TABLE:
        segment->undeleted |= result < 0 && result != -ENOENT;
        segment->step++;
        break;
    default:
        segment->step++;
        break;
    }
    aro_store_deliver(segment->store);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the store's files take of its size, and what they may still come to take without asking:
 *
 *   data files   their whole length, from the moment they are allocated
 *   tables       every record they hold, and those to come: the removal of each live chunk, the
 *                record of each write in flight, and a COMMIT for every one of these
 *   objects.log  its records, a removal for each object, and the copy that may replace the file
 *   the rest     superblock, lock, and what stayed of files that could not be deleted
 *
 * each rounded up to ARO_BLOCK_BYTES per file. On a device it is what stands in front of the slots,
 * and the slots taken; each table and the log of objects then have a room of their own. Only a new
 * segment, an append and a new object make this sum grow, and each looks at the room first; so the
 * files never exceed the size, and forgetting a chunk or an object needs no room.
 *
 * A file system that has less left than the budget is the budget, for a store that recycles: looked
 * at when it gave us a file or we deleted one, and once a second. Writer thread.
 */
#include "cache/disk/state.h"

#include <sys/statvfs.h>

#include "cache/disk/device.h"
#include "cache/disk/record.h"

enum {
    FIXED_BLOCKS = 3,   /* STORE and LOCK */
    LOG_SHARE = 512,    /* one part of so many stays free for objects.log when a segment comes */
    TABLE_SHARE = 64,   /* one part of so many of a segment is left for its table */
    REMOVALS_SHARE = 8, /* one part of so many of a device's log is for removals under way */
    RECORDS_PER_APPEND = 4,        /* chunk, removal, and a commit for each */
    SEGMENT_BYTES_LEAST = 1 << 20, /* holds the largest chunk */
};

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + ARO_BLOCK_BYTES - 1) & ~(uint64_t)(ARO_BLOCK_BYTES - 1);
}

/* ---- tables ---- */

static uint64_t table_bytes(const struct aro_segment *segment, unsigned more_writes)
{
    bool written = segment->step == ARO_STEP_TABLE_SYNC; /* the batch is among the records */
    uint64_t records = segment->records + (written ? 0 : segment->batch.count) +
                       2 * segment->pending.count + 2 * segment->live +
                       (uint64_t)RECORDS_PER_APPEND * (segment->writes + more_writes);

    return whole_blocks((records + 1) * ARO_RECORD_BYTES); /* a recovery may add a commit */
}

void aro_budget_recount(struct aro_segment *segment)
{
    uint64_t bytes = table_bytes(segment, 0);

    segment->store->bytes_tables += bytes - segment->table_bytes;
    segment->table_bytes = bytes;
}

void aro_budget_chunk_in(struct aro_segment *segment, const struct aro_place *place)
{
    segment->live++;
    segment->live_blocks += aro_blocks(place->len_bytes);
    segment->store->stats.bytes_chunks_now += place->len_bytes;
    aro_budget_recount(segment);
}

void aro_budget_chunk_out(struct aro_segment *segment, const struct aro_place *place)
{
    segment->live--;
    segment->live_blocks -= aro_blocks(place->len_bytes);
    segment->store->stats.bytes_chunks_now -= place->len_bytes;
    aro_budget_recount(segment);
}

void aro_budget_segment_gone(struct aro_segment *segment)
{
    struct aro_store *store = segment->store;
    uint64_t data = (uint64_t)segment->blocks * ARO_BLOCK_BYTES;

    store->stats.bytes_files_now -= data;
    store->bytes_tables -= segment->table_bytes;
    if (segment->undeleted)
        store->bytes_left += data + segment->table_bytes;
}

/* ---- the sum ---- */

static uint64_t log_bytes(const struct aro_store *store, uint64_t more_objects)
{
    uint64_t adds = store->objects_coming + more_objects;
    uint64_t objects = store->objects == NULL ? 0 : aro_objects_count(store->objects);
    uint64_t here = store->log.records + objects + 2 * adds, copy = objects + adds;

    return whole_blocks(here * ARO_OBJECT_RECORD_BYTES) +
           whole_blocks(copy * ARO_OBJECT_RECORD_BYTES) + ARO_BLOCK_BYTES; /* asked to go twice */
}

uint64_t aro_budget_taken(const struct aro_store *store)
{
    if (store->device != NULL)
        return aro_device_bytes_taken(store->device);
    return store->stats.bytes_files_now + store->bytes_tables + log_bytes(store, 0) +
           store->bytes_left + (uint64_t)FIXED_BLOCKS * ARO_BLOCK_BYTES;
}

uint64_t aro_budget_room(const struct aro_store *store)
{
    uint64_t taken = aro_budget_taken(store);

    return taken < store->size_bytes ? store->size_bytes - taken : 0;
}

bool aro_budget_takes_append(const struct aro_segment *segment)
{
    if (segment->store->device != NULL)
        return table_bytes(segment, 1) <= (uint64_t)segment->records_room * ARO_RECORD_BYTES;
    return table_bytes(segment, 1) - segment->table_bytes <= aro_budget_room(segment->store);
}

/* On a device: twice as many records as there are objects, and some spare for removals at once. */
bool aro_budget_takes_object(const struct aro_store *store)
{
    uint64_t objects = aro_objects_count(store->objects) + store->objects_coming + 1, room;

    if (store->device != NULL) {
        room = aro_device_log_room(store->device);
        return 2 * objects <= room - room / REMOVALS_SHARE;
    }
    return log_bytes(store, 1) - log_bytes(store, 0) <= aro_budget_room(store);
}

/* The longest data file for which, and for its table, so much room is enough. */
static uint64_t segment_bytes_in(const struct aro_store *store, uint64_t room)
{
    uint64_t log = store->size_bytes / LOG_SHARE;
    uint64_t bytes;

    if (store->device != NULL)
        return aro_device_free(store->device) > 0 ? store->segment_bytes : 0;
    if (room < log)
        return 0;
    bytes = (room - log) / (TABLE_SHARE + 1) * TABLE_SHARE & ~(uint64_t)(ARO_BLOCK_BYTES - 1);
    bytes = bytes < store->segment_bytes ? bytes : store->segment_bytes;
    return bytes < SEGMENT_BYTES_LEAST ? 0 : bytes;
}

/* Of what the file system has left, tables may come to need as much as is counted for them. */
static uint64_t disk_room(const struct aro_store *store)
{
    return store->disk_bytes > store->bytes_tables ? store->disk_bytes - store->bytes_tables : 0;
}

uint64_t aro_budget_segment_bytes(const struct aro_store *store)
{
    uint64_t room = aro_budget_room(store), disk = disk_room(store);

    return segment_bytes_in(store, room < disk ? room : disk);
}

bool aro_budget_disk_is_short(const struct aro_store *store)
{
    return segment_bytes_in(store, disk_room(store)) <
           segment_bytes_in(store, aro_budget_room(store));
}

void aro_budget_look_at_disk(struct aro_store *store)
{
    struct statvfs system;

    store->disk_look_ms = aro_store_now_ms();
    store->disk_bytes = UINT64_MAX;
    if (store->device == NULL && store->judge != NULL && fstatvfs(store->volume_fd, &system) == 0)
        store->disk_bytes = (uint64_t)system.f_bavail * system.f_frsize;
}

/* What is left for data files when nothing else is there. */
uint64_t aro_store_payload_bytes_max(const struct aro_store *store)
{
    uint64_t other = (uint64_t)FIXED_BLOCKS * ARO_BLOCK_BYTES + store->bytes_left +
                     store->size_bytes / LOG_SHARE;

    if (store->device != NULL)
        return store->device->usable * store->segment_bytes;
    return other < store->size_bytes ? (store->size_bytes - other) / (TABLE_SHARE + 1) * TABLE_SHARE
                                     : 0;
}

/* ---- start ---- */

/* A part of a segment that was set aside. */
static int count_if_left(void *arg, const struct aro_part *part)
{
    struct aro_store *store = arg;

    if (aro_segment_map_find(&store->map, part->number) == NULL)
        store->bytes_left += whole_blocks(part->bytes);
    return 0;
}

int aro_budget_open(struct aro_store *store)
{
    int error = store->volume->list(store, count_if_left, store);

    if (error != 0)
        return error;
    for (struct aro_segment *segment = store->segments; segment != NULL; segment = segment->next)
        aro_budget_recount(segment);
    aro_budget_look_at_disk(store);
    return 0;
}

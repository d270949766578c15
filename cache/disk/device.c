/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cache/disk/state.h"

enum {
    FIRST_SHARE = 32, /* of a table's room is read at every start even when it is empty */
};

static const uint8_t nothing[ARO_HEAD_PAIR_BYTES];

uint32_t aro_device_free(const struct aro_device *device)
{
    return device->taken < device->usable ? device->usable - device->taken : 0;
}

uint64_t aro_device_bytes_taken(const struct aro_device *device)
{
    const struct aro_geometry *geometry = &device->geometry;

    return (geometry->slots_at + (uint64_t)device->taken * aro_slot_blocks(geometry)) *
           ARO_BLOCK_BYTES;
}

static uint32_t table_room(const struct aro_device *device)
{
    return device->geometry.table_blocks * (ARO_BLOCK_BYTES / ARO_RECORD_BYTES);
}

uint32_t aro_device_log_room(const struct aro_device *device)
{
    return device->geometry.log_blocks * (ARO_BLOCK_BYTES / ARO_OBJECT_RECORD_BYTES);
}

/* One more descriptor of the device: a failed write-back is told to each once. */
static int reopen(struct aro_store *store, int flags)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", store->volume_fd);
    flags |= (store->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    fd = open(path, flags);
    if (fd < 0 && errno == EINVAL && (flags & O_DIRECT) != 0) {
        store->stats.direct = false;
        fd = open(path, flags & ~O_DIRECT);
    }
    return fd < 0 ? -errno : fd;
}

static int written(int result)
{
    if (result == ARO_HEAD_PAIR_BYTES)
        return 0;
    return result < 0 ? result : -EIO;
}

static int list(struct aro_store *store, int (*each)(void *arg, const struct aro_part *part),
                void *arg)
{
    const struct aro_device *device = store->device;
    struct aro_part unknown = {.number = 0};
    int error = device->log_damaged ? each(arg, &unknown) : 0;

    for (uint32_t i = 0; i < device->geometry.slots && error == 0; i++) {
        const struct aro_slot *slot = &device->slot[i];
        struct aro_part part = {.number = slot->head.number,
                                .bytes = (uint64_t)slot->head.records_max * ARO_RECORD_BYTES};
        if (!slot->taken)
            continue;
        error = each(arg, &part);
        part.is_data = true;
        part.bytes = (uint64_t)device->geometry.data_blocks * ARO_BLOCK_BYTES;
        if (error == 0 && part.number != 0)
            error = each(arg, &part);
    }
    return error;
}

/* ---- segments ---- */

static int open_parts(struct aro_segment *segment, uint32_t index)
{
    struct aro_store *store = segment->store;
    const struct aro_geometry *geometry = &store->device->geometry;

    segment->slot = index;
    segment->blocks = geometry->data_blocks;
    segment->records_max = store->device->slot[index].head.records_max;
    segment->records_room = table_room(store->device);
    segment->seed = store->uuid_hash ^ store->device->slot[index].head.salt;
    segment->table_base_bytes = aro_slot_at(geometry, index);
    segment->data_base_bytes =
        segment->table_base_bytes + (uint64_t)geometry->table_blocks * ARO_BLOCK_BYTES;
    segment->table_fd = reopen(store, 0);
    if (segment->table_fd < 0)
        return segment->table_fd;
    segment->data_fd = reopen(store, O_DIRECT);
    return segment->data_fd < 0 ? segment->data_fd : 0;
}

/* Segments are opened from the youngest to the oldest, whose slots mostly come in that order. */
static int segment_open(struct aro_segment *segment, bool alone, uint64_t *ret_table_bytes)
{
    struct aro_device *device = segment->store->device;

    (void)alone; /* a slot has both */
    for (uint32_t i = 0; i < device->geometry.slots; i++) {
        const struct aro_slot *slot = &device->slot[device->hint];
        if (slot->head.number == segment->number) {
            *ret_table_bytes = (uint64_t)slot->head.records_max * ARO_RECORD_BYTES;
            if (slot->head.records_max > table_room(device))
                return -EBADMSG;
            return open_parts(segment, device->hint);
        }
        device->hint = (device->hint == 0 ? device->geometry.slots : device->hint) - 1;
    }
    return -ENOENT;
}

static int segment_create(struct aro_segment *segment)
{
    struct aro_device *device = segment->store->device;
    struct aro_place_head head = {.number = segment->number,
                                  .records_max = table_room(device) / FIRST_SHARE};
    uint32_t index = device->hint, left = device->geometry.slots;
    int error;

    while (device->slot[index].taken && left-- > 0)
        index = (index + 1) % device->geometry.slots;
    if (device->slot[index].taken)
        return -ENOSPC;
    if (getrandom(&head.salt, sizeof(head.salt), 0) != sizeof(head.salt))
        return -EIO;
    device->slot[index].head = head;
    error = open_parts(segment, index);
    if (error != 0)
        return error;
    device->slot[index].taken = true;
    device->taken++;
    device->hint = (index + 1) % device->geometry.slots;
    return 0;
}

static int write_head(struct aro_segment *segment, struct aro_io *io,
                      const struct aro_place_head *head)
{
    struct aro_store *store = segment->store;
    uint32_t index = ARO_DEVICE_LOGS + segment->slot;

    if (segment->pair == NULL)
        segment->pair = aligned_alloc(ARO_BLOCK_BYTES, ARO_HEAD_PAIR_BYTES);
    if (segment->pair == NULL)
        return -EAGAIN;
    aro_head_encode(head, store->uuid_hash, index, segment->pair);
    return aro_uring_write(store->ring, io, segment->table_fd, segment->pair, ARO_HEAD_PAIR_BYTES,
                           aro_head_at(index));
}

static int head_written(struct aro_segment *segment, int result)
{
    free(segment->pair);
    segment->pair = NULL;
    return written(result);
}

static int segment_allocate(struct aro_segment *segment, struct aro_io *io)
{
    return write_head(segment, io, &segment->store->device->slot[segment->slot].head);
}

/* The descriptors stay open until nobody can read any more; only the head says that it is there. */
static int segment_unlink(struct aro_segment *segment, struct aro_io *io, bool data)
{
    struct aro_uring *ring = segment->store->ring;

    if (data)
        return aro_uring_nop(ring, io);
    return aro_uring_write(ring, io, segment->table_fd, nothing, ARO_HEAD_PAIR_BYTES,
                           aro_head_at(ARO_DEVICE_LOGS + segment->slot));
}

/* What stays of a creation that failed is an empty segment, if anything. */
static void segment_forget(struct aro_segment *segment)
{
    (void)segment;
}

static void segment_gone(struct aro_segment *segment)
{
    struct aro_device *device = segment->store->device;

    if (segment->undeleted)
        return;
    device->slot[segment->slot] = (struct aro_slot){0};
    device->taken--;
}

static const char *segment_look(const struct aro_segment *segment)
{
    (void)segment;
    return NULL;
}

static int table_reserve(struct aro_segment *segment, struct aro_io *io, uint32_t records)
{
    struct aro_place_head *head = &segment->store->device->slot[segment->slot].head;

    head->records_max = 2 * segment->records_max > records ? 2 * segment->records_max : records;
    if (head->records_max > segment->records_room)
        head->records_max = segment->records_room;
    return write_head(segment, io, head);
}

static int table_reserved(struct aro_segment *segment, int result)
{
    result = head_written(segment, result);
    if (result == 0) /* and durable before the next record, by the sync that follows */
        segment->records_max = segment->store->device->slot[segment->slot].head.records_max;
    return result;
}

static int table_cut(struct aro_segment *segment, uint32_t records)
{
    (void)segment;
    (void)records;
    return 0; /* the caller strikes out what it leaves behind */
}

static int names_sync(struct aro_store *store, struct aro_io *io)
{
    return aro_uring_datasync(store->ring, io, store->volume_fd);
}

/* ---- the log of objects ---- */

static int log_open(struct aro_store *store, uint64_t *ret_bytes)
{
    struct aro_device *device = store->device;
    const struct aro_place_head *head = device->log_head;
    uint32_t newer = head[1].number > head[0].number;

    if (head[newer].number == 0 || head[newer].records_max > aro_device_log_room(device))
        return -EBADMSG;
    device->log = newer;
    store->log.seed = store->uuid_hash ^ head[newer].salt;
    store->log.records_max = head[newer].records_max;
    store->log.base_bytes = aro_log_at(&device->geometry, newer);
    store->log.fd = reopen(store, 0);
    *ret_bytes = (uint64_t)head[newer].records_max * ARO_OBJECT_RECORD_BYTES;
    return store->log.fd < 0 ? store->log.fd : 0;
}

/* What is behind the last record that checks never will. */
static int log_cut(struct aro_store *store, uint32_t records)
{
    (void)records;
    return fdatasync(store->log.fd) == 0 ? 0 : -errno;
}

static int log_new(struct aro_store *store, uint32_t records_max)
{
    struct aro_device *device = store->device;
    uint32_t other = 1 - device->log, room = aro_device_log_room(device);
    struct aro_place_head *head = &device->log_head[other];

    head->number = device->log_head[device->log].number + 1;
    head->records_max = records_max < room ? records_max : room;
    if (getrandom(&head->salt, sizeof(head->salt), 0) != sizeof(head->salt))
        return -EIO;
    store->log.new_seed = store->uuid_hash ^ head->salt;
    store->log.new_records_max = head->records_max;
    store->log.new_base_bytes = aro_log_at(&device->geometry, other);
    store->log.new_fd = reopen(store, 0);
    return store->log.new_fd < 0 ? store->log.new_fd : 0;
}

/*
 * From here on, until a sync of it succeeds, nobody knows which of the two a start would take: both
 * are right, and neither may be written over.
 */
static int log_rename(struct aro_store *store, struct aro_io *io)
{
    struct aro_device *device = store->device;
    uint32_t index = store->log.new_fd >= 0 ? 1 - device->log : device->log;
    int error;

    aro_head_encode(&device->log_head[index], store->uuid_hash, index, device->log_pair);
    error = aro_uring_write(store->ring, io, store->volume_fd, device->log_pair,
                            ARO_HEAD_PAIR_BYTES, aro_head_at(index));
    if (error != 0)
        return error;
    device->log = index;
    store->log.unsure = true;
    return 0;
}

static void close_device(struct aro_store *store)
{
    if (store->volume_fd >= 0)
        close(store->volume_fd);
    if (store->device == NULL)
        return;
    free(store->device->slot);
    free(store->device->log_pair);
    free(store->device);
}

const struct aro_volume_api aro_device_volume = {
    .list = list,
    .segment_open = segment_open,
    .segment_create = segment_create,
    .segment_allocate = segment_allocate,
    .segment_allocated = head_written,
    .segment_unlink = segment_unlink,
    .segment_forget = segment_forget,
    .segment_gone = segment_gone,
    .segment_look = segment_look,
    .table_reserve = table_reserve,
    .table_reserved = table_reserved,
    .table_cut = table_cut,
    .names_sync = names_sync,
    .log_open = log_open,
    .log_cut = log_cut,
    .log_new = log_new,
    .log_rename = log_rename,
    .log_renamed = written,
    .close = close_device,
};

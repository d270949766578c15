/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/reader.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/file_table.h"
#include "cache/disk/state.h"

/*
 * Reads handed over together. More would save few cycles more, and the device stands still while
 * they are being prepared: 4 KiB reads on a virtual disk lost a sixth of their rate to that.
 */
enum { TOGETHER = 4 };

/* One read in flight. */
struct read {
    struct aro_io io;
    struct aro_disk_reader *reader;
    struct read *next_free;
    uint64_t cookie;
    uint64_t number; /* in the order of queueing; NONE: not under way */
    uint32_t asked_bytes;
};

#define NONE UINT64_MAX

struct aro_disk_reader {
    struct aro_store *store;
    struct aro_uring *ring;
    struct aro_reader_slot *slot; /* where the writer sees how far we are */
    struct aro_file_table files;
    struct read *free;
    struct aro_disk_done *done; /* reap_burst under way: where results go */
    uint64_t queued;
    unsigned unsent; /* of them, since the last submit */
    unsigned depth;
    struct aro_disk_reader_stats stats;
    struct read read[];
};

/* A slot's counters go on where its last owner left them: equal. */
static struct aro_reader_slot *take_slot(struct aro_store *store)
{
    for (unsigned i = 0; i < ARO_STORE_READERS_MAX; i++) {
        bool expected = false;
        if (atomic_compare_exchange_strong(&store->reader[i].taken, &expected, true))
            return &store->reader[i];
    }
    errno = ENOSPC;
    return NULL;
}

static void read_done(struct aro_io *io, int result)
{
    struct read *read = ARO_IO_OWNER(io, struct read, io);
    struct aro_disk_reader *reader = read->reader;

    if (result != (int)read->asked_bytes) { /* the file covers it: a short read is a fault */
        result = result < 0 ? result : -EIO;
        reader->stats.failures++;
    } else {
        result = 0;
    }
    if (reader->done != NULL)
        *reader->done++ = (struct aro_disk_done){read->cookie, result};
    read->number = NONE;
    read->next_free = reader->free;
    reader->free = read;
}

struct aro_disk_reader *aro_disk_reader_create(const struct aro_disk_reader_config *config)
{
    struct aro_disk_reader *reader =
        calloc(1, sizeof(*reader) + config->depth * sizeof(struct read));

    if (reader == NULL)
        return NULL;
    reader->store = config->store;
    reader->depth = config->depth;
    reader->slot = take_slot(config->store);
    if (reader->slot == NULL)
        goto fail;
    reader->ring = config->poll ? aro_uring_create_polled(config->depth)
                                : aro_uring_create_lcore(config->depth);
    if (reader->ring == NULL)
        goto fail_slot;
    for (unsigned i = 0; i < config->depth; i++) {
        reader->read[i].io.done = read_done;
        reader->read[i].reader = reader;
        reader->read[i].number = NONE;
        reader->read[i].next_free = reader->free;
        reader->free = &reader->read[i];
    }
    reader->queued = atomic_load_explicit(&reader->slot->queued, memory_order_relaxed);
    reader->stats.defer_taskrun = aro_uring_deferred(reader->ring);
    if (config->region != NULL)
        aro_disk_reader_register(reader, config->region, config->region_bytes);
    reader->stats.fixed_files =
        config->files &&
        aro_file_table_init(&reader->files, reader->ring, &config->store->map, reader->slot);
    return reader;
fail_slot:
    atomic_store(&reader->slot->taken, false);
fail:
    free(reader);
    return NULL;
}

void aro_disk_reader_destroy(struct aro_disk_reader *reader)
{
    if (reader == NULL)
        return;
    aro_uring_destroy(reader->ring);
    aro_file_table_end(&reader->files);
    atomic_store_explicit(&reader->slot->submitted, reader->queued, memory_order_release);
    atomic_store_explicit(&reader->slot->ended, reader->queued, memory_order_release);
    atomic_store(&reader->slot->taken, false);
    free(reader);
}

void aro_disk_reader_register(struct aro_disk_reader *reader, void *region, size_t region_bytes)
{
    reader->stats.fixed_buffers = aro_uring_register(reader->ring, region, region_bytes) == 0;
}

/* The count is told before the read section ends: the writer must not miss this descriptor. */
int aro_disk_read(struct aro_disk_reader *reader, const struct aro_place *place, void *buffer,
                  uint64_t cookie)
{
    uint64_t offset_bytes = 0;
    int fd = aro_segment_map_fd(&reader->store->map, place->segment, &offset_bytes);
    struct read *read = reader->free;
    int slot, error;

    if (fd < 0)
        return fd;
    if (read == NULL)
        return -EAGAIN;
    read->cookie = cookie;
    read->asked_bytes = aro_blocks(place->len_bytes) * ARO_BLOCK_BYTES;
    offset_bytes += (uint64_t)place->block * ARO_BLOCK_BYTES;
    slot = aro_file_table_slot(&reader->files, place->segment, fd);
    error = slot >= 0 ? aro_uring_read_slot(reader->ring, &read->io, (unsigned)slot, buffer,
                                            read->asked_bytes, offset_bytes)
                      : aro_uring_read(reader->ring, &read->io, fd, buffer, read->asked_bytes,
                                       offset_bytes);
    if (error != 0)
        return error;
    reader->free = read->next_free;
    read->number = reader->queued++;
    atomic_store_explicit(&reader->slot->queued, reader->queued, memory_order_release);
    reader->stats.reads++;
    reader->stats.read_bytes += read->asked_bytes;
    if (++reader->unsent == TOGETHER)
        aro_disk_submit(reader);
    return 0;
}

/* Completions come in any order: the oldest that is missing counts. */
static void ended_tell(struct aro_disk_reader *reader)
{
    uint64_t oldest = reader->queued;

    for (unsigned i = 0; i < reader->depth; i++)
        if (reader->read[i].number < oldest)
            oldest = reader->read[i].number;
    atomic_store_explicit(&reader->slot->asked, false, memory_order_relaxed);
    atomic_store_explicit(&reader->slot->ended, oldest, memory_order_release);
}

/* Tells the writer which descriptors are not needed any more; asked, which places. */
static void submitted_tell(struct aro_disk_reader *reader)
{
    uint64_t left = aro_uring_queued(reader->ring);

    atomic_store_explicit(&reader->slot->submitted, reader->queued - left, memory_order_release);
    if (aro_uring_in_flight(reader->ring) == 0)
        atomic_store_explicit(&reader->slot->ended, reader->queued, memory_order_release);
    else if (atomic_load_explicit(&reader->slot->asked, memory_order_relaxed))
        ended_tell(reader);
}

void aro_disk_submit(struct aro_disk_reader *reader)
{
    aro_uring_submit(reader->ring);
    reader->unsent = 0;
    submitted_tell(reader);
    aro_file_table_sweep(&reader->files);
}

unsigned aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                             unsigned max)
{
    unsigned n;

    reader->done = done;
    n = aro_uring_reap(reader->ring, max);
    reader->done = NULL;
    if (n > 0)
        submitted_tell(reader);
    return n;
}

unsigned aro_disk_in_flight(const struct aro_disk_reader *reader)
{
    return aro_uring_in_flight(reader->ring);
}

void aro_disk_reader_stats(const struct aro_disk_reader *reader, struct aro_disk_reader_stats *ret)
{
    *ret = reader->stats;
    ret->enters = aro_uring_enters(reader->ring);
}

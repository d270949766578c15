/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * objects.log: one record per object added or removed. Written by the cycle. After a failed write
 * or sync nobody knows what of the last page is on disk, so the whole file is then replaced: all
 * objects into objects.log.new, synced, renamed. The same replaces a log that is mostly history.
 */
#include "cache/disk/state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/disk/record.h"

enum {
    LOG_ROOM = 4096,    /* records that a new log has room for, beyond twice what it begins with */
    HISTORY_MIN = 1024, /* records that say nothing any more before the file is replaced */
};

/* ---- one record ---- */

static void encode(struct aro_object_record *record, const struct aro_object *object,
                   enum aro_object_record_type type)
{
    memset(record, 0, sizeof(*record));
    record->type = (uint8_t)type;
    memcpy(record->id, &object->id, sizeof(record->id));
    if (type == ARO_OBJECT_REMOVE)
        return;
    memcpy(record->digest, &object->digest, sizeof(record->digest));
    memcpy(record->label, object->label, sizeof(record->label));
    aro_store_le32(record->level, object->level);
    aro_store_le64(record->total_bytes, object->total_bytes);
    aro_store_le64(record->created_ns, object->created_ns);
    aro_store_le32(record->chunk_bytes, object->chunk_bytes);
    aro_store_le32(record->chunks, object->chunks);
}

static void decode(const struct aro_object_record *record, struct aro_object *object)
{
    object->id = aro_id_load(record->id);
    object->digest = aro_id_load(record->digest);
    object->level = aro_load_le32(record->level);
    object->total_bytes = aro_load_le64(record->total_bytes);
    object->created_ns = aro_load_le64(record->created_ns);
    object->chunk_bytes = aro_load_le32(record->chunk_bytes);
    object->chunks = aro_load_le32(record->chunks);
    memcpy(object->label, record->label, sizeof(object->label));
    object->label[sizeof(object->label) - 1] = '\0';
}

static uint64_t check_of(uint64_t seed, const struct aro_object_record *record, uint32_t number)
{
    return aro_hash_bytes(record, offsetof(struct aro_object_record, check),
                          aro_record_seed(seed, 0, number));
}

bool aro_object_record_good(const struct aro_store *store, const void *bytes, uint32_t number)
{
    const struct aro_object_record *record = bytes;

    return aro_load_le64(record->check) == check_of(store->log.seed, record, number);
}

/* ---- start ---- */

/*
 * A record found at start. 0; 1: damaged: it checks itself, and is passed over; -ENOMEM. With a
 * damaged one among good ones the file is replaced at the next occasion.
 */
static int replay(struct aro_store *store, const struct aro_object_record *record, uint32_t number)
{
    struct aro_object object;

    if (!aro_object_record_good(store, record, number)) {
        store->log.gap = true;
        return 1;
    }
    store->log.broken |= store->log.gap;
    store->log.records = number + 1;
    store->log.turn = aro_load_le32(record->turn);
    aro_witness_hear_object(store, record);
    decode(record, &object);
    if (record->type == ARO_OBJECT_REMOVE) {
        aro_objects_remove(store->objects, &object.id);
        return 0;
    }
    return record->type == ARO_OBJECT_ADD ? aro_objects_put(store->objects, &object) : 0;
}

/* What does not check behind the last record that does was torn, or never this log's. */
static int replay_all(struct aro_store *store, const uint8_t *bytes, size_t len_bytes)
{
    uint32_t count = (uint32_t)(len_bytes / ARO_OBJECT_RECORD_BYTES), torn = 0;

    for (uint32_t i = 0; i < count; i++) {
        int result = replay(
            store, (const struct aro_object_record *)(const void *)(bytes + (size_t)i * 256), i);
        if (result < 0)
            return result;
        torn += result == 1;
        if (result == 0 || store->volume->tables_end) {
            store->stats.recovered_torn += torn;
            torn = 0;
        }
    }
    store->log.found = store->volume->tables_end ? count : store->log.records;
    return 0;
}

/* Reads, replays, cuts what follows the last good record; makes sure that all of it stays. */
static int load(struct aro_store *store, uint64_t file_bytes)
{
    uint8_t *bytes = malloc(file_bytes + 1);
    int error = 0;

    if (bytes == NULL)
        return -ENOMEM;
    if (pread(store->log.fd, bytes, file_bytes, (off_t)store->log.base_bytes) !=
        (ssize_t)file_bytes)
        error = -EIO;
    if (error == 0)
        error = replay_all(store, bytes, file_bytes);
    free(bytes);
    if (error == 0 && !store->read_only)
        error = store->volume->log_cut(store, store->log.records);
    aro_witness_log_durable(store);
    return error;
}

int aro_object_log_open(struct aro_store *store, struct aro_error *error)
{
    uint64_t bytes;
    int result;

    store->log.new_fd = -1;
    store->log.seed = store->log.new_seed = store->uuid_hash;
    store->log.records_max = store->log.new_records_max = UINT32_MAX;
    result = store->volume->log_open(store, &bytes);
    if (result == 0 && store->log.fd >= 0)
        result = load(store, bytes);
    if (result == 0)
        return 0;
    return aro_error_set(error, ARO_E_STORE_IO, "cannot read the store's log of objects: %s",
                         strerror(-result));
}

void aro_object_log_close(struct aro_store *store)
{
    if (store->log.fd >= 0)
        close(store->log.fd);
    if (store->log.new_fd >= 0)
        close(store->log.new_fd);
    free(store->log.buffer);
}

/* ---- the cycle's steps ---- */

/* After it there must be room for a removal of each object: that of a start (drop_headless). */
static bool wants_replacement(const struct aro_store *store, size_t ops)
{
    uint64_t objects = aro_objects_count(store->objects);

    return store->log.broken || store->log.records > 2 * objects + HISTORY_MIN ||
           store->log.records + objects + 2 * ops > store->log.records_max;
}

static void put_record(struct aro_store *store, const struct aro_object *object,
                       enum aro_object_record_type type, uint32_t number)
{
    uint64_t seed = store->log.new_fd >= 0 ? store->log.new_seed : store->log.seed;
    struct aro_object_record record;

    encode(&record, object, type);
    aro_store_le32(record.turn, store->log.turn + (store->log.new_fd >= 0));
    aro_witness_speak_object(store, &record);
    aro_store_le64(record.check, check_of(seed, &record, number));
    memcpy(store->log.buffer + store->log.buffer_bytes, &record, sizeof(record));
    store->log.buffer_bytes += sizeof(record);
}

/* Where there is no room for them, and the removal of each object, the file is replaced. */
void aro_object_log_make_up(struct aro_store *store, uint32_t records)
{
    static const struct aro_object nobody;
    struct aro_object_log *log = &store->log;
    uint64_t more = records - log->records;
    bool fits = records + aro_objects_count(store->objects) <= log->records_max;

    log->buffer = fits ? malloc(more * sizeof(struct aro_object_record)) : NULL;
    log->broken |= log->buffer == NULL;
    log->records_after = log->records;
    while (log->buffer != NULL && log->records_after < records)
        put_record(store, &nobody, ARO_OBJECT_REMOVE, log->records_after++);
}

bool aro_object_log_drop_headless(struct aro_store *store, uint64_t *at, unsigned max)
{
    struct aro_object_log *log = &store->log;

    while (max-- > 0 && *at < aro_objects_count(store->objects)) {
        const struct aro_object *object = aro_objects_at(store->objects, *at);
        struct aro_place place;
        uint8_t *buffer;
        if (aro_places_find(store->places, &object->id, 0, &place) == 0) {
            (*at)++;
            continue;
        }
        if (store->read_only) { /* whoever only looks is told of it */
            store->stats.objects_dropped++;
            (*at)++;
            continue;
        }
        buffer = realloc(log->buffer, log->buffer_bytes + sizeof(struct aro_object_record));
        if (buffer == NULL)
            return true; /* again, when there is memory */
        log->buffer = buffer;
        if (log->buffer_bytes == 0)
            log->records_after = log->records;
        put_record(store, object, ARO_OBJECT_REMOVE, log->records_after++);
        store->stats.objects_dropped++;
        aro_objects_remove(store->objects, &object->id);
    }
    return *at < aro_objects_count(store->objects);
}

static size_t count_ops(const struct aro_store *store)
{
    size_t n = 0;

    for (const struct aro_store_op *op = store->cycling.head; op != NULL; op = op->next)
        n++;
    return n;
}

static void new_log_drop(struct aro_object_log *log)
{
    if (log->new_fd >= 0)
        close(log->new_fd);
    log->new_fd = -1;
}

/* Fills the buffer: the objects so far when the file is replaced, then the cycle's operations. */
static int prepare(struct aro_store *store)
{
    struct aro_object_log *log = &store->log;
    size_t ops = count_ops(store);
    bool replace = wants_replacement(store, ops);
    uint64_t kept = replace ? aro_objects_count(store->objects) : 0;
    uint32_t number = replace ? 0 : log->records;
    uint8_t *buffer = realloc(log->buffer, (kept + ops) * sizeof(struct aro_object_record));

    if (buffer == NULL)
        return -ENOMEM;
    log->buffer = buffer;
    log->buffer_bytes = 0;
    if (replace) {
        int error = store->volume->log_new(store, (uint32_t)(2 * (kept + ops)) + LOG_ROOM);
        if (error == 0 && 2 * (kept + ops) > log->new_records_max)
            error = -ENOSPC; /* cannot be: budget.c kept room */
        if (error != 0) {
            new_log_drop(log);
            return error;
        }
    }
    for (uint64_t i = 0; i < kept; i++)
        put_record(store, aro_objects_at(store->objects, i), ARO_OBJECT_ADD, number++);
    for (struct aro_store_op *op = store->cycling.head; op != NULL; op = op->next) {
        if (op->kind == ARO_OP_OBJECT_REMOVE)
            op->object.id = op->id;
        put_record(store, &op->object,
                   op->kind == ARO_OP_OBJECT_ADD ? ARO_OBJECT_ADD : ARO_OBJECT_REMOVE, number++);
    }
    log->records_after = number;
    return 0;
}

int aro_object_log_write(struct aro_store *store, struct aro_io *io)
{
    struct aro_object_log *log = &store->log;
    int error = log->buffer_bytes > 0 ? 0 : prepare(store); /* not again after -EAGAIN */

    if (error != 0)
        return error == -EAGAIN ? -EIO : error;
    if (log->new_fd >= 0)
        return aro_uring_write(store->ring, io, log->new_fd, log->buffer,
                               (uint32_t)log->buffer_bytes, log->new_base_bytes);
    return aro_uring_write(store->ring, io, log->fd, log->buffer, (uint32_t)log->buffer_bytes,
                           log->base_bytes + (uint64_t)log->records * ARO_OBJECT_RECORD_BYTES);
}

int aro_object_log_sync(struct aro_store *store, struct aro_io *io)
{
    return aro_uring_datasync(store->ring, io,
                              store->log.new_fd >= 0 ? store->log.new_fd : store->log.fd);
}

static void new_log_adopt(struct aro_object_log *log)
{
    if (log->new_fd < 0)
        return;
    close(log->fd);
    log->fd = log->new_fd;
    log->replaced++;
    log->new_fd = -1;
    log->base_bytes = log->new_base_bytes;
    log->seed = log->new_seed;
    log->turn++;
    log->records_max = log->new_records_max;
    log->records = log->records_after;
}

int aro_object_log_settle(struct aro_store *store, int result)
{
    struct aro_object_log *log = &store->log;

    log->buffer_bytes = 0;
    if (result != 0) {
        log->broken = true;
        new_log_drop(log);
        return result;
    }
    if (log->new_fd >= 0)
        return 1;
    log->records = log->records_after;
    return 0;
}

int aro_object_log_rename(struct aro_store *store, struct aro_io *io)
{
    int result = store->volume->log_rename(store, io);

    if (result == 1)
        new_log_adopt(&store->log);
    if (result < 0 && result != -EAGAIN) {
        store->log.broken = true;
        new_log_drop(&store->log);
    }
    return result;
}

int aro_object_log_renamed(struct aro_store *store, int result)
{
    new_log_adopt(&store->log);
    result = store->volume->log_renamed(result);
    store->log.broken |= result != 0;
    return result;
}

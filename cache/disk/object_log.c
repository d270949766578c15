/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * objects.log: one record per object added or removed. Written by the cycle. After a failed write
 * or sync nobody knows what of the last page is on disk, so the whole file is then replaced: all
 * objects into objects.log.new, synced, renamed. The same replaces a log that is mostly history.
 */
#include "cache/disk/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk/record.h"

#define LOG_NAME     "objects.log"
#define LOG_NAME_NEW "objects.log.new"

enum {
    MODE = 0640,
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

static uint64_t check_of(const struct aro_store *store, const struct aro_object_record *record,
                         uint32_t number)
{
    return aro_hash_bytes(record, offsetof(struct aro_object_record, check),
                          aro_record_seed(store->uuid_hash, 0, number));
}

bool aro_object_record_good(const struct aro_store *store, const void *bytes, uint32_t number)
{
    const struct aro_object_record *record = bytes;

    return aro_load_le64(record->check) == check_of(store, record, number);
}

/* ---- start ---- */

/*
 * A record found at start. Damaged ones are counted and passed over: they check themselves. With
 * one among good ones the file is replaced at the next occasion.
 */
static int replay(struct aro_store *store, const struct aro_object_record *record, uint32_t number)
{
    struct aro_object object;

    if (!aro_object_record_good(store, record, number)) {
        store->stats.recovered_torn++;
        store->log.gap = true;
        return 0;
    }
    store->log.broken |= store->log.gap;
    store->log.records = number + 1;
    decode(record, &object);
    if (record->type == ARO_OBJECT_REMOVE) {
        aro_objects_remove(store->objects, &object.id);
        return 0;
    }
    return record->type == ARO_OBJECT_ADD ? aro_objects_put(store->objects, &object) : 0;
}

static int replay_all(struct aro_store *store, const uint8_t *bytes, size_t len_bytes)
{
    uint32_t count = (uint32_t)(len_bytes / ARO_OBJECT_RECORD_BYTES);
    int error = 0;

    for (uint32_t i = 0; i < count && error == 0; i++)
        error = replay(
            store, (const struct aro_object_record *)(const void *)(bytes + (size_t)i * 256), i);
    return error;
}

/* Reads, replays, cuts what follows the last good record; makes sure that all of it stays. */
static int load(struct aro_store *store)
{
    struct stat status;
    uint8_t *bytes;
    int error = 0;

    if (fstat(store->log.fd, &status) != 0)
        return -errno;
    bytes = malloc((size_t)status.st_size + 1);
    if (bytes == NULL)
        return -ENOMEM;
    if (pread(store->log.fd, bytes, (size_t)status.st_size, 0) != status.st_size)
        error = -EIO;
    if (error == 0)
        error = replay_all(store, bytes, (size_t)status.st_size);
    free(bytes);
    if (store->read_only)
        return error;
    if (error == 0 &&
        ftruncate(store->log.fd, (off_t)store->log.records * ARO_OBJECT_RECORD_BYTES) != 0)
        error = -errno;
    if (error == 0 && (fdatasync(store->log.fd) != 0 || fsync(store->dir_fd) != 0))
        error = -errno;
    return error;
}

int aro_object_log_open(struct aro_store *store, struct aro_error *error)
{
    int result;

    store->log.new_fd = -1;
    if (!store->read_only)
        unlinkat(store->dir_fd, LOG_NAME_NEW, 0);
    store->log.fd = openat(store->dir_fd, LOG_NAME,
                           (store->read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, MODE);
    result = store->log.fd < 0 ? -errno : load(store);
    if (result == -ENOENT && store->read_only)
        result = 0; /* a store without objects, as far as anybody can tell */
    if (result == 0)
        return 0;
    return aro_error_set(error, ARO_E_STORE_IO, "cannot read %s of the store: %s", LOG_NAME,
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

static bool wants_replacement(const struct aro_store *store)
{
    return store->log.broken ||
           store->log.records > 2 * aro_objects_count(store->objects) + HISTORY_MIN;
}

static void put_record(struct aro_store *store, const struct aro_object *object,
                       enum aro_object_record_type type, uint32_t number)
{
    struct aro_object_record record;

    encode(&record, object, type);
    aro_store_le64(record.check, check_of(store, &record, number));
    memcpy(store->log.buffer + store->log.buffer_bytes, &record, sizeof(record));
    store->log.buffer_bytes += sizeof(record);
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

/* Fills the buffer: the objects so far when the file is replaced, then the cycle's operations. */
static int prepare(struct aro_store *store)
{
    struct aro_object_log *log = &store->log;
    bool replace = wants_replacement(store);
    uint64_t kept = replace ? aro_objects_count(store->objects) : 0;
    uint32_t number = replace ? 0 : log->records;
    uint8_t *buffer =
        realloc(log->buffer, (kept + count_ops(store)) * sizeof(struct aro_object_record));

    if (buffer == NULL)
        return -ENOMEM;
    log->buffer = buffer;
    log->buffer_bytes = 0;
    if (replace) {
        log->new_fd =
            openat(store->dir_fd, LOG_NAME_NEW, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, MODE);
        if (log->new_fd < 0)
            return -errno;
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
                               (uint32_t)log->buffer_bytes, 0);
    return aro_uring_write(store->ring, io, log->fd, log->buffer, (uint32_t)log->buffer_bytes,
                           (uint64_t)log->records * ARO_OBJECT_RECORD_BYTES);
}

int aro_object_log_sync(struct aro_store *store, struct aro_io *io)
{
    return aro_uring_datasync(store->ring, io,
                              store->log.new_fd >= 0 ? store->log.new_fd : store->log.fd);
}

int aro_object_log_settle(struct aro_store *store, int result)
{
    struct aro_object_log *log = &store->log;
    bool replaced = log->new_fd >= 0;

    log->buffer_bytes = 0;
    if (result == 0 && replaced &&
        renameat(store->dir_fd, LOG_NAME_NEW, store->dir_fd, LOG_NAME) != 0)
        result = -errno;
    if (result != 0) {
        log->broken = true;
        if (replaced)
            close(log->new_fd);
        log->new_fd = -1;
        return result;
    }
    if (replaced) {
        close(log->fd);
        log->fd = log->new_fd;
        log->replaced++;
        log->new_fd = -1;
    }
    log->records = log->records_after;
    return replaced ? 1 : 0;
}

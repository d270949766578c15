/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cycle: one grouped sync after the other. Each takes the operations that wait, and makes
 * durable what they ask for in this order:
 *
 *   appends that came before are written -> names of new files -> payloads, then their records
 *   (each segment's own commit) -> object records
 *
 * An operation fails when the store lost anything since its mark, whoever's it was.
 */
#include "cache/disk/state.h"

#include <errno.h>

static void cycle_done(struct aro_io *io, int result);

static void enqueue(struct aro_store *store, struct aro_store_op *op, enum aro_store_op_kind kind,
                    uint64_t mark)
{
    op->store = store;
    op->kind = kind;
    op->mark = mark;
    aro_op_push(&store->waiting, op);
    aro_store_advance(store);
    aro_store_kick(store);
}

void aro_store_sync_queue(struct aro_store *store, struct aro_store_op *op, uint64_t mark)
{
    op->store = store;
    op->kind = ARO_OP_SYNC;
    op->mark = mark;
    aro_op_push(&store->waiting, op);
}

int aro_store_sync(struct aro_store *store, struct aro_store_op *op, uint64_t mark)
{
    enqueue(store, op, ARO_OP_SYNC, mark);
    return 0;
}

int aro_store_object_add(struct aro_store *store, struct aro_store_op *op,
                         const struct aro_object *object, uint64_t mark)
{
    if (!aro_budget_takes_object(store))
        return -ENOSPC;
    store->objects_coming++;
    op->object = *object;
    op->object.label[sizeof(op->object.label) - 1] = '\0';
    enqueue(store, op, ARO_OP_OBJECT_ADD, mark);
    return 0;
}

int aro_store_object_remove(struct aro_store *store, struct aro_store_op *op,
                            const struct aro_id *id)
{
    if (aro_objects_by_id(store->objects, id) == NULL)
        return -ENOENT;
    op->id = *id;
    enqueue(store, op, ARO_OP_OBJECT_REMOVE, store->losses);
    return 0;
}

/* ---- steps; each returns true when the next one can be looked at ---- */

static bool begin(struct aro_store *store)
{
    struct aro_store_op *op;

    if (store->waiting.head == NULL)
        return false;
    while ((op = aro_op_pop(&store->waiting)) != NULL)
        aro_op_push(&store->cycling, op);
    store->cycle_cut = store->sequence;
    store->cycle_ms = aro_store_now_ms();
    store->cycle = ARO_CYCLE_DRAIN;
    return true;
}

/* An append that waits for room is not waited for: a sync may be what makes room. */
static bool drain(struct aro_store *store)
{
    const struct aro_store_op *first = store->appends.head;
    bool stalled = store->appends_stalled && first != NULL && first->segment == NULL;

    if (first != NULL && first->sequence <= store->cycle_cut && !stalled)
        return false;
    store->cycle = ARO_CYCLE_DIRECTORY;
    return true;
}

/* Names first: a record must not be taken for durable inside a file that a crash takes away. */
static bool directory(struct aro_store *store)
{
    bool any = false;

    for (struct aro_segment *s = store->busy; s != NULL; s = s->next_busy) {
        s->naming = !s->named && s->state != ARO_SEGMENT_RETIRING;
        any |= s->naming;
    }
    if (!any) {
        store->cycle = ARO_CYCLE_COMMIT;
        return true;
    }
    store->cycle_queued = store->volume->names_sync(store, &store->io) == 0;
    return false;
}

static void directory_done(struct aro_store *store, int result)
{
    for (struct aro_segment *s = store->busy; s != NULL; s = s->next_busy) {
        if (!s->naming)
            continue;
        s->naming = false;
        s->named = result == 0;
        if (result != 0 && s->state != ARO_SEGMENT_CREATING)
            aro_segment_lose(s);
    }
    store->stats.syncs += result == 0;
    store->cycle = ARO_CYCLE_COMMIT;
}

static bool commit(struct aro_store *store)
{
    for (struct aro_segment *s = store->busy; s != NULL; s = s->next_busy)
        if (s->named && s->pending.count > 0)
            aro_segment_commit(s);
    store->cycle = ARO_CYCLE_COMMITTING;
    return true;
}

/* Drops what has failed, answers what wanted no more; object operations stay. */
static void sort_out(struct aro_store *store)
{
    struct aro_op_queue all = store->cycling;
    struct aro_store_op *op;

    if (all.head == NULL)
        return;
    store->cycling = (struct aro_op_queue){0};
    while ((op = aro_op_pop(&all)) != NULL) {
        if (op->mark != store->losses)
            aro_store_finish(store, op, -EIO);
        else if (op->kind == ARO_OP_SYNC)
            aro_store_finish(store, op, 0);
        else
            aro_op_push(&store->cycling, op);
    }
}

static bool committing(struct aro_store *store)
{
    for (struct aro_segment *s = store->busy; s != NULL; s = s->next_busy)
        if (s->batch.count > 0)
            return false;
    sort_out(store);
    store->cycle = ARO_CYCLE_IDLE;
    if (store->cycling.head == NULL)
        return true;
    store->log.resolving = store->log.unsure;
    store->cycle = store->log.unsure ? ARO_CYCLE_LOG_RENAME : ARO_CYCLE_LOG_WRITE;
    return true;
}

/* The object records are durable or not: for all operations of the cycle alike. */
static void log_settled(struct aro_store *store, int result)
{
    struct aro_store_op *op;

    if (result == 0)
        aro_witness_log_durable(store);
    while ((op = aro_op_pop(&store->cycling)) != NULL) {
        int error = result;
        if (error == 0 && op->kind == ARO_OP_OBJECT_ADD)
            error = aro_objects_put(store->objects, &op->object);
        else if (error == 0)
            aro_objects_remove(store->objects, &op->id); /* may be gone: asked for twice */
        aro_store_finish(store, op, error);
    }
    store->cycle = ARO_CYCLE_IDLE;
}

/* The new log is there for good, or nobody knows: then that first, by the next cycle. */
static void log_named(struct aro_store *store, int result)
{
    bool resolved = store->log.resolving && result == 0;

    store->log.resolving = false;
    store->log.broken = resolved || result != 0;
    store->log.unsure &= result != 0;
    if (resolved)
        store->cycle = ARO_CYCLE_LOG_WRITE;
    else
        log_settled(store, result);
}

static void log_step_done(struct aro_store *store, int result)
{
    if (store->cycle == ARO_CYCLE_LOG_WRITE && result == 0) {
        store->cycle = ARO_CYCLE_LOG_SYNC;
        return;
    }
    if (store->cycle == ARO_CYCLE_LOG_RENAME) {
        store->cycle = ARO_CYCLE_LOG_DIRECTORY;
        if (result != 0)
            log_settled(store, result);
        return;
    }
    if (store->cycle == ARO_CYCLE_LOG_DIRECTORY) {
        log_named(store, result);
        return;
    }
    store->stats.sync_failures += result != 0;
    store->stats.syncs += result == 0;
    result = aro_object_log_settle(store, result);
    if (result == 1)
        store->cycle = ARO_CYCLE_LOG_RENAME;
    else
        log_settled(store, result);
}

/* Queues the log's next operation; an error but -EAGAIN is its result. */
static bool log_step(struct aro_store *store)
{
    int error;

    store->io.done = cycle_done;
    if (store->cycle == ARO_CYCLE_LOG_WRITE)
        error = aro_object_log_write(store, &store->io);
    else if (store->cycle == ARO_CYCLE_LOG_SYNC)
        error = aro_object_log_sync(store, &store->io);
    else if (store->cycle == ARO_CYCLE_LOG_RENAME)
        error = aro_object_log_rename(store, &store->io);
    else
        error = store->volume->names_sync(store, &store->io);
    store->cycle_queued = error == 0;
    if (error == 0 || error == -EAGAIN)
        return false;
    log_step_done(store, error < 0 ? error : 0);
    return true;
}

static void cycle_done(struct aro_io *io, int result)
{
    struct aro_store *store = ARO_IO_OWNER(io, struct aro_store, io);

    store->cycle_queued = false;
    if (store->cycle == ARO_CYCLE_DIRECTORY) {
        directory_done(store, result);
    } else {
        if (store->cycle == ARO_CYCLE_LOG_WRITE && result >= 0)
            result = result == (int)store->log.buffer_bytes ? 0 : -EIO;
        if (store->cycle == ARO_CYCLE_LOG_RENAME)
            result = aro_object_log_renamed(store, result);
        log_step_done(store, result);
    }
    aro_store_deliver(store);
}

void aro_cycle_advance(struct aro_store *store)
{
    bool on = true;

    store->io.done = cycle_done;
    while (on && !store->cycle_queued) {
        switch (store->cycle) {
        case ARO_CYCLE_IDLE:
            on = begin(store);
            break;
        case ARO_CYCLE_DRAIN:
            on = drain(store);
            break;
        case ARO_CYCLE_DIRECTORY:
            on = directory(store);
            break;
        case ARO_CYCLE_COMMIT:
            on = commit(store);
            break;
        case ARO_CYCLE_COMMITTING:
            on = committing(store);
            break;
        case ARO_CYCLE_LOG_WRITE:
        case ARO_CYCLE_LOG_SYNC:
        case ARO_CYCLE_LOG_RENAME:
        case ARO_CYCLE_LOG_DIRECTORY:
            on = log_step(store);
            break;
        }
    }
}

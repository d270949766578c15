/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/store.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cache/disk/state.h"

enum {
    AUTO_SYNC_MS = 1000, /* what nobody asked to sync is synced after */
    HEAL_MS = 1000,      /* between attempts to write again after a failure */
    LOOK_MS = 1000,      /* between looks at the file system */
};

#define SEGMENT_BYTES_MIN     (UINT64_C(2) << 20)
#define SEGMENT_BYTES_MAX     (UINT64_C(4) << 30)
#define SEGMENT_BYTES_DEFAULT (UINT64_C(256) << 20)

uint64_t aro_store_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- queues of operations ---- */

void aro_op_push(struct aro_op_queue *queue, struct aro_store_op *op)
{
    op->next = NULL;
    if (queue->head == NULL)
        queue->tail = &queue->head;
    *queue->tail = op;
    queue->tail = &op->next;
}

struct aro_store_op *aro_op_pop(struct aro_op_queue *queue)
{
    struct aro_store_op *op = queue->head;

    if (op != NULL)
        queue->head = op->next;
    return op;
}

void aro_store_finish(struct aro_store *store, struct aro_store_op *op, int result)
{
    op->result = result;
    store->objects_coming -= op->kind == ARO_OP_OBJECT_ADD;
    aro_op_push(&store->finished, op);
}

/* ---- open and close ---- */

static uint64_t segment_bytes_of(const struct aro_store_config *config)
{
    uint64_t bytes = config->segment_bytes;

    if (bytes == 0) { /* at least eight, so that space comes back in useful pieces */
        bytes = config->size_bytes / 8;
        bytes = bytes > SEGMENT_BYTES_DEFAULT ? SEGMENT_BYTES_DEFAULT : bytes;
    }
    bytes = bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes;
    bytes = bytes > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : bytes;
    return bytes & ~(uint64_t)(ARO_BLOCK_BYTES - 1);
}

static void nop_done(struct aro_io *io, int result)
{
    struct aro_store *store = ARO_IO_OWNER(io, struct aro_store, nop);

    (void)result;
    store->nop_queued = false;
    aro_store_deliver(store);
}

static struct aro_store *new_store(const struct aro_store_config *config)
{
    struct aro_store *store = aligned_alloc(alignof(struct aro_store), sizeof(*store));

    if (store == NULL)
        return NULL;
    memset(store, 0, sizeof(*store));
    store->ring = config->ring;
    store->qsbr = config->qsbr;
    store->judge = config->judge;
    store->judge_arg = config->judge_arg;
    store->size_bytes = config->size_bytes;
    store->disk_bytes = UINT64_MAX;
    store->segment_bytes = segment_bytes_of(config);
    store->read_only = config->read_only;
    store->chunks_max = config->chunks_max != 0 ? config->chunks_max
                                                : config->size_bytes / ARO_BYTES_PER_INDEX_SLOT;
    store->volume_fd = store->lock_fd = store->log.fd = store->log.new_fd = -1;
    store->nop.done = nop_done;
    store->cycle_ms = aro_store_now_ms();
    store->stats.direct = true;
    store->stats.writable = !config->read_only;
    return store;
}

/* Frees memory and descriptors, writes nothing. */
static void free_store(struct aro_store *store)
{
    aro_recovery_stop(store);
    while (store->segments != NULL) {
        struct aro_segment *segment = store->segments;
        store->segments = segment->next;
        aro_segment_free(segment);
    }
    aro_object_log_close(store);
    aro_objects_destroy(store->objects);
    aro_places_destroy(store->places);
    free(store->map.slot);
    free(store->view.record);
    free(store->recycle.victim.chunk);
    aro_carry_end(store);
    free(store->lost);
    if (store->volume != NULL)
        store->volume->close(store);
    free(store);
}

struct aro_store *aro_store_start(const struct aro_store_config *config, struct aro_error *error)
{
    struct aro_store *store = new_store(config);

    if (store == NULL) {
        aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to open the store %s", config->path);
        return NULL;
    }
    if (aro_volume_open(store, config, error) != 0 || aro_recovery_begin(store, config, error) != 0)
        goto fail;
    store->objects = aro_objects_create();
    if (store->objects == NULL) {
        aro_error_set(error, ARO_E_STORE_MEMORY, "no memory to open the store %s", config->path);
        goto fail;
    }
    if (aro_object_log_open(store, error) != 0)
        goto fail;
    return store;
fail:
    free_store(store);
    return NULL;
}

struct aro_store *aro_store_open(const struct aro_store_config *config,
                                 void (*progress)(void *arg, uint64_t done, uint64_t total),
                                 void *arg, struct aro_error *error)
{
    struct aro_store *store = aro_store_start(config, error);

    while (store != NULL && store->recovery != NULL) {
        bool more = aro_recovery_turn(store);
        if (progress != NULL)
            progress(arg, store->stats.recovered_bytes, store->stats.recovery_bytes);
        if (more)
            continue;
        if (aro_uring_in_flight(store->ring) == 0) { /* it would try again in a second */
            aro_error_set(error, ARO_E_STORE_IO, "cannot recover the store %s: it takes no writes",
                          config->path);
            free_store(store);
            return NULL;
        }
        if (aro_uring_wait(store->ring) == 0)
            aro_uring_reap(store->ring, ARO_STORE_OPS_MAX);
    }
    return store;
}

bool aro_store_is_whole(const struct aro_store *store)
{
    return atomic_load_explicit(&store->whole, memory_order_acquire);
}

static bool is_working(const struct aro_store *store)
{
    if (store->cycle != ARO_CYCLE_IDLE || store->nop_queued || aro_carry_is_busy(store) ||
        store->creating != NULL || store->appends.head != NULL || store->probes > 0)
        return true;
    for (const struct aro_segment *s = store->busy; s != NULL; s = s->next_busy)
        if (s->step_queued)
            return true;
    return false;
}

static void start_cycle(struct aro_store *store)
{
    store->cycle_cut = store->sequence;
    store->cycle_ms = aro_store_now_ms();
    store->cycle = ARO_CYCLE_DRAIN;
    aro_store_advance(store);
}

static void run_dry(struct aro_store *store)
{
    aro_store_deliver(store);
    while (is_working(store) && aro_uring_wait(store->ring) == 0) {
        aro_uring_reap(store->ring, ARO_STORE_OPS_MAX);
        aro_store_deliver(store);
    }
}

/* Lets what is under way end, then commits what nobody synced; what fails now stays uncommitted. */
void aro_store_close(struct aro_store *store)
{
    bool whole;

    if (store == NULL)
        return;
    whole = store->recovery == NULL;
    aro_recovery_stop(store);
    if (!store->read_only) {
        aro_recycle_close(store);
        run_dry(store);
        if (whole)
            aro_witness_close(store);
        if (store->cycle == ARO_CYCLE_IDLE)
            start_cycle(store);
        run_dry(store);
    }
    free_store(store);
}

/* ---- readers ---- */

int aro_store_find(const struct aro_store *store, const struct aro_id *id, unsigned nth,
                   struct aro_place *ret)
{
    return aro_places_find(store->places, id, nth, ret);
}

/* ---- progress ---- */

static void free_gone(struct aro_store *store, struct aro_segment *segment)
{
    struct aro_segment **at = &store->segments;

    while (*at != segment)
        at = &(*at)->next;
    *at = segment->next;
    aro_witness_forget(store, segment);
    aro_budget_segment_gone(segment);
    store->volume->segment_gone(segment);
    aro_recycle_segment_gone(store, segment);
    store->stats.segments_now--;
    aro_segment_free(segment);
}

/* A segment leaves the busy list when it is gone, or idle with nothing to commit or to retire. */
static void advance_segments(struct aro_store *store)
{
    struct aro_segment **at = &store->busy;

    while (*at != NULL) {
        struct aro_segment *segment = *at;
        aro_segment_advance(segment);
        if (segment->step == ARO_STEP_IDLE && aro_segment_retire(segment))
            aro_segment_advance(segment);
        if (segment->step == ARO_STEP_GONE ||
            (segment->step == ARO_STEP_IDLE && !aro_segment_dirty(segment))) {
            *at = segment->next_busy;
            segment->busy = false;
            if (segment->step == ARO_STEP_GONE)
                free_gone(store, segment);
            continue;
        }
        at = &segment->next_busy;
    }
}

void aro_store_advance(struct aro_store *store)
{
    if (store->recovery != NULL || store->read_only)
        return; /* what waits begins when the index is whole */
    aro_append_advance(store);
    aro_recycle_advance(store);
    aro_cycle_advance(store);
    advance_segments(store);
}

void aro_store_deliver(struct aro_store *store)
{
    struct aro_store_op *op;

    aro_store_advance(store);
    while ((op = aro_op_pop(&store->finished)) != NULL)
        op->done(op, op->result);
}

void aro_store_kick(struct aro_store *store)
{
    if (store->finished.head != NULL)
        aro_store_wake(store);
}

void aro_store_wake(struct aro_store *store)
{
    if (!store->nop_queued)
        store->nop_queued = aro_uring_nop(store->ring, &store->nop) == 0;
}

static bool any_dirty(const struct aro_store *store)
{
    for (const struct aro_segment *s = store->busy; s != NULL; s = s->next_busy)
        if (s->pending.count > 0)
            return true;
    return false;
}

bool aro_store_poll(struct aro_store *store)
{
    uint64_t now = aro_store_now_ms();

    if (store->recovery != NULL)
        return aro_recovery_turn(store);
    if (store->read_only)
        return false;
    if (now - store->disk_look_ms >= LOOK_MS)
        aro_budget_look_at_disk(store);
    if (store->cycle == ARO_CYCLE_IDLE && now - store->cycle_ms >= AUTO_SYNC_MS && any_dirty(store))
        start_cycle(store);
    if (!store->stats.writable && store->active == NULL && store->creating == NULL &&
        now - store->create_ms >= HEAL_MS)
        aro_segment_create(store);
    aro_store_deliver(store);
    return false;
}

/* ---- the rest ---- */

uint64_t aro_store_mark(const struct aro_store *store)
{
    return store->losses;
}

static int copy_out(const struct aro_object *object, struct aro_object *ret)
{
    if (object == NULL)
        return -ENOENT;
    *ret = *object;
    return 0;
}

int aro_store_object_find(const struct aro_store *store, const struct aro_id *id,
                          struct aro_object *ret)
{
    return copy_out(aro_objects_by_id(store->objects, id), ret);
}

int aro_store_digest_find(const struct aro_store *store, const struct aro_id *digest,
                          struct aro_object *ret)
{
    return copy_out(aro_objects_by_digest(store->objects, digest), ret);
}

const struct aro_object *aro_store_object_at(const struct aro_store *store, uint64_t i)
{
    return aro_objects_at(store->objects, i);
}

void aro_store_stats(const struct aro_store *store, struct aro_store_stats *ret)
{
    *ret = store->stats;
    ret->recovering = store->recovery != NULL;
    ret->size_bytes = store->size_bytes;
    ret->bytes_taken_now = aro_budget_taken(store);
    ret->chunks_now = aro_places_count(store->places);
    ret->objects_now = aro_objects_count(store->objects);
}

void aro_store_totals(const struct aro_store *store, struct aro_store_totals *ret)
{
    *ret = (struct aro_store_totals){0};
    for (const struct aro_segment *s = store->segments; s != NULL; s = s->next) {
        ret->records += s->records;
        ret->written_bytes += (uint64_t)s->next_block * ARO_BLOCK_BYTES;
        ret->live_bytes += s->live_blocks * (uint64_t)ARO_BLOCK_BYTES;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands pin and unpin (control/pins.h).
 *
 * pin first walks an object and counts what its chunks and manifests need, each chunk once: one
 * that would be too large ends there, and nothing was read for it but manifests. Then each that is
 * in memory is kept at once, each other one is read from disk, verified, put into the cache, and
 * then kept. A few are under way at a time.
 *
 *   FREE -> WANTED -> (kept)                      in memory
 *           WANTED -> FETCHING -> FETCHED -> WANTED   on disk only
 *
 * Whatever ends it early gives back what was kept so far.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "control/descent.h"
#include "control/pins.h"

enum {
    WINDOW = 8,
    ITEMS_PER_TURN = 256,
    RELEASES_PER_TURN = 256,
    PATIENCE_S = 10, /* without any progress */
};

enum state { FREE, WANTED, FETCHING, FETCHED };

struct place {
    struct aro_fetch fetch; /* first: its callback gets it */
    struct pin_job *job;
    enum state state;
    struct aro_id id;
};

struct pin_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_pin *pin;
    struct aro_descent *walk; /* NULL: every chunk is counted */
    uint64_t next;            /* of pin->claim, to keep */
    struct place place[WINDOW];
    uint64_t read_chunks, moved_ns;
    struct aro_error error; /* id NONE: none */
};

static void fail(struct pin_job *own, enum aro_error_id id, const char *text)
{
    if (own->error.id == ARO_E_NONE)
        aro_error_set(&own->error, id, "%s", text);
}

/* ---- one chunk ---- */

static void on_fetched(struct aro_fetch *fetch, int result)
{
    struct place *place = (struct place *)(void *)fetch;

    place->state = result == 0 ? FETCHED : FREE;
    if (result == -ENOENT)
        fail(place->job, ARO_E_NOT_HERE, "a chunk of it is neither in memory nor on disk");
    else if (result == -EBADMSG)
        fail(place->job, ARO_E_DAMAGED, "a chunk of it is damaged: see 'aroctl verify'");
    else if (result != 0)
        fail(place->job, ARO_E_STORE_FAILED, strerror(-result));
}

static void fetch_start(struct place *place)
{
    if (place->fetch.buffer == NULL)
        place->fetch.buffer = aligned_alloc(ARO_CHUNK_ALIGN, ARO_FETCH_BUFFER_BYTES);
    if (place->fetch.buffer == NULL) {
        fail(place->job, ARO_E_CONTROL_RESOURCES, "no memory to read a chunk");
        place->state = FREE;
        return;
    }
    place->state = FETCHING;
    place->fetch.id = place->id;
    place->fetch.done = on_fetched;
    place->job->read_chunks++;
    aro_content_fetch(place->job->node->content, &place->fetch);
}

/* Keeps it, or begins to read it. True: something moved. */
static bool keep(struct place *place)
{
    struct pin_job *own = place->job;
    int result = aro_cache_keep(own->node->cache, &place->id);

    if (result == -EAGAIN)
        return false; /* an lcore is reading it, or housekeeping has not seen it yet */
    if (result == 0)
        place->state = FREE;
    else
        fetch_start(place);
    return true;
}

/* From the buffer into the cache. False: no memory yet, eviction is under way. */
static bool insert(struct place *place)
{
    struct pin_job *own = place->job;
    struct aro_fetch *fetch = &place->fetch;
    struct aro_entry *entry;
    int result;

    if (aro_cache_alloc(own->node->cache, fetch->len_bytes, &entry) != 0)
        return false;
    memcpy(entry->data, fetch->buffer, fetch->len_bytes);
    memset(entry->data + fetch->len_bytes, 0, -fetch->len_bytes & (ARO_CHUNK_ALIGN - 1));
    entry->id = place->id;
    result = aro_cache_insert(own->node->cache, entry);
    place->state = WANTED;
    if (result != 0 && result != -EEXIST) {
        fail(own, ARO_E_PIN_LIMIT, "memory has no room for one more chunk (cache.chunks_max)");
        place->state = FREE;
    }
    return true;
}

static bool place_turn(struct place *place)
{
    if (place->state == WANTED)
        return keep(place);
    return place->state == FETCHED && insert(place);
}

/* ---- the walk ---- */

static struct place *place_free(struct pin_job *own)
{
    for (unsigned i = 0; i < WINDOW; i++)
        if (own->place[i].state == FREE)
            return &own->place[i];
    return NULL;
}

static unsigned places_in(const struct pin_job *own, enum state state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < WINDOW; i++)
        n += own->place[i].state == state;
    return n;
}

/* One more chunk that the pin wants. */
static void want(struct pin_job *own, const struct aro_id *id, uint32_t len_bytes)
{
    struct aro_where where;

    if (len_bytes == 0) { /* the root manifest: its parent would have said */
        aro_content_where(own->node->content, id, &where);
        len_bytes = where.len_bytes;
    }
    (void)aro_pin_want(aro_content_pins(own->node->content), own->pin, id, len_bytes, &own->error);
}

/* Returns true when it took an item. */
static bool walk_on(struct pin_job *own)
{
    struct aro_descent_item item;
    int more;

    if (own->walk == NULL)
        return false;
    more = aro_descent_next(own->walk, &item);
    if (more == 1) {
        want(own, &item.id, item.len_bytes);
        return true;
    }
    if (more == -EAGAIN)
        return false;
    if (more != 0 && own->error.id == ARO_E_NONE)
        aro_descent_error(own->walk, &own->error);
    aro_descent_destroy(own->walk);
    own->walk = NULL;
    return true;
}

/* What is counted is kept, when there is a place. Returns true when it took one. */
static bool keep_on(struct pin_job *own)
{
    struct place *place = place_free(own);
    const struct aro_claim *claim;

    if (own->walk != NULL || place == NULL || own->next == own->pin->claims)
        return false;
    claim = own->pin->claim[own->next++];
    place->id = claim->id;
    place->state = WANTED;
    own->job.done += claim->len_bytes;
    (void)keep(place); /* most often it is in memory */
    return true;
}

/* ---- the job ---- */

static json_t *result_json(const struct pin_job *own)
{
    const struct aro_pins *pins = aro_content_pins(own->node->content);
    char text[ARO_ID_TEXT_MAX];

    aro_id_format(&own->pin->id, own->pin->kind, text);
    return json_pack("{s:s, s:I, s:I, s:I, s:I}", "id", text, "chunks",
                     (json_int_t)own->pin->claims, "read_chunks", (json_int_t)own->read_chunks,
                     "pinned_bytes", (json_int_t)aro_pins_bytes(pins), "pinned_max_bytes",
                     (json_int_t)aro_pins_bytes_max(pins));
}

static void job_free(struct pin_job *own)
{
    for (unsigned i = 0; i < WINDOW; i++)
        free(own->place[i].fetch.buffer);
    aro_descent_destroy(own->walk);
    free(own);
}

static void over(struct pin_job *own)
{
    char text[ARO_ID_TEXT_MAX];

    own->pin->complete = true;
    aro_id_format(&own->pin->id, own->pin->kind, text);
    aro_log(&own->node->log, ARO_LOG_INFO, "pin", "id=%s chunks=%llu read_chunks=%llu", text,
            (unsigned long long)own->pin->claims, (unsigned long long)own->read_chunks);
    aro_job_end(&own->job, result_json(own));
    job_free(own);
}

/* After a failure: nothing may be under way, then what was kept goes back. */
static int give_back(struct pin_job *own)
{
    if (places_in(own, FETCHING) > 0 || (own->walk != NULL && aro_descent_waits(own->walk)))
        return 1;
    if (aro_pin_release(aro_content_pins(own->node->content), own->pin, RELEASES_PER_TURN))
        return ARO_CHORE_NOW;
    aro_job_fail(&own->job, &own->error);
    job_free(own);
    return ARO_CHORE_NOW;
}

static int pin_turn(struct aro_job *job, uint64_t now_ns)
{
    struct pin_job *own = (struct pin_job *)(void *)job;
    bool moved = places_in(own, FETCHING) > 0;

    if (own->error.id != ARO_E_NONE)
        return give_back(own);
    for (unsigned i = 0; i < WINDOW; i++)
        moved |= place_turn(&own->place[i]);
    for (unsigned i = 0;
         i < ITEMS_PER_TURN && own->error.id == ARO_E_NONE && (walk_on(own) || keep_on(own)); i++)
        moved = true;
    moved |= own->walk != NULL && aro_descent_waits(own->walk);
    if (own->error.id == ARO_E_NONE && own->walk == NULL && own->next == own->pin->claims &&
        places_in(own, FREE) == WINDOW) {
        over(own);
        return ARO_CHORE_NOW;
    }
    if (moved || own->moved_ns == 0)
        own->moved_ns = now_ns;
    else if (now_ns - own->moved_ns > PATIENCE_S * UINT64_C(1000000000))
        fail(own, ARO_E_MEMORY_TIGHT, "no chunk memory came free");
    if (own->walk != NULL)
        return aro_descent_waits(own->walk) ? 1 : ARO_CHORE_NOW;
    return place_free(own) != NULL && own->next < own->pin->claims ? ARO_CHORE_NOW : 1;
}

static void pin_cancel(struct aro_job *job)
{
    fail((struct pin_job *)(void *)job, ARO_E_JOB_CANCELLED, "the pin was cancelled");
}

/* What the call names: an object by id or digest, or a chunk. 0, or -1 with *error. */
static int target_find(struct aro_node *node, struct aro_call *call, struct aro_id *ret_id,
                       enum aro_kind *ret_kind, uint64_t *ret_bytes, struct aro_error *error)
{
    struct aro_object object;
    struct aro_where where;

    if (aro_id_parse(aro_call_text(call, "id"), ret_id, ret_kind) != 0 ||
        *ret_kind != ARO_KIND_CHUNK) {
        if (aro_call_object(node, call, &object, error) != 0)
            return -1;
        *ret_id = object.id;
        *ret_kind = ARO_KIND_OBJECT;
        *ret_bytes = object.total_bytes;
        return 0;
    }
    aro_content_where(node->content, ret_id, &where);
    *ret_bytes = where.len_bytes;
    if (!where.in_memory && !where.on_disk)
        return aro_chunk_absent(node, aro_call_text(call, "id"), error);
    return 0;
}

/* 0: under way. -1 with pin: it is pinned already; without: *error. */
static int pin_start(struct pin_job *own, struct aro_call *call, struct aro_error *error)
{
    struct aro_pins *pins = aro_content_pins(own->node->content);
    enum aro_kind kind;
    struct aro_id id;
    uint64_t bytes;

    if (target_find(own->node, call, &id, &kind, &bytes, error) != 0)
        return -1;
    own->pin = aro_pins_find(pins, &id, kind);
    if (own->pin != NULL && own->pin->complete)
        return -1;
    own->pin = aro_pin_begin(pins, &id, kind, error);
    if (own->pin == NULL)
        return -1;
    own->job = (struct aro_job){.turn = pin_turn, .cancel = pin_cancel, .total = bytes};
    for (unsigned i = 0; i < WINDOW; i++)
        own->place[i].job = own;
    aro_admission_ask(aro_content_admission(own->node->content), &id);
    if (kind == ARO_KIND_OBJECT)
        own->walk = aro_descent_create(own->node->content, &id, false);
    if ((kind == ARO_KIND_CHUNK || own->walk != NULL) &&
        aro_job_start(own->node->jobs, &own->job, call, error) == 0) {
        if (kind == ARO_KIND_CHUNK)
            want(own, &id, (uint32_t)bytes);
        return 0;
    }
    (void)aro_pin_release(pins, own->pin, UINT32_MAX);
    own->pin = NULL;
    return -1;
}

void aro_handle_pin(void *node, struct aro_call *call)
{
    struct pin_job *own = calloc(1, sizeof(*own));
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a pin");
    if (own != NULL) {
        own->node = node;
        if (pin_start(own, call, &error) == 0)
            return;
        if (own->pin != NULL) { /* it is pinned: once is enough */
            aro_call_reply(call, result_json(own));
            job_free(own);
            return;
        }
        job_free(own);
    }
    aro_call_fail(call, &error);
}

/* ---- unpin ---- */

struct unpin_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_pin *pin;
    struct aro_id id;
    enum aro_kind kind;
    uint64_t chunks;
};

/* Not to be stopped half-way. */
static void unpin_cancel(struct aro_job *job)
{
    (void)job;
}

static int unpin_turn(struct aro_job *job, uint64_t now_ns)
{
    struct unpin_job *own = (struct unpin_job *)(void *)job;
    struct aro_pins *pins = aro_content_pins(own->node->content);
    char text[ARO_ID_TEXT_MAX];

    (void)now_ns;
    if (aro_pin_release(pins, own->pin, RELEASES_PER_TURN))
        return ARO_CHORE_NOW;
    aro_id_format(&own->id, own->kind, text);
    aro_log(&own->node->log, ARO_LOG_INFO, "unpin", "id=%s chunks=%llu", text,
            (unsigned long long)own->chunks);
    aro_job_end(&own->job,
                json_pack("{s:s, s:I, s:I, s:I}", "id", text, "chunks", (json_int_t)own->chunks,
                          "pinned_bytes", (json_int_t)aro_pins_bytes(pins), "pinned_max_bytes",
                          (json_int_t)aro_pins_bytes_max(pins)));
    free(own);
    return ARO_CHORE_NOW;
}

/* By its id, although the object may be here no more; a digest needs the object. */
static struct aro_pin *pinned_find(struct aro_node *node, struct aro_call *call,
                                   struct aro_error *error)
{
    struct aro_pins *pins = aro_content_pins(node->content);
    enum aro_kind kind = ARO_KIND_CHUNK;
    struct aro_object object;
    struct aro_pin *pin;
    struct aro_id id;

    (void)aro_id_parse(aro_call_text(call, "id"), &id, &kind);
    if (kind == ARO_KIND_DIGEST) {
        if (aro_call_object(node, call, &object, error) != 0)
            return NULL;
        id = object.id;
        kind = ARO_KIND_OBJECT;
    }
    pin = aro_pins_find(pins, &id, kind);
    if (pin != NULL && pin->complete)
        return pin;
    aro_error_set(error, ARO_E_NOT_PINNED, "%s is not pinned%s", aro_call_text(call, "id"),
                  pin != NULL ? " completely: it is being pinned or unpinned now" : "");
    return NULL;
}

void aro_handle_unpin(void *node, struct aro_call *call)
{
    struct unpin_job *own = calloc(1, sizeof(*own));
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory to unpin");
    if (own != NULL && (own->pin = pinned_find(node, call, &error)) != NULL) {
        own->job = (struct aro_job){.turn = unpin_turn, .cancel = unpin_cancel};
        own->node = node;
        own->id = own->pin->id;
        own->kind = own->pin->kind;
        own->chunks = own->pin->claims;
        if (aro_job_start(own->node->jobs, &own->job, call, &error) == 0) {
            own->pin->complete = false;
            return;
        }
    }
    aro_call_fail(call, &error);
    free(own);
}

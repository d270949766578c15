/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command verify: reads objects back (from disk where there is one), checks every chunk's and
 * every object's SHA-256, and lists what is wrong. A window of chunks is fetched ahead; the whole
 * digest follows in content order.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/sha256.h"
#include "control/commands.h"
#include "control/descent.h"

enum { WINDOW = 8, PROBLEMS_LISTED_MAX = 100 };

struct slot {
    struct aro_fetch fetch; /* first */
    struct verify_job *own;
    bool used, there;
    int result;
    uint32_t len_bytes; /* that the manifest promises */
    uint32_t hashed_bytes;
};

struct verify_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_descent *walk; /* of the object under check; NULL: between two */
    struct aro_object object;
    bool only_one, walk_over, object_bad;
    uint64_t next_object;
    struct aro_sha256 *whole;
    uint64_t objects, chunks, problems;
    json_t *list;
    uint64_t next_fetch, next_hash;
    struct slot slot[WINDOW];
};

static void report(struct verify_job *own, const struct aro_id *chunk, const char *what)
{
    char id[ARO_ID_TEXT_MAX], object[ARO_ID_TEXT_MAX];

    own->object_bad = true;
    own->problems++;
    if (json_array_size(own->list) >= PROBLEMS_LISTED_MAX)
        return;
    json_array_append_new(
        own->list, json_pack("{s:s, s:s, s:s}", "object",
                             aro_id_format(&own->object.id, ARO_KIND_OBJECT, object), "chunk",
                             aro_id_format(chunk, ARO_KIND_CHUNK, id), "problem", what));
}

static void on_fetched(struct aro_fetch *fetch, int result)
{
    struct slot *slot = (struct slot *)(void *)fetch;

    slot->there = true;
    slot->result = result;
    if (result == 0 && fetch->len_bytes != slot->len_bytes)
        slot->result = -EBADMSG;
    if (slot->result != 0) {
        report(slot->own, &fetch->id,
               result == -ENOENT    ? "missing"
               : result == -EBADMSG ? "damaged"
               : result == 0        ? "length differs from the manifest"
                                    : strerror(-result));
        slot->hashed_bytes = slot->len_bytes;
    }
}

static void fetch(struct verify_job *own, const struct aro_descent_item *item)
{
    struct slot *slot = &own->slot[own->next_fetch++ % WINDOW];

    slot->used = true;
    slot->there = false;
    slot->hashed_bytes = 0;
    slot->len_bytes = item->len_bytes;
    slot->fetch.id = item->id;
    slot->fetch.done = on_fetched;
    slot->fetch.disk_first = true;
    aro_content_fetch(own->node->content, &slot->fetch);
}

/* Fills the window. */
static void walk_on(struct verify_job *own)
{
    struct aro_descent_item item;
    struct aro_error error;
    int more = 1;

    while (!own->walk_over && more == 1 && !own->slot[own->next_fetch % WINDOW].used) {
        more = aro_descent_next(own->walk, &item);
        own->chunks += more == 1;
        if (more == 1 && !item.is_manifest)
            fetch(own, &item);
    }
    if (more == 1 || more == -EAGAIN)
        return;
    own->walk_over = true;
    if (more != 0) {
        aro_descent_error(own->walk, &error);
        report(own, &own->object.id, error.text);
    }
}

/* Hashes what has come, in order, a bounded amount. */
static uint32_t hash_on(struct verify_job *own)
{
    uint32_t budget = ARO_HASH_TURN_BYTES / 2;

    while (budget > 0) {
        struct slot *slot = &own->slot[own->next_hash % WINDOW];
        uint32_t step = slot->len_bytes - slot->hashed_bytes;
        if (!slot->used || !slot->there)
            break;
        if (step > budget)
            step = budget;
        aro_sha256_update(own->whole, slot->fetch.buffer + slot->hashed_bytes, step);
        slot->hashed_bytes += step;
        budget -= step;
        if (slot->hashed_bytes < slot->len_bytes)
            break;
        own->job.done += slot->len_bytes;
        slot->used = false;
        own->next_hash++;
    }
    return ARO_HASH_TURN_BYTES / 2 - budget;
}

/* It may be gone before it is read, rightly: only who names it has it verified. */
static bool is_deferred(const struct verify_job *own, const struct aro_object *object)
{
    return aro_admission_find(aro_content_admission(own->node->content), &object->id,
                              ARO_KIND_OBJECT) != NULL;
}

/* The next object; false: there is none. */
static bool next_object(struct verify_job *own)
{
    const struct aro_object *object;

    if (!own->only_one) {
        do {
            object = aro_content_object_at(own->node->content, own->next_object++, NULL);
            if (object == NULL)
                return false;
        } while (is_deferred(own, object));
        own->object = *object;
    } else if (own->objects > 0) {
        return false;
    }
    own->walk = aro_descent_create(own->node->content, &own->object.id, true);
    own->walk_over = own->object_bad = false;
    aro_sha256_reset(own->whole);
    return own->walk != NULL;
}

static void end_object(struct verify_job *own)
{
    struct aro_id digest = aro_sha256_final(own->whole);

    if (!own->object_bad && !aro_id_equal(&digest, &own->object.digest))
        report(own, &own->object.id, "the digest of the whole content differs");
    own->objects++;
    aro_descent_destroy(own->walk);
    own->walk = NULL;
}

static void destroy(struct verify_job *own)
{
    for (unsigned i = 0; i < WINDOW; i++)
        free(own->slot[i].fetch.buffer);
    aro_descent_destroy(own->walk);
    aro_sha256_destroy(own->whole);
    json_decref(own->list);
    free(own);
}

static void over(struct verify_job *own)
{
    uint64_t took_us = (aro_now_ns() - own->job.started_ns) / 1000;
    struct aro_error error;

    aro_log(&own->node->log, own->problems > 0 ? ARO_LOG_WARNING : ARO_LOG_INFO, "verify",
            "objects=%llu chunks=%llu bytes=%llu problems=%llu", (unsigned long long)own->objects,
            (unsigned long long)own->chunks, (unsigned long long)own->job.done,
            (unsigned long long)own->problems);
    if (own->job.cancelled) {
        aro_error_set(&error, ARO_E_JOB_CANCELLED, "the verify was cancelled");
        aro_job_fail(&own->job, &error);
    } else {
        aro_job_end(&own->job,
                    json_pack("{s:b, s:I, s:I, s:I, s:I, s:O, s:I}", "ok", own->problems == 0,
                              "objects", (json_int_t)own->objects, "chunks",
                              (json_int_t)own->chunks, "bytes", (json_int_t)own->job.done,
                              "problems", (json_int_t)own->problems, "list", own->list,
                              "elapsed_us", (json_int_t)took_us));
    }
    destroy(own);
}

static bool idle(const struct verify_job *own)
{
    for (unsigned i = 0; i < WINDOW; i++)
        if (own->slot[i].used && !own->slot[i].there)
            return false;
    return own->walk == NULL || !aro_descent_waits(own->walk);
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct verify_job *own = (struct verify_job *)(void *)job;
    uint32_t worked;

    (void)now_ns;
    if (job->cancelled || (own->walk == NULL && !next_object(own))) {
        if (!idle(own))
            return 1;
        over(own);
        return ARO_CHORE_NOW;
    }
    walk_on(own);
    worked = hash_on(own);
    if (own->walk_over && own->next_hash == own->next_fetch)
        end_object(own);
    return worked > 0 || own->walk == NULL ? ARO_CHORE_NOW : 1;
}

static void cancel(struct aro_job *job)
{
    (void)job; /* turn looks at cancelled */
}

static uint64_t total_bytes(const struct verify_job *own)
{
    const struct aro_object *object;
    uint64_t total = 0;

    if (own->only_one)
        return own->object.total_bytes;
    for (uint64_t i = 0; (object = aro_content_object_at(own->node->content, i, NULL)) != NULL; i++)
        total += is_deferred(own, object) ? 0 : object->total_bytes;
    return total;
}

static bool make_buffers(struct verify_job *own)
{
    own->whole = aro_sha256_create();
    own->list = json_array();
    for (unsigned i = 0; i < WINDOW; i++) {
        own->slot[i].own = own;
        own->slot[i].fetch.buffer = aligned_alloc(4096, ARO_FETCH_BUFFER_BYTES);
        if (own->slot[i].fetch.buffer == NULL)
            return false;
    }
    return own->whole != NULL && own->list != NULL;
}

void aro_handle_verify(void *arg, struct aro_call *call)
{
    struct verify_job *own = calloc(1, sizeof(*own));
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a verify");
    if (own == NULL || !make_buffers(own))
        goto fail;
    own->node = arg;
    own->only_one = aro_call_text(call, "id") != NULL;
    if (own->only_one && aro_call_object(own->node, call, &own->object, &error) != 0)
        goto fail;
    own->job = (struct aro_job){.turn = turn, .cancel = cancel, .total = total_bytes(own)};
    if (aro_job_start(own->node->jobs, &own->job, call, &error) == 0)
        return;
fail:
    aro_call_fail(call, &error);
    if (own != NULL)
        destroy(own);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command evict: an object and the chunks that nobody else uses.
 *
 *   1. claim every chunk of the object, as fresh: nobody's, on any disk, unless somebody speaks up
 *   2. walk every other object and let its chunks go on its disk (a put that ends meanwhile speaks
 * up by itself, control/claims.h)
 *   3. forget the object, durably, on every disk that has it
 *   4. give the claims back: what is still fresh and unused leaves memory and disk
 *
 * Of a disk that is away nothing goes: neither its objects nor what they use can be known.
 *
 * A single chunk goes the same way without 3; force leaves out 2. Cost: all manifests of all
 * objects are read once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "control/descent.h"

enum { ITEMS_PER_TURN = 256, REMOVALS_PER_TURN = 16 };

enum phase { PHASE_CLAIM, PHASE_SPARE, PHASE_FORGET, PHASE_FORGETTING, PHASE_REMOVE };

struct evict_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    enum phase phase;
    bool is_object, force;
    struct aro_id id; /* of the object or chunk */
    struct aro_descent *walk;
    uint64_t other; /* object that is walked in PHASE_SPARE */
    unsigned other_disk;
    uint32_t everywhere; /* a bit per disk */
    uint32_t away;       /* disks that were, at some time: who uses what is on them is not known */
    struct aro_claim **claim;
    uint64_t claims, claims_room;
    struct aro_store_op op;
    bool forgotten; /* on one disk at least */
    uint64_t removed_chunks, kept_chunks;
    struct aro_error error; /* id NONE: none */
};

static struct aro_claims *claims_of(const struct evict_job *own)
{
    return aro_content_claims(own->node->content);
}

static struct aro_admission *admission_of(const struct evict_job *own)
{
    return aro_content_admission(own->node->content);
}

static void fail(struct evict_job *own, enum aro_error_id id, const char *text)
{
    if (own->error.id == ARO_E_NONE)
        aro_error_set(&own->error, id, "%s", text);
}

static void claim(struct evict_job *own, const struct aro_id *id)
{
    struct aro_claim *one, **grown;

    if (own->claims == own->claims_room) {
        uint64_t room = own->claims_room > 0 ? 2 * own->claims_room : 256;
        grown = reallocarray(own->claim, room, sizeof(*grown));
        if (grown == NULL) {
            fail(own, ARO_E_CONTROL_RESOURCES, "no memory for the list of chunks");
            return;
        }
        own->claim = grown;
        own->claims_room = room;
    }
    one = aro_claims_take(claims_of(own), id);
    if (one == NULL) {
        fail(own, ARO_E_OBJECT_TOO_LARGE, "more chunks than puts and evicts may have under way");
        return;
    }
    one->fresh = own->everywhere;
    own->claim[own->claims++] = one;
}

/* An object that stays uses this chunk. */
static void spare(struct evict_job *own, const struct aro_id *id)
{
    struct aro_claim *one = aro_claims_find(claims_of(own), id);

    if (one != NULL)
        one->fresh &= ~(UINT32_C(1) << own->other_disk);
}

/* Walks on. True: this walk is over. A manifest that is damaged ends it: what is below it cannot be
 * served either. */
static bool walk_on(struct evict_job *own, void (*visit)(struct evict_job *, const struct aro_id *),
                    int *wish_ms)
{
    struct aro_descent_item item;
    int more = 1;

    for (int i = 0; i < ITEMS_PER_TURN && more == 1; i++) {
        more = aro_descent_next(own->walk, &item);
        if (more == 1)
            visit(own, &item.id);
    }
    *wish_ms = more == -EAGAIN ? 1 : ARO_CHORE_NOW;
    if (more == 1 || more == -EAGAIN)
        return false;
    aro_descent_destroy(own->walk);
    own->walk = NULL;
    return true;
}

static void walk_start(struct evict_job *own, const struct aro_id *root)
{
    own->walk = aro_descent_create(own->node->content, root, false);
    if (own->walk == NULL)
        fail(own, ARO_E_CONTROL_RESOURCES, "no memory to walk an object");
}

static int claim_turn(struct evict_job *own)
{
    int wish_ms = ARO_CHORE_NOW;

    if (!own->is_object)
        claim(own, &own->id);
    else if (own->walk == NULL && aro_admission_freeze(admission_of(own), &own->id) != 0)
        return 1; /* what is on its way to the disk is taken from there */
    else if (own->walk == NULL)
        walk_start(own, &own->id);
    if (own->walk == NULL || walk_on(own, claim, &wish_ms))
        own->phase = own->force ? PHASE_FORGET : PHASE_SPARE;
    return wish_ms;
}

/* The claims of a deferred object speak for it. */
static bool is_listed_for_good(const struct evict_job *own, const struct aro_id *id)
{
    return aro_admission_find(admission_of(own), id, ARO_KIND_OBJECT) == NULL;
}

static int spare_turn(struct evict_job *own)
{
    const struct aro_object *other;
    int wish_ms = ARO_CHORE_NOW;

    if (own->walk == NULL) {
        other = aro_content_object_at(own->node->content, own->other, &own->other_disk);
        if (other == NULL)
            own->phase = PHASE_FORGET;
        else if ((own->is_object && aro_id_equal(&other->id, &own->id)) ||
                 !is_listed_for_good(own, &other->id))
            own->other++;
        else
            walk_start(own, &other->id);
    } else if (walk_on(own, spare, &wish_ms)) {
        own->other++;
    }
    return wish_ms;
}

static void on_forgotten(struct aro_store_op *op, int result)
{
    struct evict_job *own =
        (struct evict_job *)(void *)((char *)op - offsetof(struct evict_job, op));

    if (result != 0)
        fail(own, ARO_E_STORE_FAILED, strerror(-result));
    own->phase = result != 0 ? PHASE_REMOVE : PHASE_FORGET; /* another disk may have it, too */
    own->forgotten = true;
}

/* 0: under way, or over (own->phase); or -errno. */
static int forget_object(struct evict_job *own)
{
    struct aro_disks *disks = own->node->disks;
    struct aro_object object;
    int disk, result;

    if (disks == NULL)
        return aro_content_memory_remove(own->node->content, &own->id);
    disk = aro_disks_object_find(disks, &own->id, &object);
    if (disk < 0)
        return own->forgotten ? 0 : disk;
    own->op.done = on_forgotten;
    result = aro_store_object_remove(aro_disks_store(disks, (unsigned)disk), &own->op, &own->id);
    if (result == 0 || result == -EAGAIN)
        own->phase = result == 0 ? PHASE_FORGETTING : PHASE_FORGET;
    return result == -EAGAIN ? 0 : result;
}

static void forget(struct evict_job *own)
{
    int result;

    own->phase = PHASE_REMOVE;
    if (!own->is_object) {
        if (own->claim[0]->fresh != own->everywhere || own->claim[0]->users > 1)
            fail(own, ARO_E_CHUNK_IN_USE, "the chunk is in use");
        return;
    }
    result = aro_admission_forget(admission_of(own), &own->id);
    if (result == -EAGAIN)
        own->phase = PHASE_FORGET;
    if (result == 0 || result == -EAGAIN)
        return;
    result = forget_object(own);
    if (result != 0)
        fail(own, result == -ENOENT ? ARO_E_NOT_HERE : ARO_E_STORE_FAILED, strerror(-result));
}

static json_t *result_json(const struct evict_job *own)
{
    char text[ARO_ID_TEXT_MAX];

    aro_id_format(&own->id, own->is_object ? ARO_KIND_OBJECT : ARO_KIND_CHUNK, text);
    return json_pack("{s:s, s:I, s:I}", "id", text, "removed_chunks",
                     (json_int_t)own->removed_chunks, "kept_chunks", (json_int_t)own->kept_chunks);
}

/* Gives the claims back. After a failure nothing is removed. */
static bool remove_some(struct evict_job *own)
{
    for (int i = 0; i < REMOVALS_PER_TURN && own->claims > 0; i++) {
        struct aro_claim *one = own->claim[--own->claims];
        struct aro_id id = one->id;
        uint32_t kept = own->error.id != ARO_E_NONE ? own->everywhere : 0;
        uint32_t orphan = aro_claims_release(claims_of(own), one, kept) & ~own->away;
        if (orphan != 0 && aro_content_chunk_remove(own->node->content, &id, orphan))
            own->removed_chunks++;
        else
            own->kept_chunks++;
    }
    return own->claims > 0;
}

static void over(struct evict_job *own)
{
    char text[ARO_ID_TEXT_MAX];

    aro_id_format(&own->id, own->is_object ? ARO_KIND_OBJECT : ARO_KIND_CHUNK, text);
    if (own->error.id != ARO_E_NONE) {
        aro_admission_thaw(admission_of(own), &own->id);
        aro_job_fail(&own->job, &own->error);
    } else {
        aro_log(&own->node->log, ARO_LOG_INFO, "evict", "id=%s removed_chunks=%llu", text,
                (unsigned long long)own->removed_chunks);
        aro_job_end(&own->job, result_json(own));
    }
    free(own->claim);
    free(own);
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct evict_job *own = (struct evict_job *)(void *)job;

    (void)now_ns;
    own->away |= aro_disks_away(own->node->disks);
    if (own->error.id != ARO_E_NONE && own->phase < PHASE_FORGETTING) {
        if (own->walk != NULL && aro_descent_waits(own->walk))
            return 1;
        aro_descent_destroy(own->walk);
        own->walk = NULL;
        own->phase = PHASE_REMOVE;
    }
    switch (own->phase) {
    case PHASE_CLAIM:
        return claim_turn(own);
    case PHASE_SPARE:
        return spare_turn(own);
    case PHASE_FORGET:
        forget(own);
        return 1;
    case PHASE_FORGETTING:
        return ARO_CHORE_IDLE_MS;
    case PHASE_REMOVE:
        if (!remove_some(own))
            over(own);
        return ARO_CHORE_NOW;
    }
    return ARO_CHORE_NOW;
}

static void cancel(struct aro_job *job)
{
    struct evict_job *own = (struct evict_job *)(void *)job;

    if (own->phase < PHASE_FORGETTING && !own->forgotten)
        fail(own, ARO_E_JOB_CANCELLED, "the evict was cancelled");
}

static int refuse_pinned(const struct evict_job *own, enum aro_kind kind, struct aro_error *error)
{
    struct aro_pins *pins = aro_content_pins(own->node->content);

    if (aro_pins_find(pins, &own->id, kind) == NULL &&
        (kind == ARO_KIND_OBJECT || !aro_pins_want(pins, &own->id)))
        return 0;
    return aro_error_set(error, ARO_E_PINNED, "it is pinned");
}

static int find_target(struct evict_job *own, struct aro_call *call, struct aro_error *error)
{
    struct aro_object object;
    struct aro_where where;
    enum aro_kind kind;

    if (aro_id_parse(aro_call_text(call, "id"), &own->id, &kind) != 0 || kind != ARO_KIND_CHUNK) {
        own->is_object = true;
        if (aro_call_object(own->node, call, &object, error) != 0)
            return -1;
        own->id = object.id;
        own->force = false;
        return refuse_pinned(own, ARO_KIND_OBJECT, error);
    }
    aro_content_where(own->node->content, &own->id, &where);
    if (!where.in_memory && !where.on_disk)
        return aro_chunk_absent(own->node, aro_call_text(call, "id"), error);
    return own->force ? 0 : refuse_pinned(own, ARO_KIND_CHUNK, error);
}

void aro_handle_evict(void *arg, struct aro_call *call)
{
    struct evict_job *own = calloc(1, sizeof(*own));
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for an evict");
    if (own != NULL) {
        own->job = (struct aro_job){.turn = turn, .cancel = cancel};
        own->node = arg;
        own->everywhere =
            own->node->disks == NULL ? 1 : (UINT32_C(1) << aro_disks_count(own->node->disks)) - 1;
        own->force = aro_call_flag(call, "force");
        if (find_target(own, call, &error) == 0 &&
            aro_job_start(own->node->jobs, &own->job, call, &error) == 0)
            return;
    }
    aro_call_fail(call, &error);
    free(own);
}

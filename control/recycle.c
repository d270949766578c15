/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/recycle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/descent.h"

enum {
    CHUNKS_PER_TURN = 512,
    ITEMS_PER_TURN = 256,
    REMOVALS = 32,
    STUMBLES_MAX = 3,
};

enum phase { PHASE_IDLE, PHASE_MARKING, PHASE_WALKING, PHASE_FORGETTING, PHASE_CHECKING };

struct removal {
    struct aro_store_op op; /* first */
    struct aro_recycler *recycler;
    bool busy;
};

struct aro_recycler {
    struct aro_content *content;
    struct aro_store *store;
    unsigned disk; /* its number */
    const struct aro_log *log;
    enum phase phase;
    uint32_t segment;
    uint32_t next;         /* chunk that is marked */
    struct aro_id *object; /* [:doomed] to be forgotten; [at:objects] to be walked */
    uint64_t objects, at, doomed;
    struct aro_descent *walk; /* of object[at] */
    uint32_t *seen;           /* one per chunk of the victim: the walk that met it last */
    uint32_t *met;            /* [:mets] chunks that this walk met and that need not stay */
    uint32_t mets, walks;
    uint64_t hot_blocks; /* that may still be kept for objects in use */
    bool failed;
    bool again;        /* one that was to be forgotten is pinned now: judge anew */
    uint64_t before;   /* forgotten until then */
    bool spoiled;      /* a single object is forgotten, then the turn fails */
    unsigned stumbles; /* turns in a row that failed over an object */
    unsigned removing;
    struct removal removal[REMOVALS];
};

void aro_recycler_judge(void *arg, const struct aro_victim *victim)
{
    (void)arg;
    (void)victim;
}

struct aro_recycler *aro_recycler_create(struct aro_content *content, unsigned disk,
                                         const struct aro_log *log)
{
    struct aro_recycler *recycler = calloc(1, sizeof(*recycler));

    if (recycler == NULL)
        return NULL;
    recycler->content = content;
    recycler->disk = disk;
    recycler->store = aro_disks_store(aro_content_disks(content), disk);
    recycler->log = log;
    for (unsigned i = 0; i < REMOVALS; i++)
        recycler->removal[i].recycler = recycler;
    return recycler;
}

static struct aro_store *store_of(const struct aro_recycler *recycler)
{
    return recycler->store;
}

static void reset(struct aro_recycler *recycler)
{
    aro_descent_destroy(recycler->walk);
    free(recycler->object);
    free(recycler->seen);
    free(recycler->met);
    recycler->walk = NULL;
    recycler->object = NULL;
    recycler->seen = recycler->met = NULL;
    recycler->phase = PHASE_IDLE;
}

static bool waits(const struct aro_recycler *recycler)
{
    return recycler->removing > 0 || (recycler->walk != NULL && aro_descent_waits(recycler->walk));
}

void aro_recycler_destroy(struct aro_recycler *recycler)
{
    if (recycler == NULL)
        return;
    while (waits(recycler)) {
        aro_uring_poll(aro_content_ring(recycler->content), REMOVALS);
        aro_store_poll(store_of(recycler));
        aro_content_poll(recycler->content);
    }
    reset(recycler);
    free(recycler);
}

/* ---- chunks ---- */

/* Somebody counts on it who is not on the list of objects, or pinned it. */
static bool must_stay(const struct aro_recycler *recycler, const struct aro_id *id)
{
    return aro_claims_find(aro_content_claims(recycler->content), id) != NULL ||
           aro_pins_want(aro_content_pins(recycler->content), id);
}

/* Returns true when the last one is marked. */
static bool mark_some(struct aro_recycler *recycler, struct aro_victim *victim)
{
    uint32_t end = recycler->next + CHUNKS_PER_TURN;

    for (; recycler->next < victim->count && recycler->next < end; recycler->next++) {
        struct aro_victim_chunk *chunk = &victim->chunk[recycler->next];
        if (must_stay(recycler, &chunk->id))
            chunk->keep = ARO_KEEP_MUST;
        else if (chunk->keep == ARO_KEEP_NOT &&
                 aro_content_in_memory(recycler->content, &chunk->id))
            chunk->keep = ARO_KEEP_HOT;
    }
    return recycler->next == victim->count;
}

static uint64_t blocks_that_must_stay(const struct aro_victim *victim)
{
    uint64_t blocks = 0;

    for (uint32_t i = 0; i < victim->count; i++)
        if (victim->chunk[i].keep == ARO_KEEP_MUST)
            blocks += aro_blocks(victim->chunk[i].len_bytes);
    return blocks;
}

/* Number of the chunk at this block; count: none. */
static uint32_t chunk_at(const struct aro_victim *victim, uint32_t block)
{
    uint32_t low = 0, high = victim->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (victim->chunk[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < victim->count && victim->chunk[low].block == block ? low : victim->count;
}

/* ---- objects ---- */

/* The list as it is now: what comes onto it later needs no looking at. */
static int list_objects(struct aro_recycler *recycler, const struct aro_victim *victim)
{
    const struct aro_object *object;
    struct aro_store_stats stats;

    aro_store_stats(store_of(recycler), &stats);
    recycler->object = calloc(stats.objects_now + 1, sizeof(*recycler->object));
    recycler->seen = calloc(victim->count + 1, sizeof(*recycler->seen));
    recycler->met = calloc(victim->count + 1, sizeof(*recycler->met));
    if (recycler->object == NULL || recycler->seen == NULL || recycler->met == NULL)
        return -ENOMEM;
    recycler->objects = recycler->at = recycler->doomed = recycler->walks = 0;
    while (recycler->objects < stats.objects_now &&
           (object = aro_store_object_at(store_of(recycler), recycler->objects)) != NULL)
        recycler->object[recycler->objects++] = object->id;
    return 0;
}

/* The walk met a chunk: does it lie in the segment, and may it go? */
static void meet(struct aro_recycler *recycler, const struct aro_victim *victim,
                 const struct aro_id *id)
{
    struct aro_place place;

    for (unsigned nth = 0; aro_store_find(store_of(recycler), id, nth, &place) == 0; nth++) {
        uint32_t i =
            place.segment == victim->segment ? chunk_at(victim, place.block) : victim->count;
        if (i == victim->count || recycler->seen[i] == recycler->walks ||
            victim->chunk[i].keep == ARO_KEEP_MUST || !aro_id_equal(&victim->chunk[i].id, id))
            continue;
        recycler->seen[i] = recycler->walks;
        recycler->met[recycler->mets++] = i;
    }
}

/* Every chunk of this object is known: it is untouched, in use and stays, or goes. */
static void decide(struct aro_recycler *recycler, struct aro_victim *victim)
{
    uint64_t blocks = 0;
    uint32_t hot = 0;

    for (uint32_t i = 0; i < recycler->mets; i++) {
        const struct aro_victim_chunk *chunk = &victim->chunk[recycler->met[i]];
        blocks += aro_blocks(chunk->len_bytes);
        hot += chunk->keep == ARO_KEEP_HOT;
    }
    if (recycler->mets == 0)
        return;
    if (hot * 2 < recycler->mets || blocks > recycler->hot_blocks) {
        recycler->object[recycler->doomed++] = recycler->object[recycler->at];
        return;
    }
    recycler->hot_blocks -= blocks;
    for (uint32_t i = 0; i < recycler->mets; i++)
        victim->chunk[recycler->met[i]].keep = ARO_KEEP_MUST;
}

static void walk_start(struct aro_recycler *recycler)
{
    const struct aro_id *id = &recycler->object[recycler->at];
    const struct aro_pin *pin =
        aro_pins_find(aro_content_pins(recycler->content), id, ARO_KIND_OBJECT);
    struct aro_object object;

    if ((pin != NULL && pin->complete) ||
        aro_store_object_find(store_of(recycler), id, &object) != 0) {
        recycler->at++; /* marked already, or gone */
        return;
    }
    recycler->walks++;
    recycler->mets = 0;
    recycler->walk = aro_descent_create(recycler->content, id, false);
    recycler->failed |= recycler->walk == NULL;
}

/*
 * A manifest that cannot be read now may be read again later, and names chunks that this walk does
 * not know: the segment stays. One that is never read would keep all of them: then its object alone
 * is forgotten.
 */
static void stumble(struct aro_recycler *recycler, int error)
{
    aro_descent_destroy(recycler->walk);
    recycler->walk = NULL;
    recycler->stumbles += error != -ENOMEM;
    if (recycler->stumbles < STUMBLES_MAX) {
        recycler->failed = true;
        return;
    }
    recycler->stumbles = 0;
    recycler->object[0] = recycler->object[recycler->at];
    recycler->doomed = 1;
    recycler->at = 0;
    recycler->spoiled = true;
    recycler->phase = PHASE_FORGETTING;
}

/* Below a manifest that is missing or damaged nothing can be served: it does not count. */
static void walk_on(struct aro_recycler *recycler, struct aro_victim *victim)
{
    struct aro_descent_item item;
    int more = 1;

    for (unsigned i = 0; i < ITEMS_PER_TURN && more == 1; i++) {
        more = aro_descent_next(recycler->walk, &item);
        if (more == 1)
            meet(recycler, victim, &item.id);
    }
    if (more == 1 || more == -EAGAIN)
        return;
    if (more < 0 && more != -ENOENT && more != -EBADMSG) {
        stumble(recycler, more);
        return;
    }
    decide(recycler, victim);
    aro_descent_destroy(recycler->walk);
    recycler->walk = NULL;
    recycler->at++;
}

static void on_removed(struct aro_store_op *op, int result)
{
    struct removal *removal = (struct removal *)(void *)op;

    removal->busy = false;
    removal->recycler->removing--;
    removal->recycler->failed |= result != 0;
}

/* Returns true when all are gone. What was pinned meanwhile is not forgotten. */
static bool forget_some(struct aro_recycler *recycler)
{
    for (unsigned i = 0; i < REMOVALS && recycler->at < recycler->doomed; i++) {
        struct removal *removal = &recycler->removal[i];
        const struct aro_id *id = &recycler->object[recycler->at];
        int result;
        if (removal->busy || recycler->failed)
            continue;
        if (aro_pins_find(aro_content_pins(recycler->content), id, ARO_KIND_OBJECT) != NULL) {
            recycler->again = true;
            return recycler->removing == 0;
        }
        recycler->at++;
        removal->op.done = on_removed;
        removal->busy = true;
        recycler->removing++;
        result = aro_store_object_remove(store_of(recycler), &removal->op, id);
        if (result != 0) {
            removal->busy = false;
            recycler->removing--;
            recycler->failed |= result != -ENOENT;
        }
    }
    return recycler->at == recycler->doomed && recycler->removing == 0;
}

/* ---- turns ---- */

static void begin(struct aro_recycler *recycler, const struct aro_victim *victim)
{
    recycler->phase = PHASE_MARKING;
    recycler->segment = victim->segment;
    recycler->next = 0;
    recycler->failed = recycler->spoiled = recycler->again = false;
}

static void marked(struct aro_recycler *recycler, struct aro_victim *victim)
{
    uint64_t blocks = blocks_that_must_stay(victim);

    if (!aro_store_victim_fits(store_of(recycler))) {
        reset(recycler);
        return;
    }
    recycler->hot_blocks =
        victim->carry_blocks_max > blocks ? victim->carry_blocks_max - blocks : 0;
    recycler->phase = PHASE_WALKING;
    recycler->failed |= list_objects(recycler, victim) != 0;
}

static void checked(struct aro_recycler *recycler)
{
    if (recycler->log != NULL)
        aro_log(recycler->log, ARO_LOG_INFO, "recycle", "segment=%u objects_forgotten=%llu",
                recycler->segment, (unsigned long long)recycler->doomed);
    aro_store_victim_settle(store_of(recycler), recycler->before + recycler->doomed);
    recycler->before = 0;
    recycler->stumbles = 0;
    reset(recycler);
}

static void step(struct aro_recycler *recycler, struct aro_victim *victim)
{
    switch (recycler->phase) {
    case PHASE_IDLE:
        begin(recycler, victim);
        break;
    case PHASE_MARKING:
        if (mark_some(recycler, victim))
            marked(recycler, victim);
        break;
    case PHASE_WALKING:
        if (recycler->walk != NULL) {
            walk_on(recycler, victim);
        } else if (recycler->at < recycler->objects) {
            walk_start(recycler);
        } else {
            recycler->phase = PHASE_FORGETTING;
            recycler->at = 0;
        }
        break;
    case PHASE_FORGETTING:
        if (!forget_some(recycler))
            break;
        recycler->failed |= recycler->spoiled;
        if (recycler->again && !recycler->failed) {
            recycler->before += recycler->at;
            reset(recycler);
            break;
        }
        recycler->phase = PHASE_CHECKING;
        recycler->next = 0;
        break;
    case PHASE_CHECKING:
        if (mark_some(recycler, victim))
            checked(recycler);
        break;
    }
}

/* What is not found on it then is there all the same. */
static bool is_away(const struct aro_recycler *recycler)
{
    const struct aro_disks *disks = aro_content_disks(recycler->content);

    return aro_disks_use_of(disks, recycler->disk) == ARO_DISK_AWAY;
}

bool aro_recycler_turn(struct aro_recycler *recycler)
{
    struct aro_victim *victim = aro_store_victim(store_of(recycler));
    bool other = victim == NULL || victim->segment != recycler->segment;

    if (victim == NULL && recycler->phase == PHASE_IDLE)
        return false;
    if (is_away(recycler)) {
        recycler->failed = recycler->phase != PHASE_IDLE;
        if (!recycler->failed) {
            aro_store_victim_leave(store_of(recycler));
            return true;
        }
    }
    if (recycler->phase != PHASE_IDLE && (other || recycler->failed)) {
        if (waits(recycler))
            return true;
        if (victim != NULL && recycler->failed)
            aro_store_victim_leave(store_of(recycler));
        reset(recycler);
        return true;
    }
    step(recycler, victim);
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/check.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/disk/reader.h"
#include "cache/disk/state.h"

enum {
    WINDOW = 8, /* payloads under way */
    ITEMS_PER_TURN = 1024,
    CALLS_PER_TURN = 4, /* of the walk that brought nothing: a piece of a table each */
};

/* A payload that is being read. */
struct slot {
    struct aro_io io;
    struct aro_check *check;
    struct aro_walk_item item;
    uint8_t *buffer;
    bool used, there;
    int result;
};

struct aro_check {
    struct aro_check_config config;
    struct aro_check_stats stats;
    struct aro_walk *walk;
    bool walk_over, stopped;
    struct aro_walk_item next; /* waits for a slot */
    bool has_next;
    struct slot slot[WINDOW];
};

static void arrived(struct aro_io *io, int result)
{
    struct slot *slot = ARO_IO_OWNER(io, struct slot, io);

    slot->there = true;
    slot->result = result;
}

struct aro_check *aro_check_create(const struct aro_check_config *config)
{
    struct aro_check *check = calloc(1, sizeof(*check));
    bool complete;

    if (check == NULL)
        return NULL;
    check->config = *config;
    check->walk = aro_walk_create(config->store);
    complete = check->walk != NULL;
    for (unsigned i = 0; i < WINDOW && config->payloads; i++) {
        check->slot[i].check = check;
        check->slot[i].io.done = arrived;
        check->slot[i].buffer = aligned_alloc(ARO_BLOCK_BYTES, ARO_CHUNK_BYTES_MAX);
        complete &= check->slot[i].buffer != NULL;
    }
    if (complete)
        return check;
    aro_check_destroy(check);
    return NULL;
}

void aro_check_destroy(struct aro_check *check)
{
    if (check == NULL)
        return;
    for (unsigned i = 0; i < WINDOW; i++)
        free(check->slot[i].buffer);
    aro_walk_destroy(check->walk);
    free(check);
}

void aro_check_stop(struct aro_check *check)
{
    check->stopped = true;
}

void aro_check_stats(const struct aro_check *check, struct aro_check_stats *ret)
{
    *ret = check->stats;
    ret->segments = aro_walk_segments(check->walk);
}

static void report(struct aro_check *check, const struct aro_walk_item *item, bool quarantined)
{
    check->stats.problems++;
    check->config.report(check->config.arg, item, quarantined);
}

/* ---- payloads ---- */

static uint32_t padded_bytes(const struct slot *slot)
{
    return aro_blocks(slot->item.place.len_bytes) * ARO_BLOCK_BYTES;
}

static bool is_sound(const struct slot *slot)
{
    const struct aro_place *place = &slot->item.place;

    return slot->result == (int)padded_bytes(slot) &&
           aro_place_checksum(&slot->item.id, place->segment, place->block, slot->buffer,
                              place->len_bytes) == place->checksum;
}

/* What is not found any more was removed while we read: no matter what the bytes are. */
static void judge(struct aro_check *check, struct slot *slot)
{
    struct aro_store *store = check->config.store;
    bool quarantine;

    slot->used = slot->there = false;
    if (slot->result > 0)
        check->stats.bytes += (uint32_t)slot->result;
    if (is_sound(slot) || !aro_place_is_indexed(store, &slot->item.id, &slot->item.place))
        return;
    slot->item.problem =
        slot->result < 0 ? "its bytes cannot be read" : "its bytes disagree with their checksum";
    slot->item.error = slot->result < 0 ? slot->result : 0;
    quarantine = slot->result >= 0 && !store->read_only;
    if (quarantine)
        aro_store_quarantine(store, &slot->item.id, &slot->item.place);
    report(check, &slot->item, quarantine);
}

static unsigned judge_all(struct aro_check *check)
{
    unsigned judged = 0;

    for (unsigned i = 0; i < WINDOW; i++)
        if (check->slot[i].used && check->slot[i].there) {
            judge(check, &check->slot[i]);
            judged++;
        }
    return judged;
}

/* Begins to read the payload of check->next. False: not now. */
static bool payload_read(struct aro_check *check)
{
    const struct aro_place *place = &check->next.place;
    const struct aro_store *store = check->config.store;
    const struct aro_segment *segment = aro_segment_map_find(&store->map, place->segment);
    struct slot *slot = check->slot;

    while (slot < check->slot + WINDOW && slot->used)
        slot++;
    if (slot == check->slot + WINDOW)
        return false;
    check->has_next = false;
    if (segment == NULL)
        return true;
    slot->item = check->next;
    slot->used =
        aro_uring_read(store->ring, &slot->io, segment->data_fd, slot->buffer, padded_bytes(slot),
                       aro_segment_data_at(segment, place->block)) == 0;
    check->has_next = !slot->used;
    return slot->used;
}

/* ---- turns ---- */

static void item_take(struct aro_check *check, const struct aro_walk_item *item)
{
    if (item->has_chunk)
        check->stats.chunks++;
    if (item->problem != NULL)
        report(check, item, false);
    else
        check->has_next = check->config.payloads;
}

static enum aro_check_state state_of(const struct aro_check *check, bool moved)
{
    bool waits = aro_walk_waits(check->walk);

    for (unsigned i = 0; i < WINDOW; i++)
        waits |= check->slot[i].used;
    if (!waits && (check->stopped || (check->walk_over && !check->has_next)))
        return ARO_CHECK_OVER;
    return moved ? ARO_CHECK_MORE : ARO_CHECK_WAITS;
}

enum aro_check_state aro_check_turn(struct aro_check *check, uint64_t bytes_max)
{
    unsigned idle_calls = 0;
    uint64_t started = 0;
    bool moved = judge_all(check) > 0;

    for (unsigned i = 0; i < ITEMS_PER_TURN && !check->stopped; i++) {
        if (check->has_next) {
            if (started >= bytes_max || !payload_read(check))
                break;
            started += check->next.place.len_bytes;
            moved = true;
        }
        if (check->walk_over || idle_calls == CALLS_PER_TURN)
            break;
        switch (aro_walk_next(check->walk, &check->next)) {
        case 1:
            item_take(check, &check->next);
            moved = true;
            break;
        case 0:
            check->walk_over = true;
            break;
        default:
            moved |= !aro_walk_waits(check->walk);
            idle_calls++;
            break;
        }
    }
    return state_of(check, moved);
}

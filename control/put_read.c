/* SPDX-License-Identifier: BSD-3-Clause */
/* The reading half of a put: memory for the next chunk, reads at offsets or from a stream. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/put_state.h"

enum { READ_BYTES_PER_TURN = 256 << 10 }; /* cached pages are copied in the submitting call */

static void on_read(struct aro_io *io, int result)
{
    struct slot *slot = (struct slot *)(void *)((char *)io - offsetof(struct slot, io));
    struct aro_put *put = slot->put;

    put->busy--;
    slot->state = SLOT_WANTS_READ;
    if (result == -EAGAIN || result == -EINTR)
        return;
    if (result < 0) {
        char text[128];
        snprintf(text, sizeof(text), "reading the source: %s", strerror(-result));
        aro_put_fail(put, ARO_E_SOURCE_UNREADABLE, text);
        return;
    }
    slot->filled_bytes += (uint32_t)result;
    if (result == 0 && !put->source.stream) {
        aro_put_fail(put, ARO_E_SOURCE_CHANGED, "the file became shorter while it was read");
    } else if (result == 0) {
        put->source_ended = true;
        slot->want_bytes = slot->filled_bytes;
        if (slot->want_bytes == 0) { /* ended on a chunk boundary */
            aro_put_slot_free(slot);
            put->next_read--;
            return;
        }
    }
    if (slot->filled_bytes == slot->want_bytes)
        slot->state = SLOT_FULL;
}

/* Queues the read of a slot. False: not now. */
static bool slot_read(struct slot *slot)
{
    struct aro_put *put = slot->put;

    if (!aro_put_source_ready(&put->source))
        return false;
    slot->io.done = on_read;
    if (aro_put_source_read(&put->source, aro_content_ring(put->content), &slot->io,
                            slot->entry->data + slot->filled_bytes,
                            slot->want_bytes - slot->filled_bytes,
                            slot->offset_bytes + slot->filled_bytes) != 0)
        return false;
    slot->state = SLOT_READING;
    put->busy++;
    return true;
}

bool aro_put_nothing_to_read(const struct aro_put *put)
{
    return put->source_ended || (!put->source.stream && put->read_at == put->source.size_bytes);
}

/* A stream has one read under way at a time: its pieces come in order. */
static bool stream_busy(const struct aro_put *put)
{
    const struct slot *last = &put->slot[(put->next_read - 1) % put->slots];

    return put->source.stream && put->next_read > 0 &&
           (last->state == SLOT_WANTS_READ || last->state == SLOT_READING);
}

/* Takes memory for the next chunk. False: none now, or nothing to read. */
static bool slot_open(struct aro_put *put, uint64_t now_ns)
{
    struct slot *slot = &put->slot[put->next_read % put->slots];
    uint64_t left = put->source.size_bytes - put->read_at;

    if (slot->state != SLOT_FREE || aro_put_nothing_to_read(put) || stream_busy(put))
        return false;
    slot->want_bytes = put->object.chunk_bytes;
    if (!put->source.stream && left < slot->want_bytes)
        slot->want_bytes = (uint32_t)left;
    if (aro_cache_alloc(aro_content_cache(put->content), slot->want_bytes, &slot->entry) != 0)
        return false;
    put->moved_ns = now_ns;
    slot->filled_bytes = slot->hashed_bytes = 0;
    slot->offset_bytes = put->read_at;
    slot->state = SLOT_WANTS_READ;
    put->read_at += slot->want_bytes;
    put->next_read++;
    return true;
}

void aro_put_read_ahead(struct aro_put *put, uint64_t now_ns)
{
    uint32_t budget = READ_BYTES_PER_TURN;

    for (unsigned i = 0; i < put->slots && budget > 0; i++) {
        struct slot *slot = &put->slot[i];
        if (slot->state == SLOT_WANTS_READ && slot_read(slot))
            budget -= slot->want_bytes < budget ? slot->want_bytes : budget;
    }
    while (budget > 0 && slot_open(put, now_ns)) {
        struct slot *slot = &put->slot[(put->next_read - 1) % put->slots];
        if (!slot_read(slot))
            break;
        budget -= slot->want_bytes < budget ? slot->want_bytes : budget;
    }
}

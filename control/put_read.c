/* SPDX-License-Identifier: BSD-3-Clause */
/* The reading half of a put: memory for the next chunk, reads at offsets or from a stream. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/put_state.h"

enum { READ_BYTES_PER_TURN = 512 << 10 }; /* cached pages are copied in the submitting call */

/* Some of what a read brought: none at the end, or when it ended early. */
static void slot_take(struct slot *slot, uint32_t got_bytes)
{
    slot->filled_bytes += got_bytes;
    slot->state = slot->filled_bytes == slot->want_bytes ? SLOT_FULL : SLOT_WANTS_READ;
}

static void source_end(struct slot *slot)
{
    struct aro_put *put = slot->put;

    if (!put->source.stream) {
        aro_put_fail(put, ARO_E_SOURCE_CHANGED, "the file became shorter while it was read");
        return;
    }
    put->source_ended = true;
    slot->want_bytes = slot->filled_bytes;
    if (slot->want_bytes > 0) {
        slot->state = SLOT_FULL;
        return;
    }
    aro_put_slot_free(slot); /* ended on a chunk boundary */
    put->next_read--;
}

static void on_read(struct aro_io *io, int result)
{
    struct slot *first = (struct slot *)(void *)((char *)io - offsetof(struct slot, io));
    uint32_t left = result > 0 ? (uint32_t)result : 0;
    struct aro_put *put = first->put;

    put->busy--;
    for (struct slot *slot = first; slot != NULL; slot = slot->read_next) {
        uint32_t missing = slot->want_bytes - slot->filled_bytes;
        uint32_t got = left < missing ? left : missing;
        slot_take(slot, got);
        left -= got;
    }
    if (result == 0) {
        source_end(first);
    } else if (result < 0 && result != -EAGAIN && result != -EINTR) {
        char text[128];
        snprintf(text, sizeof(text), "reading the source: %s", strerror(-result));
        aro_put_fail(put, ARO_E_SOURCE_UNREADABLE, text);
    }
}

/* Queues one read for n slots in a row, or for the rest of one. False: not now. */
static bool slots_read(struct slot *const slot[], unsigned n)
{
    struct slot *first = slot[0];
    struct aro_put *put = first->put;

    if (!aro_put_source_ready(&put->source))
        return false;
    for (unsigned i = 0; i < n; i++) {
        first->iov[i] = (struct iovec){.iov_base = slot[i]->entry->data + slot[i]->filled_bytes,
                                       .iov_len = slot[i]->want_bytes - slot[i]->filled_bytes};
        slot[i]->read_next = i + 1 < n ? slot[i + 1] : NULL;
    }
    first->io.done = on_read;
    if (aro_put_source_read(&put->source, aro_content_ring(put->content), &first->io, first->iov, n,
                            first->offset_bytes + first->filled_bytes) != 0)
        return false;
    for (unsigned i = 0; i < n; i++)
        slot[i]->state = SLOT_READING;
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

/* Takes memory for the next chunk. NULL: none now, or nothing to read. */
static struct slot *slot_open(struct aro_put *put, uint64_t now_ns)
{
    struct slot *slot = &put->slot[put->next_read % put->slots];
    uint64_t left = put->source.size_bytes - put->read_at;

    if (slot->state != SLOT_FREE || aro_put_nothing_to_read(put) || stream_busy(put))
        return NULL;
    slot->want_bytes = put->object.chunk_bytes;
    if (!put->source.stream && left < slot->want_bytes)
        slot->want_bytes = (uint32_t)left;
    if (aro_cache_alloc(aro_content_cache(put->content), slot->want_bytes, &slot->entry) != 0)
        return NULL;
    put->moved_ns = now_ns;
    slot->filled_bytes = 0;
    slot->offset_bytes = put->read_at;
    slot->state = SLOT_WANTS_READ;
    put->read_at += slot->want_bytes;
    put->next_read++;
    return slot;
}

void aro_put_read_ahead(struct aro_put *put, uint64_t now_ns)
{
    struct slot *slot[PUT_READ_MAX];
    uint32_t budget = READ_BYTES_PER_TURN;

    for (unsigned i = 0; i < put->slots && budget > 0; i++) {
        slot[0] = &put->slot[i];
        if (slot[0]->state == SLOT_WANTS_READ && slots_read(slot, 1))
            budget -= slot[0]->want_bytes < budget ? slot[0]->want_bytes : budget;
    }
    while (budget > 0) {
        unsigned n = 0;
        while (n < PUT_READ_MAX && budget > 0 && (slot[n] = slot_open(put, now_ns)) != NULL) {
            budget -= slot[n]->want_bytes < budget ? slot[n]->want_bytes : budget;
            n++;
        }
        if (n == 0 || !slots_read(slot, n))
            break;
    }
}

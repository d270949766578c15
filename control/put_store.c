/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of a put that hands hashed chunks over: to the store, neighbours as one write, or to
 * memory, and publishes each once its bytes are safe where they belong.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/put_state.h"

void aro_put_fail_store(struct aro_put *put, int error)
{
    char text[128];

    snprintf(text, sizeof(text), "the store: %s", strerror(-error));
    if (error == -ENOSPC || error == -EDQUOT)
        aro_put_fail(put, ARO_E_STORE_FULL, text);
    else
        aro_put_fail(put, ARO_E_STORE_FAILED, text);
}

/* The bytes are safe where they belong: now readers may find them. */
static void slot_publish(struct slot *slot)
{
    struct aro_put *put = slot->put;
    int result = aro_cache_insert(aro_content_cache(put->content), slot->entry);

    slot->entry = NULL;
    slot->state = SLOT_FREE;
    /* with a store it can be read again from disk whenever memory has no room */
    if (slot->memory_only) {
        if (result == 0)
            put->new_bytes += slot->want_bytes;
        else if (result != -EEXIST)
            aro_put_fail(put, ARO_E_OBJECT_TOO_LARGE, "memory has no room for one more chunk");
        aro_put_defer_published(slot);
    }
    if (put->published != NULL && slot->number != ARO_PUT_MANIFEST && !put->failed)
        put->published(put->arg, slot->number, &slot->claim->id, slot->want_bytes);
}

static void on_stored(struct aro_store_op *op, int result)
{
    struct slot *slot = (struct slot *)(void *)((char *)op - offsetof(struct slot, op));
    struct aro_put *put = slot->put;

    put->busy--;
    if (slot->disk != put->disk || (result != 0 && aro_put_leaves_disk(put))) {
        slot->state = SLOT_STORING; /* once more, on another disk */
        return;
    }
    if (result != 0) {
        aro_put_fail_store(put, result);
        aro_put_slot_free(slot);
        return;
    }
    put->stored = true;
    put->new_bytes += slot->want_bytes;
    aro_admission_stored(slot->claim);
    slot_publish(slot);
}

/* The store's answer to a slot that it was given. False: come again. */
static bool slot_given(struct slot *slot, int result)
{
    struct aro_put *put = slot->put;

    if (result == 0) {
        slot->state = SLOT_WRITING;
        slot->claim->fresh |= UINT32_C(1) << slot->disk;
        put->busy++;
        return true;
    }
    if (result == -EAGAIN || slot->disk != put->disk ||
        (result != -EEXIST && aro_put_leaves_disk(put)))
        return false;
    if (result == -EEXIST) {
        put->stored = true;
        aro_admission_stored(slot->claim);
        slot_publish(slot);
    } else {
        aro_put_fail_store(put, result);
        aro_put_slot_free(slot);
    }
    return true;
}

/* The hashed slots, in content order. */
static unsigned slots_hashed(struct aro_put *put, struct slot *ret[])
{
    unsigned n = 0;

    for (unsigned i = 0; i < put->slots; i++) {
        struct slot *slot = &put->slot[(put->next_hash + i) % put->slots];
        if (slot->state == SLOT_STORING)
            ret[n++] = slot;
    }
    return n;
}

/* Hands hashed slots to the store: one write for many. Returns how many it took. */
static unsigned slots_write(struct aro_put *put, struct slot *const slot[], unsigned n)
{
    struct aro_store *store = aro_put_store(put, &slot[0]->entry->id);
    struct aro_append append[ARO_PUT_SLOTS_MAX];
    unsigned given = 0;

    if (store == NULL)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        slot[i]->op.done = on_stored;
        slot[i]->disk = put->disk;
        append[i] = (struct aro_append){.op = &slot[i]->op,
                                        .id = &slot[i]->entry->id,
                                        .data = slot[i]->entry->data,
                                        .len_bytes = slot[i]->want_bytes};
    }
    aro_store_append_burst(store, append, n);
    for (unsigned i = 0; i < n; i++)
        given += slot_given(slot[i], append[i].result);
    return given;
}

/* Straight to memory, and nowhere else. */
static void slot_keep(struct slot *slot)
{
    struct aro_content *content = slot->put->content;

    if ((aro_content_disks(content) == NULL || slot->loose) &&
        !aro_content_in_memory(content, &slot->entry->id))
        slot->claim->fresh |= UINT32_C(1) << slot->put->disk;
    slot_publish(slot);
}

/* To memory or to the store, as each is to go. Returns how many went. */
static unsigned slots_store(struct aro_put *put, struct slot *const slot[], unsigned n)
{
    struct slot *write[ARO_PUT_SLOTS_MAX];
    unsigned kept = 0, writes = 0;

    for (unsigned i = 0; i < n; i++) {
        slot[i]->memory_only = aro_content_disks(put->content) == NULL;
        if (put->deferred && !aro_put_defer_slot(slot[i]))
            break;
        if (!slot[i]->memory_only) {
            write[writes++] = slot[i];
            continue;
        }
        slot_keep(slot[i]);
        kept++;
    }
    return kept + (writes > 0 ? slots_write(put, write, writes) : 0);
}

/* False: nothing moved. While more is being hashed, a few wait for it. */
bool aro_put_store_some(struct aro_put *put)
{
    bool more = put->next_give > put->next_hash && put->manifests == NULL;
    struct slot *slot[ARO_PUT_SLOTS_MAX];
    unsigned n = slots_hashed(put, slot);

    if (n == 0 || (more && n < put->run))
        return false;
    return slots_store(put, slot, n) > 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A put whose object stays in memory until it is asked for again: what the store has already is not
 * written, what another object in memory names is - that makes two - and the rest is loose. Until
 * the object is whole its loose chunks are kept from eviction: S3-FIFO would take new ones first.
 */
#include <errno.h>

#include "control/put_state.h"

bool aro_put_defer_slot(struct slot *slot)
{
    struct aro_put *put = slot->put;
    struct aro_store *store = aro_put_store(put, &slot->entry->id);

    if (store == NULL || !aro_store_is_whole(store))
        return false;
    slot->memory_only = slot->claim->owner == NULL;
    slot->loose = slot->memory_only &&
                  !aro_store_has(store, &slot->entry->id, slot->entry->data, slot->want_bytes);
    return true;
}

void aro_put_defer_published(struct slot *slot)
{
    if (!slot->put->deferred)
        return;
    slot->claim->lost = false;
    slot->claim->loose |= slot->loose;
    if (slot->loose)
        (void)aro_cache_keep(aro_content_cache(slot->put->content), &slot->claim->id);
}

void aro_put_defer_let_go(struct aro_put *put, const struct aro_claim *claim)
{
    if (put->deferred && !aro_pins_want(aro_content_pins(put->content), &claim->id))
        (void)aro_cache_unkeep(aro_content_cache(put->content), &claim->id);
}

void aro_put_defer_record(struct aro_put *put)
{
    struct aro_object known;
    int result;

    for (uint64_t i = 0; i < put->claims; i++)
        aro_put_defer_let_go(put, put->claim[i]);
    result = aro_disks_object_find(aro_content_disks(put->content), &put->object.id, &known);
    if (result >= 0) {
        put->disk = (unsigned)result; /* what it has is somebody's there */
        put->deferred = false;
        put->phase = PHASE_OVER;
        return;
    }
    result = aro_admission_defer(aro_content_admission(put->content), &put->object, put->claim,
                                 put->claims, put->disk, put->mark);
    if (result == 0) {
        put->claim = NULL;
        put->claims = 0;
    }
    if (result == 0 || result == -EEXIST)
        put->phase = PHASE_OVER;
    else if (result == -ESTALE)
        aro_put_fail(put, ARO_E_MEMORY_TIGHT, "a chunk of it left memory before the last one came");
    else
        aro_put_fail(put, ARO_E_CONTROL_RESOURCES,
                     "no room in the list of what waits for the disk");
}

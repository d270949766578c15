/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * On which disk a put's content goes: all on one. As long as that disk has taken nothing, a refusal
 * (full, failing) sends the put to the next one; chunks that were on their way are written again
 * there. What the first disk may have taken meanwhile goes when the put gives its claims back.
 */
#include "control/put_state.h"

static uint32_t everybody(const struct aro_put *put)
{
    return (UINT32_C(1) << aro_disks_count(aro_content_disks(put->content))) - 1;
}

/* A store that gives way would lose all it can before it refused: it is not even asked. */
int aro_put_check_room(struct aro_put *put, uint64_t stream_bytes, struct aro_error *error)
{
    const struct aro_disks *disks = aro_content_disks(put->content);
    uint64_t most = 0;

    put->promised_bytes = put->source.stream ? stream_bytes : put->source.held_bytes;
    for (unsigned i = 0; i < aro_disks_count(disks); i++) {
        const struct aro_store *store = aro_disks_store(disks, i);
        uint64_t holds = aro_store_payload_bytes_max(store);
        if (!aro_store_recycles(store) || put->promised_bytes <= holds)
            continue;
        put->refused |= UINT32_C(1) << i;
        most = most > holds ? most : holds;
    }
    if (disks == NULL || put->refused != everybody(put))
        return 0;
    return aro_error_set(error, ARO_E_STORE_FULL,
                         "the content has %llu bytes, the store never holds more than %llu",
                         (unsigned long long)put->promised_bytes, (unsigned long long)most);
}

bool aro_put_disk_is_out(struct aro_put *put)
{
    return put->store != NULL &&
           aro_disks_use_of(aro_content_disks(put->content), put->disk) == ARO_DISK_AWAY;
}

struct aro_store *aro_put_store(struct aro_put *put, const struct aro_id *first)
{
    const struct aro_disks *disks = aro_content_disks(put->content);
    int disk;

    if (aro_put_disk_is_out(put) && !aro_put_leaves_disk(put)) {
        aro_put_fail(put, ARO_E_STORE_FAILED, ARO_PUT_DISK_OUT);
        return NULL;
    }
    if (put->store != NULL)
        return put->store;
    disk = aro_disks_choose(disks, first, put->promised_bytes, put->refused);
    if (disk < 0) {
        aro_put_fail(put, ARO_E_DISKS_OUT, "every disk that could take it is out");
        return NULL;
    }
    put->disk = (unsigned)disk;
    put->store = aro_disks_store(disks, put->disk);
    put->mark = aro_store_mark(put->store);
    return put->store;
}

bool aro_put_leaves_disk(struct aro_put *put)
{
    uint32_t refused = put->refused | UINT32_C(1) << put->disk;
    const struct aro_id any = {{0}};

    if (put->stored || put->failed || put->deferred || put->phase != PHASE_TAKING ||
        aro_disks_choose(aro_content_disks(put->content), &any, put->promised_bytes, refused) < 0)
        return false;
    put->refused = refused;
    put->disk = ARO_DISKS_MAX;
    put->store = NULL;
    return true;
}

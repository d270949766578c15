/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One download's manifests. What another download of this engine has, or is about to have, is not
 * fetched again: a thousand clients of one object cost one manifest, on the wire and in memory.
 */
#include "dataplane/client/engine_state.h"

/* The first manifest tells what the ring must hold. */
static void root_learn(struct aro_download *download)
{
    const struct aro_manifest *root = &download->walk.levels[0].manifest;

    download->root_known = true;
    download->root = (struct aro_download_root){
        .total_bytes = root->total_bytes, .chunk_bytes = root->chunk_bytes, .digest = root->digest};
    download->stats.content_total = root->total_bytes;
    if (download_slots(download, root->chunk_bytes) != 0)
        download_fail(download, ARO_E_CLIENT_MEMORY, "no memory for the chunk table");
    engine_ready(download);
}

/* The digest agreed, so these bytes are what the object's author wrote - sane or not. */
static void manifest_push(struct aro_download *download, const struct aro_id *id, uint8_t *bytes,
                          size_t len)
{
    enum aro_manifest_verdict verdict = aro_walk_push(&download->walk, bytes, len);
    char text[ARO_ID_TEXT_MAX];

    if (verdict != ARO_MANIFEST_OK) {
        aro_id_format(id, ARO_KIND_CHUNK, text);
        download_fail(download, ARO_E_MANIFEST_INVALID, "the manifest %s cannot be used: %s", text,
                      aro_manifest_verdict_text(verdict));
    } else if (!download->root_known) {
        root_learn(download);
    }
}

/* Those that waited for somebody's manifest look again: it is here, or one of them fetches it. */
static void waiters_wake(struct aro_engine *engine)
{
    for (uint32_t i = 0; engine->manifest_waiters > 0 && i < engine->download_room; i++) {
        struct aro_download *download = engine->downloads[i];
        if (download == NULL || !download->manifest_waits)
            continue;
        download->manifest_waits = false;
        engine->manifest_waiters--;
        download_fill(download);
    }
}

void download_manifest_leave(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;

    engine->manifest_waiters -= download->manifest_waits;
    download->manifest_waits = false;
    if (!download->manifest_fetches)
        return;
    download->manifest_fetches = false;
    engine->manifest_fetchers--;
    waiters_wake(engine);
}

void download_manifest_verified(struct aro_download *download, struct aro_transfer *transfer)
{
    size_t len = transfer->len_bytes;
    struct aro_id id = transfer->id;
    uint8_t *bytes = aro_manifests_share(&download->engine->manifests, transfer->bytes, len, &id);

    transfer->bytes = NULL;
    transfer->manifest = false;
    transfer->state = ARO_TRANSFER_VERIFIED;
    if (transfer == engine_transfer(download, download->take))
        engine_ready(download); /* what is behind it cannot be taken before it */
    manifest_push(download, &id, bytes, len);
    download_manifest_leave(download);
    if (download->state != ARO_DOWNLOAD_RUNNING)
        return;
    download->stats.manifests++;
    download_fill(download);
}

/* Whether another download fetches it now. A walk wants one manifest at a time: its entry's. */
static bool comes_for_another(const struct aro_engine *engine, const struct aro_id *id)
{
    for (uint32_t i = 0; engine->manifest_fetchers > 0 && i < engine->download_room; i++) {
        const struct aro_download *other = engine->downloads[i];
        if (other != NULL && other->manifest_fetches && aro_id_equal(&other->entry.id, id))
            return true;
    }
    return false;
}

enum download_manifest download_manifest_begin(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;
    struct aro_id id = download->entry.id;
    size_t len;
    uint8_t *bytes;

    if (download->manifest_waits)
        return DOWNLOAD_MANIFEST_COMES;
    bytes = aro_manifests_find(&engine->manifests, &id, &len);
    if (bytes != NULL) {
        manifest_push(download, &id, bytes, len);
        return DOWNLOAD_MANIFEST_HERE;
    }
    if (comes_for_another(engine, &id)) {
        download->manifest_waits = true;
        engine->manifest_waiters++;
        return DOWNLOAD_MANIFEST_COMES;
    }
    download->manifest_fetches = true;
    engine->manifest_fetchers++;
    return DOWNLOAD_MANIFEST_FETCH;
}

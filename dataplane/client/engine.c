/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cache/base/sha256.h"
#include "dataplane/client/engine_state.h"

void engine_fail(struct aro_engine *engine, enum aro_error_id id, const char *format, ...)
{
    char text[ARO_ERROR_TEXT_BYTES];
    va_list args;

    if (engine->state != ARO_ENGINE_RUNNING)
        return; /* the first cause counts */
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aro_error_set(&engine->error, id, "%s", text);
    engine->state = ARO_ENGINE_FAILED;
}

/* Takes the next slot of the ring. manifest: bytes come from the heap and go to the walk. */
static void transfer_start(struct aro_engine *engine, const struct aro_id *id, uint32_t len_bytes,
                           bool manifest, uint64_t content_at)
{
    uint32_t slot = (uint32_t)(engine->tail % engine->slots);
    uint8_t *bytes = engine->buffers[slot];

    if (manifest)
        bytes = malloc(len_bytes > 0 ? len_bytes : ARO_CHUNK_BYTES_MAX);
    else if (bytes == NULL)
        bytes = engine->buffers[slot] = malloc(engine->slot_bytes);
    if (bytes == NULL) {
        engine_fail(engine, ARO_E_CLIENT_MEMORY, "no memory for a chunk buffer");
        return;
    }
    struct aro_transfer *transfer = &engine->transfers[slot];
    aro_transfer_begin(transfer, id, len_bytes, bytes);
    transfer->manifest = manifest;
    transfer->content_at = content_at;
    engine->tail++;
}

void engine_fill(struct aro_engine *engine)
{
    struct aro_manifest_entry entry;

    while (engine->state == ARO_ENGINE_RUNNING && !engine->walked &&
           engine->tail - engine->head < engine->slots) {
        enum aro_walk_step step = aro_walk_next(&engine->walk, &entry);
        if (step == ARO_WALK_WAIT)
            return;
        if (step == ARO_WALK_END)
            engine->walked = true;
        else
            transfer_start(engine, &entry.id, entry.len_bytes, step == ARO_WALK_MANIFEST,
                           entry.content_at);
    }
}

/* Chunk buffers can be sized only once the root has told the chunk size. */
static int slots_size(struct aro_engine *engine, uint32_t chunk_bytes)
{
    uint32_t slots = engine->options.buffer_bytes / chunk_bytes;

    slots = slots < ENGINE_SLOTS_MIN ? ENGINE_SLOTS_MIN : slots;
    slots = slots > ENGINE_SLOTS_MAX ? ENGINE_SLOTS_MAX : slots;
    struct aro_transfer *transfers = calloc(slots, sizeof(*transfers));
    if (transfers == NULL)
        return -ENOMEM;
    /* what was asked for in the old ring must not be taken for the new one's */
    for (uint32_t i = 0; i < slots && engine->transfers != NULL; i++)
        transfers[i].generation = engine->transfers[0].generation + 1;
    free(engine->transfers);
    engine->transfers = transfers;
    engine->slots = slots;
    engine->slot_bytes = chunk_bytes;
    /* the root's own transfer is over: the ring starts anew */
    engine->head = engine->take = engine->tail = engine->scan = 0;
    return 0;
}

struct aro_engine *aro_engine_create(const struct aro_engine_options *options, uint64_t now_us)
{
    struct aro_engine *engine;

    if ((options->kind != ARO_KIND_CHUNK && options->kind != ARO_KIND_OBJECT) ||
        options->slice_bytes_max < ARO_SLICE_BYTES_MIN) {
        errno = EINVAL;
        return NULL;
    }
    engine = calloc(1, sizeof(*engine));
    if (engine == NULL)
        return NULL;
    engine->options = *options;
    engine->progress_us = now_us;
    aro_source_init(&engine->source, options->slice_bytes_max, options->receive_buffer_bytes,
                    options->token, now_us);
    aro_requests_init(&engine->requests);
    aro_walk_init(&engine->walk);
    bool whole = options->content_digest && options->kind == ARO_KIND_OBJECT;
    if (whole)
        engine->hash = aro_sha256_pair_create();
    if (slots_size(engine, ARO_CHUNK_BYTES_MAX) != 0 || (whole && engine->hash == NULL)) {
        aro_engine_destroy(engine);
        errno = ENOMEM;
        return NULL;
    }
    engine->walked = options->kind == ARO_KIND_CHUNK;
    transfer_start(engine, &options->id, 0, options->kind == ARO_KIND_OBJECT, 0);
    return engine;
}

void aro_engine_destroy(struct aro_engine *engine)
{
    if (engine == NULL)
        return;
    for (uint32_t i = 0; i < engine->slots; i++)
        if (engine->transfers[i].manifest)
            free(engine->transfers[i].bytes); /* not yet the walk's */
    for (uint32_t i = 0; i < ENGINE_SLOTS_MAX; i++)
        free(engine->buffers[i]);
    aro_walk_fini(&engine->walk);
    aro_sha256_pair_destroy(engine->hash);
    free(engine->transfers);
    free(engine);
}

static void transfer_free(struct aro_engine *engine, struct aro_transfer *transfer)
{
    transfer->generation++;
    transfer->state = ARO_TRANSFER_FREE;
    while (engine->head < engine->take &&
           engine_transfer(engine, engine->head)->state == ARO_TRANSFER_FREE)
        engine->head++;
}

void engine_restart(struct aro_engine *engine, struct aro_transfer *transfer)
{
    aro_transfer_restart(transfer);
    engine->scan = engine->head;
}

void engine_mismatch(struct aro_engine *engine, struct aro_transfer *transfer, const char *what)
{
    char text[ARO_ID_TEXT_MAX];

    engine->stats.mismatches++;
    if (++transfer->mismatches > 1) {
        engine_fail(engine, ARO_E_SOURCE_LIES, "%s lies: chunk %s came twice with %s",
                    engine->options.source_name, aro_id_format(&transfer->id, ARO_KIND_CHUNK, text),
                    what);
        return;
    }
    if (transfer->probe && aro_source_is_trial(&engine->source, transfer->slice_bytes))
        aro_source_probe_failed(&engine->source);
    if (engine->options.kind == ARO_KIND_CHUNK || !engine->digest_known)
        transfer->len_bytes = 0; /* the length was the source's word, too */
    engine_restart(engine, transfer);
}

/* The digest agreed, so these bytes are what the object's author wrote - sane or not. */
static void manifest_verified(struct aro_engine *engine, struct aro_transfer *transfer)
{
    uint8_t *bytes = transfer->bytes;
    uint32_t len = transfer->len_bytes;
    char text[ARO_ID_TEXT_MAX];

    transfer->bytes = NULL;
    transfer->manifest = false;
    transfer->state = ARO_TRANSFER_VERIFIED;
    aro_id_format(&transfer->id, ARO_KIND_CHUNK, text);
    enum aro_manifest_verdict verdict = aro_walk_push(&engine->walk, bytes, len);
    if (verdict != ARO_MANIFEST_OK) {
        engine_fail(engine, ARO_E_MANIFEST_INVALID, "the manifest %s cannot be used: %s", text,
                    aro_manifest_verdict_text(verdict));
        return;
    }
    engine->stats.manifests++;
    if (!engine->digest_known) {
        const struct aro_manifest *root = &engine->walk.levels[0].manifest;
        engine->digest_known = true;
        engine->digest = root->digest;
        engine->stats.content_total = root->total_bytes;
        if (slots_size(engine, root->chunk_bytes) != 0) {
            engine_fail(engine, ARO_E_CLIENT_MEMORY, "no memory for the chunk table");
            return;
        }
    }
    engine_fill(engine);
}

static bool digest_agrees(struct aro_engine *engine, const struct aro_transfer *transfer)
{
    struct aro_id id;

    if (engine->hash == NULL || transfer->manifest) {
        id = aro_sha256(transfer->bytes, transfer->len_bytes);
    } else {
        aro_sha256_pair_begin(engine->hash);
        aro_sha256_pair_update(engine->hash, transfer->bytes, transfer->len_bytes);
        id = aro_sha256_pair_part(engine->hash);
    }
    return aro_id_equal(&id, &transfer->id);
}

void engine_complete(struct aro_engine *engine, struct aro_transfer *transfer)
{
    if (!transfer->manifest)
        transfer->state = ARO_TRANSFER_COMPLETE; /* verified when its turn comes: see take */
    else if (digest_agrees(engine, transfer))
        manifest_verified(engine, transfer);
    else
        engine_mismatch(engine, transfer, "the wrong content");
}

/* In order of content, so that both digests, its own and the whole's, take one pass. */
static bool content_verify(struct aro_engine *engine, struct aro_transfer *transfer)
{
    if (!digest_agrees(engine, transfer)) {
        if (engine->hash != NULL)
            aro_sha256_pair_drop(engine->hash);
        engine_mismatch(engine, transfer, "the wrong content");
        return false;
    }
    engine->stats.chunks++;
    if (engine->options.kind == ARO_KIND_CHUNK)
        engine->stats.content_total = transfer->len_bytes;
    return true;
}

bool aro_engine_take(struct aro_engine *engine, struct aro_piece *ret)
{
    while (engine->take < engine->tail) {
        struct aro_transfer *transfer = engine_transfer(engine, engine->take);
        if (transfer->state == ARO_TRANSFER_VERIFIED) { /* a manifest: nothing for the caller */
            engine->take++;
            transfer_free(engine, transfer);
            engine_fill(engine);
            continue;
        }
        if (transfer->state != ARO_TRANSFER_COMPLETE || !content_verify(engine, transfer))
            return false;
        engine->take++;
        transfer->state = ARO_TRANSFER_TAKEN;
        *ret = (struct aro_piece){.bytes = transfer->bytes,
                                  .len_bytes = transfer->len_bytes,
                                  .slot = (uint32_t)(transfer - engine->transfers),
                                  .at = transfer->content_at};
        engine->stats.content_bytes += transfer->len_bytes;
        return true;
    }
    return false;
}

void aro_engine_release(struct aro_engine *engine, const struct aro_piece *piece)
{
    transfer_free(engine, &engine->transfers[piece->slot]);
    engine_fill(engine);
}

enum aro_engine_state aro_engine_state(const struct aro_engine *engine)
{
    if (engine->state == ARO_ENGINE_RUNNING && engine->walked && engine->take == engine->tail)
        return ARO_ENGINE_DONE;
    return engine->state;
}

const struct aro_error *aro_engine_error(const struct aro_engine *engine)
{
    return &engine->error;
}

const struct arocache_stats *aro_engine_stats(struct aro_engine *engine)
{
    const struct aro_source *source = &engine->source;

    engine->stats.rtt_us = source->network.smoothed_us;
    engine->stats.rtt_min_us = source->shortest.us;
    engine->stats.slice_bytes = source->step_proven ? source->ladder[source->step] : 0;
    if (source->token_serial > 0)
        memcpy(engine->stats.token, source->token, ARO_TOKEN_BYTES);
    return &engine->stats;
}

const struct aro_id *aro_engine_digest(const struct aro_engine *engine)
{
    return engine->digest_known ? &engine->digest : NULL;
}

struct aro_id aro_engine_content_digest(const struct aro_engine *engine)
{
    return aro_sha256_pair_whole(engine->hash);
}

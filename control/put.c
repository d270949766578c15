/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/put.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/put_state.h"

enum {
    UNDO_PER_TURN = 16,
    RETRY_MS = 1,
    STREAM_RETRY_MS = 2,
};

void aro_put_fail(struct aro_put *put, enum aro_error_id id, const char *text)
{
    if (!put->failed)
        aro_error_set(&put->error, id, "%s", text);
    put->failed = true;
}

static unsigned slots_for(uint64_t region_bytes, uint64_t window_bytes, uint32_t chunk_bytes)
{
    uint64_t slots;

    if (window_bytes == 0)
        window_bytes = ARO_PUT_WINDOW_BYTES;
    if (window_bytes > region_bytes / 8)
        window_bytes = region_bytes / 8;
    slots = window_bytes / chunk_bytes;
    return slots < 2 ? 2 : slots > ARO_PUT_SLOTS_MAX ? ARO_PUT_SLOTS_MAX : (unsigned)slots;
}

static int on_manifest(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    struct aro_put *put = arg;
    struct manifest *manifest = malloc(sizeof(*manifest) + len);

    if (manifest == NULL)
        return -ENOMEM;
    manifest->next = NULL;
    manifest->id = *id;
    manifest->len_bytes = (uint32_t)len;
    memcpy(manifest->bytes, bytes, len);
    *put->manifests_last = manifest;
    put->manifests_last = &manifest->next;
    return 0;
}

struct aro_put *aro_put_create(const struct aro_put_config *config, struct aro_error *error)
{
    struct aro_put *put = calloc(1, sizeof(*put));
    struct aro_cache_stats stats;

    if (!aro_manifest_chunk_bytes_valid(config->chunk_bytes)) {
        aro_error_set(error, ARO_E_PARAMS_INVALID, "chunk_bytes must be a multiple of 4096");
        goto fail;
    }
    if (put == NULL)
        goto no_memory;
    put->source.fd = -1;
    put->content = config->content;
    put->disk = aro_content_disks(config->content) != NULL ? ARO_DISKS_MAX : 0;
    if (aro_put_source_init(&put->source, config->fd, error) != 0 ||
        aro_put_check_room(put, config->stream_bytes, error) != 0)
        goto fail;
    put->published = config->published;
    put->deferred = config->deferred && aro_content_admission(config->content) != NULL;
    put->arg = config->arg;
    put->manifests_last = &put->manifests;
    put->object.chunk_bytes = config->chunk_bytes;
    snprintf(put->object.label, sizeof(put->object.label), "%s", config->label);
    aro_cache_stats(aro_content_cache(config->content), &stats);
    put->memory_bytes = stats.bytes_total - stats.bytes_total / 4;
    put->slots = slots_for(stats.bytes_total, config->window_bytes, config->chunk_bytes);
    for (unsigned i = 0; i < put->slots; i++)
        put->slot[i].put = put;
    put->run = put->slots / 4 < 1                   ? 1
               : put->slots / 4 > ARO_STORE_RUN_MAX ? ARO_STORE_RUN_MAX
                                                    : put->slots / 4;
    put->sha = aro_sha256_pair_create();
    put->builder = aro_manifest_builder_create(config->chunk_bytes, on_manifest, put);
    if (put->sha != NULL && put->builder != NULL)
        return put;
no_memory:
    aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a put");
fail:
    close(config->fd);
    if (put != NULL)
        put->source.fd = -1;
    aro_put_destroy(put);
    return NULL;
}

void aro_put_destroy(struct aro_put *put)
{
    if (put == NULL)
        return;
    while (put->manifests != NULL) {
        struct manifest *manifest = put->manifests;
        put->manifests = manifest->next;
        free(manifest);
    }
    aro_manifest_builder_destroy(put->builder);
    aro_sha256_pair_destroy(put->sha);
    if (put->source.fd >= 0)
        close(put->source.fd);
    free(put->claim);
    free(put);
}

/* ---- storing ---- */

void aro_put_slot_free(struct slot *slot)
{
    if (slot->entry != NULL)
        aro_cache_discard(aro_content_cache(slot->put->content), slot->entry);
    slot->entry = NULL;
    slot->state = SLOT_FREE;
}

static bool claim(struct aro_put *put, struct slot *slot)
{
    struct aro_claim **grown;

    if (put->claims == put->claims_room) {
        uint64_t room = put->claims_room > 0 ? 2 * put->claims_room : 256;
        grown = reallocarray(put->claim, room, sizeof(*grown));
        if (grown == NULL) {
            aro_put_fail(put, ARO_E_CONTROL_RESOURCES, "no memory for the list of chunks");
            return false;
        }
        put->claim = grown;
        put->claims_room = room;
    }
    slot->claim = aro_claims_take(aro_content_claims(put->content), &slot->entry->id);
    if (slot->claim == NULL) {
        aro_put_fail(put, ARO_E_OBJECT_TOO_LARGE, "more chunks than puts may have under way");
        return false;
    }
    put->claim[put->claims++] = slot->claim;
    return true;
}

/* The last piece of a stream is shorter than the memory taken for it. */
static bool fit(struct slot *slot)
{
    struct aro_cache *cache = aro_content_cache(slot->put->content);
    struct aro_entry *smaller;

    if (slot->entry->len_bytes == slot->want_bytes)
        return true;
    if (aro_cache_alloc(cache, slot->want_bytes, &smaller) != 0)
        return false;
    memcpy(smaller->data, slot->entry->data, slot->want_bytes);
    aro_cache_discard(cache, slot->entry);
    slot->entry = smaller;
    return true;
}

/* ---- hashing, in content order ---- */

/* Gives the hasher what was read. */
static void slots_give(struct aro_put *put)
{
    struct slot *slot = &put->slot[put->next_give % put->slots];

    while (slot->state == SLOT_FULL && !put->failed && fit(slot)) {
        memset(slot->entry->data + slot->want_bytes, 0, -slot->want_bytes & 4095);
        slot->hash = (struct aro_hash_job){
            .sha = put->sha, .data = slot->entry->data, .len_bytes = slot->want_bytes};
        slot->state = SLOT_HASHING;
        aro_hasher_give(aro_content_hasher(put->content), &slot->hash);
        put->busy++;
        slot = &put->slot[++put->next_give % put->slots];
    }
}

/* A slot that the hasher is done with. */
static void slot_take_back(struct slot *slot)
{
    slot->put->busy--;
    slot->entry->id = slot->hash.id;
    slot->state = SLOT_STORING;
}

static void hashed(struct slot *slot)
{
    struct aro_put *put = slot->put;
    int result = aro_manifest_builder_add(put->builder, &slot->entry->id, slot->want_bytes);

    put->hashed_bytes += slot->want_bytes;
    slot->number = put->object.chunks++;
    put->next_hash++;
    if (result != 0)
        aro_put_fail(put, result == -EFBIG ? ARO_E_OBJECT_TOO_LARGE : ARO_E_CONTROL_RESOURCES,
                     result == -EFBIG ? "longer than a manifest can describe"
                                      : "no memory for a manifest");
    else if (!claim(put, slot))
        slot->state = SLOT_FULL; /* nobody's to store */
}

static bool next_is_hashed(const struct aro_put *put)
{
    const struct slot *slot = &put->slot[put->next_hash % put->slots];

    return slot->state == SLOT_HASHING && aro_hash_job_done(&slot->hash) && put->manifests == NULL;
}

/* Takes digests, in content order and a bounded amount. Returns how many bytes they are of. */
static uint32_t slots_take_back(struct aro_put *put)
{
    uint32_t bytes = 0;

    while (next_is_hashed(put) && !put->failed && bytes < ARO_PUT_TURN_BYTES) {
        struct slot *slot = &put->slot[put->next_hash % put->slots];
        slot_take_back(slot);
        bytes += slot->want_bytes;
        hashed(slot);
    }
    return bytes;
}

/* ---- turns ---- */

/* Manifests take a free slot like any chunk. */
static void place_manifest(struct aro_put *put, uint64_t now_ns)
{
    struct manifest *manifest = put->manifests;
    struct slot *slot = NULL;

    for (unsigned i = 0; i < put->slots && slot == NULL; i++)
        if (put->slot[i].state == SLOT_FREE)
            slot = &put->slot[i];
    if (slot == NULL ||
        aro_cache_alloc(aro_content_cache(put->content), manifest->len_bytes, &slot->entry) != 0)
        return;
    put->moved_ns = now_ns;
    memcpy(slot->entry->data, manifest->bytes, manifest->len_bytes);
    memset(slot->entry->data + manifest->len_bytes, 0, -manifest->len_bytes & 4095);
    slot->entry->id = manifest->id;
    slot->number = ARO_PUT_MANIFEST;
    slot->want_bytes = manifest->len_bytes;
    slot->state = SLOT_STORING;
    put->manifests = manifest->next;
    if (put->manifests == NULL)
        put->manifests_last = &put->manifests;
    free(manifest);
    if (!claim(put, slot))
        aro_put_slot_free(slot);
}

static void on_recorded(struct aro_store_op *op, int result)
{
    struct aro_put *put = (struct aro_put *)(void *)((char *)op - offsetof(struct aro_put, op));

    put->busy--;
    if (result != 0) {
        aro_put_fail_store(put, result);
        return;
    }
    aro_admission_recorded(aro_content_admission(put->content), &put->object.id);
    put->phase = PHASE_OVER;
}

/* Every chunk is stored: record the object. */
static void record(struct aro_put *put)
{
    struct timespec now;
    int result;

    clock_gettime(CLOCK_REALTIME, &now);
    put->object.created_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    put->op.done = on_recorded;
    if (put->deferred) {
        aro_put_defer_record(put);
        return;
    }
    if (aro_content_disks(put->content) == NULL) {
        if (aro_content_memory_add(put->content, &put->object) != 0)
            aro_put_fail(put, ARO_E_OBJECT_TOO_LARGE, "the list of objects in memory is full");
        else
            put->phase = PHASE_OVER;
        return;
    }
    if (aro_put_disk_is_out(put)) {
        aro_put_fail(put, ARO_E_STORE_FAILED, ARO_PUT_DISK_OUT);
        return;
    }
    result = aro_store_object_add(put->store, &put->op, &put->object, put->mark);
    if (result == -EAGAIN)
        return;
    if (result != 0) {
        aro_put_fail_store(put, result);
        return;
    }
    put->busy++;
    put->phase = PHASE_RECORDING;
}

static bool all_free(const struct aro_put *put)
{
    for (unsigned i = 0; i < put->slots; i++)
        if (put->slot[i].state != SLOT_FREE)
            return false;
    return true;
}

static void finish_manifest(struct aro_put *put)
{
    int result;

    put->object.digest = aro_sha256_pair_whole(put->sha);
    put->object.total_bytes = aro_manifest_builder_total_bytes(put->builder);
    result = aro_manifest_builder_finish(put->builder, &put->object.digest, &put->object.id);
    put->finished = true;
    if (result != 0)
        aro_put_fail(put, ARO_E_CONTROL_RESOURCES, "no memory for a manifest");
}

/* Without a store nothing brings an evicted chunk back. */
static void check_memory(struct aro_put *put)
{
    if (aro_content_disks(put->content) != NULL)
        return;
    if (put->hashed_bytes > put->memory_bytes || put->source.size_bytes > put->memory_bytes)
        aro_put_fail(
            put, ARO_E_OBJECT_TOO_LARGE,
            "there is no store, and the content does not fit into three quarters of the memory");
}

static uint32_t take_turn(struct aro_put *put, uint64_t now_ns)
{
    uint32_t worked;

    if (put->manifests != NULL)
        place_manifest(put, now_ns);
    aro_put_read_ahead(put, now_ns);
    slots_give(put);
    worked = slots_take_back(put);
    if (!put->failed)
        worked += aro_put_store_some(put);
    check_memory(put);
    if (!put->finished && aro_put_nothing_to_read(put) && put->next_hash == put->next_read &&
        put->manifests == NULL)
        finish_manifest(put);
    if (put->finished && put->manifests == NULL && all_free(put) && !put->failed)
        record(put);
    return worked;
}

/* Gives every claim back; what only this put had stored goes. Bounded: true while there is more. */
static bool release_claims(struct aro_put *put, uint32_t kept)
{
    for (unsigned n = 0; n < UNDO_PER_TURN && put->claims > 0; n++) {
        struct aro_claim *one = put->claim[--put->claims];
        struct aro_id id = one->id;
        uint32_t orphan;
        aro_put_defer_let_go(put, one);
        orphan = aro_claims_release(aro_content_claims(put->content), one, kept);
        if (orphan != 0)
            aro_content_chunk_remove(put->content, &id, orphan);
    }
    return put->claims > 0;
}

static int undo_turn(struct aro_put *put)
{
    for (unsigned i = 0; i < put->slots; i++) {
        struct slot *slot = &put->slot[i];
        if (slot->state == SLOT_HASHING && aro_hash_job_done(&slot->hash))
            slot_take_back(slot);
        if (slot->state != SLOT_READING && slot->state != SLOT_HASHING &&
            slot->state != SLOT_WRITING)
            aro_put_slot_free(slot);
    }
    if (put->busy > 0)
        return RETRY_MS;
    if (release_claims(put, 0))
        return 0;
    put->phase = PHASE_OVER;
    return -1;
}

/* Memory was found for a piece of the stream, and the stream has nothing yet: as slow as it is. */
static bool waits_for_source(const struct aro_put *put)
{
    for (unsigned i = 0; i < put->slots; i++)
        if (put->slot[i].state == SLOT_WANTS_READ)
            return true;
    return false;
}

int aro_put_turn(struct aro_put *put, uint64_t now_ns)
{
    uint32_t worked = 0;

    if (put->phase == PHASE_TAKING && !put->failed)
        worked = take_turn(put, now_ns);
    if (put->moved_ns == 0 || put->busy > 0 || worked > 0 || waits_for_source(put))
        put->moved_ns = now_ns;
    if (now_ns - put->moved_ns > ARO_PUT_STALL_NS_MAX)
        aro_put_fail(put, ARO_E_MEMORY_TIGHT, "waited 4 s and no chunk memory came free");
    if (put->phase == PHASE_OVER && !put->failed)
        return release_claims(put, put->deferred ? 0 : UINT32_C(1) << put->disk) ? 0 : -1;
    if (put->failed) {
        put->phase = PHASE_UNDOING;
        return undo_turn(put);
    }
    if (worked > 0)
        return 0;
    aro_hasher_await(aro_content_hasher(put->content), put->run);
    if (next_is_hashed(put))
        return 0;
    return put->source.stream ? STREAM_RETRY_MS : RETRY_MS;
}

void aro_put_cancel(struct aro_put *put)
{
    if (put->phase == PHASE_TAKING)
        aro_put_fail(put, ARO_E_JOB_CANCELLED, "the put was cancelled");
}

void aro_put_abort(struct aro_put *put, const struct aro_error *error)
{
    if (put->phase == PHASE_TAKING)
        aro_put_fail(put, error->id, error->text);
}

uint64_t aro_put_done_bytes(const struct aro_put *put)
{
    return put->hashed_bytes;
}

uint64_t aro_put_total_bytes(const struct aro_put *put)
{
    return put->source.size_bytes;
}

int aro_put_result(const struct aro_put *put, struct aro_put_result *ret, struct aro_error *error)
{
    if (put->failed) {
        *error = put->error;
        return -1;
    }
    *ret = (struct aro_put_result){.object = put->object,
                                   .new_bytes = put->new_bytes,
                                   .durable =
                                       aro_content_disks(put->content) != NULL && !put->deferred};
    return 0;
}

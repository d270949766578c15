/* SPDX-License-Identifier: BSD-3-Clause */
/* One download: its ring of chunks, from the manifest or a list to verified pieces in order. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/client/engine_state.h"

enum { DOWNLOADS_FIRST = 16 };

void download_fail(struct aro_download *download, enum aro_error_id id, const char *format, ...)
{
    char text[ARO_ERROR_TEXT_BYTES];
    va_list args;

    if (download->state != ARO_DOWNLOAD_RUNNING)
        return; /* the first cause counts */
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    aro_error_set(&download->error, id, "%s", text);
    download->state = ARO_DOWNLOAD_FAILED;
    engine_rest(download);
    engine_ready(download);
    if (id == ARO_E_INCOMPLETE) /* a kept root would go on promising what is gone */
        aro_manifests_forget(&download->engine->manifests, &download->options.id);
    download_manifest_leave(download);
}

void aro_download_fail(struct aro_download *download, const struct aro_error *error)
{
    download_fail(download, error->id, "%s", error->text);
}

/* ---- the ring ---- */

/* Memory for the next chunk, within the engine's bound. NULL: none, or it is to wait. */
static uint8_t *buffer_take(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;
    uint64_t most = engine->options.buffer_bytes;
    uint8_t *buffer;

    if (download->spares > 0)
        return download->spare[--download->spares];
    if (most != 0 && engine->buffers_bytes + download->slot_bytes > most) {
        engine->starved += !download->starved;
        download->starved = true;
        return NULL;
    }
    buffer = malloc(download->slot_bytes);
    if (buffer == NULL)
        download_fail(download, ARO_E_CLIENT_MEMORY, "no memory for a chunk buffer");
    else
        engine->buffers_bytes += download->slot_bytes;
    return buffer;
}

/*
 * Takes the next slot of the ring. manifest: bytes are its own and go to the walk. False: no
 * memory, now or at all.
 */
static bool transfer_start(struct aro_download *download, const struct aro_manifest_entry *entry,
                           bool manifest)
{
    uint32_t slot = (uint32_t)(download->tail % download->slots);
    uint8_t *bytes;

    if (manifest) {
        bytes = aro_manifest_alloc(entry->len_bytes > 0 ? entry->len_bytes : ARO_CHUNK_BYTES_MAX);
        if (bytes == NULL)
            download_fail(download, ARO_E_CLIENT_MEMORY, "no memory for a manifest");
    } else {
        bytes = buffer_take(download);
    }
    if (bytes == NULL)
        return false;
    struct aro_transfer *transfer = &download->transfers[slot];
    aro_transfer_begin(transfer, &entry->id, entry->len_bytes, bytes);
    transfer->manifest = manifest;
    transfer->content_at = entry->content_at;
    download->tail++;
    if (!manifest && entry->len_bytes > 0 && download->options.have != NULL &&
        download->options.have(download->options.have_arg, entry->content_at, bytes,
                               entry->len_bytes)) {
        transfer->local = true;
        transfer->missing = transfer->unasked = 0;
        download_complete(download, transfer);
    } else {
        engine_wake(download);
    }
    return true;
}

static enum aro_walk_step list_next(struct aro_download *download, struct aro_manifest_entry *ret)
{
    while (download->list_first < download->list_count) {
        const struct aro_chunk_name *name = &download->list[download->list_first++];
        *ret = (struct aro_manifest_entry){
            .id = name->id, .len_bytes = name->len_bytes, .content_at = download->list_at};
        download->list_at += name->len_bytes;
        if (download->list_at > download->first)
            return ret->content_at < download->end ? ARO_WALK_CHUNK : ARO_WALK_END;
    }
    return download->list_ended || download->list_at >= download->end ? ARO_WALK_END
                                                                      : ARO_WALK_WAIT;
}

/* What is wanted next: the root or the lone chunk itself, then by manifest or list. */
static enum aro_walk_step entry_next(struct aro_download *download, struct aro_manifest_entry *ret)
{
    const struct aro_download_options *options = &download->options;
    enum aro_walk_step step;

    if (options->list)
        return list_next(download, ret);
    if (!download->begun) {
        download->begun = true;
        *ret = (struct aro_manifest_entry){.id = options->id};
        return options->kind == ARO_KIND_OBJECT ? ARO_WALK_MANIFEST : ARO_WALK_CHUNK;
    }
    if (options->kind == ARO_KIND_CHUNK)
        return ARO_WALK_END;
    if (download->paused)
        return ARO_WALK_WAIT;
    step = aro_walk_next(&download->walk, ret);
    return step == ARO_WALK_CHUNK && ret->content_at >= download->end ? ARO_WALK_END : step;
}

/* What the walk wants: by a transfer, unless it is a manifest that is here. False: not now. */
static bool entry_start(struct aro_download *download)
{
    bool manifest = download->step == ARO_WALK_MANIFEST;
    enum download_manifest found = DOWNLOAD_MANIFEST_FETCH;

    if (manifest)
        found = download_manifest_begin(download);
    if (found != DOWNLOAD_MANIFEST_FETCH)
        return found == DOWNLOAD_MANIFEST_HERE;
    return transfer_start(download, &download->entry, manifest);
}

void download_fill(struct aro_download *download)
{
    while (download->state == ARO_DOWNLOAD_RUNNING && !download->walked &&
           download->tail - download->head < download->open) {
        if (!download->entry_waits)
            download->step = entry_next(download, &download->entry);
        if (download->step == ARO_WALK_WAIT)
            return;
        if (download->step == ARO_WALK_END) {
            download->walked = true;
            engine_ready(download); /* this may have been all */
            return;
        }
        download->entry_waits = !entry_start(download);
        if (download->entry_waits)
            return;
        download->engine->starved -= download->starved;
        download->starved = false;
    }
}

static void buffers_free(struct aro_download *download)
{
    for (uint32_t i = 0; i < download->slots; i++) {
        struct aro_transfer *transfer = &download->transfers[i];
        if (transfer->manifest) {
            aro_manifest_release(transfer->bytes); /* not yet the walk's */
        } else if (transfer->bytes != NULL) {
            download->engine->buffers_bytes -= download->slot_bytes;
            free(transfer->bytes);
        }
    }
    while (download->spares > 0) {
        free(download->spare[--download->spares]);
        download->engine->buffers_bytes -= download->slot_bytes;
    }
    free(download->spare);
    free(download->transfers);
    download->spare = NULL;
    download->transfers = NULL;
    download->slots = 0;
}

/* Chunk buffers can be sized only once the chunk size is known: the ring begins anew. */
int download_slots(struct aro_download *download, uint32_t chunk_bytes)
{
    uint32_t slots = download->options.buffer_bytes / chunk_bytes;

    slots = slots < ENGINE_SLOTS_MIN ? ENGINE_SLOTS_MIN : slots;
    slots = slots > ENGINE_SLOTS_MAX ? ENGINE_SLOTS_MAX : slots;
    if (download->slots > 0)
        buffers_free(download);
    download->transfers = calloc(slots, sizeof(*download->transfers));
    download->spare = calloc(slots, sizeof(*download->spare));
    if (download->transfers == NULL || download->spare == NULL) {
        free(download->transfers);
        free(download->spare);
        download->transfers = NULL;
        download->spare = NULL;
        return -ENOMEM;
    }
    download->serial = ++download->engine->serial; /* what was asked for before is history */
    download->slots = slots;
    download->open = download->options.eager ? slots : ENGINE_SLOTS_FIRST;
    download->slot_bytes = chunk_bytes;
    download->head = download->take = download->tail = download->scan = download->grown_at = 0;
    return 0;
}

/* ---- life ---- */

/* A free place in the engine's table. 0 or -errno. */
static int place_take(struct aro_engine *engine, uint32_t *ret)
{
    struct aro_download **grown;
    uint32_t room = engine->download_room > 0 ? 2 * engine->download_room : DOWNLOADS_FIRST;

    for (uint32_t i = 0; engine->download_count < engine->download_room; i++)
        if (engine->downloads[i] == NULL) {
            *ret = i;
            return 0;
        }
    if (room > ARO_ENGINE_DOWNLOADS_MAX)
        return -ENOSPC;
    grown = reallocarray(engine->downloads, room, sizeof(*grown));
    if (grown == NULL)
        return -ENOMEM;
    memset(grown + engine->download_room, 0, (room - engine->download_room) * sizeof(*grown));
    *ret = engine->download_room;
    engine->downloads = grown;
    engine->download_room = room;
    return 0;
}

static bool options_valid(const struct aro_download_options *options)
{
    if (options->list)
        return options->chunk_bytes > 0 && options->chunk_bytes <= ARO_CHUNK_BYTES_MAX;
    return options->kind == ARO_KIND_CHUNK || options->kind == ARO_KIND_OBJECT;
}

/* What to begin with: the root, a lone chunk, or an empty list. */
static int content_begin(struct aro_download *download)
{
    const struct aro_download_options *options = &download->options;
    bool object = !options->list && options->kind == ARO_KIND_OBJECT;

    if (options->content_digest && object) {
        download->hash = aro_sha256_pair_create();
        if (download->hash == NULL)
            return -ENOMEM;
    }
    download->paused = options->root_only && object;
    if (download_slots(download, options->list ? options->chunk_bytes : ARO_CHUNK_BYTES_MAX) != 0)
        return -ENOMEM;
    download_fill(download);
    return download->state == ARO_DOWNLOAD_FAILED ? -ENOMEM : 0;
}

struct aro_download *aro_download_create(struct aro_engine *engine,
                                         const struct aro_download_options *options,
                                         uint64_t now_us)
{
    struct aro_download *download;
    uint32_t place;
    int error = options_valid(options) ? place_take(engine, &place) : -EINVAL;

    if (error != 0) {
        errno = -error;
        return NULL;
    }
    download = calloc(1, sizeof(*download));
    if (download == NULL)
        return NULL;
    download->engine = engine;
    download->options = *options;
    download->place = place;
    download->progress_us = now_us;
    download->end = UINT64_MAX;
    aro_walk_init(&download->walk);
    download->walk.release = aro_manifest_release;
    engine->downloads[place] = download;
    engine->download_count++;
    if (content_begin(download) != 0) {
        aro_download_destroy(download);
        errno = ENOMEM;
        return NULL;
    }
    engine_check_at(engine, now_us + options->silence_us);
    return download;
}

static void ready_remove(struct aro_download *download)
{
    struct aro_engine *engine = download->engine;
    struct aro_download **at = &engine->ready;

    if (!download->ready)
        return;
    while (*at != download)
        at = &(*at)->ready_next;
    *at = download->ready_next;
    if (*at == NULL)
        engine->ready_last = at;
}

void aro_download_destroy(struct aro_download *download)
{
    struct aro_engine *engine;

    if (download == NULL)
        return;
    engine = download->engine;
    engine_rest(download);
    ready_remove(download);
    if (download->slots > 0)
        buffers_free(download);
    aro_walk_fini(&download->walk);
    aro_sha256_pair_destroy(download->hash);
    free(download->list);
    engine->starved -= download->starved;
    engine->downloads[download->place] = NULL;
    engine->download_count--;
    download_manifest_leave(download);
    free(download);
    for (uint32_t i = 0; engine->starved > 0 && i < engine->download_room; i++) {
        struct aro_download *other = engine->downloads[i];
        if (other == NULL || !other->starved)
            continue;
        download_fill(other);
        if (other->starved)
            return; /* memory is used up again */
    }
}

/* ---- lists and ranges ---- */

int aro_download_push(struct aro_download *download, const struct aro_id *id, uint32_t len_bytes)
{
    if (len_bytes == 0 || len_bytes > download->options.chunk_bytes || !download->options.list)
        return -EINVAL;
    if (download->list_first == download->list_count)
        download->list_first = download->list_count = 0;
    if (download->list_count == download->list_room) {
        size_t room = download->list_room > 0 ? 2 * download->list_room : 64;
        struct aro_chunk_name *grown = reallocarray(download->list, room, sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        download->list = grown;
        download->list_room = room;
    }
    download->list[download->list_count++] = (struct aro_chunk_name){*id, len_bytes};
    download_fill(download);
    return 0;
}

void aro_download_finish(struct aro_download *download)
{
    download->list_ended = true;
    download_fill(download);
    engine_ready(download);
}

int aro_download_range(struct aro_download *download, uint64_t first, uint64_t bytes)
{
    bool begun = !download->options.list && !download->paused;
    uint64_t total = download->root.total_bytes;

    if (bytes == 0 || first + bytes < first || begun || download->list_at > 0)
        return -EINVAL;
    if (!download->options.list && (!download->root_known || first + bytes > total))
        return -EINVAL;
    download->first = first;
    download->end = first + bytes;
    download->walk.first = first;
    if (download->hash != NULL && (first > 0 || bytes < total)) {
        aro_sha256_pair_destroy(download->hash); /* of a part there is no digest */
        download->hash = NULL;
    }
    download->paused = false;
    download_fill(download);
    return 0;
}

/* ---- verification ---- */

static void transfer_free(struct aro_download *download, struct aro_transfer *transfer)
{
    if (transfer->bytes != NULL)
        download->spare[download->spares++] = transfer->bytes;
    transfer->bytes = NULL;
    transfer->generation++;
    transfer->state = ARO_TRANSFER_FREE;
    while (download->head < download->take &&
           engine_transfer(download, download->head)->state == ARO_TRANSFER_FREE)
        download->head++;
}

void download_restart(struct aro_download *download, struct aro_transfer *transfer)
{
    aro_transfer_restart(transfer);
    transfer->link = ARO_TRANSFER_NO_LINK;
    transfer->local = false;
    download->scan = download->head;
    engine_wake(download);
}

void download_complete(struct aro_download *download, struct aro_transfer *transfer)
{
    if (transfer->manifest) {
        if (download_digest_agrees(download, transfer)) {
            link_verified(download, transfer);
            download_manifest_verified(download, transfer);
        } else {
            link_mismatch(download, transfer, "the wrong content");
        }
        return;
    }
    transfer->state = ARO_TRANSFER_COMPLETE; /* verified when its turn comes: see take */
    if (transfer == engine_transfer(download, download->take))
        engine_ready(download);
}

/* In order of content, so that both digests, its own and the whole's, take one pass. */
static bool content_verify(struct aro_download *download, struct aro_transfer *transfer)
{
    if (!download_digest_agrees(download, transfer)) {
        if (download->hash != NULL)
            aro_sha256_pair_drop(download->hash);
        if (transfer->local)
            download_restart(download, transfer); /* an earlier try left something else */
        else
            link_mismatch(download, transfer, "the wrong content");
        return false;
    }
    link_verified(download, transfer);
    download->stats.chunks++;
    if (!download->options.list && download->options.kind == ARO_KIND_CHUNK)
        download->stats.content_total = transfer->len_bytes;
    return true;
}

/* The caller waits for content: a larger ring brings it faster, while there is memory for it. */
static void ring_grow(struct aro_download *download)
{
    const struct aro_engine *engine = download->engine;
    uint64_t spare = engine->options.buffer_bytes / 4; /* the rest is for those who begin */

    if (download->open == download->slots || download->grown_at == download->take + 1 ||
        (engine->options.buffer_bytes != 0 && engine->buffers_bytes >= spare))
        return;
    download->grown_at = download->take + 1;
    download->open = 2 * download->open < download->slots ? 2 * download->open : download->slots;
    download_fill(download);
}

/* The part of a chunk that lies in the range. */
static void piece_make(const struct aro_download *download, const struct aro_transfer *transfer,
                       struct aro_piece *ret)
{
    uint64_t at = transfer->content_at, end = at + transfer->len_bytes;
    uint64_t from = at < download->first ? download->first : at;
    uint64_t to = end > download->end ? download->end : end;

    *ret = (struct aro_piece){.bytes = transfer->bytes + (from - at),
                              .len_bytes = (uint32_t)(to - from),
                              .slot = (uint32_t)(transfer - download->transfers),
                              .at = from};
}

bool aro_download_take(struct aro_download *download, struct aro_piece *ret)
{
    while (download->take < download->tail) {
        struct aro_transfer *transfer = engine_transfer(download, download->take);
        if (transfer->state == ARO_TRANSFER_VERIFIED) { /* a manifest: nothing for the caller */
            download->take++;
            transfer_free(download, transfer);
            download_fill(download);
            continue;
        }
        if (transfer->state != ARO_TRANSFER_COMPLETE || !content_verify(download, transfer))
            break;
        download->take++;
        transfer->state = ARO_TRANSFER_TAKEN;
        piece_make(download, transfer, ret);
        download->stats.content_bytes += ret->len_bytes;
        return true;
    }
    if (download->tail - download->head == download->open)
        ring_grow(download);
    return false;
}

void aro_download_release(struct aro_download *download, const struct aro_piece *piece)
{
    transfer_free(download, &download->transfers[piece->slot]);
    download_fill(download);
}

void aro_download_patient(struct aro_download *download)
{
    download->options.hurried = false;
}

/* ---- what callers ask ---- */

enum aro_download_state aro_download_state(const struct aro_download *download)
{
    if (download->state == ARO_DOWNLOAD_RUNNING && download->walked &&
        download->take == download->tail)
        return ARO_DOWNLOAD_DONE;
    return download->state;
}

const struct aro_error *aro_download_error(const struct aro_download *download)
{
    return &download->error;
}

uint32_t aro_download_sources(const struct aro_download *download)
{
    return download->sources;
}

bool aro_download_root(const struct aro_download *download, struct aro_download_root *ret)
{
    if (download->root_known)
        *ret = download->root;
    return download->root_known;
}

struct aro_id aro_download_content_digest(const struct aro_download *download)
{
    return aro_sha256_pair_whole(download->hash);
}

void aro_download_set_arg(struct aro_download *download, void *arg)
{
    download->arg = arg;
}

void *aro_download_arg(const struct aro_download *download)
{
    return download->arg;
}

const struct arocache_stats *aro_download_stats(struct aro_download *download)
{
    const struct aro_engine *engine = download->engine;
    const struct aro_link *busiest = engine->link_count > 0 ? engine->links[0] : NULL;

    for (unsigned i = 1; i < engine->link_count; i++)
        if (engine->links[i]->stats.slices > busiest->stats.slices)
            busiest = engine->links[i];
    if (busiest == NULL)
        return &download->stats;
    const struct aro_source *source = &busiest->source;
    download->stats.rtt_us = source->network.smoothed_us;
    download->stats.rtt_min_us = source->shortest.us;
    download->stats.slice_bytes = source->step_proven ? source->ladder[source->step] : 0;
    if (source->token_serial > 0)
        memcpy(download->stats.token, source->token, ARO_TOKEN_BYTES);
    return &download->stats;
}

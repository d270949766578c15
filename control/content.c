/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/sha256.h"

enum { DISK_DEPTH = 32, REAP_BURST = 16 };

/* A queue of fetches; each is in exactly one, or with the disk. */
struct queue {
    struct aro_fetch *first, **last;
};

struct aro_content {
    struct aro_content_config config;
    struct aro_claims *claims;
    struct aro_pins *pins;
    struct aro_admission *admission;
    struct aro_hasher *hasher;
    struct aro_reader *reader; /* offline between calls */
    struct aro_disk_readers *disk;
    struct aro_sha256 *sha;
    struct queue starting; /* to be looked up and read */
    struct queue checking; /* bytes are there, digest is not known yet */
    struct queue ending;   /* done is to be called */
    unsigned fetching;
    struct aro_object *memory_object;
    uint64_t memory_objects;
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_push(struct queue *queue, struct aro_fetch *fetch)
{
    fetch->next = NULL;
    *queue->last = fetch;
    queue->last = &fetch->next;
}

static struct aro_fetch *queue_pop(struct queue *queue)
{
    struct aro_fetch *fetch = queue->first;

    if (fetch == NULL)
        return NULL;
    queue->first = fetch->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    return fetch;
}

/* 0 or -1 with errno. */
static int admission_create(struct aro_content *content)
{
    const struct aro_content_config *config = &content->config;
    struct aro_admission_config admission = {.cache = config->cache,
                                             .reader = content->reader,
                                             .disks = config->disks,
                                             .ring = config->ring,
                                             .claims = content->claims};

    if (!config->second_hit || config->disks == NULL)
        return 0;
    content->admission = aro_admission_create(&admission, config->seed);
    return content->admission != NULL ? 0 : -1;
}

struct aro_content *aro_content_create(const struct aro_content_config *config)
{
    struct aro_content *content = calloc(1, sizeof(*content));
    struct aro_disk_readers_config disk = {.disks = config->disks, .depth = DISK_DEPTH};

    if (content == NULL)
        return NULL;
    content->config = *config;
    queue_init(&content->starting);
    queue_init(&content->checking);
    queue_init(&content->ending);
    content->claims = aro_claims_create(config->seed);
    content->pins = aro_pins_create(config->cache, config->pin_bytes_max, config->seed);
    content->hasher = aro_hasher_create(config->ring);
    content->reader = aro_cache_reader_create(config->cache);
    content->sha = aro_sha256_create();
    if (config->disks != NULL)
        content->disk = aro_disk_readers_create(&disk);
    if (content->claims == NULL || content->pins == NULL || content->hasher == NULL ||
        content->reader == NULL || content->sha == NULL ||
        (config->disks != NULL && content->disk == NULL) || admission_create(content) != 0) {
        int error = errno;
        aro_content_destroy(content);
        errno = error;
        return NULL;
    }
    return content;
}

void aro_content_destroy(struct aro_content *content)
{
    if (content == NULL)
        return;
    aro_admission_destroy(content->admission);
    aro_disk_readers_destroy(content->disk);
    aro_sha256_destroy(content->sha);
    aro_hasher_destroy(content->hasher);
    aro_pins_destroy(content->pins);
    aro_claims_destroy(content->claims);
    free(content->memory_object);
    free(content);
}

struct aro_cache *aro_content_cache(const struct aro_content *content)
{
    return content->config.cache;
}

struct aro_disks *aro_content_disks(const struct aro_content *content)
{
    return content->config.disks;
}

struct aro_uring *aro_content_ring(const struct aro_content *content)
{
    return content->config.ring;
}

struct aro_claims *aro_content_claims(const struct aro_content *content)
{
    return content->claims;
}

struct aro_pins *aro_content_pins(const struct aro_content *content)
{
    return content->pins;
}

struct aro_admission *aro_content_admission(const struct aro_content *content)
{
    return content->admission;
}

struct aro_hasher *aro_content_hasher(const struct aro_content *content)
{
    return content->hasher;
}

/* ---- objects ---- */

static struct aro_object *memory_find(const struct aro_content *content, const struct aro_id *id,
                                      enum aro_kind kind)
{
    for (uint64_t i = 0; i < content->memory_objects; i++) {
        struct aro_object *object = &content->memory_object[i];
        if (aro_id_equal(kind == ARO_KIND_DIGEST ? &object->digest : &object->id, id))
            return object;
    }
    return NULL;
}

int aro_content_object_find(const struct aro_content *content, const struct aro_id *id,
                            enum aro_kind kind, struct aro_object *ret)
{
    const struct aro_disks *disks = content->config.disks;
    const struct aro_object *object;
    int disk;

    if (disks == NULL) {
        object = memory_find(content, id, kind);
    } else {
        disk = kind == ARO_KIND_DIGEST ? aro_disks_digest_find(disks, id, ret)
                                       : aro_disks_object_find(disks, id, ret);
        if (disk >= 0)
            return 0;
        object = aro_admission_find(content->admission, id, kind);
    }
    if (object == NULL)
        return -ENOENT;
    *ret = *object;
    return 0;
}

const struct aro_object *aro_content_object_at(const struct aro_content *content, uint64_t i,
                                               unsigned *ret_disk)
{
    const struct aro_disks *disks = content->config.disks;
    const struct aro_object *object;
    struct aro_store_stats stats;
    unsigned disk;

    if (disks == NULL)
        return i < content->memory_objects ? &content->memory_object[i] : NULL;
    if (ret_disk == NULL)
        ret_disk = &disk;
    object = aro_disks_object_at(disks, i, ret_disk);
    if (object != NULL || content->admission == NULL)
        return object;
    aro_disks_stats(disks, &stats);
    *ret_disk = ARO_DISKS_MAX;
    return aro_admission_at(content->admission, i - stats.objects_now);
}

bool aro_content_object_on_disk(const struct aro_content *content, const struct aro_id *id)
{
    struct aro_object object;

    return content->config.disks != NULL &&
           aro_disks_object_find(content->config.disks, id, &object) >= 0;
}

int aro_content_memory_add(struct aro_content *content, const struct aro_object *object)
{
    struct aro_object *at = memory_find(content, &object->id, ARO_KIND_OBJECT);

    if (at != NULL) {
        *at = *object;
        return 0;
    }
    if (content->memory_objects == ARO_MEMORY_OBJECTS_MAX)
        return -ENOSPC;
    at = reallocarray(content->memory_object, content->memory_objects + 1, sizeof(*at));
    if (at == NULL)
        return -ENOSPC;
    content->memory_object = at;
    at[content->memory_objects++] = *object;
    return 0;
}

int aro_content_memory_remove(struct aro_content *content, const struct aro_id *id)
{
    struct aro_object *at = memory_find(content, id, ARO_KIND_OBJECT);

    if (at == NULL)
        return -ENOENT;
    content->memory_objects--;
    memmove(at, at + 1,
            (size_t)(content->memory_object + content->memory_objects - at) * sizeof(*at));
    return 0;
}

/* ---- chunks ---- */

/* RESIDENT entry or NULL; between online and offline. */
static struct aro_entry *resident(struct aro_content *content, const struct aro_id *id)
{
    const struct aro_id *ids[1] = {id};
    struct aro_entry *entry = NULL;

    if (aro_cache_find_burst(content->reader, ids, 1, &entry) == 0 ||
        aro_entry_state(entry) != ARO_ENTRY_RESIDENT)
        return NULL;
    return entry;
}

void aro_content_where(struct aro_content *content, const struct aro_id *id, struct aro_where *ret)
{
    struct aro_disk_cursor first = {0};
    const struct aro_entry *entry;
    struct aro_place place;

    *ret = (struct aro_where){0};
    aro_cache_online(content->reader);
    if (content->config.disks != NULL &&
        aro_disks_find(content->config.disks, id, &first, &place) == 0) {
        ret->on_disk = true;
        ret->len_bytes = place.len_bytes;
    }
    entry = resident(content, id);
    if (entry != NULL) {
        ret->in_memory = true;
        ret->len_bytes = entry->len_bytes;
    }
    aro_cache_offline(content->reader);
}

bool aro_content_in_memory(struct aro_content *content, const struct aro_id *id)
{
    bool found;

    aro_cache_online(content->reader);
    found = resident(content, id) != NULL;
    aro_cache_offline(content->reader);
    return found;
}

static bool is_on_another(const struct aro_disks *disks, const struct aro_id *id, uint32_t not_on)
{
    struct aro_disk_cursor at = {0};
    struct aro_place place;

    while (disks != NULL && aro_disks_find(disks, id, &at, &place) == 0)
        if ((not_on & UINT32_C(1) << place.disk) == 0)
            return true;
    return false;
}

bool aro_content_chunk_remove(struct aro_content *content, const struct aro_id *id, uint32_t disks)
{
    const struct aro_disks *all = content->config.disks;
    bool gone = false;

    for (unsigned i = 0; i < aro_disks_count(all); i++)
        if (disks & UINT32_C(1) << i)
            gone |= aro_store_chunk_remove(aro_disks_store(all, i), id) == 0;
    if (!is_on_another(all, id, disks))
        gone |= aro_cache_remove(content->config.cache, id) == 0;
    return gone;
}

/* ---- fetching ---- */

static void end(struct aro_content *content, struct aro_fetch *fetch, int result)
{
    fetch->result = result;
    queue_push(&content->ending, fetch);
}

static void check(struct aro_content *content, struct aro_fetch *fetch, uint32_t len_bytes,
                  bool from_disk)
{
    fetch->len_bytes = len_bytes;
    fetch->from_disk = from_disk;
    fetch->hashed_bytes = 0;
    queue_push(&content->checking, fetch);
}

/* From memory: a copy of at most 1 MiB, about 50 us. */
static bool try_memory(struct aro_content *content, struct aro_fetch *fetch)
{
    const struct aro_entry *entry;

    if (fetch->memory_tried)
        return false;
    fetch->memory_tried = true;
    aro_cache_online(content->reader);
    entry = resident(content, &fetch->id);
    if (entry != NULL) {
        memcpy(fetch->buffer, entry->data, entry->len_bytes);
        check(content, fetch, entry->len_bytes, false);
    }
    aro_cache_offline(content->reader);
    return entry != NULL;
}

/* 0: on its way; -EAGAIN: the disk ring is full; -ENOENT: no further place. */
static int try_disk(struct aro_content *content, struct aro_fetch *fetch)
{
    struct aro_disk_cursor next;
    int result;

    if (content->disk == NULL)
        return -ENOENT;
    aro_cache_online(content->reader);
    do {
        next = fetch->at;
        result = aro_disks_find(content->config.disks, &fetch->id, &next, &fetch->place);
        if (result == 0)
            result = aro_disk_readers_read(content->disk, &fetch->place, fetch->buffer,
                                           (uint64_t)(uintptr_t)fetch);
        if (result != -EAGAIN)
            fetch->at = next;
    } while (result == -ESTALE);
    aro_cache_offline(content->reader);
    return result;
}

static bool start(struct aro_content *content, struct aro_fetch *fetch)
{
    int result;

    if (!fetch->disk_first && try_memory(content, fetch))
        return true;
    result = try_disk(content, fetch);
    if (result == 0)
        return true;
    if (result == -EAGAIN)
        return false;
    /* a sound copy in memory must not hide that the one on disk is damaged */
    if (fetch->fault != 0)
        end(content, fetch, fetch->fault);
    else if (!try_memory(content, fetch))
        end(content, fetch, -ENOENT);
    return true;
}

void aro_content_fetch(struct aro_content *content, struct aro_fetch *fetch)
{
    fetch->at = (struct aro_disk_cursor){0};
    fetch->memory_tried = false;
    fetch->fault = 0;
    content->fetching++;
    queue_push(&content->starting, fetch);
}

unsigned aro_content_fetching(const struct aro_content *content)
{
    return content->fetching;
}

static void start_all(struct aro_content *content)
{
    while (content->starting.first != NULL) {
        struct aro_fetch *fetch = content->starting.first;
        struct aro_fetch *popped = queue_pop(&content->starting);
        if (!start(content, popped)) {
            /* back to the front: the ring is full */
            fetch->next = content->starting.first;
            if (fetch->next == NULL)
                content->starting.last = &fetch->next;
            content->starting.first = fetch;
            break;
        }
    }
}

/* This place did not have it; the first fault is told if no other has. */
static void try_next(struct aro_content *content, struct aro_fetch *fetch, int fault)
{
    if (fetch->fault == 0)
        fetch->fault = fault;
    queue_push(&content->starting, fetch);
}

static void reap(struct aro_content *content)
{
    struct aro_disk_done done[REAP_BURST];
    unsigned n;

    if (content->disk == NULL)
        return;
    aro_disk_readers_submit(content->disk);
    n = aro_disk_readers_reap_burst(content->disk, done, REAP_BURST);
    for (unsigned i = 0; i < n; i++) {
        struct aro_fetch *fetch = (struct aro_fetch *)(uintptr_t)done[i].cookie;
        if (done[i].result == 0)
            check(content, fetch, fetch->place.len_bytes, true);
        else
            try_next(content, fetch, done[i].result);
    }
}

/* The digest decides: these bytes, a colliding fingerprint's, or damage. */
static void decide(struct aro_content *content, struct aro_fetch *fetch)
{
    struct aro_id digest = aro_sha256_final(content->sha);

    if (aro_id_equal(&digest, &fetch->id)) {
        end(content, fetch, 0);
        return;
    }
    if (fetch->from_disk)
        aro_disks_quarantine(content->config.disks, &fetch->id, &fetch->place);
    try_next(content, fetch, -EBADMSG);
}

static void hash_some(struct aro_content *content)
{
    uint32_t budget = ARO_HASH_TURN_BYTES;

    while (budget > 0 && content->checking.first != NULL) {
        struct aro_fetch *fetch = content->checking.first;
        uint32_t step = fetch->len_bytes - fetch->hashed_bytes;
        if (step > budget)
            step = budget;
        aro_sha256_update(content->sha, fetch->buffer + fetch->hashed_bytes, step);
        fetch->hashed_bytes += step;
        budget -= step;
        if (fetch->hashed_bytes == fetch->len_bytes) {
            queue_pop(&content->checking);
            decide(content, fetch);
        }
    }
}

bool aro_content_poll(struct aro_content *content)
{
    bool admits = aro_admission_turn(content->admission);
    struct aro_fetch *fetch;

    if (content->fetching == 0)
        return admits;
    start_all(content);
    reap(content);
    hash_some(content);
    while ((fetch = queue_pop(&content->ending)) != NULL) {
        content->fetching--;
        fetch->done(fetch, fetch->result);
    }
    return admits || content->fetching > 0;
}

void aro_content_disk_stats(const struct aro_content *content, unsigned disk,
                            struct aro_disk_reader_stats *ret)
{
    aro_disk_readers_stats(content->disk, disk, ret);
}

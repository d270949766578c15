/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/manifest_build.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/base/bytes.h"
#include "cache/base/sha256.h"

/* The manifest being filled on one level. */
struct level {
    uint8_t *bytes; /* NULL until the level is used */
    uint32_t entries;
    uint64_t content_bytes;
};

struct aro_manifest_builder {
    struct level levels[ARO_MANIFEST_LEVEL_MAX + 1];
    uint32_t chunk_bytes;
    uint64_t total_bytes;
    uint64_t total_bytes_max; /* what a full tree of the highest level holds */
    bool ended;               /* a short chunk was added: it is the last */
    aro_manifest_emit *emit;
    void *arg;
};

struct aro_manifest_builder *aro_manifest_builder_create(uint32_t chunk_bytes,
                                                         aro_manifest_emit *emit, void *arg)
{
    struct aro_manifest_builder *builder;

    if (!aro_manifest_chunk_bytes_valid(chunk_bytes)) {
        errno = EINVAL;
        return NULL;
    }
    builder = calloc(1, sizeof(*builder));
    if (builder == NULL)
        return NULL;
    builder->chunk_bytes = chunk_bytes;
    builder->total_bytes_max =
        aro_manifest_span_bytes(ARO_MANIFEST_LEVEL_MAX, chunk_bytes) * ARO_MANIFEST_FANOUT;
    builder->emit = emit;
    builder->arg = arg;
    return builder;
}

void aro_manifest_builder_destroy(struct aro_manifest_builder *builder)
{
    if (builder == NULL)
        return;
    for (uint32_t n = 0; n <= ARO_MANIFEST_LEVEL_MAX; n++)
        free(builder->levels[n].bytes);
    free(builder);
}

uint64_t aro_manifest_builder_total_bytes(const struct aro_manifest_builder *builder)
{
    return builder->total_bytes;
}

/* Completes the header of level n and hands the manifest out. digest: NULL below the root. */
static int level_emit(struct aro_manifest_builder *builder, uint32_t n, const struct aro_id *digest,
                      struct aro_id *ret_id, uint32_t *ret_len_bytes)
{
    struct level *level = &builder->levels[n];
    uint8_t *at = level->bytes;
    uint32_t len = ARO_MANIFEST_HEADER_BYTES + level->entries * ARO_MANIFEST_ENTRY_BYTES;

    memset(at, 0, ARO_MANIFEST_HEADER_BYTES);
    aro_store_be32(at, ARO_MANIFEST_MAGIC);
    at[4] = ARO_MANIFEST_VERSION;
    at[6] = (uint8_t)n;
    aro_store_be32(at + 8, builder->chunk_bytes);
    aro_store_be32(at + 12, level->entries);
    aro_store_be64(at + 16, level->content_bytes);
    if (digest != NULL)
        memcpy(at + 24, digest, sizeof(*digest));
    *ret_id = aro_sha256(at, len);
    *ret_len_bytes = len;
    return builder->emit(builder->arg, ret_id, at, len);
}

static int entry_append(struct aro_manifest_builder *builder, uint32_t n, const struct aro_id *id,
                        uint32_t len_bytes, uint64_t content_bytes);

/*
 * Closes level n below the root: emits it, enters it above, begins it anew. Never the highest
 * level: total_bytes_max ends the content before.
 */
static int level_close(struct aro_manifest_builder *builder, uint32_t n)
{
    struct level *level = &builder->levels[n];
    uint64_t content_bytes = level->content_bytes;
    struct aro_id id;
    uint32_t len_bytes;
    int error;

    error = level_emit(builder, n, NULL, &id, &len_bytes);
    if (error != 0)
        return error;
    level->entries = 0;
    level->content_bytes = 0;
    return entry_append(builder, n + 1, &id, len_bytes, content_bytes);
}

static int entry_append(struct aro_manifest_builder *builder, uint32_t n, const struct aro_id *id,
                        uint32_t len_bytes, uint64_t content_bytes)
{
    struct level *level = &builder->levels[n];
    int error = 0;

    if (level->bytes == NULL && (level->bytes = malloc(ARO_MANIFEST_FULL_BYTES)) == NULL)
        return -ENOMEM;
    if (level->entries == ARO_MANIFEST_FANOUT)
        error = level_close(builder, n);
    if (error != 0)
        return error;
    uint8_t *at = level->bytes + ARO_MANIFEST_HEADER_BYTES +
                  (size_t)level->entries * ARO_MANIFEST_ENTRY_BYTES;
    memcpy(at, id, sizeof(*id));
    aro_store_be32(at + ARO_ID_BYTES, len_bytes);
    level->entries++;
    level->content_bytes += content_bytes;
    return 0;
}

int aro_manifest_builder_add(struct aro_manifest_builder *builder, const struct aro_id *id,
                             uint32_t len_bytes)
{
    int error;

    if (builder->ended || len_bytes == 0 || len_bytes > builder->chunk_bytes)
        return -EINVAL;
    if (builder->total_bytes == builder->total_bytes_max)
        return -EFBIG;
    error = entry_append(builder, 0, id, len_bytes, len_bytes);
    if (error != 0)
        return error;
    builder->ended = len_bytes < builder->chunk_bytes;
    builder->total_bytes += len_bytes;
    return 0;
}

int aro_manifest_builder_finish(struct aro_manifest_builder *builder, const struct aro_id *digest,
                                struct aro_id *ret_object_id)
{
    struct level *levels = builder->levels;
    uint32_t n = 0;
    uint32_t len_bytes;
    int error = 0;

    /* Each level goes up until nothing lies above: that one is the root. */
    while (error == 0 && n < ARO_MANIFEST_LEVEL_MAX && levels[n + 1].bytes != NULL)
        error = level_close(builder, n++);
    if (error != 0)
        return error;
    if (levels[n].bytes == NULL && (levels[n].bytes = malloc(ARO_MANIFEST_FULL_BYTES)) == NULL)
        return -ENOMEM; /* the empty object */
    return level_emit(builder, n, digest, ret_object_id, &len_bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/manifests.h"

#include <stddef.h>
#include <stdlib.h>

struct aro_manifest_block {
    struct aro_manifests *manifests;          /* NULL: not shared */
    struct aro_manifest_block *next;          /* in its bucket */
    struct aro_manifest_block *older, *newer; /* while nobody holds it */
    struct aro_id id;
    size_t len;
    uint32_t holders;
    _Alignas(16) uint8_t bytes[];
};

static struct aro_manifest_block *block_of(uint8_t *bytes)
{
    return (struct aro_manifest_block *)(void *)(bytes -
                                                 offsetof(struct aro_manifest_block, bytes));
}

static size_t cost(const struct aro_manifest_block *block)
{
    return sizeof(*block) + block->len;
}

/* Ids are digests: any of their bits are as good as a hash. */
static struct aro_manifest_block **bucket_of(struct aro_manifests *manifests,
                                             const struct aro_id *id)
{
    return &manifests->bucket[id->word[0] % ARO_MANIFESTS_BUCKETS];
}

void aro_manifests_init(struct aro_manifests *manifests, uint64_t kept_bytes_max)
{
    *manifests = (struct aro_manifests){.kept_bytes_max = kept_bytes_max};
}

/* Off the list of those that nobody holds. */
static void kept_remove(struct aro_manifests *manifests, struct aro_manifest_block *block)
{
    if (block->older != NULL)
        block->older->newer = block->newer;
    else
        manifests->oldest = block->newer;
    if (block->newer != NULL)
        block->newer->older = block->older;
    else
        manifests->newest = block->older;
    manifests->kept_bytes -= cost(block);
}

void aro_manifests_forget(struct aro_manifests *manifests, const struct aro_id *id)
{
    struct aro_manifest_block **at = bucket_of(manifests, id), *block;

    while (*at != NULL && !aro_id_equal(&(*at)->id, id))
        at = &(*at)->next;
    block = *at;
    if (block == NULL)
        return;
    *at = block->next;
    block->manifests = NULL; /* its last holder frees it */
    if (block->holders > 0)
        return;
    kept_remove(manifests, block);
    free(block);
}

static void kept_evict(struct aro_manifests *manifests, uint64_t bytes_max)
{
    while (manifests->kept_bytes > bytes_max)
        aro_manifests_forget(manifests, &manifests->oldest->id);
}

void aro_manifests_fini(struct aro_manifests *manifests)
{
    kept_evict(manifests, 0);
}

uint8_t *aro_manifest_alloc(size_t len)
{
    struct aro_manifest_block *block = malloc(sizeof(*block) + len);

    if (block == NULL)
        return NULL;
    *block = (struct aro_manifest_block){.len = len, .holders = 1};
    return block->bytes;
}

uint8_t *aro_manifests_find(struct aro_manifests *manifests, const struct aro_id *id,
                            size_t *ret_len)
{
    struct aro_manifest_block *block = *bucket_of(manifests, id);

    while (block != NULL && !aro_id_equal(&block->id, id))
        block = block->next;
    if (block == NULL)
        return NULL;
    if (block->holders++ == 0)
        kept_remove(manifests, block);
    *ret_len = block->len;
    return block->bytes;
}

uint8_t *aro_manifests_share(struct aro_manifests *manifests, uint8_t *bytes, size_t len,
                             const struct aro_id *id)
{
    struct aro_manifest_block *block = block_of(bytes), *shrunk;
    struct aro_manifest_block **bucket = bucket_of(manifests, id);
    size_t known_len;
    uint8_t *known = aro_manifests_find(manifests, id, &known_len);

    if (known != NULL) {
        free(block);
        return known;
    }
    shrunk = realloc(block, sizeof(*block) + len);
    if (shrunk != NULL)
        block = shrunk;
    block->len = len;
    block->id = *id;
    block->manifests = manifests;
    block->next = *bucket;
    *bucket = block;
    return block->bytes;
}

void aro_manifest_release(uint8_t *bytes)
{
    struct aro_manifest_block *block;
    struct aro_manifests *manifests;

    if (bytes == NULL)
        return;
    block = block_of(bytes);
    if (--block->holders > 0)
        return;
    manifests = block->manifests;
    if (manifests == NULL) {
        free(block);
        return;
    }
    block->newer = NULL;
    block->older = manifests->newest;
    if (block->older != NULL)
        block->older->newer = block;
    else
        manifests->oldest = block;
    manifests->newest = block;
    manifests->kept_bytes += cost(block);
    kept_evict(manifests, manifests->kept_bytes_max);
}

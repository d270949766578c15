/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree of manifests kept in memory as the builder emits it, for tests. */
#ifndef ARO_TESTS_DATAPLANE_PROTO_TREE_H
#define ARO_TESTS_DATAPLANE_PROTO_TREE_H

#include <criterion/criterion.h>

#include <stdlib.h>

#include "cache/base/sha256.h"
#include "dataplane/proto/manifest_build.h"

enum { TREE_MANIFESTS_MAX = 512 };

struct tree {
    struct {
        struct aro_id id;
        uint8_t *bytes;
        size_t len;
    } manifests[TREE_MANIFESTS_MAX];
    uint32_t count;
    struct aro_id root;
};

static inline int tree_keep(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    struct tree *tree = arg;

    cr_assert_lt(tree->count, (uint32_t)TREE_MANIFESTS_MAX);
    tree->manifests[tree->count].id = *id;
    tree->manifests[tree->count].len = len;
    tree->manifests[tree->count].bytes = malloc(len);
    memcpy(tree->manifests[tree->count++].bytes, bytes, len);
    return 0;
}

/* The id that test chunk i has: made up, since manifests never look at content. */
static inline struct aro_id tree_chunk_id(uint64_t i)
{
    return (struct aro_id){{i + 1, ~i, 7, 9}};
}

static inline struct tree tree_build(uint64_t total_bytes, uint32_t chunk_bytes)
{
    struct tree tree = {.count = 0};
    struct aro_id digest = aro_sha256(&total_bytes, sizeof(total_bytes));
    struct aro_manifest_builder *builder =
        aro_manifest_builder_create(chunk_bytes, tree_keep, &tree);

    cr_assert_not_null(builder);
    for (uint64_t at = 0; at < total_bytes; at += chunk_bytes) {
        struct aro_id id = tree_chunk_id(at / chunk_bytes);
        uint64_t left = total_bytes - at;
        uint32_t len = left < chunk_bytes ? (uint32_t)left : chunk_bytes;
        cr_assert_eq(aro_manifest_builder_add(builder, &id, len), 0);
    }
    cr_assert_eq(aro_manifest_builder_total_bytes(builder), total_bytes);
    cr_assert_eq(aro_manifest_builder_finish(builder, &digest, &tree.root), 0);
    aro_manifest_builder_destroy(builder);
    return tree;
}

static inline void tree_free(struct tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++)
        free(tree->manifests[i].bytes);
}

static inline struct aro_manifest tree_find(const struct tree *tree, const struct aro_id *id)
{
    struct aro_manifest manifest = {.bytes = NULL};

    for (uint32_t i = 0; i < tree->count; i++)
        if (aro_id_equal(&tree->manifests[i].id, id)) {
            enum aro_manifest_verdict verdict =
                aro_manifest_decode(tree->manifests[i].bytes, tree->manifests[i].len, &manifest);
            cr_assert_eq(verdict, ARO_MANIFEST_OK, "%s", aro_manifest_verdict_text(verdict));
        }
    cr_assert_not_null(manifest.bytes, "a manifest that an entry names was never emitted");
    return manifest;
}

/* Walks everything below manifest; checks each child and chunk. Returns the chunks seen. */
static inline uint64_t tree_walk(const struct tree *tree, const struct aro_manifest *manifest,
                                 uint64_t first_chunk)
{
    uint64_t chunks = 0;

    for (uint32_t i = 0; i < manifest->entries; i++) {
        struct aro_manifest_entry entry = aro_manifest_entry(manifest, i);
        if (manifest->level == 0) {
            struct aro_id expected = tree_chunk_id(first_chunk + chunks);
            cr_assert(aro_id_equal(&entry.id, &expected));
            chunks++;
            continue;
        }
        struct aro_manifest child = tree_find(tree, &entry.id);
        cr_assert_eq(aro_manifest_child_check(manifest, i, &child), ARO_MANIFEST_OK);
        chunks += tree_walk(tree, &child, first_chunk + chunks);
    }
    return chunks;
}

#endif

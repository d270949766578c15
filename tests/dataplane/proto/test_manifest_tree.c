/* SPDX-License-Identifier: BSD-3-Clause */
/* The manifest code built with a fan-out of 4, so that trees of all levels are small. */
#include "dataplane/proto/manifest_build.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "tests/dataplane/proto/tree.h"

enum { C = 4096, F = ARO_MANIFEST_FANOUT };
static_assert(ARO_MANIFEST_FANOUT == 4, "built for small trees");

Test(manifest_tree, every_tree_of_every_level_leads_to_all_chunks_in_order)
{
    for (uint64_t chunks = 0; chunks <= F * F * F; chunks++) {
        uint64_t total = chunks * C - (chunks > 0 ? chunks % 5 : 0);
        struct tree tree = tree_build(total, C);
        struct aro_manifest root = tree_find(&tree, &tree.root);
        cr_assert_eq(aro_manifest_root_check(&root), ARO_MANIFEST_OK);
        cr_assert_eq(root.level, chunks <= F ? 0u : chunks <= F * F ? 1u : 2u);
        cr_assert_eq(root.total_bytes, total);
        cr_assert_eq(tree_walk(&tree, &root, 0), chunks);
        tree_free(&tree);
    }
}

Test(manifest_tree, the_root_is_emitted_last_and_children_before_parents)
{
    struct tree tree = tree_build(F * F * F * C, C);
    struct aro_id *last = &tree.manifests[tree.count - 1].id;

    cr_assert(aro_id_equal(last, &tree.root));
    cr_assert_eq(tree.count, F * F + F + 1);
    for (uint32_t n = 0; n < tree.count; n++) {
        struct aro_manifest manifest = tree_find(&tree, &tree.manifests[n].id);
        for (uint32_t i = 0; manifest.level > 0 && i < manifest.entries; i++) {
            struct aro_manifest_entry entry = aro_manifest_entry(&manifest, i);
            uint32_t below = 0;
            while (below < n && !aro_id_equal(&tree.manifests[below].id, &entry.id))
                below++;
            cr_assert_lt(below, n);
        }
    }
    tree_free(&tree);
}

Test(manifest_tree, more_than_the_deepest_tree_is_refused)
{
    struct tree tree = {.count = 0};
    struct aro_manifest_builder *builder = aro_manifest_builder_create(C, tree_keep, &tree);
    struct aro_id id = tree_chunk_id(1);

    for (int i = 0; i < F * F * F; i++)
        cr_assert_eq(aro_manifest_builder_add(builder, &id, C), 0);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C), -EFBIG);
    aro_manifest_builder_destroy(builder);
    tree_free(&tree);
}

Test(manifest_tree, seek_down_the_tree_reaches_the_chunk_of_any_byte)
{
    uint64_t total = 61 * C + 9;
    struct tree tree = tree_build(total, C);

    for (uint64_t at = 0; at < total; at += 1021) {
        struct aro_manifest manifest = tree_find(&tree, &tree.root);
        uint64_t rest = at;
        for (;;) {
            uint32_t i = aro_manifest_seek(&manifest, rest);
            struct aro_manifest_entry entry = aro_manifest_entry(&manifest, i);
            rest -= entry.content_at;
            cr_assert_lt(rest, entry.content_bytes);
            if (manifest.level == 0) {
                struct aro_id expected = tree_chunk_id(at / C);
                cr_assert(aro_id_equal(&entry.id, &expected));
                break;
            }
            manifest = tree_find(&tree, &entry.id);
        }
    }
    tree_free(&tree);
}

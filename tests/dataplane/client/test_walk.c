/* SPDX-License-Identifier: BSD-3-Clause */
/* Built with a fan-out of 4: trees of all levels are small. */
#include "dataplane/client/walk.h"

#include <criterion/criterion.h>

#include "tests/dataplane/proto/tree.h"

enum { C = 4096, F = ARO_MANIFEST_FANOUT };
static_assert(ARO_MANIFEST_FANOUT == 4, "built for small trees");

static enum aro_manifest_verdict push(struct aro_walk *walk, const struct tree *tree,
                                      const struct aro_id *id)
{
    struct aro_manifest manifest = tree_find(tree, id);
    uint8_t *bytes = malloc(manifest.len_bytes);

    memcpy(bytes, manifest.bytes, manifest.len_bytes);
    return aro_walk_push(walk, bytes, manifest.len_bytes);
}

Test(walk, yields_every_chunk_of_every_tree_in_order)
{
    for (uint64_t chunks = 0; chunks <= F * F * F; chunks++) {
        struct tree tree = tree_build(chunks * C, C);
        struct aro_walk walk;
        struct aro_manifest_entry entry;
        enum aro_walk_step step;
        uint64_t seen = 0;

        aro_walk_init(&walk);
        cr_assert_eq(aro_walk_next(&walk, &entry), ARO_WALK_WAIT);
        cr_assert_eq(push(&walk, &tree, &tree.root), ARO_MANIFEST_OK);
        while ((step = aro_walk_next(&walk, &entry)) != ARO_WALK_END) {
            if (step == ARO_WALK_MANIFEST) {
                struct aro_manifest_entry ignored;
                cr_assert_eq(aro_walk_next(&walk, &ignored), ARO_WALK_WAIT);
                cr_assert_eq(push(&walk, &tree, &entry.id), ARO_MANIFEST_OK);
                continue;
            }
            struct aro_id expected = tree_chunk_id(seen);
            cr_assert_eq(step, ARO_WALK_CHUNK);
            cr_assert(aro_id_equal(&entry.id, &expected));
            cr_assert_eq(entry.content_at, seen * C);
            cr_assert_leq(walk.depth, 3);
            seen++;
        }
        cr_assert_eq(seen, chunks);
        aro_walk_fini(&walk);
        tree_free(&tree);
    }
}

Test(walk, a_root_that_is_a_child_and_a_child_that_is_another_are_refused)
{
    struct tree tree = tree_build(F * F * C, C);
    struct aro_manifest root = tree_find(&tree, &tree.root);
    struct aro_manifest_entry entry = aro_manifest_entry(&root, 0);
    struct aro_walk walk;

    aro_walk_init(&walk);
    cr_assert_eq(push(&walk, &tree, &entry.id), ARO_MANIFEST_NOT_A_ROOT);
    cr_assert_eq(push(&walk, &tree, &tree.root), ARO_MANIFEST_OK);
    cr_assert_eq(aro_walk_next(&walk, &entry), ARO_WALK_MANIFEST);
    cr_assert_eq(push(&walk, &tree, &tree.root), ARO_MANIFEST_CHILD_LEVEL); /* a loop */
    aro_walk_fini(&walk);
    tree_free(&tree);
}

Test(walk, an_interrupted_walk_leaks_nothing)
{
    struct tree tree = tree_build(F * F * F * C, C);
    struct aro_manifest_entry entry;
    struct aro_walk walk;

    aro_walk_init(&walk);
    push(&walk, &tree, &tree.root);
    aro_walk_next(&walk, &entry);
    push(&walk, &tree, &entry.id);
    aro_walk_fini(&walk);
    tree_free(&tree);
}

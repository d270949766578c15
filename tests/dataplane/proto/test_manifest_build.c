/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/manifest_build.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "cache/base/bytes.h"
#include "tests/dataplane/proto/tree.h"

enum { C = 4096 };

/* Builds, walks and checks a whole tree; returns its level. */
static uint32_t level_of(uint64_t total_bytes)
{
    struct tree tree = tree_build(total_bytes, C);
    struct aro_manifest root = tree_find(&tree, &tree.root);

    cr_assert_eq(aro_manifest_root_check(&root), ARO_MANIFEST_OK);
    cr_assert_eq(root.total_bytes, total_bytes);
    cr_assert_eq(tree_walk(&tree, &root, 0), (total_bytes + C - 1) / C);
    tree_free(&tree);
    return root.level;
}

Test(manifest_build, content_of_any_length_comes_back_from_its_manifest)
{
    const uint64_t totals[] = {0, 1, C - 1, C, C + 1, 2 * C, 100 * C + 17};

    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
        cr_assert_eq(level_of(totals[i]), 0);
}

Test(manifest_build, the_level_rises_exactly_when_a_manifest_is_full)
{
    uint64_t full = aro_manifest_span_bytes(1, C);

    cr_assert_eq(level_of(full - 1), 0);
    cr_assert_eq(level_of(full), 0);
    cr_assert_eq(level_of(full + 1), 1);
    cr_assert_eq(level_of(3 * full), 1);
}

Test(manifest_build, the_same_content_has_the_same_id_and_other_content_another)
{
    struct tree a = tree_build(10 * C, C);
    struct tree b = tree_build(10 * C, C);
    struct tree c = tree_build(10 * C + 1, C);
    struct tree d = tree_build(10 * C, 2 * C);

    cr_assert(aro_id_equal(&a.root, &b.root));
    cr_assert(!aro_id_equal(&a.root, &c.root));
    cr_assert(!aro_id_equal(&a.root, &d.root));
    tree_free(&a);
    tree_free(&b);
    tree_free(&c);
    tree_free(&d);
}

Test(manifest_build, a_chunk_of_wrong_length_or_after_the_last_is_refused)
{
    struct tree tree = {.count = 0};
    struct aro_manifest_builder *builder = aro_manifest_builder_create(C, tree_keep, &tree);
    struct aro_id id = tree_chunk_id(0);

    cr_assert_eq(aro_manifest_builder_add(builder, &id, 0), -EINVAL);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C + 1), -EINVAL);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C), 0);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C - 1), 0);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C), -EINVAL);
    aro_manifest_builder_destroy(builder);
    aro_manifest_builder_destroy(NULL);
}

Test(manifest_build, only_multiples_of_4_kib_up_to_1_mib_are_chunk_sizes)
{
    const uint32_t bad[] = {0, 1, 4095, 4097, 65536 + 512, ARO_CHUNK_BYTES_MAX + 4096};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        cr_assert_null(aro_manifest_builder_create(bad[i], tree_keep, NULL));
        cr_assert_eq(errno, EINVAL);
    }
}

static int refuse(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)id, (void)bytes, (void)len;
    return -ENOSPC;
}

Test(manifest_build, what_the_caller_cannot_store_ends_the_build)
{
    struct aro_manifest_builder *builder = aro_manifest_builder_create(C, refuse, NULL);
    struct aro_id id = tree_chunk_id(0);
    struct aro_id root;

    for (int i = 0; i < ARO_MANIFEST_FANOUT; i++)
        cr_assert_eq(aro_manifest_builder_add(builder, &id, C), 0);
    cr_assert_eq(aro_manifest_builder_add(builder, &id, C), -ENOSPC);
    aro_manifest_builder_destroy(builder);

    builder = aro_manifest_builder_create(C, refuse, NULL);
    cr_assert_eq(aro_manifest_builder_finish(builder, &id, &root), -ENOSPC);
    aro_manifest_builder_destroy(builder);
}

/* Also the first vector of docs/protocol.md: 'abc' as an object. */
Test(manifest_build, a_known_object_has_its_known_id)
{
    struct tree tree = {.count = 0};
    struct aro_manifest_builder *builder = aro_manifest_builder_create(65536, tree_keep, &tree);
    struct aro_id abc = aro_sha256("abc", 3);
    char text[ARO_ID_TEXT_MAX];

    cr_assert_eq(aro_manifest_builder_add(builder, &abc, 3), 0);
    cr_assert_eq(aro_manifest_builder_finish(builder, &abc, &tree.root), 0);
    aro_manifest_builder_destroy(builder);
    cr_assert_str_eq(aro_id_format(&tree.root, ARO_KIND_OBJECT, text),
                     "o-8e8d0009df482cad8707bf5aeed88309732a3bdfe7944d5f576b0e0b26ac0aa3");
    tree_free(&tree);
}

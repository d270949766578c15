/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine over deep trees: built with a fan-out of 4. */
#include "dataplane/client/engine.h"

#include <criterion/criterion.h>

#include "tests/dataplane/client/wire.h"

enum { C = 4096, F = ARO_MANIFEST_FANOUT };
static_assert(ARO_MANIFEST_FANOUT == 4, "built for small trees");

Test(engine_tree, objects_of_every_depth_arrive_over_a_bad_wire)
{
    const uint64_t chunks[] = {F, F + 1, F * F, F * F + 1, 3 * F * F + 2, F * F * F};

    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct model *model = model_create(chunks[i] * C - 9, C, i + 1);
        struct wire_options options = {
            .seed = i + 1, .loss_percent = 5, .reorder_percent = 10, .duplicate_percent = 5};
        struct wire_result result = wire_fetch(model, &options);
        uint64_t leaves = (chunks[i] + F - 1) / F;
        uint64_t above = leaves > F ? (leaves + F - 1) / F + 1 : leaves > 1 ? 1 : 0;
        cr_assert_eq(result.state, ARO_DOWNLOAD_DONE, "%s", result.error.text);
        cr_assert(!result.content_wrong);
        cr_assert_eq(result.content_right, model->content_bytes);
        cr_assert_eq(result.stats.manifests, leaves + above);
        cr_assert_eq(result.stats.chunks, chunks[i]);
        model_destroy(model);
    }
}

Test(engine_tree, a_manifest_from_inside_a_tree_is_no_object)
{
    struct model *model = model_create(2 * F * C, C, 9);
    const struct model_chunk *root = model_find(model, &model->object_id);
    struct wire_options options = {.seed = 9};
    struct aro_manifest manifest;

    cr_assert_eq(aro_manifest_decode(root->bytes, root->len_bytes, &manifest), ARO_MANIFEST_OK);
    model->object_id = aro_manifest_entry(&manifest, 1).id;
    struct wire_result result = wire_fetch(model, &options);
    cr_assert_eq(result.error.id, ARO_E_MANIFEST_INVALID);
    cr_assert_eq(result.content_right, 0);
    model_destroy(model);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of content, lists that grow, content that is here already, many downloads at once. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "cache/base/sha256.h"
#include "dataplane/client/engine_state.h"
#include "dataplane/proto/codec.h"
#include "tests/dataplane/client/wire.h"

enum { C = 8192 };

static void assert_part(const struct wire_result *result, uint64_t bytes)
{
    cr_assert(!result->content_wrong);
    cr_assert_eq(result->state, ARO_DOWNLOAD_DONE, "%d: %s", result->error.id, result->error.text);
    cr_assert_eq(result->content_right, bytes);
}

Test(download, any_range_arrives_and_costs_only_its_chunks)
{
    const uint64_t total = 40 * C + 17;
    struct model *model = model_create(total, C, 1);
    const uint64_t ranges[][2] = {
        {0, 1},         {0, total},         {total - 1, 1},     {C - 1, 2},
        {C, C},         {3 * C + 5, 2 * C}, {40 * C, 17},       {40 * C - 1, 18},
        {7, total - 7}, {0, total - 1},     {20 * C - 1, C + 2}};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        for (int as_list = 0; as_list < 2; as_list++) {
            uint64_t first = ranges[i][0], bytes = ranges[i][1];
            struct wire_options options = {.seed = i,
                                           .first_byte = first,
                                           .byte_count = bytes,
                                           .as_list = as_list != 0,
                                           .loss_percent = 2};
            struct wire_result result = wire_fetch(model, &options);
            assert_part(&result, bytes);
            cr_assert_eq(result.stats.chunks, (first + bytes - 1) / C - first / C + 1);
        }
    model_destroy(model);
}

Test(download, a_list_that_grows_arrives_whole)
{
    struct model *model = model_create(300 * C - 3, C, 2);
    struct wire_options options = {.seed = 5, .as_list = true, .buffer_bytes = 8 * C};
    struct wire_result result = wire_fetch(model, &options);

    assert_part(&result, model->content_bytes);
    cr_assert_eq(result.stats.manifests, 0);
    model_destroy(model);
}

Test(download, what_is_here_is_verified_and_not_fetched_and_what_is_wrong_is_fetched)
{
    struct model *model = model_create(100 * C, C, 3);
    struct wire_options options = {.seed = 5, .local_first = 10 * C, .local_end = 90 * C};
    struct wire_result result = wire_fetch(model, &options);

    assert_part(&result, model->content_bytes);
    cr_assert(aro_id_equal(&result.digest, &model->digest));
    cr_assert_eq(result.stats.mismatches, 0);
    cr_assert_eq(result.stats.chunks, 100);
    cr_assert_eq(result.sources[0].chunks,
                 1 + 10 + 10 + 1); /* manifest, both ends, the wrong one */
    model_destroy(model);
}

/* Of a part there is no digest of the whole: chunks are verified two at a time. */
Test(download, damage_to_a_part_is_found_in_either_chunk_of_two)
{
    struct model *model = model_create(400 * C, C, 4);
    uint64_t mismatches = 0;

    for (uint64_t seed = 0; seed < 5; seed++) {
        struct wire_options options = {
            .seed = seed, .first_byte = 1, .byte_count = 400 * C - 1, .damage_permille = 1};
        struct wire_result result = wire_fetch(model, &options);
        assert_part(&result, 400 * C - 1);
        mismatches += result.stats.mismatches;
    }
    cr_assert_geq(mismatches, 5);
    model_destroy(model);
}

/* ---- several downloads on one engine, no wire: answers come at once ---- */

enum { DOWNLOADS = 24, REQUESTS = 8 };

struct rig {
    struct model *model;
    struct aro_engine *engine;
    struct aro_download *download[DOWNLOADS];
    struct aro_piece held[DOWNLOADS];
    uint64_t right[DOWNLOADS];
    bool holds[DOWNLOADS];
    uint64_t random, now_us;
    uint64_t manifests_kept_bytes;
};

static void random_fill(void *arg, void *bytes, size_t len)
{
    struct rig *rig = arg;

    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t word = model_random(&rig->random);
        memcpy((uint8_t *)bytes + at, &word, sizeof(word));
    }
}

static void answer(void *arg, const uint8_t *header, size_t header_len, const uint8_t *payload,
                   size_t payload_len)
{
    struct rig *rig = arg;
    uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX];

    memcpy(bytes, header, header_len);
    if (payload_len > 0)
        memcpy(bytes + header_len, payload, payload_len);
    aro_engine_receive(rig->engine, 0, bytes, header_len + payload_len, rig->now_us);
}

static bool serve(struct rig *rig)
{
    uint8_t requests[REQUESTS][ARO_GET_BYTES];
    size_t count = aro_engine_send_burst(rig->engine, 0, requests, REQUESTS, rig->now_us);

    rig->now_us += 100;
    for (size_t i = 0; i < count; i++)
        model_receive(rig->model, requests[i], ARO_GET_BYTES, answer, rig);
    return count > 0;
}

static void rig_open(struct rig *rig, uint64_t buffer_bytes)
{
    struct aro_engine_options options = {.buffer_bytes = buffer_bytes,
                                         .manifests_kept_bytes = rig->manifests_kept_bytes,
                                         .random = random_fill,
                                         .random_arg = rig};
    struct aro_engine_source source = {
        .name = "model", .slice_bytes_max = 1408, .receive_buffer_bytes = 4u << 20};

    rig->now_us = 1000;
    rig->engine = aro_engine_create(&options);
    aro_engine_source_add(rig->engine, &source, rig->now_us);
}

static struct aro_download *object_begin(struct rig *rig)
{
    struct aro_download_options wanted = {.id = rig->model->object_id,
                                          .kind = ARO_KIND_OBJECT,
                                          .buffer_bytes = 16 * C,
                                          .silence_us = 1000000};

    return aro_download_create(rig->engine, &wanted, rig->now_us);
}

/* One reader takes what is ready; a slow one keeps its piece. */
static void take(struct rig *rig, unsigned i, bool slow)
{
    struct aro_piece piece;

    if (rig->holds[i] && slow)
        return;
    if (rig->holds[i])
        aro_download_release(rig->download[i], &rig->held[i]);
    rig->holds[i] = aro_download_take(rig->download[i], &piece);
    if (!rig->holds[i])
        return;
    rig->held[i] = piece;
    cr_assert_eq(piece.at, rig->right[i]);
    cr_assert_arr_eq(piece.bytes, rig->model->content + piece.at, piece.len_bytes);
    rig->right[i] += piece.len_bytes;
}

Test(download, slow_readers_hold_neither_the_others_nor_much_memory)
{
    struct rig rig = {.model = model_create(64 * C, C, 4), .random = 1};

    rig_open(&rig, 0);
    for (unsigned i = 0; i < DOWNLOADS; i++)
        rig.download[i] = object_begin(&rig);
    for (unsigned turn = 0; turn < 20000; turn++) {
        serve(&rig);
        for (unsigned i = 0; i < DOWNLOADS; i++)
            take(&rig, i, i % 4 != 0);
    }
    for (unsigned i = 0; i < DOWNLOADS; i++) {
        bool slow = i % 4 != 0;
        cr_assert_eq(aro_download_state(rig.download[i]),
                     slow ? ARO_DOWNLOAD_RUNNING : ARO_DOWNLOAD_DONE);
        cr_assert_eq(rig.right[i], slow ? C : 64u * C);
        /* of a slow one only the first two chunks were ever asked for */
        if (slow)
            cr_assert_leq(aro_download_stats(rig.download[i])->slices, 3u * (C / 1152 + 1) + 8);
        aro_download_destroy(rig.download[i]);
    }
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

Test(download, the_engines_memory_bounds_all_and_comes_back)
{
    struct rig rig = {.model = model_create(64 * C, C, 4), .random = 1};

    rig_open(&rig, 6 * C); /* three readers' first rings */
    for (unsigned i = 0; i < 6; i++)
        rig.download[i] = object_begin(&rig);
    for (unsigned turn = 0; turn < 5000; turn++) {
        serve(&rig);
        cr_assert_leq(rig.engine->buffers_bytes, 6u * C);
        for (unsigned i = 0; i < 6; i++)
            if (rig.download[i] != NULL)
                take(&rig, i, false);
        for (unsigned i = 0; i < 6; i++)
            if (rig.download[i] != NULL &&
                aro_download_state(rig.download[i]) == ARO_DOWNLOAD_DONE && !rig.holds[i]) {
                aro_download_destroy(rig.download[i]); /* makes room for those who wait */
                rig.download[i] = NULL;
            }
    }
    for (unsigned i = 0; i < 6; i++)
        cr_assert_eq(rig.right[i], 64u * C, "reader %u got %lu bytes", i,
                     (unsigned long)rig.right[i]);
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

Test(download, one_that_ends_early_leaves_the_others_alone)
{
    struct rig rig = {.model = model_create(64 * C, C, 4), .random = 1};

    rig_open(&rig, 0);
    for (unsigned i = 0; i < DOWNLOADS; i++)
        rig.download[i] = object_begin(&rig);
    for (unsigned turn = 0; turn < 20000; turn++) {
        serve(&rig);
        for (unsigned i = 0; i < DOWNLOADS; i++) {
            if (rig.download[i] != NULL)
                take(&rig, i, false);
            if (rig.download[i] != NULL && i % 3 == 0 && rig.right[i] >= (i + 1u) * C) {
                aro_download_destroy(rig.download[i]); /* with requests under way */
                rig.download[i] = NULL;
            }
        }
    }
    for (unsigned i = 0; i < DOWNLOADS; i++) {
        if (i % 3 != 0)
            cr_assert_eq(rig.right[i], 64u * C);
        aro_download_destroy(rig.download[i]);
    }
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

Test(download, the_root_alone_waits_for_a_range)
{
    struct rig rig = {.model = model_create(8 * C, C, 4), .random = 1};
    struct aro_download_root root;
    struct aro_piece piece;

    rig_open(&rig, 0);
    struct aro_download_options wanted = {.id = rig.model->object_id,
                                          .kind = ARO_KIND_OBJECT,
                                          .root_only = true,
                                          .buffer_bytes = 16 * C,
                                          .silence_us = 1000000};
    struct aro_download *download = aro_download_create(rig.engine, &wanted, rig.now_us);
    while (serve(&rig))
        ;
    cr_assert_eq(aro_engine_ready(rig.engine), download);
    cr_assert(aro_download_root(download, &root));
    cr_assert_eq(root.total_bytes, 8u * C);
    cr_assert(!aro_download_take(download, &piece));
    cr_assert_eq(aro_download_range(download, 8 * C, 1), -EINVAL);
    cr_assert_eq(aro_download_range(download, 0, 0), -EINVAL);
    cr_assert_eq(aro_download_range(download, UINT64_MAX, 2), -EINVAL);
    cr_assert_eq(aro_download_range(download, 2 * C + 1, 5), 0);
    cr_assert_eq(aro_download_range(download, 0, 5), -EINVAL); /* it is chosen */
    while (serve(&rig))
        ;
    cr_assert(aro_download_take(download, &piece));
    cr_assert_eq(piece.len_bytes, 5);
    cr_assert_arr_eq(piece.bytes, rig.model->content + 2 * C + 1, 5);
    aro_download_release(download, &piece);
    cr_assert_eq(aro_download_state(download), ARO_DOWNLOAD_DONE);
    aro_download_destroy(download);
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

/* ---- manifests shared by downloads ---- */

static struct aro_download *root_begin(struct rig *rig)
{
    struct aro_download_options wanted = {.id = rig->model->object_id,
                                          .kind = ARO_KIND_OBJECT,
                                          .root_only = true,
                                          .buffer_bytes = 16 * C,
                                          .silence_us = 10000000};

    return aro_download_create(rig->engine, &wanted, rig->now_us);
}

static bool knows_root(const struct aro_download *download)
{
    struct aro_download_root root;

    return aro_download_root(download, &root);
}

Test(download, many_of_one_object_fetch_its_manifest_once_and_each_is_told)
{
    struct rig rig = {.model = model_create(64 * C, C, 4), .random = 1};
    unsigned told = 0;

    rig_open(&rig, 0);
    for (unsigned i = 0; i < DOWNLOADS; i++)
        rig.download[i] = root_begin(&rig);
    while (serve(&rig))
        ;
    while (aro_engine_ready(rig.engine) != NULL)
        told++;
    cr_assert_eq(told, DOWNLOADS);
    cr_assert_eq(aro_engine_source_stats(rig.engine, 0)->chunks, 1);
    for (unsigned i = 0; i < DOWNLOADS; i++) {
        cr_assert(knows_root(rig.download[i]));
        aro_download_destroy(rig.download[i]);
    }
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

Test(download, when_the_one_that_fetches_a_manifest_leaves_another_takes_over)
{
    uint8_t requests[REQUESTS][ARO_GET_BYTES];
    struct rig rig = {.model = model_create(64 * C, C, 4), .random = 1};

    rig_open(&rig, 0);
    for (unsigned i = 0; i < 3; i++)
        rig.download[i] = root_begin(&rig);
    cr_assert_gt(aro_engine_send_burst(rig.engine, 0, requests, REQUESTS, rig.now_us), 0);
    aro_download_destroy(rig.download[1]); /* one that waits */
    aro_download_destroy(rig.download[0]); /* with its request under way */
    for (unsigned turn = 0; turn < 5000 && !knows_root(rig.download[2]); turn++) {
        serve(&rig);
        rig.now_us += 1000;
        aro_engine_timeout(rig.engine, rig.now_us);
    }
    cr_assert(knows_root(rig.download[2]));
    aro_download_destroy(rig.download[2]);
    aro_engine_destroy(rig.engine);
    model_destroy(rig.model);
}

static void settle(struct rig *rig)
{
    for (unsigned turn = 0; turn < 1000 && serve(rig); turn++)
        ;
}

Test(download, a_kept_manifest_whose_chunks_are_gone_is_forgotten)
{
    struct model *empty = model_create(C, C, 5);
    struct rig rig = {
        .model = model_create(64 * C, C, 4), .random = 1, .manifests_kept_bytes = 1 << 20};
    struct aro_id id = rig.model->object_id;

    empty->token_key = rig.model->token_key;
    empty->object_id = id;
    rig_open(&rig, 0);
    struct aro_download *download = root_begin(&rig), *other;
    settle(&rig);
    aro_download_destroy(download);
    download = root_begin(&rig);
    other = root_begin(&rig); /* holds it to the end, and is not disturbed */
    cr_assert(knows_root(download));
    struct model *full = rig.model;
    rig.model = empty;
    aro_download_range(download, 5, 1);
    settle(&rig);
    cr_assert_eq(aro_download_error(download)->id, ARO_E_INCOMPLETE);
    aro_download_destroy(download);
    download = root_begin(&rig);
    cr_assert(!knows_root(download));
    settle(&rig);
    cr_assert_eq(aro_download_error(download)->id, ARO_E_NOT_FOUND);
    aro_download_destroy(download);
    rig.model = full;
    aro_download_range(other, 5, 1);
    settle(&rig);
    cr_assert(aro_download_take(other, &rig.held[0]));
    aro_download_release(other, &rig.held[0]);
    aro_download_destroy(other);
    aro_engine_destroy(rig.engine);
    model_destroy(full);
    model_destroy(empty);
}

Test(download, a_manifest_that_was_kept_is_known_at_once)
{
    for (unsigned kept = 0; kept < 2; kept++) {
        struct rig rig = {.model = model_create(64 * C, C, 4),
                          .random = 1,
                          .manifests_kept_bytes = kept ? 1 << 20 : 0};
        rig_open(&rig, 0);
        struct aro_download *download = root_begin(&rig);
        while (serve(&rig))
            ;
        aro_download_destroy(download);
        download = root_begin(&rig);
        cr_assert_eq(knows_root(download), kept != 0);
        aro_download_destroy(download);
        aro_engine_destroy(rig.engine);
        model_destroy(rig.model);
    }
}

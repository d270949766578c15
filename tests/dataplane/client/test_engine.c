/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/engine.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "cache/base/sha256.h"
#include "tests/dataplane/client/wire.h"

enum { C = 16384 };

static void assert_right(const struct wire_result *result, const struct model *model)
{
    cr_assert(!result->content_wrong);
    cr_assert_eq(result->state, ARO_DOWNLOAD_DONE, "%d: %s", result->error.id, result->error.text);
    cr_assert_eq(result->content_right, model->content_bytes);
    cr_assert_eq(result->stats.content_bytes, model->content_bytes);
    cr_assert_eq(result->stats.content_total, model->content_bytes);
    if (result->stats.manifests > 0)
        cr_assert(aro_id_equal(&result->digest, &model->digest));
}

/* Whatever went wrong, nothing wrong was handed out. */
static void assert_failed(const struct wire_result *result, enum aro_error_id id)
{
    cr_assert(!result->content_wrong);
    cr_assert_eq(result->state, ARO_DOWNLOAD_FAILED);
    cr_assert_eq(result->error.id, id, "%d: %s", result->error.id, result->error.text);
    cr_assert_gt(strlen(result->error.text), 10u);
}

Test(engine, objects_of_any_length_arrive_whole_and_in_order)
{
    const uint64_t lengths[] = {0, 1, 1151, 1152, 1153, C - 1, C, C + 1, 10 * C, 333 * C + 77};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct model *model = model_create(lengths[i], C, i);
        struct wire_options options = {.seed = i};
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        cr_assert_eq(result.stats.slices_lost, 0);
        cr_assert_eq(result.stats.duplicates, 0);
        cr_assert_eq(result.stats.slices, model->slices);
        cr_assert_eq(result.stats.slices_memory, model->slices);
        cr_assert_eq(result.stats.timeouts, 0);
        model_destroy(model);
    }
}

Test(engine, a_lone_chunk_of_unknown_length_arrives)
{
    const uint32_t lengths[] = {1, 1000, 1152 * 10, 1152 * 10 + 1, 65536, 1u << 20};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct model *model = model_create(lengths[i], 1u << 20, i);
        struct wire_options options = {.seed = i, .chunk = true};
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        cr_assert_eq(result.stats.duplicates, 0);
        model_destroy(model);
    }
}

Test(engine, every_chunk_size_and_small_slices_work)
{
    const uint32_t sizes[] = {4096, 65536, 1u << 20};
    const uint32_t slices[] = {128, 1152, 1408, 8832};

    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 4; j++) {
            struct model *model = model_create(2600001, sizes[i], i);
            struct wire_options options = {.seed = j, .slice_bytes_max = slices[j]};
            struct wire_result result = wire_fetch(model, &options);
            assert_right(&result, model);
            model_destroy(model);
        }
}

Test(engine, loss_reordering_duplication_and_damage_are_harmless, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct model *model = model_create(100 * C + 5, C, seed);
        struct wire_options options = {.seed = seed,
                                       .loss_percent = 10,
                                       .reorder_percent = 25,
                                       .duplicate_percent = 5,
                                       .damage_permille = 1};
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        cr_assert_gt(result.stats.slices_lost, 50);
        cr_assert_gt(result.stats.duplicates, 20);
        model_destroy(model);
    }
}

/* Time-outs that turn out false make the client patient - but not for the rest of the transfer. */
Test(engine, a_stall_at_the_start_does_not_slow_a_lossy_transfer_for_good, .timeout = 120)
{
    uint64_t took_us[2];

    for (uint32_t stalls = 0; stalls < 2; stalls++) {
        struct model *model = model_create(64u << 20, 65536, 41);
        struct wire_options options = {.seed = 41, .loss_percent = 5, .stalls = 12 * stalls};
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        took_us[stalls] = result.end_us;
        model_destroy(model);
    }
    cr_assert_lt(took_us[1], 2 * took_us[0] + 1200000, "%lu us against %lu us",
                 (unsigned long)took_us[1], (unsigned long)took_us[0]);
}

/* The root of 112 chunks is as long as a chunk, and the ring starts anew after it. */
Test(engine, a_late_slice_of_the_root_is_not_taken_for_content)
{
    struct model *model = model_create(112 * 4096, 4096, 2);
    struct wire_options options = {.seed = 2, .duplicate_percent = 100};
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    cr_assert_eq(result.stats.mismatches, 0);
    model_destroy(model);
}

Test(engine, pieces_that_the_caller_keeps_hold_back_only_their_buffers)
{
    struct model *model = model_create(200 * C, C, 3);
    struct wire_options options = {
        .seed = 4, .buffer_bytes = 8 * C, .hold_pieces = 6, .loss_percent = 2};
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    model_destroy(model);
}

Test(engine, the_first_window_is_at_most_ten_slices)
{
    struct model *model = model_create(100 * C, C, 5);
    struct wire_options options = {.seed = 5};
    uint8_t token[ARO_TOKEN_BYTES];
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    cr_assert_leq(model->first_window, 10);
    cr_assert_gt(model->first_window, 0);
    cr_assert_eq(result.stats.token_round_trips, 1);

    memcpy(token, result.stats.token, sizeof(token)); /* with a token at hand as without */
    options.token = token;
    model->slices = model->first_window = 0;
    result = wire_fetch(model, &options);
    assert_right(&result, model);
    cr_assert_leq(model->first_window, 10);
    cr_assert_eq(result.stats.token_round_trips, 0);
    model_destroy(model);
}

Test(engine, a_restarted_server_costs_one_round_trip_and_nothing_else)
{
    struct model *model = model_create(400 * C, C, 6);
    struct wire_options options = {.seed = 6, .restart_at_slice = 1000};
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    cr_assert_gt(result.stats.token_round_trips, 1);
    cr_assert_eq(result.stats.timeouts, 0);
    model_destroy(model);
}

Test(engine, a_fresh_token_beside_an_answer_replaces_the_old_one_and_costs_nothing)
{
    struct model *model = model_create(100 * C, C, 7);
    struct wire_options options = {.seed = 7};

    model->refresh_every = 3;
    struct wire_result result = wire_fetch(model, &options);
    assert_right(&result, model);
    cr_assert_eq(result.stats.token_round_trips, 1);
    cr_assert_eq(result.stats.duplicates, 0);
    model_destroy(model);
}

Test(engine, a_server_that_accepts_no_token_is_not_flooded)
{
    struct model *model = model_create(C, C, 8);
    struct wire_options options = {.seed = 8, .silence_us = 3000000};

    model->refuses_tokens = true;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_STALLED);
    cr_assert_lt(model->requests, 40);
    model_destroy(model);
}

Test(engine, a_chunk_damaged_once_is_fetched_again_and_the_source_kept)
{
    struct model *model = model_create(5 * C, C, 9);
    struct wire_options options = {.seed = 9};

    model->lies_bad_bytes = 1;
    struct wire_result result = wire_fetch(model, &options);
    assert_right(&result, model);
    cr_assert_eq(result.stats.mismatches, 5);
    model_destroy(model);
}

Test(engine, a_source_that_lies_about_content_is_convicted_at_the_second_mismatch)
{
    struct model *model = model_create(5 * C, C, 10);
    struct wire_options options = {.seed = 10};

    model->lies_bad_bytes = UINT32_MAX;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_SOURCE_LIES);
    cr_assert_eq(result.content_right, 0);
    cr_assert_not_null(strstr(result.error.text, "model"));

    model->lies_about_manifests = true;
    result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_SOURCE_LIES);
    cr_assert_eq(result.stats.mismatches, 2);
    model_destroy(model);
}

Test(engine, a_source_that_lies_about_lengths_is_convicted)
{
    struct model *model = model_create(5 * C, C, 11);
    struct wire_options options = {.seed = 11};

    model->lies_length = true;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_SOURCE_LIES);
    cr_assert_lt(result.end_us, 10000); /* its answers are no silence */
    cr_assert_eq(result.stats.timeouts, 0);
    model_destroy(model);
}

/* Its id is right and its words are wrong: made so, not damaged on the way. */
Test(engine, a_manifest_that_lies_about_its_length_is_refused_at_once)
{
    const uint64_t totals[] = {0, 4 * C, 5 * C + 1, UINT64_MAX};

    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct model *model = model_create(5 * C, C, 12);
        struct wire_options options = {.seed = 12};
        uint8_t total[8];
        aro_store_be64(total, totals[i]);
        model_forge_root(model, 16, total, sizeof(total));
        struct wire_result result = wire_fetch(model, &options);
        assert_failed(&result, ARO_E_MANIFEST_INVALID);
        cr_assert_eq(result.stats.mismatches, 0);
        model_destroy(model);
    }
}

Test(engine, a_chunk_that_is_no_manifest_cannot_be_fetched_as_an_object)
{
    struct model *model = model_create(C, C, 13);
    struct wire_options options = {.seed = 13};

    model->object_id = aro_sha256(model->content, C);
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_MANIFEST_INVALID);
    model_destroy(model);
}

Test(engine, an_unknown_id_is_not_found_at_once)
{
    struct model *model = model_create(C, C, 14);
    struct wire_options options = {.seed = 14};

    model->object_id.word[1] ^= 1;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_NOT_FOUND);
    cr_assert_lt(result.end_us, 1000);
    model_destroy(model);
}

Test(engine, a_missing_chunk_leaves_a_verified_part)
{
    struct model *model = model_create(50 * C, C, 15);
    struct wire_options options = {.seed = 15};

    model->missing_last_chunk = true;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_INCOMPLETE);
    model_destroy(model);
}

Test(engine, final_refusals_end_the_fetch_with_their_own_error)
{
    const struct {
        uint8_t code;
        enum aro_error_id id;
    } refusals[] = {{ARO_STATUS_DENIED, ARO_E_DENIED},
                    {ARO_STATUS_BAD_REQUEST, ARO_E_REQUEST_REFUSED},
                    {ARO_STATUS_UNSUPPORTED_VERSION, ARO_E_REQUEST_REFUSED},
                    {99, ARO_E_REQUEST_REFUSED}};

    for (size_t i = 0; i < 4; i++) {
        struct model *model = model_create(C, C, 16);
        struct wire_options options = {.seed = 16};
        model->refuse_percent = 100;
        model->refuse_code = refusals[i].code;
        model->refuse_detail = 2 << 8 | 3;
        struct wire_result result = wire_fetch(model, &options);
        assert_failed(&result, refusals[i].id);
        cr_assert_eq(model->refusals, 1);
        model_destroy(model);
    }
}

Test(engine, storms_of_retry_later_and_busy_pass)
{
    const uint8_t codes[] = {ARO_STATUS_RETRY_LATER, ARO_STATUS_BUSY};

    for (size_t i = 0; i < 2; i++) {
        struct model *model = model_create(100 * C, C, 17);
        struct wire_options options = {.seed = 17};
        model->refuse_percent = 60;
        model->refuse_code = codes[i];
        model->refuse_hint_us = 500;
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        cr_assert_gt(i == 0 ? result.stats.retry_later : result.stats.busy, 20);
        cr_assert_eq(result.stats.timeouts, 0);
        model_destroy(model);
    }
}

Test(engine, a_server_that_only_postpones_is_asked_ever_more_rarely_and_left)
{
    const uint8_t codes[] = {ARO_STATUS_RETRY_LATER, ARO_STATUS_BUSY, ARO_STATUS_NOT_FOUND};

    for (size_t i = 0; i < 3; i++) {
        struct model *model = model_create(C, C, 18);
        struct wire_options options = {.seed = 18, .silence_us = 5000000};
        model->refuse_percent = 100;
        model->refuse_code = codes[i];
        model->refuse_hint_us = 10;
        struct wire_result result = wire_fetch(model, &options);
        assert_failed(&result, i < 2 ? ARO_E_STALLED : ARO_E_NOT_FOUND);
        cr_assert_lt(model->requests, 20);
        cr_assert_gt(model->requests, 8);
        cr_assert_geq(result.end_us, 5000000u);
        model_destroy(model);
    }
}

/* Times at which requests left. */
struct times {
    uint64_t at_us[64];
    uint32_t slices[64];
    uint32_t count;
};

static void time_note(void *arg, const struct aro_get *get, uint64_t now_us)
{
    struct times *times = arg;

    cr_assert_lt(times->count, 64u);
    times->slices[times->count] = (uint32_t)__builtin_popcountll(get->mask);
    times->at_us[times->count++] = now_us;
}

Test(engine, a_silent_source_is_asked_at_doubling_intervals_and_left_in_time)
{
    struct model *model = model_create(C, C, 19);
    struct times times = {.count = 0};
    struct wire_options options = {
        .seed = 19, .silence_us = 20000000, .on_request = time_note, .on_request_arg = &times};

    model->silent = true;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_NO_ANSWER);
    cr_assert_eq(result.end_us, 20000000);
    cr_assert_eq(times.count, 5); /* 0, 1, 3, 7, 15 s */
    for (uint32_t i = 1; i < times.count; i++)
        cr_assert_eq(times.at_us[i] - times.at_us[i - 1], 1000000u << (i - 1));
    cr_assert_leq(times.slices[1], 2);
    model_destroy(model);
}

Test(engine, a_source_that_falls_silent_is_left_after_the_same_time)
{
    struct model *model = model_create(200 * C, C, 20);
    struct wire_options options = {.seed = 20, .silence_us = 2000000};

    model->silent_after = 40;
    struct wire_result result = wire_fetch(model, &options);
    assert_failed(&result, ARO_E_STALLED);
    cr_assert_lt(result.end_us, 2100000u);
    cr_assert_lt(model->requests, 120);
    model_destroy(model);
}

Test(engine, a_slice_size_that_does_not_pass_is_tried_once_and_given_up)
{
    for (int refused = 0; refused < 2; refused++) {
        struct model *model = model_create(100 * C, C, 21);
        struct wire_options options = {.seed = 21, .slice_bytes_max = 8832};
        if (refused)
            model->slice_bytes_max = 1408; /* the server says so */
        else
            model->slice_bytes_passes = 1408; /* the path swallows them */
        struct wire_result result = wire_fetch(model, &options);
        assert_right(&result, model);
        cr_assert_eq(result.stats.slice_bytes, 1408);
        model_destroy(model);
    }
}

Test(engine, the_slice_size_rises_to_what_the_path_carries)
{
    struct model *model = model_create(100 * C, C, 22);
    struct wire_options options = {.seed = 22, .slice_bytes_max = 8832};
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    cr_assert_eq(result.stats.slice_bytes, 8832);
    model_destroy(model);
}

Test(engine, the_window_grows_until_the_wire_is_full)
{
    struct model *model = model_create(64u << 20, 65536, 23);
    struct wire_options options = {.seed = 23, .buffer_bytes = 16u << 20, .delay_us = 200};
    struct wire_result result = wire_fetch(model, &options);

    assert_right(&result, model);
    /* one slice per 3 us and a round trip of 400 us: 133 slices fill the wire */
    cr_assert_gt(result.stats.window_max, 133);
    cr_assert_lt(result.end_us, model->slices * 3 * 11 / 10);
    cr_assert_lt(result.stats.requests, model->slices / 20);
    model_destroy(model);
}

Test(engine, round_trip_and_time_inside_the_server_come_apart)
{
    struct model *model = model_create(20 * C, C, 24);
    struct wire_options options = {.seed = 24, .delay_us = 300};

    model->tier = ARO_TIER_DISK;
    model->residence_us = 100;
    struct wire_result result = wire_fetch(model, &options);
    assert_right(&result, model);
    cr_assert_eq(result.stats.residence_us_max, 100);
    cr_assert_eq(result.stats.residence_us_sum, 100 * result.stats.answered_requests);
    cr_assert_eq(result.stats.slices_disk, result.stats.slices);
    cr_assert_lt(result.stats.rtt_min_us, 510);
    cr_assert_geq(result.stats.rtt_min_us, 500);
    model_destroy(model);
}

static void random_same(void *arg, void *bytes, size_t len)
{
    (void)arg;
    memset(bytes, 0x5e, len);
}

Test(engine, answers_that_nobody_asked_for_are_ignored_and_counted)
{
    struct aro_engine_options options = {.random = random_same};
    struct aro_engine_source source = {
        .name = "model", .slice_bytes_max = 1408, .receive_buffer_bytes = 1u << 20};
    struct aro_download_options wanted = {
        .id = {{1}}, .kind = ARO_KIND_CHUNK, .buffer_bytes = 1u << 20, .silence_us = 1000000};
    struct aro_engine *engine = aro_engine_create(&options);
    cr_assert_eq(aro_engine_source_add(engine, &source, 1), 0);
    struct aro_download *download = aro_download_create(engine, &wanted, 1);
    uint8_t request[1][ARO_GET_BYTES];
    uint8_t bytes[ARO_DATA_BYTES + 1152] = {0};
    struct aro_get get;

    cr_assert_eq(aro_engine_send_burst(engine, 0, request, 1, 1), 1);
    cr_assert_eq(aro_get_decode(request[0], ARO_GET_BYTES, &get), ARO_VERDICT_OK);
    aro_data_encode(bytes, 0, 1152, 0, 1152, 0, get.echo ^ 1u << 20); /* another echo */
    aro_engine_receive(engine, 0, bytes, sizeof(bytes), 2);
    struct aro_status_msg status = {.echo = get.echo + 1, .code = ARO_STATUS_NOT_FOUND};
    aro_status_encode(bytes, &status);
    aro_engine_receive(engine, 0, bytes, ARO_STATUS_BYTES, 2);
    struct aro_token_msg token = {.echo = 0};
    aro_token_encode(bytes, &token);
    aro_engine_receive(engine, 0, bytes, ARO_TOKEN_MSG_BYTES, 2);
    cr_assert_eq(aro_download_stats(download)->ignored_echo, 3);

    aro_data_encode(bytes, 0, 1152, 10, 11 * 1152, 0, get.echo); /* not in the mask */
    aro_engine_receive(engine, 0, bytes, sizeof(bytes), 2);
    aro_engine_receive(engine, 0, request[0], ARO_GET_BYTES, 2); /* not a reply */
    aro_engine_receive(engine, 0, bytes, 3, 2);
    cr_assert_eq(aro_download_stats(download)->ignored_malformed, 3);
    cr_assert_eq(aro_download_state(download), ARO_DOWNLOAD_RUNNING);
    cr_assert_eq(aro_download_stats(download)->slices, 0);
    aro_download_destroy(download);
    aro_download_destroy(NULL);
    aro_engine_destroy(engine);
    aro_engine_destroy(NULL);
}

Test(engine, impossible_options_are_refused)
{
    struct aro_engine_options options = {.random = random_same};
    struct aro_engine_source source = {.name = "model", .slice_bytes_max = 64};
    struct aro_download_options wanted = {.kind = ARO_KIND_DIGEST, .buffer_bytes = 1u << 20};
    struct aro_engine *engine = aro_engine_create(&options);

    cr_assert_eq(aro_engine_source_add(engine, &source, 1), -EINVAL);
    source.slice_bytes_max = 1408;
    for (int i = 0; i < ARO_ENGINE_SOURCES_MAX; i++)
        cr_assert_eq(aro_engine_source_add(engine, &source, 1), i);
    cr_assert_eq(aro_engine_source_add(engine, &source, 1), -ENOSPC);
    cr_assert_null(aro_download_create(engine, &wanted, 1));
    wanted.list = true;
    cr_assert_null(aro_download_create(engine, &wanted, 1)); /* of which chunk size? */
    aro_engine_destroy(engine);
}

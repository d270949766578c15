/* SPDX-License-Identifier: BSD-3-Clause */
/* Several sources: sharing, leaving the dead, the slow and the lying, asking elsewhere. */
#include <criterion/criterion.h>

#include "dataplane/client/engine.h"
#include "tests/dataplane/client/wire.h"

enum { C = 16384, CHUNKS = 400 };

struct pair {
    struct model *first, *second;
    struct wire_options options;
};

static struct pair pair_make(void)
{
    struct pair pair = {model_create(CHUNKS * C - 5, C, 1),
                        model_create(CHUNKS * C - 5, C, 1),
                        {.seed = 3, .delay_us = 200, .slice_us = 10, .other_count = 1}};

    pair.options.others[0].model = pair.second;
    return pair;
}

static void pair_destroy(struct pair *pair)
{
    model_destroy(pair->first);
    model_destroy(pair->second);
}

static struct wire_result arrives(struct pair *pair)
{
    struct wire_result result = wire_fetch(pair->first, &pair->options);

    cr_assert(!result.content_wrong);
    cr_assert_eq(result.state, ARO_DOWNLOAD_DONE, "%d: %s", result.error.id, result.error.text);
    cr_assert_eq(result.content_right, pair->first->content_bytes);
    cr_assert(aro_id_equal(&result.digest, &pair->first->digest));
    return result;
}

static uint64_t alone_us(const struct pair *pair)
{
    struct wire_options options = pair->options;

    options.other_count = 0;
    return wire_fetch(pair->first, &options).end_us;
}

Test(engine_sources, two_equal_sources_halve_the_time)
{
    struct pair pair = pair_make();
    pair.options.slice_us = 60; /* long enough for a speed to be measured */
    struct wire_result result = arrives(&pair);

    cr_assert_lt(result.end_us, alone_us(&pair) * 6 / 10);
    for (int i = 0; i < 2; i++) {
        cr_assert_gt(result.sources[i].chunks, CHUNKS * 4 / 10);
        cr_assert_eq(result.sources[i].error, 0);
        cr_assert_gt(result.sources[i].rate_bytes_per_s, 0);
    }
    cr_assert_eq(result.sources[0].chunks + result.sources[1].chunks,
                 result.stats.chunks + result.stats.manifests);
    pair_destroy(&pair);
}

Test(engine_sources, each_gives_as_much_as_it_is_fast)
{
    struct pair pair = pair_make();
    pair.options.others[0].slice_us = 40; /* a quarter of the other's speed */
    struct wire_result result = arrives(&pair);

    cr_assert_gt(result.sources[1].chunks, CHUNKS / 10);
    cr_assert_gt(result.sources[0].chunks, 2 * result.sources[1].chunks);
    cr_assert_eq(result.sources[1].error, 0);
    cr_assert_lt(result.end_us, alone_us(&pair));
    pair_destroy(&pair);
}

Test(engine_sources, a_source_that_never_answers_costs_a_moment_whichever_it_is)
{
    for (int dead = 0; dead < 2; dead++) {
        struct pair pair = pair_make();
        (dead == 0 ? pair.first : pair.second)->silent = true;
        struct wire_result result = arrives(&pair);

        cr_assert_eq(result.sources[dead].chunks, 0);
        cr_assert_lt(result.end_us, 1000000, "%lu us", (unsigned long)result.end_us);
        pair_destroy(&pair);
    }
}

Test(engine_sources, a_source_that_falls_silent_is_left_and_named)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.second->silent_after = 40;
    pair.options.slice_us = 100; /* long enough to notice */
    result = arrives(&pair);
    cr_assert_gt(result.sources[1].chunks, 0);
    cr_assert_eq(result.sources[1].error, ARO_E_STALLED, "%d", result.sources[1].error);
    cr_assert_not_null(strstr(result.sources[1].error_text, "second"));
    cr_assert_lt(result.end_us, alone_us(&pair) + 1000000);
    pair_destroy(&pair);
}

Test(engine_sources, a_source_that_lies_is_left_at_its_second_chunk)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.first->lies_bad_bytes = UINT32_MAX;
    result = arrives(&pair);
    cr_assert_eq(result.sources[0].error, ARO_E_SOURCE_LIES);
    cr_assert_not_null(strstr(result.sources[0].error_text, "model lies"));
    cr_assert_geq(result.sources[0].mismatches, 2);
    cr_assert_eq(result.sources[1].mismatches, 0);
    cr_assert_eq(result.sources[1].error, 0);
    pair_destroy(&pair);
}

Test(engine_sources, one_damaged_chunk_is_fetched_elsewhere_and_its_source_kept)
{
    struct pair pair = pair_make();
    struct wire_result result;

    /* each manifest is spoilt once; there is one */
    pair.first->lies_bad_bytes = 1;
    pair.first->lies_about_manifests = true;
    result = arrives(&pair);
    cr_assert_eq(result.sources[0].mismatches, 1);
    cr_assert_eq(result.sources[0].error, 0);
    pair_destroy(&pair);
}

Test(engine_sources, liars_alone_are_convicted)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.first->lies_bad_bytes = pair.second->lies_bad_bytes = UINT32_MAX;
    result = wire_fetch(pair.first, &pair.options);
    cr_assert(!result.content_wrong);
    cr_assert_eq(result.state, ARO_DOWNLOAD_FAILED);
    cr_assert_eq(result.error.id, ARO_E_SOURCE_LIES, "%d: %s", result.error.id, result.error.text);
    cr_assert_eq(result.content_right, 0);
    pair_destroy(&pair);
}

Test(engine_sources, a_chunk_that_one_does_not_have_is_asked_of_the_other)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.first->missing_last_chunk = true;
    for (uint64_t seed = 0; seed < 8; seed++) { /* whoever is asked first */
        pair.options.seed = seed;
        result = arrives(&pair);
        cr_assert_leq(result.sources[0].absent, 1);
        cr_assert_eq(result.sources[0].error, 0);
    }
    pair.second->missing_last_chunk = true;
    result = wire_fetch(pair.first, &pair.options);
    cr_assert_eq(result.state, ARO_DOWNLOAD_FAILED);
    cr_assert_eq(result.error.id, ARO_E_INCOMPLETE, "%d: %s", result.error.id, result.error.text);
    pair_destroy(&pair);
}

Test(engine_sources, an_object_that_only_the_second_has_is_found)
{
    struct pair pair = pair_make();
    struct model *other = model_create(C, C, 99);
    struct wire_result result;

    /* the first source is asked for it, too, but has something else */
    struct wire_options options = pair.options;
    options.other_count = 2;
    options.others[1].model = other;
    result = wire_fetch(pair.first, &options);
    cr_assert_eq(result.state, ARO_DOWNLOAD_DONE, "%d: %s", result.error.id, result.error.text);
    cr_assert_eq(result.sources[2].chunks, 0);
    cr_assert_eq(result.sources[2].error, 0);
    model_destroy(other);
    pair_destroy(&pair);
}

struct pause {
    struct model *model;
    uint64_t from_us, to_us; /* after the first request */
    uint64_t began_us;
};

/* Whoever asks finds the source asleep, as a stopped process is, and later awake again. */
static void pause_look(void *arg, const struct aro_get *get, uint64_t now_us)
{
    struct pause *pause = arg;

    (void)get;
    if (pause->began_us == 0)
        pause->began_us = now_us;
    uint64_t passed_us = now_us - pause->began_us;
    pause->model->silent = passed_us >= pause->from_us && passed_us < pause->to_us;
}

Test(engine_sources, the_only_one_that_has_it_is_waited_for)
{
    struct pair pair = pair_make();
    struct pause pause = {.model = pair.first, .from_us = 20000, .to_us = 2000000};
    struct model *other = model_create(C, C, 99);
    struct wire_result result;

    pair.options.others[0].model = other; /* answers NOT_FOUND to everything */
    pair.options.slice_us = 50;
    pair.options.silence_us = 10000000;
    pair.options.penalty_us = 5000000;
    pair.options.on_request = pause_look;
    pair.options.on_request_arg = &pause;
    result = arrives(&pair);
    cr_assert_geq(result.end_us, 2000000u);
    cr_assert_lt(result.end_us, 5000000u, "%lu us", (unsigned long)result.end_us);
    cr_assert_lt(result.sources[0].requests, 4000u);

    pause = (struct pause){.model = pair.first, .from_us = 20000, .to_us = 60000000};
    result = wire_fetch(pair.first, &pair.options);
    cr_assert_eq(result.state, ARO_DOWNLOAD_FAILED);
    cr_assert_geq(result.end_us, 9000000u, "not before patience ends: %lu us",
                  (unsigned long)result.end_us);
    cr_assert_lt(result.end_us, 25000000u);
    model_destroy(other);
    pair_destroy(&pair);
}

Test(engine_sources, a_crawling_source_does_not_hold_up_the_rest_and_is_left)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.options.slice_us = 50;
    pair.options.others[0].slice_us = 20000;
    result = arrives(&pair);
    cr_assert_lt(result.end_us, alone_us(&pair) * 2, "%lu us against %lu us alone",
                 (unsigned long)result.end_us, (unsigned long)alone_us(&pair));
    cr_assert_gt(result.sources[1].taken, 0);
    pair_destroy(&pair);
}

Test(engine_sources, one_that_denies_access_is_left_while_there_is_another)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.first->refuse_percent = 100;
    pair.first->refuse_code = ARO_STATUS_DENIED;
    result = arrives(&pair);
    cr_assert_eq(result.sources[0].error, ARO_E_DENIED);
    pair_destroy(&pair);
}

Test(engine_sources, storms_of_loss_and_refusals_on_all_sides_pass)
{
    struct pair pair = pair_make();

    pair.options.loss_percent = 5;
    pair.options.reorder_percent = 10;
    pair.options.duplicate_percent = 2;
    pair.second->refuse_percent = 10;
    pair.second->refuse_code = ARO_STATUS_RETRY_LATER;
    pair.first->refuse_percent = 10;
    pair.first->refuse_code = ARO_STATUS_BUSY;
    for (uint64_t seed = 1; seed < 5; seed++) {
        pair.options.seed = seed;
        struct wire_result result = arrives(&pair);
        cr_assert_eq(result.sources[0].error, 0, "%s", result.sources[0].error_text);
        cr_assert_eq(result.sources[1].error, 0, "%s", result.sources[1].error_text);
    }
    pair_destroy(&pair);
}

Test(engine_sources, a_source_left_for_a_while_comes_back)
{
    struct pair pair = pair_make();
    struct wire_result result;

    pair.options.penalty_us = 20000;
    pair.options.slice_us = 100;
    pair.first->refuse_percent = 100; /* only its first answer */
    pair.first->refuse_code = ARO_STATUS_DENIED;
    pair.first->refuse_until = 1;
    result = arrives(&pair);
    cr_assert_eq(result.sources[0].error, 0);
    cr_assert_gt(result.sources[0].chunks, CHUNKS / 4);
    pair_destroy(&pair);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of top chunks against an exact count of the same samples. */
#include "cache/top.h"

#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/hash.h"

enum { OBJECTS = 100000, SAMPLES = 400000, REQUESTS = 8000000, BURST = 64 };

static struct aro_top top, other;
static uint32_t left;
static uint32_t truth[OBJECTS]; /* times that object i was noted or asked for */
static double cumulative[OBJECTS];
static struct aro_top_item item[2 * ARO_TOP_ROOM];

static struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number, ~number, number * 0x9e3779b97f4a7c15, 7}};
}

static void begin(void)
{
    memset(&top, 0, sizeof(top));
    memset(&other, 0, sizeof(other));
    memset(truth, 0, sizeof(truth));
    left = aro_top_init(&top, 42);
    aro_top_init(&other, 43);
    srandom(1);
}

TestSuite(top, .init = begin, .timeout = 60);

/* Object i has a share of about 1 / (i + 1) to the power of s. */
static void zipf_begin(double s)
{
    double sum = 0;

    for (unsigned i = 0; i < OBJECTS; i++)
        cumulative[i] = sum += pow(i + 1, -s);
    for (unsigned i = 0; i < OBJECTS; i++)
        cumulative[i] /= sum;
}

static unsigned zipf_next(void)
{
    double u = (double)random() / ((double)RAND_MAX + 1);
    unsigned low = 0, high = OBJECTS - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (cumulative[middle] > u)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void note(unsigned object)
{
    struct aro_id id = id_of(object);

    aro_top_note(&top, &id);
    truth[object]++;
}

/* Bursts of ids that next() gives; burst 0: of 1..BURST. */
static void ask(unsigned requests, unsigned burst, unsigned (*next)(void))
{
    struct aro_id id[BURST];
    const struct aro_id *ids[BURST];

    while (requests > 0) {
        unsigned n = burst > 0 ? burst : 1 + (unsigned)random() % BURST;
        n = n < requests ? n : requests;
        for (unsigned i = 0; i < n; i++) {
            unsigned object = next();
            id[i] = id_of(object);
            ids[i] = &id[i];
            truth[object]++;
        }
        aro_top_burst(&top, &left, ids, n);
        requests -= n;
    }
}

static const struct aro_top_item *find(unsigned n, unsigned object)
{
    struct aro_id id = id_of(object);

    for (unsigned i = 0; i < n; i++)
        if (aro_id_equal(&item[i].id, &id))
            return &item[i];
    return NULL;
}

Test(top, every_count_is_within_its_bounds_and_nothing_heavy_is_missing)
{
    static uint64_t in_bucket[ARO_TOP_BUCKETS];
    unsigned n;

    zipf_begin(0.99);
    for (unsigned i = 0; i < SAMPLES; i++) {
        unsigned object = zipf_next();
        struct aro_id id = id_of(object);
        note(object);
        in_bucket[aro_hash_id(&id, top.seed) % ARO_TOP_BUCKETS]++;
    }
    cr_assert_eq(aro_top_window(&top), (uint64_t)SAMPLES);
    n = aro_top_merge(item, aro_top_read(&top, item));
    cr_assert_gt(n, ARO_TOP_ROOM * 9u / 10);
    for (unsigned i = 0; i < n; i++) {
        uint32_t had = truth[item[i].id.word[0]];
        cr_assert_geq(had, item[i].samples);
        cr_assert_leq(had, item[i].samples + item[i].over);
    }
    for (unsigned object = 0; object < OBJECTS; object++) {
        struct aro_id id = id_of(object);
        uint64_t bucket = in_bucket[aro_hash_id(&id, top.seed) % ARO_TOP_BUCKETS];
        const struct aro_top_item *at = find(n, object);
        if (truth[object] > bucket / ARO_TOP_WAYS)
            cr_assert_not_null(at, "object %u", object);
        if (at != NULL)
            cr_assert_leq(at->over, bucket / ARO_TOP_WAYS, "object %u", object);
        if (object < 20) /* the first twenty were there from the start, or nearly */
            cr_assert(at != NULL && at->samples >= truth[object] - truth[object] / 10, "object %u",
                      object);
    }
}

Test(top, shares_of_sampled_requests_are_right_within_chance)
{
    const double window = (double)REQUESTS / ARO_TOP_EVERY;
    unsigned n;

    zipf_begin(0.99);
    ask(REQUESTS, 0, zipf_next);
    cr_assert_float_eq((double)aro_top_window(&top), window, window * 0.02);
    n = aro_top_merge(item, aro_top_read(&top, item));
    for (unsigned object = 0; object < 10; object++) {
        const struct aro_top_item *at = find(n, object);
        double share = (double)truth[object] / REQUESTS, got;
        double chance = 5 * sqrt(share / window); /* five standard deviations */
        cr_assert_not_null(at, "object %u", object);
        got = (double)at->samples / (double)aro_top_window(&top);
        cr_assert_float_eq(got, share, chance + (double)at->over / window, "object %u: %f, not %f",
                           object, got, share);
    }
    cr_assert_eq(item[0].id.word[0], 0u);
}

static unsigned rhythm(void)
{
    static unsigned at;

    return at++ % ARO_TOP_EVERY;
}

Test(top, a_rhythm_of_the_sampling_distance_does_not_fool_it)
{
    unsigned n;

    ask(1000000, BURST / 2, rhythm);
    n = aro_top_read(&top, item);
    for (unsigned object = 0; object < ARO_TOP_EVERY; object++) {
        const struct aro_top_item *at = find(n, object);
        cr_assert_not_null(at, "object %u", object);
        cr_assert_float_eq((double)at->samples, 1000000. / ARO_TOP_EVERY / ARO_TOP_EVERY, 100,
                           "object %u: %lu", object, at->samples);
    }
}

static uint64_t samples_of(unsigned n, unsigned object)
{
    const struct aro_top_item *at = find(n, object);

    return at == NULL ? 0 : at->samples;
}

Test(top, what_was_popular_makes_room_for_what_is)
{
    unsigned n;

    for (unsigned i = 0; i < 3000; i++)
        note(i % 3);
    aro_top_age(&top);
    aro_top_age(&top);
    cr_assert_eq(aro_top_window(&top), 750u);
    n = aro_top_read(&top, item);
    cr_assert_eq(samples_of(n, 0), 250u, "aged before its bucket was touched");
    for (unsigned i = 0; i < 300; i++)
        note(3);
    n = aro_top_merge(item, aro_top_read(&top, item));
    cr_assert_eq(item[0].id.word[0], 3u);
    cr_assert_eq(item[0].samples, 300u);
    cr_assert_eq(samples_of(n, 0), 250u, "and halved once when it was");
    cr_assert_eq(aro_top_window(&top), 1050u);
    for (unsigned i = 0; i < 40; i++)
        aro_top_age(&top);
    cr_assert_eq(aro_top_window(&top), 0u);
    cr_assert_eq(aro_top_read(&top, item), 0u);
}

Test(top, halving_keeps_the_bounds_to_within_one)
{
    static double decayed[OBJECTS];
    unsigned n;

    zipf_begin(0.8); /* a heavy tail: places change hands all the time */
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 5000; i++) {
            unsigned object = zipf_next();
            note(object);
            decayed[object]++;
        }
        n = aro_top_read(&top, item);
        for (unsigned i = 0; i < n; i++) {
            double had = decayed[item[i].id.word[0]];
            cr_assert_leq((double)item[i].samples, had + 1);
            cr_assert_geq((double)(item[i].samples + item[i].over), had - 1);
        }
        aro_top_age(&top);
        for (unsigned i = 0; i < OBJECTS; i++)
            decayed[i] /= 2;
    }
}

Test(top, ids_aimed_at_one_bucket_miss_it_under_another_seed)
{
    unsigned aimed = 0;

    for (unsigned object = 0; aimed < 64; object++) {
        struct aro_id id = id_of(object);
        if (aro_hash_id(&id, top.seed) % ARO_TOP_BUCKETS != 0)
            continue;
        aro_top_note(&top, &id);
        aro_top_note(&other, &id);
        aimed++;
    }
    cr_assert_eq(aro_top_read(&top, item), (unsigned)ARO_TOP_WAYS);
    cr_assert_gt(aro_top_read(&other, item), 32u);
}

Test(top, tables_of_several_threads_are_added)
{
    struct aro_id a = id_of(1), b = id_of(2), c = id_of(3);
    unsigned n;

    for (unsigned i = 0; i < 10; i++)
        aro_top_note(i < 6 ? &top : &other, &a);
    for (unsigned i = 0; i < 8; i++)
        aro_top_note(&top, &b);
    for (unsigned i = 0; i < 9; i++)
        aro_top_note(&other, &c);
    n = aro_top_read(&top, item);
    n = aro_top_merge(item, n + aro_top_read(&other, item + n));
    cr_assert_eq(n, 3u);
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t number[] = {1, 3, 2}, samples[] = {10, 9, 8};
        cr_assert_eq(item[i].id.word[0], number[i]);
        cr_assert_eq(item[i].samples, samples[i]);
    }
    cr_assert_eq(aro_top_merge(item, 0), 0u);
}

Test(top, an_empty_table_holds_nothing)
{
    cr_assert_eq(aro_top_read(&top, item), 0u);
    cr_assert_eq(aro_top_window(&top), 0u);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/buckets.h"

#include <criterion/criterion.h>

static struct aro_limits_table table;

static unsigned allowed(uint64_t key, uint32_t now_ms, unsigned asked)
{
    unsigned n = 0;

    for (unsigned i = 0; i < asked; i++) {
        struct aro_bucket *bucket = aro_limits_bucket(&table, key, now_ms);
        if (aro_bucket_open(bucket)) {
            aro_bucket_charge(bucket, 1);
            n++;
        }
    }
    return n;
}

Test(buckets, a_stranger_starts_with_its_whole_burst_and_no_more)
{
    aro_limits_init(&table, 10, 50, 7);
    cr_assert_eq(allowed(1, 0, 1000), 50);
    cr_assert_eq(allowed(2, 0, 1000), 50);
    cr_assert_eq(allowed(1, 0, 1000), 0);
}

Test(buckets, credit_grows_with_time_up_to_the_burst)
{
    aro_limits_init(&table, 10, 50, 7);
    cr_assert_eq(allowed(1, 0, 1000), 50);
    cr_assert_eq(allowed(1, 1000, 1000), 10);
    cr_assert_eq(allowed(1, 3000, 1000), 20);
    cr_assert_eq(allowed(1, 3000000, 1000), 50);
}

/* However often and however unevenly it is looked at: no rounding, no lost thousandths. */
Test(buckets, a_rate_holds_whatever_its_size_and_the_rhythm_of_looks)
{
    static const uint64_t rates[] = {1, 3, 7, 999, 1001, 1999, 12345};
    static const uint32_t steps_ms[] = {1, 2, 7, 333};

    for (unsigned i = 0; i < 7 * 4; i++) {
        uint64_t rate = rates[i / 4];
        uint32_t step_ms = steps_ms[i % 4], now_ms = 0;
        uint64_t passed = 0, burst = rate < 5000 ? 5000 : rate;
        aro_limits_init(&table, rate, burst, 7);
        cr_assert_eq(allowed(1, 0, (unsigned)burst), burst);
        while (now_ms < 20000)
            passed += allowed(1, now_ms += step_ms, (unsigned)(rate * step_ms / 1000 + 2));
        cr_expect_leq(passed, rate * now_ms / 1000 + 1, "rate %lu step %u: %lu", rate, step_ms,
                      passed);
        cr_expect_geq(passed, rate * now_ms / 1000, "rate %lu step %u: %lu", rate, step_ms, passed);
    }
}

Test(buckets, a_debt_is_paid_before_anything_else_passes)
{
    struct aro_bucket *bucket;

    aro_limits_init(&table, 1000, 100, 7);
    bucket = aro_limits_bucket(&table, 1, 0);
    cr_assert(aro_bucket_open(bucket));
    aro_bucket_charge(bucket, 600); /* 500 too many: half a second */
    cr_assert_not(aro_bucket_open(aro_limits_bucket(&table, 1, 0)));
    cr_assert_not(aro_bucket_open(aro_limits_bucket(&table, 1, 500)));
    cr_assert(aro_bucket_open(aro_limits_bucket(&table, 1, 501)));
}

Test(buckets, the_clock_may_wrap)
{
    aro_limits_init(&table, 10, 50, 7);
    cr_assert_eq(allowed(1, UINT32_MAX - 499, 1000), 50);
    cr_assert_eq(allowed(1, 500, 1000), 10);
}

Test(buckets, the_largest_rate_does_not_overflow)
{
    const uint64_t rate = 1ull << 43;
    struct aro_bucket *bucket;

    aro_limits_init(&table, rate, rate, 7);
    bucket = aro_limits_bucket(&table, 1, 0);
    aro_bucket_charge(bucket, rate);
    aro_bucket_charge(bucket, rate);
    cr_assert_not(aro_bucket_open(aro_limits_bucket(&table, 1, 1000)));
    cr_assert(aro_bucket_open(aro_limits_bucket(&table, 1, 1001)));
    bucket = aro_limits_bucket(&table, 1, 0); /* 49 days later: 2^75 thousandths */
    cr_assert_eq(bucket->credit, (int64_t)(rate * ARO_CREDIT_UNIT));
}

Test(buckets, no_limit_leaves_the_table_alone)
{
    aro_limits_init(&table, 0, 1, 7);
    cr_assert_null(aro_limits_bucket(&table, 1, 0));
    cr_assert(aro_bucket_open(NULL));
    aro_bucket_charge(NULL, 1);
    for (unsigned set = 0; set < ARO_LIMIT_SETS; set++)
        for (unsigned way = 0; way < ARO_LIMIT_WAYS; way++)
            cr_assert_eq(table.bucket[set][way].tag, 0);
}

Test(buckets, four_times_as_many_strangers_as_places_change_one_place_each)
{
    static struct aro_limits_table before;
    uint64_t strangers = 4 * ARO_LIMIT_SETS * ARO_LIMIT_WAYS;
    unsigned used = 0;

    aro_limits_init(&table, 10, 50, 7);
    for (uint64_t key = 0; key < strangers; key++) {
        unsigned changed = 0;
        const struct aro_bucket *bucket;
        if (key % 64 == 0)
            before = table;
        bucket = aro_limits_bucket(&table, key, 1);
        cr_assert(bucket >= &table.bucket[0][0] &&
                  bucket < &table.bucket[0][0] + ARO_LIMIT_SETS * ARO_LIMIT_WAYS);
        if (key % 64 != 0)
            continue;
        for (unsigned i = 0; i < ARO_LIMIT_SETS * ARO_LIMIT_WAYS; i++)
            changed += memcmp(&before.bucket[0][0] + i, &table.bucket[0][0] + i,
                              sizeof(struct aro_bucket)) != 0;
        cr_assert_leq(changed, 1);
    }
    for (unsigned i = 0; i < ARO_LIMIT_SETS * ARO_LIMIT_WAYS; i++)
        used += (&table.bucket[0][0] + i)->tag != 0;
    cr_assert_gt(used, ARO_LIMIT_SETS * ARO_LIMIT_WAYS * 9 / 10, "%u: they spread", used);
}

/* Which member of a set goes is left to chance: the one that was limited is not the sure victim. */
Test(buckets, a_crowd_of_strangers_rarely_frees_a_limited_source)
{
    unsigned freed = 0;

    for (uint64_t round = 0; round < 64; round++) {
        aro_limits_init(&table, 1, 50, round);
        cr_assert_eq(allowed(1000000, 0, 100), 50);
        for (uint64_t key = 0; key < ARO_LIMIT_SETS; key++) /* about one per set */
            aro_limits_bucket(&table, key, 0);
        freed += allowed(1000000, 0, 1);
    }
    cr_assert_lt(freed, 4, "%u of 64", freed);
}

Test(buckets, another_seed_puts_keys_elsewhere)
{
    const struct aro_bucket *first;

    aro_limits_init(&table, 10, 50, 7);
    first = aro_limits_bucket(&table, 1, 0);
    aro_limits_init(&table, 10, 50, 8);
    cr_assert_neq(aro_limits_bucket(&table, 1, 0) - first, 0);
}

Test(buckets, a_stranger_never_inherits_a_debt)
{
    aro_limits_init(&table, 10, 50, 7);
    for (uint64_t key = 0; key < 4 * ARO_LIMIT_SETS * ARO_LIMIT_WAYS; key++) {
        struct aro_bucket *bucket = aro_limits_bucket(&table, key, 1);
        cr_assert_eq(bucket->credit, 50 * ARO_CREDIT_UNIT);
        aro_bucket_charge(bucket, 1000);
    }
}

Test(buckets, every_place_is_given_up_one_day)
{
    static struct aro_limits_table before;
    const unsigned places = ARO_LIMIT_SETS * ARO_LIMIT_WAYS;
    unsigned kept = 0;

    aro_limits_init(&table, 10, 50, 7);
    for (uint64_t key = 0; key < 4 * places; key++)
        aro_limits_bucket(&table, key, 1);
    before = table;
    for (uint64_t key = 0; key < 16 * places; key++)
        aro_limits_bucket(&table, 1000000 + key, 1);
    for (unsigned i = 0; i < places; i++)
        kept += (&before.bucket[0][0] + i)->tag == (&table.bucket[0][0] + i)->tag;
    cr_assert_lt(kept, places / 100, "%u of %u", kept, places);
}

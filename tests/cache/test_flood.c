/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hash flooding: somebody who knows a seed - the default of a configuration that forgot it, say -
 * chooses a million ids that crowd into a few buckets under it. Under that seed the index is full
 * after the first few of them; under another one they are ids like any other.
 *
 * That the product draws its seeds from the kernel is watched by tests/layers/check.
 */
#include "cache/index_table.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    N = 1 << 20,
    AIM_ONE_OF = 8, /* of the buckets, for the first and for the second choice: 64 hashes an id */
    ROUNDS = 9,
    LOOKUPS = 1 << 17, /* per round */
    BURST = 32,
};
#define KNOWN_SEED UINT64_C(0)
#define RATIO_MAX  2.0

static struct aro_entry *entries_make(void)
{
    struct aro_entry *entries = aligned_alloc(alignof(struct aro_entry), N * sizeof(*entries));

    cr_assert_not_null(entries);
    memset(entries, 0, N * sizeof(*entries));
    return entries;
}

static bool is_aimed(const struct aro_index *known, const struct aro_id *id)
{
    const struct aro_bucket *end = known->buckets + known->count / AIM_ONE_OF;
    uint64_t hash = aro_index_hash(known, id);

    return aro_bucket_first(known, hash) < end && aro_bucket_second(known, hash) < end;
}

static struct aro_entry *aimed_make(void)
{
    struct aro_index *known = aro_index_create(N, KNOWN_SEED);
    struct aro_entry *entries = entries_make();
    struct aro_id id = {{0, 1, 2, 3}};

    for (unsigned i = 0; i < N; i++) {
        do {
            id.word[0]++;
        } while (!is_aimed(known, &id));
        entries[i].id = id;
    }
    aro_index_destroy(known);
    return entries;
}

static struct aro_entry *random_make(void)
{
    struct aro_entry *entries = entries_make();

    for (unsigned i = 0; i < N; i++)
        cr_assert_eq(getrandom(&entries[i].id, sizeof(entries[i].id), 0),
                     (ssize_t)sizeof(entries[i].id));
    return entries;
}

/* Returns how many found a slot. */
static unsigned insert_all(struct aro_index *index, struct aro_entry *entries)
{
    struct aro_entry *member;
    unsigned inserted = 0;

    for (unsigned i = 0; i < N; i++) {
        int rc = aro_index_insert(index, &entries[i], &member);
        cr_assert(rc == 0 || rc == -ENOSPC);
        inserted += rc == 0;
    }
    return inserted;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Of LOOKUPS hits, at a stride so that neighbours in memory are not met one behind the other. */
static double lookup_seconds(struct aro_index *index, struct aro_entry *entries, unsigned round)
{
    static struct aro_id id[BURST];
    const struct aro_id *ids[BURST];
    struct aro_entry *found[BURST];
    uint32_t at = round * 7919;
    double sum = 0;

    for (unsigned i = 0; i < BURST; i++)
        ids[i] = &id[i];
    for (unsigned n = 0; n < LOOKUPS; n += BURST) {
        double began;
        for (unsigned i = 0; i < BURST; i++) {
            at = (at + 0x9e3779b1u) % N;
            id[i] = entries[at].id;
        }
        began = seconds();
        cr_assert_eq(aro_index_find_burst(index, ids, BURST, found), (unsigned)BURST);
        sum += seconds() - began;
    }
    return sum;
}

static int order(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

Test(flood, ids_aimed_at_a_known_seed_fill_the_index_under_that_seed, .timeout = 120)
{
    struct aro_entry *aimed = aimed_make();
    struct aro_index *index = aro_index_create(N, KNOWN_SEED);

    cr_assert_lt(insert_all(index, aimed), (unsigned)N / 2, "they are aimed at nothing");
    aro_index_destroy(index);
    free(aimed);
}

Test(flood, ids_aimed_at_a_known_seed_cost_what_others_cost_under_another, .timeout = 120)
{
    struct aro_entry *aimed = aimed_make(), *others = random_make();
    struct aro_index *flooded, *usual;
    double ratio[ROUNDS];
    uint64_t seed;

    cr_assert_eq(getrandom(&seed, sizeof(seed), 0), (ssize_t)sizeof(seed));
    flooded = aro_index_create(N, seed);
    usual = aro_index_create(N, seed);
    cr_assert_eq(insert_all(flooded, aimed), (unsigned)N, "seed %lx", seed);
    cr_assert_eq(insert_all(usual, others), (unsigned)N, "seed %lx", seed);
    for (unsigned i = 0; i < ROUNDS; i++)
        ratio[i] = lookup_seconds(flooded, aimed, i) / lookup_seconds(usual, others, i);
    qsort(ratio, ROUNDS, sizeof(ratio[0]), order);
    fprintf(stderr, "flood: aimed ids cost %.2f of random ones (median of %u pairs, %.2f..%.2f)\n",
            ratio[ROUNDS / 2], (unsigned)ROUNDS, ratio[0], ratio[ROUNDS - 1]);
    cr_assert_leq(ratio[ROUNDS / 2], RATIO_MAX, "seed %lx", seed);
    aro_index_destroy(flooded);
    aro_index_destroy(usual);
    free(aimed);
    free(others);
}

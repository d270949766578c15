/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/places.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/arena.h" /* ARO_ARENA_ASAN */
#include "cache/base/sha256.h"

static struct aro_id id_of(uint32_t n)
{
    return aro_sha256(&n, sizeof(n));
}

static struct aro_place place_of(uint32_t n)
{
    return (struct aro_place){.segment = 1 + n * 977u % 4000000000u,
                              .block = n * 31 % (1u << 20),
                              .len_bytes = 1 + n * 7919 % ARO_CHUNK_BYTES_MAX,
                              .checksum = n * UINT64_C(0x9e3779b97f4a7c15)};
}

static bool same(const struct aro_place *a, const struct aro_place *b)
{
    return a->segment == b->segment && a->block == b->block && a->len_bytes == b->len_bytes &&
           a->checksum == b->checksum;
}

static bool holds(const struct aro_places *places, uint32_t n)
{
    struct aro_place want = place_of(n), got;
    struct aro_id id = id_of(n);

    for (unsigned nth = 0; aro_places_find(places, &id, nth, &got) == 0; nth++)
        if (same(&want, &got))
            return true;
    return false;
}

Test(places, takes_as_many_chunks_as_it_was_made_for_and_finds_each)
{
    enum { N = 200000 };
    struct aro_places *places = aro_places_create(N, 1, UINT64_MAX);

    for (uint32_t n = 0; n < N; n++) {
        struct aro_id id = id_of(n);
        struct aro_place place = place_of(n);
        cr_assert_eq(aro_places_insert(places, &id, &place), 0, "chunk %u of %u", n, (unsigned)N);
    }
    for (uint32_t n = 0; n < N; n++)
        cr_assert(holds(places, n));
    for (uint32_t n = N; n < N + 10000; n++)
        cr_assert_not(holds(places, n));
    aro_places_destroy(places);
}

Test(places, is_full_at_its_maximum)
{
    struct aro_places *places = aro_places_create(1, 1, UINT64_MAX);
    struct aro_id a = id_of(1), b = id_of(2);
    struct aro_place place = place_of(1);

    cr_assert_eq(aro_places_insert(places, &a, &place), 0);
    cr_assert_eq(aro_places_insert(places, &b, &place), -ENOSPC);
    cr_assert_eq(aro_places_erase(places, &b, &place), -ENOENT);
    cr_assert_eq(aro_places_erase(places, &a, &place), 0);
    cr_assert_eq(aro_places_insert(places, &b, &place), 0);
    aro_places_destroy(places);
}

Test(places, equal_fingerprints_are_enumerated_and_erased_one_by_one)
{
    enum { N = 100 };
    struct aro_places *places = aro_places_create(N, 1, 0); /* all fingerprints are equal */

    for (uint32_t n = 0; n < N; n++) {
        struct aro_id id = id_of(n);
        struct aro_place place = place_of(n);
        cr_assert_eq(aro_places_insert(places, &id, &place), 0);
    }
    for (uint32_t gone = 0; gone < N; gone++) {
        struct aro_id id = id_of(gone);
        struct aro_place place = place_of(gone);
        cr_assert_eq(aro_places_erase(places, &id, &place), 0);
        cr_assert_eq(aro_places_erase(places, &id, &place), -ENOENT);
        for (uint32_t n = 0; n < N; n++)
            cr_assert_eq(holds(places, n), n > gone);
    }
    cr_assert_eq(aro_places_count(places), 0u);
    aro_places_destroy(places);
}

Test(places, a_nearly_full_table_survives_much_coming_and_going)
{
    enum { N = 20000, ROUNDS = 10 };
    struct aro_places *places = aro_places_create(N, 3, UINT64_MAX);

    for (uint32_t n = 0; n < N * ROUNDS; n++) {
        struct aro_id id = id_of(n), old = id_of(n - N);
        struct aro_place place = place_of(n), old_place = place_of(n - N);
        if (n >= N)
            cr_assert_eq(aro_places_erase(places, &old, &old_place), 0);
        cr_assert_eq(aro_places_insert(places, &id, &place), 0, "chunk %u", n);
    }
    for (uint32_t n = N * (ROUNDS - 1); n < N * ROUNDS; n++)
        cr_assert(holds(places, n));
    aro_places_destroy(places);
}

/* ---- the full table, at the size that is promised ---- */

/* As good as a digest to a seeded hash, and faster. */
static struct aro_id fast_id(uint64_t n)
{
    return (struct aro_id){
        {n, n * UINT64_C(0x9e3779b97f4a7c15), n * UINT64_C(0xbf58476d1ce4e5b9), ~n}};
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    cr_assert_eq(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void replace(struct aro_places *places, uint32_t old, uint32_t new)
{
    struct aro_id old_id = fast_id(old), new_id = fast_id(new);
    struct aro_place old_place = place_of(old), new_place = place_of(new);

    cr_assert_eq(aro_places_erase(places, &old_id, &old_place), 0);
    cr_assert_eq(aro_places_insert(places, &new_id, &new_place), 0, "chunk %u", new);
}

Test(places, four_million_chunks_take_less_than_24_bytes_each_and_none_is_refused, .timeout = 120)
{
    enum { N = 4000000, CHURN = 2000000 };
#ifdef ARO_ARENA_ASAN
    const double bytes_max = 24 * 9.0 / 8; /* its shadow */
#else
    const double bytes_max = 24;
#endif
    struct aro_places *places = aro_places_create(N, 9, UINT64_MAX);
    uint64_t before_bytes = resident_bytes();
    struct aro_place got;
    struct aro_id id;

    for (uint32_t n = 0; n < N; n++) {
        struct aro_place place = place_of(n);
        id = fast_id(n);
        cr_assert_eq(aro_places_insert(places, &id, &place), 0, "chunk %u", n);
    }
    cr_assert_leq((double)(resident_bytes() - before_bytes) / N, bytes_max);
    id = fast_id(N);
    got = place_of(N);
    cr_assert_eq(aro_places_insert(places, &id, &got), -ENOSPC);
    for (uint32_t n = 0; n < CHURN; n++)
        replace(places, n, N + n);
    cr_assert_eq(aro_places_count(places), (uint64_t)N);
    cr_assert_leq(aro_places_away(places), (uint64_t)N / 2);
    for (uint32_t n = CHURN; n < N + CHURN; n += 17) {
        struct aro_place want = place_of(n);
        unsigned nth = 0;
        id = fast_id(n);
        while (aro_places_find(places, &id, nth, &got) == 0 && !same(&want, &got))
            nth++;
        cr_assert(same(&want, &got), "chunk %u", n);
    }
    aro_places_destroy(places);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/arena.h"

#include <criterion/criterion.h>

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { KIB = 1 << 10, MIB = 1 << 20, REGION_BYTES = 64 * MIB, BLOCKS_MAX = 20000 };

static uint8_t *region_make(size_t bytes)
{
    void *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    cr_assert_neq(region, MAP_FAILED);
    return region;
}

/* Allocates until nothing fits. Returns how many. */
static unsigned fill_up(struct aro_arena *arena, size_t bytes, void *blocks[])
{
    unsigned n = 0;

    while (n < BLOCKS_MAX && (blocks[n] = aro_arena_alloc(arena, bytes)) != NULL)
        n++;
    return n;
}

Test(arena, everything_lies_aligned_and_disjoint_inside_the_region)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    static uint8_t *at[300];
    static size_t bytes[300];

    srandom(1);
    for (unsigned i = 0; i < 300; i++) {
        bytes[i] = 1 + (size_t)random() % (150 * KIB);
        at[i] = aro_arena_alloc(arena, bytes[i]);
        cr_assert_not_null(at[i]);
        cr_assert_geq(at[i], region);
        cr_assert_leq(at[i] + bytes[i], region + REGION_BYTES);
        cr_assert_eq((uintptr_t)at[i] % ARO_ARENA_PAGE, 0u);
        memset(at[i], (int)i, bytes[i]);
    }
    for (unsigned i = 0; i < 300; i++)
        for (size_t b = 0; b < bytes[i]; b += 61)
            cr_assert_eq(at[i][b], (uint8_t)i);
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}

Test(arena, chunks_of_whole_pages_fill_the_region_to_the_last_page)
{
    static const size_t sizes[] = {4 * KIB, 16 * KIB, 64 * KIB, 512 * KIB, 1 * MIB};
    uint8_t *region = region_make(REGION_BYTES);
    static void *blocks[BLOCKS_MAX];

    for (unsigned i = 0; i < 5; i++) {
        struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
        cr_assert_eq(fill_up(arena, sizes[i], blocks), REGION_BYTES / sizes[i]);
        cr_assert_eq(aro_arena_used(arena), (size_t)REGION_BYTES);
        aro_arena_destroy(arena);
    }
    munmap(region, REGION_BYTES);
}

Test(arena, what_is_freed_serves_every_other_size_again)
{
    static const size_t order[] = {4 * KIB, 1 * MIB, 64 * KIB, 8 * KIB, 512 * KIB, 128 * KIB};
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    static void *blocks[BLOCKS_MAX];

    for (unsigned round = 0; round < 12; round++) {
        size_t bytes = order[round % 6];
        unsigned n = fill_up(arena, bytes, blocks);
        cr_assert_eq(n, REGION_BYTES / bytes, "round %u", round);
        for (unsigned i = 0; i < n; i++)
            aro_arena_free(arena, blocks[i]);
        cr_assert_eq(aro_arena_used(arena), 0u);
    }
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}

/* Random sizes and lives: at the end everything has joined into one run again. */
Test(arena, joins_freed_neighbours_in_any_order)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    static void *blocks[1000];
    static uint8_t *map[REGION_BYTES / ARO_ARENA_PAGE]; /* who holds each page */

    srandom(2);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = (unsigned)random() % 1000;
        size_t first, pages;
        if (blocks[i] == NULL)
            blocks[i] = aro_arena_alloc(arena, 1 + ((size_t)random() % MIB >> random() % 10));
        else if (random() % 2 == 0)
            continue;
        if (blocks[i] == NULL)
            continue;
        first = (size_t)((uint8_t *)blocks[i] - region) / ARO_ARENA_PAGE;
        pages = aro_arena_bytes(arena, blocks[i]) / ARO_ARENA_PAGE;
        if (map[first] == blocks[i]) {
            for (size_t p = first; p < first + pages; p++) {
                cr_assert_eq(map[p], blocks[i]);
                map[p] = NULL;
            }
            aro_arena_free(arena, blocks[i]);
            blocks[i] = NULL;
            continue;
        }
        for (size_t p = first; p < first + pages; p++) {
            cr_assert_null(map[p]);
            map[p] = blocks[i];
        }
    }
    for (unsigned i = 0; i < 1000; i++)
        aro_arena_free(arena, blocks[i]);
    cr_assert_eq(aro_arena_used(arena), 0u);
    cr_assert_eq(fill_up(arena, MIB, blocks), 64u);
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}

Test(arena, used_counts_what_is_handed_out)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    void *a = aro_arena_alloc(arena, 5000);
    void *b = aro_arena_alloc(arena, 1);

    cr_assert_eq(aro_arena_bytes(arena, a), 8192u);
    cr_assert_eq(aro_arena_bytes(arena, b), 4096u);
    cr_assert_eq(aro_arena_used(arena), 12288u);
    aro_arena_free(arena, a);
    aro_arena_free(arena, b);
    aro_arena_free(arena, NULL);
    cr_assert_eq(aro_arena_used(arena), 0u);
    aro_arena_destroy(arena);
    aro_arena_destroy(NULL);
    munmap(region, REGION_BYTES);
}

/* Frees the MiB on both sides; together they hold 512 KiB and, only across, 1 MiB from there on. */
static void boundary_check(struct aro_arena *arena, uint8_t *boundary, bool above_first)
{
    aro_arena_free(arena, above_first ? boundary : boundary - MIB);
    aro_arena_free(arena, above_first ? boundary - MIB : boundary);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *at = aro_arena_alloc(arena, i == 0 ? 512 * KIB : 1 * MIB);
        cr_assert(at == boundary || at == boundary - MIB);
    }
}

/* Not touched but at the boundary: only addresses matter. */
Test(arena, nothing_crosses_a_gigabyte_of_the_region)
{
    size_t bytes = ((size_t)1 << 30) + 64 * MIB;
    uint8_t *region = region_make(bytes);
    static void *blocks[BLOCKS_MAX];

    for (unsigned round = 0; round < 2; round++) {
        struct aro_arena *arena = aro_arena_create(region, bytes);
        unsigned n = fill_up(arena, 1 * MIB, blocks);
        cr_assert_eq(n, bytes / MIB);
        for (unsigned i = 0; i < n; i++) {
            size_t first = (size_t)((uint8_t *)blocks[i] - region);
            cr_assert_eq(first >> 30, (first + MIB - 1) >> 30);
        }
        boundary_check(arena, region + ((size_t)1 << 30), round == 1);
        aro_arena_destroy(arena);
    }
    munmap(region, bytes);
}

#ifndef NDEBUG
#ifdef ARO_ARENA_ASAN
int __asan_address_is_poisoned(void const volatile *at);

Test(arena, freed_memory_is_poisoned)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    uint8_t *at = aro_arena_alloc(arena, 64 * KIB);

    cr_assert_not(__asan_address_is_poisoned(at));
    aro_arena_free(arena, at);
    cr_assert(__asan_address_is_poisoned(at));
    cr_assert(__asan_address_is_poisoned(at + 64 * KIB - 1));
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}
#else
Test(arena, freed_memory_is_filled_with_a_recognisable_byte)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    volatile uint8_t *at = aro_arena_alloc(arena, 64 * KIB);

    at[0] = at[64 * KIB - 1] = 1;
    aro_arena_free(arena, (void *)(uintptr_t)at);
    cr_assert_eq(at[0], ARO_ARENA_POISON);
    cr_assert_eq(at[64 * KIB - 1], ARO_ARENA_POISON);
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}
#endif
#endif

#ifndef NDEBUG
Test(arena, a_second_free_is_noticed_whatever_became_of_the_run, .signal = SIGABRT)
{
    struct aro_arena *arena = aro_arena_create(region_make(REGION_BYTES), REGION_BYTES);
    void *before = aro_arena_alloc(arena, 8 * KIB);
    void *at = aro_arena_alloc(arena, 8 * KIB);

    aro_arena_alloc(arena, 8 * KIB);
    aro_arena_free(arena, before);
    aro_arena_free(arena, at); /* joins the one before: its first page starts no run any more */
    aro_arena_free(arena, at);
}
#endif

/* ---- owners ---- */

static bool anyone(void *arg, uint32_t owner)
{
    return owner != *(const uint32_t *)arg; /* who stays */
}

Test(arena, neighbours_are_the_owners_behind_the_longest_free_run_that_may_go)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, 64 * ARO_ARENA_PAGE);
    uint32_t owner[ARO_ARENA_RUN_PAGES_MAX];
    uint32_t stays = 0;
    uint8_t *at[20];

    for (uint32_t i = 0; i < 20; i++) { /* 1, 2, 3, 1, 2, 3, ... pages; 39 in all */
        at[i] = aro_arena_alloc(arena, (1 + i % 3) * ARO_ARENA_PAGE);
        aro_arena_own(arena, at[i], 100 + i);
    }
    for (unsigned rest = 0; rest < 25; rest++) /* nothing else is free */
        cr_assert_not_null(aro_arena_alloc(arena, 1));
    aro_arena_free(arena, at[4]); /* two pages, then 3, 1, 2 of 105, 106, 107 */
    aro_arena_free(arena, at[9]); /* one page, then 2, 3, 1 of 110, 111, 112 */
    cr_assert_null(aro_arena_alloc(arena, 5 * ARO_ARENA_PAGE));
    cr_assert_eq(aro_arena_neighbours(arena, 5 * ARO_ARENA_PAGE, anyone, &stays, owner), 1u);
    cr_assert_eq(owner[0], 105u);
    cr_assert_eq(aro_arena_neighbours(arena, 6 * ARO_ARENA_PAGE, anyone, &stays, owner), 2u);
    cr_assert_eq(owner[1], 106u);
    stays = 106;
    cr_assert_eq(aro_arena_neighbours(arena, 6 * ARO_ARENA_PAGE, anyone, &stays, owner), 2u);
    cr_assert_eq(owner[0], 110u);
    cr_assert_eq(owner[1], 111u);
    cr_assert_eq(aro_arena_neighbours(arena, 64 * ARO_ARENA_PAGE, anyone, &stays, owner), 0u);
    aro_arena_free(arena, at[10]);
    aro_arena_free(arena, at[11]);
    cr_assert_eq(aro_arena_alloc(arena, 6 * ARO_ARENA_PAGE), at[9]);
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}

Test(arena, neighbours_do_not_cross_a_multiple_of_1_gib)
{
    enum { BEFORE_END = (1 << 30) - 2 * ARO_ARENA_PAGE };
    size_t bytes = (size_t)(1 << 30) + 2 * MIB;
    uint8_t *region = region_make(bytes);
    struct aro_arena *arena = aro_arena_create(region, bytes);
    uint32_t owner[ARO_ARENA_RUN_PAGES_MAX];
    uint32_t stays = 0;
    void *last = NULL, *at;

    while ((at = aro_arena_alloc(arena, MIB)) != NULL) {
        aro_arena_own(arena, at, 1 + (uint32_t)(((uint8_t *)at - region) / MIB));
        if (at == region + (1 << 30) - MIB)
            last = at;
    }
    cr_assert_not_null(last);
    aro_arena_trim(arena, last, MIB - 2 * ARO_ARENA_PAGE);
    cr_assert_eq(aro_arena_alloc(arena, ARO_ARENA_PAGE), region + BEFORE_END);
    cr_assert_eq(aro_arena_neighbours(arena, MIB, anyone, &stays, owner), 0u);
    aro_arena_destroy(arena);
    munmap(region, bytes);
}

Test(arena, what_is_trimmed_serves_others_and_keeps_its_owner)
{
    uint8_t *region = region_make(REGION_BYTES);
    struct aro_arena *arena = aro_arena_create(region, REGION_BYTES);
    uint32_t owner[ARO_ARENA_RUN_PAGES_MAX];
    static void *blocks[BLOCKS_MAX];
    uint32_t stays = 0;

    for (size_t pages = 1; pages <= 16; pages++) {
        void *before = aro_arena_alloc(arena, 4096);
        void *at = aro_arena_alloc(arena, 65536);
        aro_arena_own(arena, at, 77);
        aro_arena_trim(arena, at, pages * 4096 - 4095);
        cr_assert_eq(aro_arena_bytes(arena, at), pages * 4096);
        cr_assert_eq(aro_arena_used(arena), (pages + 1) * 4096);
        memset(at, 1, pages * 4096);
        cr_assert_eq(fill_up(arena, 4096, blocks), REGION_BYTES / 4096 - pages - 1);
        aro_arena_free(arena, before); /* the only free page, the trimmed behind it */
        cr_assert_eq(aro_arena_neighbours(arena, 8192, anyone, &stays, owner), 1u);
        cr_assert_eq(owner[0], 77u);
        aro_arena_free(arena, at);
        for (unsigned i = 0; i < REGION_BYTES / 4096 - pages - 1; i++)
            aro_arena_free(arena, blocks[i]);
        cr_assert_eq(aro_arena_used(arena), 0u);
    }
    aro_arena_destroy(arena);
    munmap(region, REGION_BYTES);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Random operations against the obvious oracle: an array. Reopened, killed and compared often. */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>

#include "tests/cache/disk/fixture.h"

enum { OPERATIONS = 100000, CHUNKS = 1200, OBJECTS = 40, LEN_MAX = 12000 };

static struct fixture f;
static bool chunk_here[CHUNKS];
static bool object_here[OBJECTS];
static struct aro_id chunk_id[CHUNKS];
static uint32_t state = 20240117;

static uint32_t roll(uint32_t sides)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * sides) >> 32);
}

static uint32_t len_of(uint32_t n)
{
    return 1 + n * 7919 % LEN_MAX;
}

static void append(void)
{
    uint32_t n = roll(CHUNKS);
    int result = fixture_append(&f, n, len_of(n));

    if (result == -ENOSPC) { /* whole segments must empty: take a neighbourhood away */
        for (uint32_t i = 0; i < CHUNKS; i++)
            if (roll(4) != 0 && chunk_here[i]) {
                cr_assert_eq(aro_store_chunk_remove(f.store, &chunk_id[i]), 0);
                chunk_here[i] = false;
            }
        cr_assert_eq(fixture_sync(&f, 0), 0);
        fixture_settle(&f);
        return;
    }
    cr_assert_eq(result, chunk_here[n] ? -EEXIST : 0, "chunk %u: %d", n, result);
    chunk_here[n] = true;
}

static void find(void)
{
    uint32_t n = roll(CHUNKS);
    struct aro_place place;

    cr_assert_eq(aro_store_find(f.store, &chunk_id[n], 0, &place), chunk_here[n] ? 0 : -ENOENT);
    if (chunk_here[n])
        cr_assert_eq(place.len_bytes, len_of(n));
}

static void take_away(void)
{
    uint32_t n = roll(CHUNKS);

    cr_assert_eq(aro_store_chunk_remove(f.store, &chunk_id[n]), chunk_here[n] ? 0 : -ENOENT);
    chunk_here[n] = false;
}

static void toggle_object(void)
{
    uint32_t n = roll(OBJECTS);

    if (object_here[n]) {
        cr_assert_eq(fixture_object_remove(&f, n, len_of(n)), 0);
        object_here[n] = false;
    } else if (chunk_here[n]) {
        cr_assert_eq(fixture_object_add(&f, n, len_of(n), aro_store_mark(f.store)), 0);
        object_here[n] = true;
    }
}

/* Objects whose manifest is gone are dropped. */
static void reopen(void)
{
    fixture_reopen(&f);
    cr_assert_eq(fixture_cut_short(&f), 0u);
    for (uint32_t n = 0; n < OBJECTS; n++)
        object_here[n] = object_here[n] && chunk_here[n];
}

static void compare_all(void)
{
    uint64_t chunks = 0;

    for (uint32_t n = 0; n < CHUNKS; n++) {
        struct aro_place place;
        chunks += chunk_here[n];
        cr_assert_eq(aro_store_find(f.store, &chunk_id[n], 0, &place) == 0, chunk_here[n]);
        if (n % 16 == 0)
            cr_assert_eq(fixture_check(&f, n, len_of(n)), chunk_here[n]);
    }
    cr_assert_eq(fixture_stats(&f).chunks_now, chunks);
    for (uint32_t n = 0; n < OBJECTS; n++) {
        struct aro_object object;
        cr_assert_eq(aro_store_object_find(f.store, &chunk_id[n], &object) == 0, object_here[n]);
    }
}

Test(model, random_operations_agree_with_an_array, .timeout = 300)
{
    fixture_begin(&f);
    f.config.chunks_max = CHUNKS;
    cr_assert(fixture_open(&f));
    for (uint32_t n = 0; n < CHUNKS; n++)
        chunk_id[n] = fixture_id(n, len_of(n));
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint32_t what = roll(1000);
        if (what < 150)
            append();
        else if (what < 900)
            find();
        else if (what < 980)
            take_away();
        else if (what < 990)
            toggle_object();
        else if (what < 999)
            cr_assert_eq(fixture_sync(&f, 0), 0);
        else
            reopen();
        if (i % 5000 == 0)
            compare_all();
    }
    reopen();
    compare_all();
    fixture_end(&f);
}

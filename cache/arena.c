/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef ARO_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

/*
 * Every run, free or used, has its length at its first and at its last page, so that the run before
 * and the run behind one that is freed are found without a search. Free runs stand in lists by
 * exact length - all longer than any request together in the last - and a bitmap says which lists
 * have some: the best fit is the first bit at or above the request.
 */

enum {
    BINS = ARO_ARENA_RUN_PAGES_MAX + 1, /* by pages - 1; the last: longer ones */
    BIN_LONGER = BINS - 1,
    WINDOW_PAGES = (1 << 30) / ARO_ARENA_PAGE,
};
#define RUN_USED UINT32_C(0x80000000) /* in pages */
#define NONE     UINT32_MAX

struct page {
    uint32_t pages; /* first and last of a run: its length and RUN_USED */
    uint32_t next;  /* first of a free run: in its bin */
    uint32_t prev;
};

struct aro_arena {
    uint8_t *region;
    struct page *page;
    uint32_t pages;
    uint32_t used_pages;
    uint32_t bin[BINS]; /* first run or NONE */
    uint64_t bins_filled[BINS / 64 + 1];
};

static unsigned bin_of(uint32_t pages)
{
    return pages > ARO_ARENA_RUN_PAGES_MAX ? BIN_LONGER : pages - 1;
}

static void run_mark(struct aro_arena *arena, uint32_t first, uint32_t pages, uint32_t used)
{
    arena->page[first].pages = pages | used;
    arena->page[first + pages - 1].pages = pages | used;
}

static void bin_push(struct aro_arena *arena, uint32_t first, uint32_t pages)
{
    unsigned bin = bin_of(pages);
    struct page *page = &arena->page[first];

    run_mark(arena, first, pages, 0);
    page->prev = NONE;
    page->next = arena->bin[bin];
    if (page->next != NONE)
        arena->page[page->next].prev = first;
    arena->bin[bin] = first;
    arena->bins_filled[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void bin_unlink(struct aro_arena *arena, uint32_t first, uint32_t pages)
{
    unsigned bin = bin_of(pages);
    const struct page *page = &arena->page[first];

    if (page->next != NONE)
        arena->page[page->next].prev = page->prev;
    if (page->prev != NONE)
        arena->page[page->prev].next = page->next;
    else
        arena->bin[bin] = page->next;
    if (arena->bin[bin] == NONE)
        arena->bins_filled[bin / 64] &= ~(UINT64_C(1) << bin % 64);
}

/* The first free run of the shortest length that is enough, or NONE. */
static uint32_t best_fit(const struct aro_arena *arena, uint32_t pages)
{
    unsigned from = bin_of(pages);
    uint64_t filled = arena->bins_filled[from / 64] & (UINT64_MAX << from % 64);

    for (unsigned word = from / 64;; filled = arena->bins_filled[word]) {
        if (filled != 0)
            return arena->bin[word * 64 + (unsigned)__builtin_ctzll(filled)];
        if (++word > BIN_LONGER / 64)
            return NONE;
    }
}

struct aro_arena *aro_arena_create(void *region, size_t region_bytes)
{
    struct aro_arena *arena;

    if (region_bytes / ARO_ARENA_PAGE >= RUN_USED) {
        errno = EINVAL;
        return NULL;
    }
    arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return NULL;
    arena->region = region;
    arena->pages = (uint32_t)(region_bytes / ARO_ARENA_PAGE);
    arena->page = calloc(arena->pages, sizeof(*arena->page));
    if (arena->page == NULL) {
        free(arena);
        errno = ENOMEM;
        return NULL;
    }
    for (unsigned i = 0; i < BINS; i++)
        arena->bin[i] = NONE;
    for (uint64_t first = 0; first < arena->pages; first += WINDOW_PAGES) {
        uint64_t left = arena->pages - first;
        bin_push(arena, (uint32_t)first, left < WINDOW_PAGES ? (uint32_t)left : WINDOW_PAGES);
    }
    ASAN_POISON_MEMORY_REGION(region, region_bytes);
    return arena;
}

void aro_arena_destroy(struct aro_arena *arena)
{
    if (arena == NULL)
        return;
    ASAN_UNPOISON_MEMORY_REGION(arena->region, (size_t)arena->pages * ARO_ARENA_PAGE);
    free(arena->page);
    free(arena);
}

void *aro_arena_alloc(struct aro_arena *arena, size_t bytes)
{
    uint32_t pages = (uint32_t)((bytes + ARO_ARENA_PAGE - 1) / ARO_ARENA_PAGE);
    uint32_t first, run_pages;
    void *at;

    assert(pages >= 1 && pages <= ARO_ARENA_RUN_PAGES_MAX);
    first = best_fit(arena, pages);
    if (first == NONE)
        return NULL;
    run_pages = arena->page[first].pages;
    bin_unlink(arena, first, run_pages);
    run_mark(arena, first, pages, RUN_USED);
    if (run_pages > pages)
        bin_push(arena, first + pages, run_pages - pages);
    arena->used_pages += pages;
    at = arena->region + (size_t)first * ARO_ARENA_PAGE;
    ASAN_UNPOISON_MEMORY_REGION(at, (size_t)pages * ARO_ARENA_PAGE);
    return at;
}

static uint32_t first_page(const struct aro_arena *arena, const void *at)
{
    return (uint32_t)((size_t)((const uint8_t *)at - arena->region) / ARO_ARENA_PAGE);
}

void aro_arena_free(struct aro_arena *arena, void *at)
{
    uint32_t first, pages, before, behind;

    if (at == NULL)
        return;
    first = first_page(arena, at);
    assert(arena->page[first].pages & RUN_USED);
    pages = arena->page[first].pages & ~RUN_USED;
    arena->used_pages -= pages;
#ifndef NDEBUG
    memset(at, ARO_ARENA_POISON, (size_t)pages * ARO_ARENA_PAGE);
#endif
    ASAN_POISON_MEMORY_REGION(at, (size_t)pages * ARO_ARENA_PAGE);
    before = first % WINDOW_PAGES != 0 ? arena->page[first - 1].pages : RUN_USED;
    if (!(before & RUN_USED)) {
        bin_unlink(arena, first - before, before);
        first -= before;
        pages += before;
    }
    behind = (first + pages) % WINDOW_PAGES != 0 && first + pages < arena->pages
                 ? arena->page[first + pages].pages
                 : RUN_USED;
    if (!(behind & RUN_USED)) {
        bin_unlink(arena, first + pages, behind);
        pages += behind;
    }
    bin_push(arena, first, pages);
}

size_t aro_arena_bytes(const struct aro_arena *arena, const void *at)
{
    return (size_t)(arena->page[first_page(arena, at)].pages & ~RUN_USED) * ARO_ARENA_PAGE;
}

size_t aro_arena_used(const struct aro_arena *arena)
{
    return (size_t)arena->used_pages * ARO_ARENA_PAGE;
}

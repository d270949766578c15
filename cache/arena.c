/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef ARO_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

/*
 * Every run has a mark at its first and at its last page, so that the run before and the run behind
 * one that is freed are found without a search: MARK_USED, or the number of the node that describes
 * a free one. The first page of a used run also has its length, and the second its owner; a run of
 * one page has MARK_SINGLE and the owner in one. Free runs are few while memory is in use, so nodes
 * cost little and marks are all there is per page. Free runs stand in lists by exact length - all
 * longer than any request together in the last - and a bitmap says which lists have some: the best
 * fit is the first bit at or above the request.
 */

enum {
    BINS = ARO_ARENA_RUN_PAGES_MAX + 1, /* by pages - 1; the last: longer ones */
    BIN_LONGER = BINS - 1,
    WINDOW_PAGES = (1 << 30) / ARO_ARENA_PAGE,
    NEIGHBOURS_TRIES = 64, /* free runs looked behind */
};
#define MARK_USED   UINT32_C(0x80000000) /* else a node */
#define MARK_SINGLE UINT32_C(0x40000000)
#define MARK_VALUE  UINT32_C(0x3fffffff) /* length or owner */
#define NONE        0                    /* node 0 is nobody */
static_assert(ARO_ARENA_OWNERS_MAX == MARK_VALUE, "an owner fits into a mark");

/* A free run; or, spare, the next spare node. */
struct node {
    uint32_t first; /* page */
    uint32_t pages;
    uint32_t next; /* in its bin */
    uint32_t prev;
};

struct aro_arena {
    uint8_t *region;
    uint32_t *mark;    /* one per page */
    struct node *node; /* one per two pages, more free runs there cannot be; touched as needed */
    uint32_t spare;    /* nodes given back, by next */
    uint32_t fresh;    /* node[fresh:] was never used */
    uint32_t pages;
    uint32_t used_pages;
    uint32_t bin[BINS]; /* first node or NONE */
    uint64_t bins_filled[BINS / 64 + 1];
};

static unsigned bin_of(uint32_t pages)
{
    return pages > ARO_ARENA_RUN_PAGES_MAX ? BIN_LONGER : pages - 1;
}

static void run_mark(struct aro_arena *arena, uint32_t first, uint32_t pages, uint32_t mark)
{
    arena->mark[first] = mark;
    arena->mark[first + pages - 1] = mark;
}

static void run_mark_used(struct aro_arena *arena, uint32_t first, uint32_t pages, uint32_t owner)
{
    run_mark(arena, first, pages, MARK_USED);
    if (pages == 1) {
        arena->mark[first] |= MARK_SINGLE | owner;
        return;
    }
    arena->mark[first] |= pages;
    arena->mark[first + 1] = MARK_USED | owner;
}

static uint32_t length_of(const struct aro_arena *arena, uint32_t first)
{
    uint32_t mark = arena->mark[first];

    return (mark & MARK_SINGLE) != 0 ? 1 : mark & MARK_VALUE;
}

static uint32_t owner_of(const struct aro_arena *arena, uint32_t first)
{
    bool single = (arena->mark[first] & MARK_SINGLE) != 0;

    return arena->mark[single ? first : first + 1] & MARK_VALUE;
}

static void bin_push(struct aro_arena *arena, uint32_t first, uint32_t pages)
{
    unsigned bin = bin_of(pages);
    uint32_t number = arena->spare != NONE ? arena->spare : arena->fresh++;
    struct node *node = &arena->node[number];

    if (number == arena->spare)
        arena->spare = node->next;
    *node = (struct node){.first = first, .pages = pages, .next = arena->bin[bin]};
    if (node->next != NONE)
        arena->node[node->next].prev = number;
    arena->bin[bin] = number;
    arena->bins_filled[bin / 64] |= UINT64_C(1) << bin % 64;
    run_mark(arena, first, pages, number);
}

/* Takes a free run out; its node is spare again. */
static struct node bin_take(struct aro_arena *arena, uint32_t number)
{
    struct node *node = &arena->node[number];
    const struct node run = *node;
    unsigned bin = bin_of(run.pages);

    if (run.next != NONE)
        arena->node[run.next].prev = run.prev;
    if (run.prev != NONE)
        arena->node[run.prev].next = run.next;
    else
        arena->bin[bin] = run.next;
    if (arena->bin[bin] == NONE)
        arena->bins_filled[bin / 64] &= ~(UINT64_C(1) << bin % 64);
    node->next = arena->spare;
    arena->spare = number;
    return run;
}

/* A free run of the shortest length that is enough, or NONE. */
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

/* Zeroed, and no cost before it is touched. NULL: no memory. */
static void *pages_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static size_t marks_bytes(const struct aro_arena *arena)
{
    return arena->pages * sizeof(*arena->mark);
}

static size_t nodes_bytes(const struct aro_arena *arena)
{
    return (arena->pages / 2 + 2) * sizeof(*arena->node);
}

struct aro_arena *aro_arena_create(void *region, size_t region_bytes)
{
    struct aro_arena *arena;

    if (region_bytes < ARO_ARENA_PAGE || region_bytes / ARO_ARENA_PAGE >= MARK_USED) {
        errno = EINVAL;
        return NULL;
    }
    arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return NULL;
    arena->region = region;
    arena->pages = (uint32_t)(region_bytes / ARO_ARENA_PAGE);
    arena->fresh = NONE + 1;
    arena->mark = pages_map(marks_bytes(arena));
    arena->node = pages_map(nodes_bytes(arena));
    if (arena->mark == NULL || arena->node == NULL) {
        aro_arena_destroy(arena);
        errno = ENOMEM;
        return NULL;
    }
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
    if (arena->mark != NULL)
        munmap(arena->mark, marks_bytes(arena));
    if (arena->node != NULL)
        munmap(arena->node, nodes_bytes(arena));
    free(arena);
}

void *aro_arena_alloc(struct aro_arena *arena, size_t bytes)
{
    uint32_t pages = (uint32_t)((bytes + ARO_ARENA_PAGE - 1) / ARO_ARENA_PAGE);
    uint32_t number;
    struct node run;
    void *at;

    assert(pages >= 1 && pages <= ARO_ARENA_RUN_PAGES_MAX);
    number = best_fit(arena, pages);
    if (number == NONE)
        return NULL;
    run = bin_take(arena, number);
    run_mark_used(arena, run.first, pages, 0);
    if (run.pages > pages)
        bin_push(arena, run.first + pages, run.pages - pages);
    arena->used_pages += pages;
    at = arena->region + (size_t)run.first * ARO_ARENA_PAGE;
    ASAN_UNPOISON_MEMORY_REGION(at, (size_t)pages * ARO_ARENA_PAGE);
    return at;
}

static uint32_t first_page(const struct aro_arena *arena, const void *at)
{
    return (uint32_t)((size_t)((const uint8_t *)at - arena->region) / ARO_ARENA_PAGE);
}

static void poison(struct aro_arena *arena, uint32_t first, uint32_t pages)
{
    void *at = arena->region + (size_t)first * ARO_ARENA_PAGE;

#ifndef NDEBUG
    memset(at, ARO_ARENA_POISON, (size_t)pages * ARO_ARENA_PAGE);
#endif
    ASAN_POISON_MEMORY_REGION(at, (size_t)pages * ARO_ARENA_PAGE);
}

/* What was a used run, or its end, joins the free ones around it. */
static void run_free(struct aro_arena *arena, uint32_t first, uint32_t pages)
{
    uint32_t before = first % WINDOW_PAGES != 0 ? arena->mark[first - 1] : MARK_USED;
    uint32_t behind = (first + pages) % WINDOW_PAGES != 0 && first + pages < arena->pages
                          ? arena->mark[first + pages]
                          : MARK_USED;

    arena->used_pages -= pages;
    poison(arena, first, pages);
    run_mark(arena, first, pages, NONE); /* a second free would find no used run */
    if (!(before & MARK_USED)) {
        struct node run = bin_take(arena, before);
        first = run.first;
        pages += run.pages;
    }
    if (!(behind & MARK_USED))
        pages += bin_take(arena, behind).pages;
    bin_push(arena, first, pages);
}

/* Debug builds end here, before somebody else's memory is given away. */
static void used_check(const struct aro_arena *arena, const void *at)
{
#ifndef NDEBUG
    if (arena->mark[first_page(arena, at)] & MARK_USED)
        return;
    fprintf(stderr, "arena %p: %p is freed and is not in use: freed twice, or never handed out\n",
            (const void *)arena, at);
    abort();
#else
    (void)arena, (void)at;
#endif
}

void aro_arena_free(struct aro_arena *arena, void *at)
{
    uint32_t first;

    if (at == NULL)
        return;
    used_check(arena, at);
    first = first_page(arena, at);
    run_free(arena, first, length_of(arena, first));
}

void aro_arena_trim(struct aro_arena *arena, void *at, size_t bytes)
{
    uint32_t first = first_page(arena, at), had = length_of(arena, first);
    uint32_t pages = (uint32_t)((bytes + ARO_ARENA_PAGE - 1) / ARO_ARENA_PAGE);

    assert(arena->mark[first] & MARK_USED);
    assert(pages >= 1 && pages <= had);
    if (pages == had)
        return;
    run_mark_used(arena, first, pages, owner_of(arena, first));
    run_free(arena, first + pages, had - pages);
}

void aro_arena_own(struct aro_arena *arena, const void *at, uint32_t owner)
{
    uint32_t first = first_page(arena, at);

    assert(owner <= ARO_ARENA_OWNERS_MAX);
    run_mark_used(arena, first, length_of(arena, first), owner);
}

/* The owners of pages [first, first + pages), free runs skipped; 0: somebody there stays. */
static unsigned owners_of(const struct aro_arena *arena, uint32_t first, uint32_t pages,
                          bool (*may_go)(void *arg, uint32_t owner), void *arg,
                          uint32_t ret_owner[])
{
    unsigned owners = 0;
    uint32_t end = first + pages;

    if (end > arena->pages || first / WINDOW_PAGES != (end - 1) / WINDOW_PAGES)
        return 0;
    while (first < end) {
        uint32_t mark = arena->mark[first];
        if (!(mark & MARK_USED)) {
            first += arena->node[mark].pages;
            continue;
        }
        ret_owner[owners] = owner_of(arena, first);
        if (!may_go(arg, ret_owner[owners++]))
            return 0;
        first += length_of(arena, first);
    }
    return owners;
}

unsigned aro_arena_neighbours(const struct aro_arena *arena, size_t bytes,
                              bool (*may_go)(void *arg, uint32_t owner), void *arg,
                              uint32_t ret_owner[])
{
    uint32_t pages = (uint32_t)((bytes + ARO_ARENA_PAGE - 1) / ARO_ARENA_PAGE);
    unsigned tries = 0;

    for (unsigned bin = bin_of(pages); bin-- > 0;)
        for (uint32_t n = arena->bin[bin]; n != NONE; n = arena->node[n].next) {
            unsigned owners;
            if (tries++ == NEIGHBOURS_TRIES)
                return 0;
            owners = owners_of(arena, arena->node[n].first, pages, may_go, arg, ret_owner);
            if (owners > 0)
                return owners;
        }
    return 0;
}

size_t aro_arena_bytes(const struct aro_arena *arena, const void *at)
{
    return (size_t)length_of(arena, first_page(arena, at)) * ARO_ARENA_PAGE;
}

size_t aro_arena_used(const struct aro_arena *arena)
{
    return (size_t)arena->used_pages * ARO_ARENA_PAGE;
}

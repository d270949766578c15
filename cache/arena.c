/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
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
 * one that is freed are found without a search: a used run's length, or the number of the node that
 * describes a free one. Free runs are few while memory is in use, so nodes cost little and marks
 * are all there is per page. Free runs stand in lists by exact length - all longer than any request
 * together in the last - and a bitmap says which lists have some: the best fit is the first bit at
 * or above the request.
 */

enum {
    BINS = ARO_ARENA_RUN_PAGES_MAX + 1, /* by pages - 1; the last: longer ones */
    BIN_LONGER = BINS - 1,
    WINDOW_PAGES = (1 << 30) / ARO_ARENA_PAGE,
};
#define MARK_USED UINT32_C(0x80000000) /* with a length; else a node */
#define NONE      0                    /* node 0 is nobody */

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
    run_mark(arena, run.first, pages, MARK_USED | pages);
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

void aro_arena_free(struct aro_arena *arena, void *at)
{
    uint32_t first, pages, before, behind;

    if (at == NULL)
        return;
    first = first_page(arena, at);
    assert(arena->mark[first] & MARK_USED);
    pages = arena->mark[first] & ~MARK_USED;
    arena->used_pages -= pages;
#ifndef NDEBUG
    memset(at, ARO_ARENA_POISON, (size_t)pages * ARO_ARENA_PAGE);
#endif
    ASAN_POISON_MEMORY_REGION(at, (size_t)pages * ARO_ARENA_PAGE);
    before = first % WINDOW_PAGES != 0 ? arena->mark[first - 1] : MARK_USED;
    behind = (first + pages) % WINDOW_PAGES != 0 && first + pages < arena->pages
                 ? arena->mark[first + pages]
                 : MARK_USED;
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

size_t aro_arena_bytes(const struct aro_arena *arena, const void *at)
{
    return (size_t)(arena->mark[first_page(arena, at)] & ~MARK_USED) * ARO_ARENA_PAGE;
}

size_t aro_arena_used(const struct aro_arena *arena)
{
    return (size_t)arena->used_pages * ARO_ARENA_PAGE;
}

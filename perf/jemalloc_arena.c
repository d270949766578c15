/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/jemalloc_arena.h"

#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    METADATA_ALIGN = 2 << 20, /* jemalloc asks for this alignment for its own records only */
    GROW_BYTES = 8 << 20,     /* extents that it takes at once */
};

struct jemalloc_arena {
    extent_hooks_t hooks; /* first: a hook gets its address */
    uint8_t *region;
    uint8_t *next; /* first byte never handed out */
    uint8_t *end;
    unsigned number; /* jemalloc's */
};

static void *metadata_alloc(size_t bytes, size_t align, bool *zero)
{
    uint8_t *wide = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *at;

    if (wide == MAP_FAILED)
        return NULL;
    at = (uint8_t *)(((uintptr_t)wide + align - 1) & ~(uintptr_t)(align - 1));
    if (at > wide)
        munmap(wide, (size_t)(at - wide));
    munmap(at + bytes, (size_t)(wide + align - at));
    *zero = true;
    return at;
}

/* Hooks return true for failure. */
static void *hook_alloc(extent_hooks_t *hooks, void *wanted, size_t bytes, size_t align, bool *zero,
                        bool *commit, unsigned number)
{
    struct jemalloc_arena *arena = (struct jemalloc_arena *)hooks;
    void *at = arena->next;

    (void)number;
    *commit = true;
    if (wanted != NULL)
        return NULL;
    if (align >= METADATA_ALIGN)
        return metadata_alloc(bytes, align, zero);
    if (align > PAGE || bytes > (size_t)(arena->end - arena->next))
        return NULL;
    arena->next += bytes;
    *zero = false;
    return at;
}

static bool hook_dalloc(extent_hooks_t *hooks, void *at, size_t bytes, bool committed,
                        unsigned number)
{
    const struct jemalloc_arena *arena = (const struct jemalloc_arena *)hooks;

    (void)committed, (void)number;
    if ((uint8_t *)at >= arena->region && (uint8_t *)at < arena->end)
        return true; /* stays with the arena */
    return munmap(at, bytes) != 0;
}

static bool hook_split(extent_hooks_t *hooks, void *at, size_t bytes, size_t bytes_a,
                       size_t bytes_b, bool committed, unsigned number)
{
    (void)hooks, (void)at, (void)bytes, (void)bytes_a, (void)bytes_b, (void)committed;
    (void)number;
    return false;
}

static bool hook_merge(extent_hooks_t *hooks, void *a, size_t bytes_a, void *b, size_t bytes_b,
                       bool committed, unsigned number)
{
    (void)hooks, (void)a, (void)bytes_a, (void)b, (void)bytes_b, (void)committed, (void)number;
    return false;
}

static int tune(const struct jemalloc_arena *arena, const char *what, void *value, size_t bytes)
{
    char name[64];

    snprintf(name, sizeof(name), "arena.%u.%s", arena->number, what);
    return mallctl(name, NULL, NULL, value, bytes);
}

struct jemalloc_arena *jemalloc_arena_create(void *region, size_t region_bytes)
{
    struct jemalloc_arena *arena = calloc(1, sizeof(*arena));
    extent_hooks_t *hooks = &arena->hooks;
    size_t number_bytes = sizeof(arena->number);
    size_t grow_bytes = GROW_BYTES;
    ssize_t decay_ms = 0; /* what is freed is joined with its neighbours at once */

    if (arena == NULL)
        return NULL;
    arena->hooks = (extent_hooks_t){
        .alloc = hook_alloc, .dalloc = hook_dalloc, .split = hook_split, .merge = hook_merge};
    arena->region = arena->next = region;
    arena->end = arena->region + region_bytes;
    if (mallctl("arenas.create", &arena->number, &number_bytes, &hooks, sizeof(hooks)) != 0 ||
        tune(arena, "dirty_decay_ms", &decay_ms, sizeof(decay_ms)) != 0 ||
        tune(arena, "muzzy_decay_ms", &decay_ms, sizeof(decay_ms)) != 0 ||
        tune(arena, "retain_grow_limit", &grow_bytes, sizeof(grow_bytes)) != 0) {
        free(arena);
        return NULL;
    }
    return arena;
}

void jemalloc_arena_destroy(struct jemalloc_arena *arena)
{
    tune(arena, "destroy", NULL, 0);
    free(arena);
}

void *jemalloc_arena_alloc(struct jemalloc_arena *arena, size_t bytes)
{
    return mallocx(bytes, MALLOCX_ARENA(arena->number) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(PAGE));
}

void jemalloc_arena_free(struct jemalloc_arena *arena, void *at)
{
    (void)arena;
    dallocx(at, MALLOCX_TCACHE_NONE);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/arena.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARO_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARO_ARENA_ASAN 1
#endif
#endif
#ifdef ARO_ARENA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define WINDOW_BYTES (UINT64_C(1) << 30) /* no extent crosses a multiple of this */

enum {
    METADATA_ALIGN = 2 << 20, /* jemalloc asks for this alignment for its own records only */
    GROW_BYTES = 8 << 20,     /* extents that it takes at once */
};

struct window {
    uint8_t *next; /* first byte never handed out */
    uint8_t *end;
};

struct aro_arena {
    extent_hooks_t hooks; /* first: a hook gets its address */
    uint8_t *region;
    size_t region_bytes;
    size_t used_bytes;
    unsigned number; /* jemalloc's */
    unsigned windows;
    struct window window[];
};

/* ---- extent hooks: jemalloc's convention is true for failure ---- */

static void *metadata_alloc(size_t bytes, size_t align, bool *zero)
{
    uint8_t *wide = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *at;

    if (wide == MAP_FAILED)
        return NULL;
    at = (uint8_t *)(((uintptr_t)wide + align - 1) & ~(uintptr_t)(align - 1));
    if (at > wide)
        munmap(wide, at - wide);
    munmap(at + bytes, wide + align - at);
    *zero = true;
    return at;
}

static void *hook_alloc(extent_hooks_t *hooks, void *wanted, size_t bytes, size_t align, bool *zero,
                        bool *commit, unsigned number)
{
    struct aro_arena *arena = (struct aro_arena *)hooks;

    (void)number;
    *commit = true;
    if (wanted != NULL)
        return NULL;
    if (align >= METADATA_ALIGN)
        return metadata_alloc(bytes, align, zero);
    for (unsigned i = 0; i < arena->windows && align <= ARO_ARENA_PAGE; i++) {
        struct window *window = &arena->window[i];
        if (bytes <= (size_t)(window->end - window->next)) {
            void *at = window->next;
            window->next += bytes;
            *zero = false;
            return at;
        }
    }
    return NULL;
}

/* Chunk memory stays with the arena; only its records go back. */
static bool hook_dalloc(extent_hooks_t *hooks, void *at, size_t bytes, bool committed,
                        unsigned number)
{
    const struct aro_arena *arena = (const struct aro_arena *)hooks;

    (void)committed;
    (void)number;
    if ((uint8_t *)at >= arena->region && (uint8_t *)at < arena->region + arena->region_bytes)
        return true;
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
    const struct aro_arena *arena = (const struct aro_arena *)hooks;

    (void)a, (void)bytes_a, (void)bytes_b, (void)committed, (void)number;
    return ((uint64_t)((uint8_t *)b - arena->region)) % WINDOW_BYTES == 0;
}

/* ---- life ---- */

static int tune(const struct aro_arena *arena, const char *what, const void *value, size_t bytes)
{
    char name[64];

    snprintf(name, sizeof(name), "arena.%u.%s", arena->number, what);
    return mallctl(name, NULL, NULL, (void *)(uintptr_t)value, bytes);
}

/* What is freed goes at once where it is joined with its neighbours: there is nothing to purge. */
static int arena_open(struct aro_arena *arena)
{
    extent_hooks_t *hooks = &arena->hooks;
    size_t number_bytes = sizeof(arena->number);
    size_t grow_bytes = GROW_BYTES;
    ssize_t decay_ms = 0;
    int rc = mallctl("arenas.create", &arena->number, &number_bytes, &hooks, sizeof(hooks));

    if (rc != 0)
        return rc;
    rc = tune(arena, "dirty_decay_ms", &decay_ms, sizeof(decay_ms));
    if (rc == 0)
        rc = tune(arena, "muzzy_decay_ms", &decay_ms, sizeof(decay_ms));
    if (rc == 0)
        rc = tune(arena, "retain_grow_limit", &grow_bytes, sizeof(grow_bytes));
    if (rc != 0)
        tune(arena, "destroy", NULL, 0);
    return rc;
}

struct aro_arena *aro_arena_create(void *region, size_t region_bytes)
{
    unsigned windows = (unsigned)((region_bytes + WINDOW_BYTES - 1) / WINDOW_BYTES);
    struct aro_arena *arena = calloc(1, sizeof(*arena) + windows * sizeof(arena->window[0]));
    int rc;

    if (arena == NULL)
        return NULL;
    arena->hooks = (extent_hooks_t){
        .alloc = hook_alloc, .dalloc = hook_dalloc, .split = hook_split, .merge = hook_merge};
    arena->region = region;
    arena->region_bytes = region_bytes;
    arena->windows = windows;
    for (unsigned i = 0; i < windows; i++) {
        size_t left_bytes = region_bytes - i * WINDOW_BYTES;
        arena->window[i].next = arena->region + i * WINDOW_BYTES;
        arena->window[i].end =
            arena->window[i].next + (left_bytes < WINDOW_BYTES ? left_bytes : WINDOW_BYTES);
    }
    rc = arena_open(arena);
    if (rc != 0) {
        free(arena);
        errno = rc;
        return NULL;
    }
    ASAN_POISON_MEMORY_REGION(region, region_bytes);
    return arena;
}

void aro_arena_destroy(struct aro_arena *arena)
{
    if (arena == NULL)
        return;
    tune(arena, "destroy", NULL, 0);
    ASAN_UNPOISON_MEMORY_REGION(arena->region, arena->region_bytes);
    free(arena);
}

/* ---- use ---- */

void *aro_arena_alloc(struct aro_arena *arena, size_t bytes, size_t align)
{
    void *at =
        mallocx(bytes, MALLOCX_ARENA(arena->number) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(align));

    if (at == NULL)
        return NULL;
    arena->used_bytes += aro_arena_bytes(at);
    ASAN_UNPOISON_MEMORY_REGION(at, aro_arena_bytes(at));
    return at;
}

void aro_arena_free(struct aro_arena *arena, void *at)
{
    size_t bytes;

    if (at == NULL)
        return;
    bytes = aro_arena_bytes(at);
    arena->used_bytes -= bytes;
#ifndef NDEBUG
    memset(at, ARO_ARENA_POISON, bytes);
#endif
    ASAN_POISON_MEMORY_REGION(at, bytes);
    dallocx(at, MALLOCX_TCACHE_NONE);
}

size_t aro_arena_bytes(const void *at)
{
    return sallocx(at, 0);
}

size_t aro_arena_used(const struct aro_arena *arena)
{
    return arena->used_bytes;
}

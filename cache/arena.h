/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator over one given region: a jemalloc arena whose extent hooks hand out that region and
 * nothing else, once, piece by piece; what is freed stays with the arena and is reused for any
 * size. No extent crosses a multiple of 1 GiB from the region's start (io_uring registers buffers
 * of at most that). The region is never purged, decommitted or unmapped: NICs and rings point at
 * it.
 *
 * The arena's own records live outside the region (2 MiB of address space at a time, touched as
 * needed). jemalloc 5.3.0 adds a page to each allocation of 16 KiB and more, and that version has
 * no option against it: 6% of a 64 KiB chunk.
 *
 * Freed memory is filled with ARO_ARENA_POISON in debug builds and unreadable under ASan.
 * One thread: the keeper.
 */
#ifndef ARO_CACHE_ARENA_H
#define ARO_CACHE_ARENA_H

#include <stddef.h>

enum {
    ARO_ARENA_PAGE = 4096,
    ARO_ARENA_POISON = 0xdb,
};

struct aro_arena;

/* region: whole pages, mapped - not from malloc, which is jemalloc too. Not owned. NULL with errno.
 */
struct aro_arena *aro_arena_create(void *region, size_t region_bytes);
/* Everything allocated is gone with it. Takes NULL. */
void aro_arena_destroy(struct aro_arena *arena);

/* align: a power of two up to ARO_ARENA_PAGE. NULL: no room. Contents are undefined. */
void *aro_arena_alloc(struct aro_arena *arena, size_t bytes, size_t align);
void aro_arena_free(struct aro_arena *arena, void *at);
/* What an allocation really takes. */
size_t aro_arena_bytes(const void *at);
/* The sum of that over everything allocated now. */
size_t aro_arena_used(const struct aro_arena *arena);

#endif

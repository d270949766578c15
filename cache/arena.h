/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator of page runs over one given region: 1 to 256 pages of 4 KiB, best fit, neighbours
 * joined at once when freed. Nothing is lost but the rounding to pages: N chunks of 64 KiB fit into
 * N * 64 KiB. Allocating and freeing take constant time.
 *
 * No run crosses a multiple of 1 GiB from the region's start (io_uring registers buffers of at most
 * that). The region is never purged or unmapped: NICs and rings point at it. The arena's records,
 * 4 bytes per page and 16 per free run, stand elsewhere. Freed memory is filled with
 * ARO_ARENA_POISON in debug builds and unreadable under ASan. One thread: the keeper.
 *
 * docs/decisions/0002-page-runs.md says why this is not a jemalloc arena.
 */
#ifndef ARO_CACHE_ARENA_H
#define ARO_CACHE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* gcc and clang say differently that AddressSanitizer is on. */
#if defined(__SANITIZE_ADDRESS__)
#define ARO_ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARO_ARENA_ASAN 1
#endif
#endif

enum {
    ARO_ARENA_PAGE = 4096,
    ARO_ARENA_RUN_PAGES_MAX = 256, /* the largest chunk */
    ARO_ARENA_POISON = 0xdb,
    ARO_ARENA_OWNERS_MAX = 0x3fffffff,
};

struct aro_arena;

/* region: whole aligned pages, less than 8 TiB, not owned. NULL with errno. */
struct aro_arena *aro_arena_create(void *region, size_t region_bytes);
/* Everything allocated is gone with it. Takes NULL. */
void aro_arena_destroy(struct aro_arena *arena);

/* Page-aligned; bytes: 1..1 MiB, rounded up to pages. NULL: no such run. Contents are undefined. */
void *aro_arena_alloc(struct aro_arena *arena, size_t bytes);
/* Takes NULL. What is not in use ends a debug build with a message; a release build is not told. */
void aro_arena_free(struct aro_arena *arena, void *at);
/* Gives back what an allocation takes beyond bytes, which is at least 1 and not more than that. */
void aro_arena_trim(struct aro_arena *arena, void *at, size_t bytes);

/* Who has this allocation: any number up to ARO_ARENA_OWNERS_MAX; 0 until told. */
void aro_arena_own(struct aro_arena *arena, const void *at, uint32_t owner);
/*
 * Who would have to free theirs so that `bytes` fit, when there is room but not in one piece: the
 * owners that lie behind a free run, the longest first that has only such as may go. ret_owner: at
 * least ARO_ARENA_RUN_PAGES_MAX. Returns how many, 0: nothing found. Looks behind 64 free runs.
 */
unsigned aro_arena_neighbours(const struct aro_arena *arena, size_t bytes,
                              bool (*may_go)(void *arg, uint32_t owner), void *arg,
                              uint32_t ret_owner[]);
/* What an allocation really takes. */
size_t aro_arena_bytes(const struct aro_arena *arena, const void *at);
/* The sum of that over everything allocated now. */
size_t aro_arena_used(const struct aro_arena *arena);

#endif

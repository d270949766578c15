/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The allocator to beat: a jemalloc arena whose extent hooks hand out one region and nothing else.
 * For bench_arena only; cache/arena.h is what the cache uses. The region must be mapped, not from
 * malloc (which is jemalloc too in such a program, and would mix both up). One thread.
 */
#ifndef ARO_PERF_JEMALLOC_ARENA_H
#define ARO_PERF_JEMALLOC_ARENA_H

#include <stddef.h>

struct jemalloc_arena;

struct jemalloc_arena *jemalloc_arena_create(void *region, size_t region_bytes); /* or NULL */
void jemalloc_arena_destroy(struct jemalloc_arena *arena);
void *jemalloc_arena_alloc(struct jemalloc_arena *arena, size_t bytes); /* page-aligned, or NULL */
void jemalloc_arena_free(struct jemalloc_arena *arena, void *at);

#endif

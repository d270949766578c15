/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cache's page-run arena beside a jemalloc arena, on the same region, interleaved: which part
 * of the region payload can fill (one size; then a mix under random replacement), and the time of
 * an allocation and a free. Numbers: docs/decisions/0002-page-runs.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "cache/arena.h"
#include "perf/jemalloc_arena.h"

enum { REGION_BYTES = 256 << 20, BLOCKS_MAX = REGION_BYTES / 4096, CHURN = 400000 };

struct contender {
    const char *name;
    void *arena;
    void *(*alloc)(void *arena, size_t bytes);
    void (*free)(void *arena, void *at);
};

struct block {
    void *at;
    size_t bytes;
};

static struct block blocks[BLOCKS_MAX];

static void *runs_alloc(void *arena, size_t bytes)
{
    return aro_arena_alloc(arena, bytes);
}

static void runs_free(void *arena, void *at)
{
    aro_arena_free(arena, at);
}

static void *jemalloc_alloc(void *arena, size_t bytes)
{
    return jemalloc_arena_alloc(arena, bytes);
}

static void jemalloc_free(void *arena, void *at)
{
    jemalloc_arena_free(arena, at);
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void one_size(const struct contender *who, size_t bytes)
{
    double begin_ns = now_ns();
    unsigned n = 0;

    while (n < BLOCKS_MAX && (blocks[n].at = who->alloc(who->arena, bytes)) != NULL)
        n++;
    for (unsigned i = 0; i < n; i++) {
        who->free(who->arena, blocks[i].at);
        blocks[i].at = NULL;
    }
    printf("%-8s %7zu B: %5.1f%% of the region, %4.0f ns per pair\n", who->name, bytes,
           (double)n * (double)bytes * 100 / REGION_BYTES, (now_ns() - begin_ns) / n);
}

/* Chunks of 1 B..1 MiB, log-uniform; when one does not fit, random ones go until it does. */
static void mixed(const struct contender *who)
{
    double filled = 0;
    size_t used = 0;
    unsigned n = 0;

    srandom(3);
    for (unsigned i = 0; i < CHURN; i++) {
        size_t bytes = 1 + ((size_t)random() % (1 << 20) >> random() % 8);
        void *at;
        while ((at = who->alloc(who->arena, bytes)) == NULL || n == BLOCKS_MAX) {
            unsigned victim = (unsigned)random() % n;
            used -= blocks[victim].bytes;
            who->free(who->arena, blocks[victim].at);
            blocks[victim] = blocks[--n];
        }
        blocks[n++] = (struct block){at, bytes};
        used += bytes;
        if (i >= CHURN / 2)
            filled += (double)used;
    }
    while (n > 0)
        who->free(who->arena, blocks[--n].at);
    printf("%-8s mixed sizes: %5.1f%% of the region is payload\n", who->name,
           filled / (CHURN - CHURN / 2) * 100 / REGION_BYTES);
}

int main(void)
{
    static const size_t sizes[] = {4096, 16384, 65536, 100000, 524288, 1048576};
    void *region[2];
    struct contender who[2] = {{"runs", NULL, runs_alloc, runs_free},
                               {"jemalloc", NULL, jemalloc_alloc, jemalloc_free}};

    for (unsigned i = 0; i < 2; i++) {
        region[i] =
            mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (region[i] == MAP_FAILED)
            return 71;
    }
    who[0].arena = aro_arena_create(region[0], REGION_BYTES);
    who[1].arena = jemalloc_arena_create(region[1], REGION_BYTES);
    if (who[0].arena == NULL || who[1].arena == NULL)
        return 71;
    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
        for (unsigned i = 0; i < 2; i++)
            one_size(&who[i], sizes[s]);
    for (unsigned i = 0; i < 2; i++)
        mixed(&who[i]);
    aro_arena_destroy(who[0].arena);
    jemalloc_arena_destroy(who[1].arena);
    return 0;
}

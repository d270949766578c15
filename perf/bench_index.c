/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cost of a burst lookup in the index, beside its floor in the same run: two dependent-free,
 * prefetched loads from tables of the same size (what any index plus entry must pay).
 *
 *     bench_index [ENTRIES...]      default 1000000 4000000; prints TSC cycles per id
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "cache/index.h"

enum { BURST = 32, LOOKUPS = 1 << 20, RUNS = 25 };

struct bench {
    uint32_t n;
    struct aro_index *index;
    struct aro_entry *entries;
    struct aro_id *asked; /* LOOKUPS ids in random order */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct aro_id id_of(uint64_t i)
{
    return (struct aro_id){{i * 0x9e3779b97f4a7c15, i, ~i, i * 0xff51afd7ed558ccd}};
}

static void *pages(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED) {
        perror("mmap");
        exit(71);
    }
    madvise(at, bytes, MADV_HUGEPAGE);
    return at;
}

static double lookup_cycles(const struct bench *bench, uint64_t *found)
{
    uint64_t begin = __rdtsc();

    for (unsigned i = 0; i < LOOKUPS; i += BURST) {
        const struct aro_id *ids[BURST];
        struct aro_entry *entries[BURST];
        for (unsigned j = 0; j < BURST; j++)
            ids[j] = &bench->asked[i + j];
        *found += aro_index_find_burst(bench->index, ids, BURST, entries);
    }
    return (double)(__rdtsc() - begin) / LOOKUPS;
}

/* The same ids; where to look comes from the id itself instead of a hash. */
static double floor_cycles(const struct bench *bench, const uint64_t *table, uint64_t lines,
                           uint64_t *sum)
{
    uint64_t begin = __rdtsc();

    for (unsigned i = 0; i < LOOKUPS; i += BURST) {
        for (unsigned j = 0; j < BURST; j++) {
            const struct aro_id *id = &bench->asked[i + j];
            __builtin_prefetch(&table[id->word[0] % lines * 8]);
            __builtin_prefetch(&bench->entries[id->word[1]]);
        }
        for (unsigned j = 0; j < BURST; j++) {
            const struct aro_id *id = &bench->asked[i + j];
            *sum += table[id->word[0] % lines * 8] + bench->entries[id->word[1]].id.word[0];
        }
    }
    return (double)(__rdtsc() - begin) / LOOKUPS;
}

static void run(uint32_t n)
{
    struct bench bench = {.n = n, .index = aro_index_create(n, 42)};
    uint64_t lines = 1;
    uint64_t random = 7, found = 0, sum = 0;
    uint64_t *table;

    while (lines * ARO_INDEX_SLOTS < 2 * (uint64_t)n)
        lines *= 2;
    table = pages(lines * 64);
    memset(table, 1, lines * 64);
    bench.entries = pages((size_t)n * sizeof(*bench.entries));
    bench.asked = pages(LOOKUPS * sizeof(*bench.asked));
    for (uint32_t i = 0; i < n; i++) {
        struct aro_entry *member;
        bench.entries[i].id = id_of(i);
        if (aro_index_insert(bench.index, &bench.entries[i], &member) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < LOOKUPS; i++)
        bench.asked[i] = id_of(next_random(&random) % n);
    for (unsigned i = 0; i < RUNS; i++)
        printf("entries %u: lookup %.1f cycles, floor %.1f cycles\n", n,
               lookup_cycles(&bench, &found), floor_cycles(&bench, table, lines, &sum));
    if (found != (uint64_t)LOOKUPS * RUNS || sum == 0)
        printf("wrong: found %lu\n", found);
    munmap(table, lines * 64);
    munmap(bench.entries, (size_t)n * sizeof(*bench.entries));
    munmap(bench.asked, LOOKUPS * sizeof(*bench.asked));
    aro_index_destroy(bench.index);
}

int main(int argc, char *argv[])
{
    if (argc < 2) {
        run(1000000);
        run(4000000);
    }
    for (int i = 1; i < argc; i++)
        run((uint32_t)strtoul(argv[i], NULL, 10));
    return 0;
}

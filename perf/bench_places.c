/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index of chunks that are only on disk, full, at any size: RAM per chunk (by the process's
 * resident memory), refused inserts, nanoseconds per insert and lookup, which part is not at home.
 * Once as it was filled, once after everything was replaced so many times.
 *
 *     bench_places [CHUNKS [TIMES]]      default 4000000 2; one JSON object per line
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cache/disk/places.h"

enum { LOOKUPS = 2000000 };

static struct {
    struct aro_places *places;
    uint64_t chunks;
    uint64_t *live; /* number of each chunk that is here */
    uint64_t next;  /* number of the next chunk */
    uint64_t random;
    uint64_t refused;
} bench;

static uint64_t next_random(void)
{
    bench.random ^= bench.random << 13;
    bench.random ^= bench.random >> 7;
    bench.random ^= bench.random << 17;
    return bench.random * UINT64_C(0x2545f4914f6cdd1d);
}

static struct aro_id id_of(uint64_t n)
{
    return (struct aro_id){
        {n, n * UINT64_C(0x9e3779b97f4a7c15), n * UINT64_C(0xbf58476d1ce4e5b9), ~n}};
}

static struct aro_place place_of(uint64_t n)
{
    return (struct aro_place){.segment = 1 + (uint32_t)(n / 4096),
                              .block = (uint32_t)(n % 4096) * 16,
                              .len_bytes = ARO_CHUNK_BYTES_DEFAULT,
                              .checksum = n * UINT64_C(0xff51afd7ed558ccd)};
}

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2)
        exit(71);
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void insert(uint64_t at)
{
    struct aro_id id = id_of(bench.next);
    struct aro_place place = place_of(bench.next);

    bench.refused += aro_places_insert(bench.places, &id, &place) != 0;
    bench.live[at] = bench.next++;
}

static void replace(uint64_t at)
{
    struct aro_id id = id_of(bench.live[at]);
    struct aro_place place = place_of(bench.live[at]);

    aro_places_erase(bench.places, &id, &place);
    insert(at);
}

/* Nanoseconds of a lookup; *ret_found: how many were found. */
static double look(bool here, uint64_t *ret_found)
{
    double begin_ns = now_ns();
    uint64_t found = 0;

    for (unsigned i = 0; i < LOOKUPS; i++) {
        uint64_t at = next_random() % bench.chunks;
        struct aro_id id = id_of(here ? bench.live[at] : UINT64_MAX - at);
        struct aro_place place;
        found += aro_places_find(bench.places, &id, 0, &place) == 0;
    }
    *ret_found = found;
    return (now_ns() - begin_ns) / LOOKUPS;
}

static void report(const char *when, double insert_ns, uint64_t bytes)
{
    uint64_t found, wrong;
    double found_ns = look(true, &found), absent_ns = look(false, &wrong);

    printf("{\"when\": \"%s\", \"chunks\": %lu, \"bytes_per_chunk\": %.2f, \"refused\": %lu, "
           "\"insert_ns\": %.0f, \"found_ns\": %.0f, \"absent_ns\": %.0f, \"away\": %.3f, "
           "\"lost\": %lu, \"wrong_candidates_per_million\": %.1f}\n",
           when, bench.chunks, (double)bytes / (double)bench.chunks, bench.refused, insert_ns,
           found_ns, absent_ns, (double)aro_places_away(bench.places) / (double)bench.chunks,
           LOOKUPS - found, (double)wrong * 1e6 / LOOKUPS);
}

int main(int argc, char *argv[])
{
    uint64_t chunks = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
    double times = argc > 2 ? strtod(argv[2], NULL) : 2;
    uint64_t before_bytes, bytes, replaced = (uint64_t)(times * (double)chunks);
    double begin_ns;

    bench.chunks = chunks;
    bench.random = 88172645463325252u;
    bench.live = calloc(chunks, sizeof(*bench.live));
    bench.places = aro_places_create(chunks, 7, UINT64_MAX);
    if (chunks == 0 || bench.live == NULL || bench.places == NULL)
        return 71;
    for (uint64_t i = 0; i < chunks; i++)
        bench.live[i] = 1; /* resident before we look */
    before_bytes = resident_bytes();
    begin_ns = now_ns();
    for (uint64_t i = 0; i < chunks; i++)
        insert(i);
    bytes = resident_bytes() - before_bytes;
    report("filled", (now_ns() - begin_ns) / (double)chunks, bytes);
    begin_ns = now_ns();
    for (uint64_t i = 0; i < replaced; i++)
        replace(next_random() % chunks);
    if (replaced > 0)
        report("replaced", (now_ns() - begin_ns) / (double)replaced, bytes);
    aro_places_destroy(bench.places);
    free(bench.live);
    return bench.refused == 0 ? 0 : 1;
}

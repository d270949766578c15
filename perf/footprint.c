/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/footprint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/cache.h"
#include "cache/disk/places.h"
#include "cache/sums.h"
#include "perf/fail.h"
#include "perf/ids.h"

enum {
    CHUNK_BYTES = 4096,
    WORK_MAX = 1024,
    TRIES_MAX = 100,
    SPARE_ENTRIES = 4096,
    BLOCKS = 1 << 18
};

/* ---- weighing ---- */

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    unsigned long long kib = 0;
    char line[160];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Rss: %llu kB", &kib) == 1)
            break;
    if (file != NULL)
        fclose(file);
    if (kib == 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "/proc/self/smaps_rollup does not tell resident memory");
    return kib << 10;
}

static double each(uint64_t now_bytes, uint64_t empty_bytes, uint64_t chunks)
{
    return ((double)now_bytes - (double)empty_bytes) / (double)chunks;
}

/* ---- in memory ---- */

struct weighed_cache {
    struct aro_cache *cache;
    uint8_t *region;
    size_t region_bytes;
    uint64_t number; /* of the next chunk */
};

static uint64_t cache_weigh(const struct weighed_cache *weighed)
{
    madvise(weighed->region, weighed->region_bytes, MADV_DONTNEED);
    return resident_bytes();
}

/* Their bytes stay zero: nobody looks at them but the prefix sums. */
static void chunks_insert(struct weighed_cache *weighed, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct aro_entry *entry = NULL;
        for (unsigned tries = 0; aro_cache_alloc(weighed->cache, CHUNK_BYTES, &entry) != 0;
             tries++) {
            if (tries == TRIES_MAX)
                bench_fail(ARO_E_BENCH_WRONG, "no chunk makes room for another");
            aro_cache_maintain(weighed->cache, WORK_MAX);
        }
        entry->id = bench_id(weighed->number++);
        if (aro_cache_insert(weighed->cache, entry) != 0)
            bench_fail(ARO_E_BENCH_WRONG, "the cache refuses a chunk");
    }
}

/* Room for all, and for what the cache keeps free: a sixteenth, at most 64 MiB and 1024 entries. */
static void cache_make(struct weighed_cache *weighed, uint32_t chunks)
{
    size_t payload_bytes = (size_t)chunks * CHUNK_BYTES, spare_bytes = payload_bytes / 8;
    struct aro_error error;

    if (spare_bytes > 72 << 20)
        spare_bytes = 72 << 20;
    weighed->region_bytes = (payload_bytes + spare_bytes) / CHUNK_BYTES * CHUNK_BYTES + (8 << 20);
    weighed->region = mmap(NULL, weighed->region_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (weighed->region == MAP_FAILED)
        bench_fail(ARO_E_BENCH_RESOURCES, "no addresses for %zu MiB", weighed->region_bytes >> 20);
    madvise(weighed->region, weighed->region_bytes, MADV_NOHUGEPAGE);
    weighed->cache =
        aro_cache_create(&(struct aro_cache_config){.region = weighed->region,
                                                    .region_bytes = weighed->region_bytes,
                                                    .entries_max = chunks + SPARE_ENTRIES,
                                                    .readers_max = 1,
                                                    .pins_per_reader = 1,
                                                    .seed = 42},
                         &error);
    if (weighed->cache == NULL)
        bench_fail_with(&error);
}

static void in_memory(uint32_t chunks, struct footprint *ret)
{
    struct weighed_cache weighed = {0};
    struct aro_cache_stats stats;
    uint64_t empty_bytes;

    cache_make(&weighed, chunks);
    empty_bytes = cache_weigh(&weighed);
    chunks_insert(&weighed, chunks);
    aro_cache_stats(weighed.cache, &stats);
    if (stats.entries_now != chunks)
        bench_fail(ARO_E_BENCH_WRONG, "of %u chunks only %llu stayed", chunks,
                   (unsigned long long)stats.entries_now);
    ret->filled_bytes = each(cache_weigh(&weighed), empty_bytes, chunks);
    chunks_insert(&weighed, chunks);
    aro_cache_stats(weighed.cache, &stats);
    if (stats.entries_now == 0 || stats.evicted < chunks / 2)
        bench_fail(ARO_E_BENCH_WRONG, "chunks that came again pushed none out");
    ret->churned_bytes = each(cache_weigh(&weighed), empty_bytes, stats.entries_now);
    ret->sums_bytes = aro_sums_count(CHUNK_BYTES) * sizeof(uint16_t);
    ret->chunks = stats.entries_now;
}

/* ---- on disk ---- */

static struct aro_place place_of(uint64_t number)
{
    return (struct aro_place){.segment = 1 + (uint32_t)(number / BLOCKS),
                              .block = (uint32_t)(number % BLOCKS),
                              .len_bytes = CHUNK_BYTES,
                              .checksum = number};
}

/* A place that the index refuses is not there to be erased either. */
static bool place_insert(struct aro_places *places, uint64_t number)
{
    struct aro_place place = place_of(number);
    struct aro_id id = bench_id(number);

    return aro_places_insert(places, &id, &place) == 0;
}

static void place_erase(struct aro_places *places, uint64_t number)
{
    struct aro_place place = place_of(number), found;
    struct aro_id id = bench_id(number);

    if (aro_places_find(places, &id, 0, &found) == 0 && aro_places_erase(places, &id, &place) != 0)
        bench_fail(ARO_E_BENCH_WRONG, "the index of the disk does not know its chunk");
}

static void on_disk(uint32_t chunks, struct footprint *ret)
{
    struct aro_places *places = aro_places_create(chunks, 42, UINT64_MAX);
    uint64_t empty_bytes;

    if (places == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no index of %u chunks: %s", chunks, strerror(errno));
    empty_bytes = resident_bytes();
    for (uint64_t i = 0; i < chunks; i++)
        ret->refused += !place_insert(places, i);
    ret->filled_bytes = each(resident_bytes(), empty_bytes, aro_places_count(places));
    for (uint64_t i = 0; i < chunks; i++) {
        place_erase(places, i);
        ret->refused += !place_insert(places, chunks + i);
    }
    ret->chunks = aro_places_count(places);
    ret->churned_bytes = each(resident_bytes(), empty_bytes, ret->chunks);
}

/* ---- the child ---- */

static void weigh(void (*body)(uint32_t, struct footprint *), uint32_t chunks,
                  struct footprint *ret)
{
    int ends[2], status = 0;
    ssize_t got;
    pid_t child;

    fflush(NULL);
    if (pipe(ends) != 0 || (child = fork()) < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no child process: %s", strerror(errno));
    if (child == 0) {
        body(chunks, ret);
        _exit(write(ends[1], ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? 0 : EXIT_FAILURE);
    }
    close(ends[1]);
    got = read(ends[0], ret, sizeof(*ret));
    close(ends[0]);
    waitpid(child, &status, 0);
    if (got != (ssize_t)sizeof(*ret)) /* it said why on standard error */
        exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

void footprint_in_memory(uint32_t chunks, struct footprint *ret)
{
    weigh(in_memory, chunks, ret);
}

void footprint_on_disk(uint32_t chunks, struct footprint *ret)
{
    weigh(on_disk, chunks, ret);
}

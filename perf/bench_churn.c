/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What chunk memory loses after a day of mixed churn, replayed fast through the product's cache:
 * requests by Zipf(0.9) for objects of four times the region, a miss brings the chunk in, the
 * cache's own eviction makes room. Each hour a twelfth of the objects is replaced by new ones, and
 * the share of large ones among those rises and falls with the hour. Some hits stay pinned for a
 * while, as by packets under way.
 *
 * Waste is everything in the region that is not payload of a chunk that can be found:
 *   rounding   of each chunk to pages of 4 KiB           (inside)
 *   held       stock of the readers, rounding to a size class of what came through it
 *   free       what no chunk has, kept free on purpose or too scattered to be used (between)
 * Sampled every hour, after two for warming up.
 *
 *     bench_churn [MIX [WAY [REGION_MIB [RATE [SEED]]]]]
 *         MIX   mixed, spread or small: size_mix.h     WAY  fill (by control) or read (by lcores)
 *         RATE  requests per second of the day (default 200); all of MIX and WAY without arguments
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/base/error.h"
#include "cache/cache.h"
#include "perf/size_mix.h"

enum {
    HOURS = 24,
    WARM_HOURS = 2,
    HOUR_S = 3600,
    BURST = 32,
    PINS = 64,
    PIN_EVERY = 16, /* hits */
    TRIES_MAX = 1000,
    MAINTAIN_MAX = 1 << 20,
};

struct object {
    uint64_t number;
    uint32_t len_bytes;
};

struct sample {
    double waste, rounding, held, free; /* parts of the region */
};

static struct churn {
    const char *mix;
    bool by_reader;
    size_t region_bytes;
    uint64_t rate;
    uint64_t random;
    struct aro_cache *cache;
    struct aro_reader *reader;
    struct object *object; /* [:objects] all there ever were */
    uint32_t objects, room;
    uint32_t *rank;     /* [:ranks] the object at each rank of popularity */
    double *popularity; /* [:ranks] cumulative */
    uint32_t ranks;
    bool pinned[PINS];
    uint64_t hits, requests, bytes_in, refused;
    struct sample sample[HOURS];
} churn;

static uint64_t next_random(void)
{
    churn.random ^= churn.random << 13;
    churn.random ^= churn.random >> 7;
    churn.random ^= churn.random << 17;
    return churn.random * UINT64_C(0x2545f4914f6cdd1d);
}

static struct aro_id id_of(uint64_t number)
{
    return (struct aro_id){{number, number * UINT64_C(0x9e3779b97f4a7c15), ~number, number << 17}};
}

/* ---- objects ---- */

/* Large ones come in the evening: 10% less at hour 0, 10% more at hour 12. */
static uint32_t object_new(int hour)
{
    int shift_percent = hour < 12 ? hour * 20 / 12 - 10 : 30 - hour * 20 / 12;

    if (churn.objects == churn.room) {
        churn.room += 1 << 20;
        churn.object = realloc(churn.object, churn.room * sizeof(*churn.object));
        if (churn.object == NULL)
            exit(71);
    }
    churn.object[churn.objects] = (struct object){
        .number = churn.objects + 1,
        .len_bytes = size_of_mix(churn.mix, next_random(), shift_percent),
    };
    return churn.objects++;
}

/* As many as take four times the region. */
static void objects_make(void)
{
    double bytes = 0, sum = 0;

    while (bytes < 4 * (double)churn.region_bytes) {
        uint32_t at = object_new(0);
        bytes += churn.object[at].len_bytes;
    }
    churn.ranks = churn.objects;
    churn.rank = malloc(churn.ranks * sizeof(*churn.rank));
    churn.popularity = malloc(churn.ranks * sizeof(*churn.popularity));
    if (churn.rank == NULL || churn.popularity == NULL)
        exit(71);
    for (uint32_t i = 0; i < churn.ranks; i++) {
        churn.rank[i] = i;
        churn.popularity[i] = sum += pow(i + 1, -0.9);
    }
}

static void objects_renew(int hour)
{
    for (uint32_t i = 0; i < churn.ranks / 12; i++)
        churn.rank[next_random() % churn.ranks] = object_new(hour);
}

static const struct object *object_pick(void)
{
    double at = (double)(next_random() >> 11) / (double)(UINT64_C(1) << 53) *
                churn.popularity[churn.ranks - 1];
    uint32_t low = 0, high = churn.ranks - 1;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (churn.popularity[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return &churn.object[churn.rank[low]];
}

/* ---- requests ---- */

static void housekeeping(void)
{
    aro_cache_quiescent(churn.reader);
    aro_cache_maintain(churn.cache, MAINTAIN_MAX);
}

static int fill(const struct object *object)
{
    struct aro_entry *entry;
    int rc = aro_cache_alloc(churn.cache, object->len_bytes, &entry);

    if (rc != 0)
        return rc;
    entry->id = id_of(object->number);
    rc = aro_cache_insert(churn.cache, entry);
    return rc == -EEXIST ? 0 : rc;
}

static int read_in(const struct object *object)
{
    struct aro_id id = id_of(object->number);
    struct aro_entry *entry;
    int rc = aro_cache_reserve(churn.reader, &id, object->len_bytes, &entry);

    if (rc == 0)
        aro_cache_publish(churn.reader, entry);
    return rc == -EALREADY ? 0 : rc;
}

/* The bytes themselves do not matter to what is measured here: none are written. */
static void bring_in(const struct object *object)
{
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        if ((churn.by_reader ? read_in(object) : fill(object)) == 0) {
            churn.bytes_in += object->len_bytes;
            return;
        }
        housekeeping();
    }
    churn.refused++;
}

static void hit(struct aro_entry *entry)
{
    unsigned slot = (unsigned)(churn.hits / PIN_EVERY % PINS);

    aro_entry_touch(entry);
    if (churn.hits++ % PIN_EVERY != 0)
        return;
    if (churn.pinned[slot])
        aro_cache_unpin(churn.reader, slot);
    aro_cache_pin(churn.reader, slot, entry);
    churn.pinned[slot] = true;
}

static void requests(unsigned n)
{
    const struct object *asked[BURST];
    struct aro_id id[BURST];
    const struct aro_id *ids[BURST];
    struct aro_entry *entry[BURST];

    for (unsigned i = 0; i < n; i++) {
        asked[i] = object_pick();
        id[i] = id_of(asked[i]->number);
        ids[i] = &id[i];
    }
    aro_cache_find_burst(churn.reader, ids, n, entry);
    churn.requests += n;
    for (unsigned i = 0; i < n; i++)
        if (entry[i] != NULL)
            hit(entry[i]);
    for (unsigned i = 0; i < n; i++)
        if (entry[i] == NULL)
            bring_in(asked[i]);
    housekeeping();
}

/* ---- what is lost ---- */

/* Nothing is pinned nor on its way to be reused. */
static void rest(struct aro_cache_stats *ret)
{
    unsigned turns = 0;

    for (unsigned i = 0; i < PINS; i++)
        if (churn.pinned[i])
            aro_cache_unpin(churn.reader, i);
    memset(churn.pinned, 0, sizeof(churn.pinned));
    do {
        housekeeping();
        aro_cache_stats(churn.cache, ret);
    } while (ret->retired_now != 0 && ++turns < TRIES_MAX);
}

static struct sample sample_take(void)
{
    double region_bytes = (double)churn.region_bytes;
    struct aro_cache_stats stats;
    uint64_t payload = 0, pages = 0;

    rest(&stats);
    for (uint32_t i = 0; i < churn.objects; i++) {
        struct aro_id id = id_of(churn.object[i].number);
        const struct aro_id *ids[1] = {&id};
        struct aro_entry *entry;
        if (aro_cache_find_burst(churn.reader, ids, 1, &entry) == 0)
            continue;
        payload += entry->len_bytes;
        pages += (entry->len_bytes + ARO_CHUNK_ALIGN - 1) / ARO_CHUNK_ALIGN;
    }
    if (payload != stats.bytes_chunks_now || stats.retired_now != 0) {
        fprintf(stderr, "bench_churn: found %lu bytes, the cache says %lu; %lu retired\n", payload,
                stats.bytes_chunks_now, stats.retired_now);
        exit(1);
    }
    return (struct sample){
        .waste = 1 - (double)payload / region_bytes,
        .rounding = (double)(pages * ARO_CHUNK_ALIGN - payload) / region_bytes,
        .held = (double)(stats.bytes_used_now - pages * ARO_CHUNK_ALIGN) / region_bytes,
        .free = (double)(churn.region_bytes - stats.bytes_used_now) / region_bytes,
    };
}

static void day(void)
{
    for (int hour = 0; hour < HOURS; hour++) {
        for (uint64_t left = churn.rate * HOUR_S; left > 0;) {
            unsigned n = left < BURST ? (unsigned)left : BURST;
            requests(n);
            left -= n;
        }
        churn.sample[hour] = sample_take();
        objects_renew(hour);
    }
}

/* ---- a run ---- */

static void report(void)
{
    struct sample mean = {0}, worst = {0};
    struct aro_cache_stats stats;

    for (int hour = WARM_HOURS; hour < HOURS; hour++) {
        const struct sample *sample = &churn.sample[hour];
        mean.waste += sample->waste / (HOURS - WARM_HOURS);
        mean.rounding += sample->rounding / (HOURS - WARM_HOURS);
        mean.held += sample->held / (HOURS - WARM_HOURS);
        mean.free += sample->free / (HOURS - WARM_HOURS);
        if (sample->waste > worst.waste)
            worst = *sample;
    }
    aro_cache_stats(churn.cache, &stats);
    printf("{\"mix\": \"%s\", \"way\": \"%s\", \"region_mib\": %zu, \"requests\": %lu, "
           "\"hit_ratio\": %.3f, \"turnovers\": %.0f, \"evicted\": %lu, \"refused\": %lu, "
           "\"waste\": %.4f, \"rounding\": %.4f, \"held\": %.4f, \"free\": %.4f, "
           "\"waste_worst\": %.4f, \"rounding_worst\": %.4f, \"held_worst\": %.4f, "
           "\"free_worst\": %.4f}\n",
           churn.mix, churn.by_reader ? "read" : "fill", churn.region_bytes >> 20, churn.requests,
           (double)churn.hits / (double)churn.requests,
           (double)churn.bytes_in / (double)churn.region_bytes, stats.evicted, churn.refused,
           mean.waste, mean.rounding, mean.held, mean.free, worst.waste, worst.rounding, worst.held,
           worst.free);
    fflush(stdout);
}

static void run(const char *mix, bool by_reader, size_t region_mib, uint64_t rate, uint64_t seed)
{
    struct aro_cache_config config = {.region_bytes = region_mib << 20,
                                      .entries_max = (uint32_t)(region_mib << 8),
                                      .readers_max = 1,
                                      .pins_per_reader = PINS,
                                      .seed = seed};
    struct aro_error error;

    config.region =
        mmap(NULL, config.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (config.region == MAP_FAILED)
        exit(71);
    churn = (struct churn){.mix = mix,
                           .by_reader = by_reader,
                           .region_bytes = config.region_bytes,
                           .rate = rate,
                           .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
                           .cache = aro_cache_create(&config, &error)};
    if (churn.cache == NULL) {
        fprintf(stderr, "bench_churn: %s\n", error.text);
        exit(1);
    }
    churn.reader = aro_cache_reader_create(churn.cache);
    aro_cache_online(churn.reader);
    objects_make();
    day();
    report();
    aro_cache_offline(churn.reader);
    aro_cache_destroy(churn.cache);
    munmap(config.region, config.region_bytes);
    free(churn.object);
    free(churn.rank);
    free(churn.popularity);
}

int main(int argc, char *argv[])
{
    static const char *const mixes[] = {"mixed", "spread", "small"};
    static const char *const ways[] = {"fill", "read"};
    size_t region_mib = argc > 3 ? strtoul(argv[3], NULL, 10) : 512;
    uint64_t rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 200;
    uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;

    for (unsigned m = 0; m < 3; m++)
        for (unsigned w = 0; w < 2; w++)
            if ((argc < 2 || strcmp(argv[1], mixes[m]) == 0) &&
                (argc < 3 || strcmp(argv[2], ways[w]) == 0))
                run(mixes[m], w == 1, region_mib, rate, seed);
    return 0;
}

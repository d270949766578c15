/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers look up while the writer inserts, erases and - in a table that is nearly full - moves; a
 * plain main, so that TSan can watch. A place is a function of its id: any mix of two slots shows.
 * Chunks that are never erased must be found every time. Argument: writer operations (300000).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "cache/base/hash.h"
#include "cache/base/sha256.h"
#include "cache/disk/places.h"

enum { READERS = 3, CHUNKS_MAX = 12000 };

static struct {
    struct aro_places *places;
    uint32_t steady; /* chunks that stay */
    uint32_t moving; /* chunks that come and go */
    struct aro_id id[CHUNKS_MAX];
    uint32_t generation[CHUNKS_MAX]; /* writer; 0: not there */
    _Atomic bool stop;
    _Atomic uint64_t wrong, missing, lookups;
} shared;

/* Generation g of chunk n. All parts are bound to each other. */
static struct aro_place place_of(uint32_t n, uint32_t g)
{
    uint64_t sum = aro_hash_bytes(&g, sizeof(g), n);

    return (struct aro_place){.segment = (uint32_t)(sum >> 40) | 1,
                              .block = (uint32_t)(sum >> 20) & 0xfffff,
                              .len_bytes = ((uint32_t)sum & 0xfffff) + 1,
                              .checksum = sum};
}

static bool is_whole(const struct aro_place *place)
{
    return place->segment == ((uint32_t)(place->checksum >> 40) | 1) &&
           place->block == ((uint32_t)(place->checksum >> 20) & 0xfffff) &&
           place->len_bytes == ((uint32_t)place->checksum & 0xfffff) + 1;
}

static void *read_all(void *arg)
{
    uint32_t n = *(uint32_t *)arg;

    while (!atomic_load(&shared.stop)) {
        struct aro_place place;
        unsigned nth = 0;
        uint32_t chunk = (n = n * 1664525u + 1013904223u) % (shared.steady + shared.moving);
        while (aro_places_find(shared.places, &shared.id[chunk], nth, &place) == 0) {
            if (!is_whole(&place))
                atomic_fetch_add(&shared.wrong, 1);
            nth++;
        }
        if (nth == 0 && chunk < shared.steady)
            atomic_fetch_add(&shared.missing, 1);
        atomic_fetch_add_explicit(&shared.lookups, 1, memory_order_relaxed);
    }
    return NULL;
}

static int write_all(uint32_t operations)
{
    uint32_t *generation = shared.generation;
    uint32_t seed = 11;

    for (uint32_t i = 1; i <= operations; i++) {
        uint32_t n = shared.steady + (seed = seed * 1664525u + 1013904223u) % shared.moving;
        struct aro_place place = place_of(n, generation[n] != 0 ? generation[n] : i);
        int error = generation[n] != 0 ? aro_places_erase(shared.places, &shared.id[n], &place)
                                       : aro_places_insert(shared.places, &shared.id[n], &place);
        if (error != 0) {
            fprintf(stderr, "operation %u: %d\n", i, error);
            return 1;
        }
        generation[n] = generation[n] != 0 ? 0 : i;
    }
    return 0;
}

static int run(uint32_t steady, uint32_t moving, uint64_t mask, uint32_t operations)
{
    pthread_t thread[READERS];
    uint32_t seed[READERS];
    int failed = 0;

    memset(&shared, 0, sizeof(shared));
    shared.steady = steady;
    shared.moving = moving;
    shared.places = aro_places_create(steady + moving, 5, mask);
    for (uint32_t n = 0; n < steady + moving; n++) {
        struct aro_place place = place_of(n, 0);
        shared.id[n] = aro_sha256(&n, sizeof(n));
        if (n < steady)
            failed |= aro_places_insert(shared.places, &shared.id[n], &place) != 0;
    }
    for (uint32_t t = 0; t < READERS; t++) {
        seed[t] = t + 1;
        failed |= pthread_create(&thread[t], NULL, read_all, &seed[t]) != 0;
    }
    failed |= write_all(operations);
    atomic_store(&shared.stop, true);
    for (int t = 0; t < READERS; t++)
        pthread_join(thread[t], NULL);
    printf("lookups=%lu wrong=%lu missing=%lu\n", (unsigned long)shared.lookups,
           (unsigned long)shared.wrong, (unsigned long)shared.missing);
    aro_places_destroy(shared.places);
    return failed || shared.wrong != 0 || shared.missing != 0;
}

int main(int argc, char **argv)
{
    uint32_t operations = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 300000;

    return run(200, 600, 0xffff, operations) | run(CHUNKS_MAX - 600, 600, UINT64_MAX, operations) |
           run(2, 6, 0, operations * 40);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/places.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cache/base/hash.h"

enum {
    SLOTS = 5,
    REACH_MAX = 63,
    SEGMENT_HIGH_BITS = 8,
};

struct slot {
    _Atomic uint64_t name;  /* fingerprint:56, segment's high bits:8 */
    _Atomic uint64_t place; /* segment's low bits:24, block:20, length - 1:20; 0: free slot */
    _Atomic uint64_t checksum;
};
static_assert(sizeof(struct slot) == 24, "the promised cost of a chunk on disk");

struct bucket {
    alignas(128) _Atomic uint32_t sequence; /* odd: the writer is at work */
    _Atomic uint16_t strays;                /* chunks at home here that live elsewhere */
    _Atomic uint16_t reach;                 /* how many buckets further a stray may be */
    struct slot slot[SLOTS];
};
static_assert(sizeof(struct bucket) == 128, "two cache lines");

struct aro_places {
    struct bucket *bucket;
    uint64_t buckets; /* REACH_MAX more than homes: no wrap */
    uint64_t homes;
    uint64_t chunks_max;
    uint64_t count; /* writer */
    uint64_t seed;
    uint64_t mask;
};

/* What a lookup looks for. */
struct key {
    uint64_t fingerprint;
    uint64_t home;
};

/* The words of a slot as they stood at one instant. */
struct words {
    uint64_t name;
    uint64_t place;
    uint64_t checksum;
};

struct aro_places *aro_places_create(uint64_t chunks_max, uint64_t seed, uint64_t mask)
{
    struct aro_places *places = calloc(1, sizeof(*places));
    void *memory;

    if (places == NULL)
        return NULL;
    places->homes = chunks_max / 4 + 1; /* full at four of five slots */
    places->buckets = places->homes + REACH_MAX;
    memory = mmap(NULL, places->buckets * sizeof(struct bucket), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(places);
        return NULL;
    }
    places->bucket = memory;
    places->chunks_max = chunks_max;
    places->seed = seed;
    places->mask = mask;
    return places;
}

void aro_places_destroy(struct aro_places *places)
{
    if (places == NULL)
        return;
    munmap(places->bucket, places->buckets * sizeof(struct bucket));
    free(places);
}

/* The home comes from the keyed hash; the fingerprint mixes in bits of the id that it left out. */
static struct key key_of(const struct aro_places *places, const struct aro_id *id)
{
    uint64_t hash = aro_hash_id(id, places->seed);

    return (struct key){
        .fingerprint = ((hash ^ id->word[2]) & places->mask) >> SEGMENT_HIGH_BITS,
        .home = (uint64_t)(((unsigned __int128)hash * places->homes) >> 64),
    };
}

static struct words pack(const struct key *key, const struct aro_place *place)
{
    return (struct words){
        .name = key->fingerprint << SEGMENT_HIGH_BITS | place->segment >> 24,
        .place =
            (uint64_t)place->segment << 40 | (uint64_t)place->block << 20 | (place->len_bytes - 1),
        .checksum = place->checksum,
    };
}

static struct aro_place unpack(const struct words *words)
{
    return (struct aro_place){
        .segment = (uint32_t)(words->place >> 40) | (uint32_t)(words->name & 0xff) << 24,
        .block = (uint32_t)(words->place >> 20) & 0xfffff,
        .len_bytes = ((uint32_t)words->place & 0xfffff) + 1,
        .checksum = words->checksum,
    };
}

/* Loads acquire so that the second look at the sequence comes last. The writer spends a few stores
 * inside, so retries are short. */
static struct words slot_read(const struct bucket *bucket, unsigned i)
{
    const struct slot *slot = &bucket->slot[i];
    uint32_t before, after;
    struct words words;

    do {
        before = atomic_load_explicit(&bucket->sequence, memory_order_acquire);
        words.name = atomic_load_explicit(&slot->name, memory_order_acquire);
        words.place = atomic_load_explicit(&slot->place, memory_order_acquire);
        words.checksum = atomic_load_explicit(&slot->checksum, memory_order_acquire);
        after = atomic_load_explicit(&bucket->sequence, memory_order_relaxed);
    } while (before != after || (before & 1) != 0);
    return words;
}

static bool may_be(const struct slot *slot, const struct key *key)
{
    return atomic_load_explicit(&slot->name, memory_order_relaxed) >> SEGMENT_HIGH_BITS ==
           key->fingerprint;
}

int aro_places_find(const struct aro_places *places, const struct aro_id *id, unsigned nth,
                    struct aro_place *ret)
{
    struct key key = key_of(places, id);
    const struct bucket *home = &places->bucket[key.home];
    unsigned reach = atomic_load_explicit(&home->reach, memory_order_acquire);

    for (unsigned b = 0; b <= reach; b++)
        for (unsigned i = 0; i < SLOTS; i++) {
            struct words words;
            if (!may_be(&home[b].slot[i], &key))
                continue;
            words = slot_read(&home[b], i);
            if (words.place == 0 || words.name >> SEGMENT_HIGH_BITS != key.fingerprint)
                continue;
            if (nth-- == 0) {
                *ret = unpack(&words);
                return 0;
            }
        }
    return -ENOENT;
}

/* The stores between are release, so none of them is seen before the odd sequence. */
static void slot_write(struct bucket *bucket, unsigned i, const struct words *words)
{
    struct slot *slot = &bucket->slot[i];
    uint32_t sequence = atomic_load_explicit(&bucket->sequence, memory_order_relaxed);

    atomic_store_explicit(&bucket->sequence, sequence + 1, memory_order_relaxed);
    atomic_store_explicit(&slot->name, words->name, memory_order_release);
    atomic_store_explicit(&slot->place, words->place, memory_order_release);
    atomic_store_explicit(&slot->checksum, words->checksum, memory_order_release);
    atomic_store_explicit(&bucket->sequence, sequence + 2, memory_order_release);
}

/* A stray's home is told before the stray can be found, so no lookup stops short of it. */
static void stray_add(struct bucket *home, unsigned distance)
{
    uint16_t strays = atomic_load_explicit(&home->strays, memory_order_relaxed);

    atomic_store_explicit(&home->strays, (uint16_t)(strays + 1), memory_order_relaxed);
    if (atomic_load_explicit(&home->reach, memory_order_relaxed) < distance)
        atomic_store_explicit(&home->reach, (uint16_t)distance, memory_order_release);
}

static void stray_remove(struct bucket *home)
{
    uint16_t strays = atomic_load_explicit(&home->strays, memory_order_relaxed);

    assert(strays > 0);
    atomic_store_explicit(&home->strays, (uint16_t)(strays - 1), memory_order_relaxed);
    if (strays == 1)
        atomic_store_explicit(&home->reach, 0, memory_order_release);
}

int aro_places_insert(struct aro_places *places, const struct aro_id *id,
                      const struct aro_place *place)
{
    struct key key = key_of(places, id);
    struct bucket *home = &places->bucket[key.home];
    struct words words = pack(&key, place);

    assert(words.place >> 40 != 0); /* the store never uses such a segment number */
    if (places->count >= places->chunks_max)
        return -ENOSPC;
    for (unsigned b = 0; b <= REACH_MAX; b++)
        for (unsigned i = 0; i < SLOTS; i++) {
            if (atomic_load_explicit(&home[b].slot[i].place, memory_order_relaxed) != 0)
                continue;
            if (b > 0)
                stray_add(home, b);
            slot_write(&home[b], i, &words);
            places->count++;
            return 0;
        }
    return -ENOSPC;
}

int aro_places_erase(struct aro_places *places, const struct aro_id *id,
                     const struct aro_place *place)
{
    static const struct words nothing = {0};
    struct key key = key_of(places, id);
    struct bucket *home = &places->bucket[key.home];
    struct words words = pack(&key, place);
    unsigned reach = atomic_load_explicit(&home->reach, memory_order_relaxed);

    for (unsigned b = 0; b <= reach; b++)
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot *slot = &home[b].slot[i];
            if (atomic_load_explicit(&slot->name, memory_order_relaxed) != words.name ||
                atomic_load_explicit(&slot->place, memory_order_relaxed) != words.place)
                continue;
            slot_write(&home[b], i, &nothing);
            if (b > 0)
                stray_remove(home);
            places->count--;
            return 0;
        }
    return -ENOENT;
}

uint64_t aro_places_count(const struct aro_places *places)
{
    return places->count;
}

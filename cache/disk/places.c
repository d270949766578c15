/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/places.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cache/base/hash.h"
#include "cache/delay.h"

enum {
    SLOTS = 6,
    SPARE_BUCKETS = 16, /* so that chance does not fill the smallest tables early */
    SEARCH_MAX = 512,   /* buckets looked at to make room: 130 was the most in full tables */
    SEGMENT_HIGH_BITS = 8,
    FINGERPRINT_BITS = 23,
};
#define NAME_AWAY (UINT32_C(1) << 31)

/*
 * A slot is (name, place, checksum). It is free while its place is 0, is written while it is free,
 * and its place is written last. `steps` goes up before and after: whoever sees a part of the new
 * slot sees the first step, and whoever sees what the writer did next sees the second. Readers
 * compare it and never wait for it, so a writer may stop in between.
 */
struct bucket {
    alignas(128) _Atomic uint32_t steps; /* two for each slot written so far */
    _Atomic uint32_t away;               /* chunks at home here that are in their second bucket */
    _Atomic uint32_t name[SLOTS];        /* NAME_AWAY, fingerprint:23, segment's high bits:8 */
    _Atomic uint64_t place[SLOTS];       /* segment's low bits:24, block:20, length - 1:20 */
    _Atomic uint64_t checksum[SLOTS];
};
static_assert(sizeof(struct bucket) == 128, "two cache lines");

struct aro_places {
    struct bucket *bucket;
    uint64_t buckets;
    uint64_t chunks_max;
    uint64_t count; /* writer */
    uint64_t away;  /* writer */
    uint64_t seed;
    uint64_t mask;
};

/* What a lookup looks for. */
struct key {
    uint64_t home;
    uint32_t fingerprint;
};

/* The words of a slot as they stood at one instant. */
struct words {
    uint64_t place;
    uint64_t checksum;
    uint32_t name;
};

/* ---- where things are ---- */

static uint64_t scale(uint64_t hash, uint64_t range)
{
    return (uint64_t)(((unsigned __int128)hash * range) >> 64);
}

struct aro_places *aro_places_create(uint64_t chunks_max, uint64_t seed, uint64_t mask)
{
    struct aro_places *places = calloc(1, sizeof(*places));
    void *memory;

    if (places == NULL)
        return NULL;
    places->buckets = chunks_max * 5 / 28 + SPARE_BUCKETS; /* 5.6 of six slots when full */
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
    uint64_t fingerprint = ((hash ^ id->word[2]) & places->mask) >> SEGMENT_HIGH_BITS;

    return (struct key){
        .home = scale(hash, places->buckets),
        .fingerprint = (uint32_t)fingerprint & ((UINT32_C(1) << FINGERPRINT_BITS) - 1),
    };
}

/* How far behind the home the second bucket is: 1..buckets - 1. */
static uint64_t distance(const struct aro_places *places, uint32_t fingerprint)
{
    return 1 + scale(fingerprint * UINT64_C(0x9e3779b97f4a7c15), places->buckets - 1);
}

static uint64_t second_bucket(const struct aro_places *places, const struct key *key)
{
    uint64_t at = key->home + distance(places, key->fingerprint);

    return at < places->buckets ? at : at - places->buckets;
}

/* The other bucket of the chunk that has this name in bucket number at. */
static uint64_t other_bucket(const struct aro_places *places, uint64_t at, uint32_t name)
{
    uint64_t far = distance(places, (name & ~NAME_AWAY) >> SEGMENT_HIGH_BITS);

    at += (name & NAME_AWAY) != 0 ? places->buckets - far : far;
    return at < places->buckets ? at : at - places->buckets;
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
        .segment = (uint32_t)(words->place >> 40) | (words->name & 0xff) << 24,
        .block = (uint32_t)(words->place >> 20) & 0xfffff,
        .len_bytes = ((uint32_t)words->place & 0xfffff) + 1,
        .checksum = words->checksum,
    };
}

/* ---- readers ---- */

static bool alike(uint32_t name, uint32_t other)
{
    return (name ^ other) >> SEGMENT_HIGH_BITS == 0;
}

/* Loads acquire so that the second look at steps comes last. A retry means that the writer moved.
 */
static struct words slot_read(const struct bucket *bucket, unsigned i)
{
    struct words words;
    uint32_t steps;

    do {
        steps = atomic_load_explicit(&bucket->steps, memory_order_acquire);
        aro_delay_point();
        words.place = atomic_load_explicit(&bucket->place[i], memory_order_acquire);
        aro_delay_point();
        words.name = atomic_load_explicit(&bucket->name[i], memory_order_acquire);
        aro_delay_point();
        words.checksum = atomic_load_explicit(&bucket->checksum[i], memory_order_acquire);
        aro_delay_point();
    } while (steps != atomic_load_explicit(&bucket->steps, memory_order_relaxed));
    return words;
}

/* The first that looks like name after *nth others. */
static bool bucket_find(const struct bucket *bucket, uint32_t name, unsigned *nth,
                        struct words *ret)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct words words;
        if (!alike(atomic_load_explicit(&bucket->name[i], memory_order_acquire), name))
            continue;
        words = slot_read(bucket, i);
        if (words.place == 0 || !alike(words.name, name) || (*nth)-- > 0)
            continue;
        *ret = words;
        return true;
    }
    return false;
}

/*
 * Why what is here is found. A chunk that is not met at home was not there yet or not any more. Not
 * any more: before it was taken from there it was counted as away and put into its second bucket,
 * and we see that (the clearing store is release, our load acquire). If it is not met there either,
 * or not counted, it came home meanwhile: both steps of that were over before it was taken from its
 * second bucket. Had we seen both at our first look we would have met it at home; so the last look
 * differs.
 */
int aro_places_find(const struct aro_places *places, const struct aro_id *id, unsigned nth,
                    struct aro_place *ret)
{
    struct key key = key_of(places, id);
    const struct bucket *home = &places->bucket[key.home];
    const struct bucket *second = &places->bucket[second_bucket(places, &key)];
    uint32_t name = key.fingerprint << SEGMENT_HIGH_BITS;
    uint32_t steps;

    do {
        struct words words;
        unsigned left = nth;
        steps = atomic_load_explicit(&home->steps, memory_order_acquire);
        aro_delay_point();
        if (bucket_find(home, name, &left, &words) ||
            (atomic_load_explicit(&home->away, memory_order_acquire) != 0 &&
             bucket_find(second, name | NAME_AWAY, &left, &words))) {
            *ret = unpack(&words);
            return 0;
        }
        aro_delay_point();
    } while (steps != atomic_load_explicit(&home->steps, memory_order_relaxed));
    return -ENOENT;
}

/* ---- the writer ---- */

static uint64_t place_at(const struct bucket *bucket, unsigned i)
{
    return atomic_load_explicit(&bucket->place[i], memory_order_relaxed);
}

static uint32_t name_at(const struct bucket *bucket, unsigned i)
{
    return atomic_load_explicit(&bucket->name[i], memory_order_relaxed);
}

/* SLOTS: none. */
static unsigned free_slot(const struct bucket *bucket)
{
    unsigned i = 0;

    while (i < SLOTS && place_at(bucket, i) != 0)
        i++;
    return i;
}

static void slot_put(struct bucket *bucket, unsigned i, const struct words *words)
{
    uint32_t steps = atomic_load_explicit(&bucket->steps, memory_order_relaxed);

    atomic_store_explicit(&bucket->steps, steps + 1, memory_order_release);
    aro_delay_point();
    atomic_store_explicit(&bucket->name[i], words->name, memory_order_release);
    aro_delay_point();
    atomic_store_explicit(&bucket->checksum[i], words->checksum, memory_order_release);
    aro_delay_point();
    atomic_store_explicit(&bucket->place[i], words->place, memory_order_release);
    aro_delay_point();
    atomic_store_explicit(&bucket->steps, steps + 2, memory_order_release);
    aro_delay_point();
}

static void slot_clear(struct bucket *bucket, unsigned i)
{
    atomic_store_explicit(&bucket->place[i], 0, memory_order_release);
    aro_delay_point();
}

static void away_add(struct aro_places *places, struct bucket *home, int more)
{
    uint32_t away = atomic_load_explicit(&home->away, memory_order_relaxed);

    atomic_store_explicit(&home->away, away + (uint32_t)more, memory_order_release);
    places->away += (uint64_t)more;
    aro_delay_point();
}

/* To its other bucket, which has a free slot. */
static void chunk_move(struct aro_places *places, uint64_t from, unsigned i, uint64_t to)
{
    struct bucket *source = &places->bucket[from], *target = &places->bucket[to];
    struct words words = slot_read(source, i);

    words.name ^= NAME_AWAY;
    if ((words.name & NAME_AWAY) != 0)
        away_add(places, source, 1);
    slot_put(target, free_slot(target), &words);
    slot_clear(source, i);
    if ((words.name & NAME_AWAY) == 0)
        away_add(places, target, -1);
}

/* A bucket, and how a chunk comes here: from a slot of the bucket of an earlier hop. */
struct hop {
    uint64_t bucket;
    uint16_t from;
    uint16_t slot;
};

/* From the last hop, which has a free slot, back to one of the first two, which has one then. */
static void chunks_shift(struct aro_places *places, const struct hop *hop, unsigned last)
{
    for (; hop[last].from != last; last = hop[last].from)
        chunk_move(places, hop[hop[last].from].bucket, hop[last].slot, hop[last].bucket);
}

/*
 * Looks, nearest first, for a bucket with room to which chunks of the full ones can move in turn.
 * The way found is a shortest one, so no slot is on it twice.
 */
static int room_make(struct aro_places *places, uint64_t home, uint64_t second)
{
    struct hop hop[SEARCH_MAX];
    unsigned hops = 2;

    hop[0] = (struct hop){.bucket = home, .from = 0};
    hop[1] = (struct hop){.bucket = second, .from = 1};
    for (unsigned at = 0; hops + SLOTS <= SEARCH_MAX; at++) {
        const struct bucket *bucket = &places->bucket[hop[at].bucket];
        for (unsigned i = 0; i < SLOTS; i++) {
            uint64_t other = other_bucket(places, hop[at].bucket, name_at(bucket, i));
            hop[hops] = (struct hop){other, (uint16_t)at, (uint16_t)i};
            if (free_slot(&places->bucket[other]) < SLOTS) {
                chunks_shift(places, hop, hops);
                return 0;
            }
            hops++;
        }
    }
    return -ENOSPC;
}

int aro_places_insert(struct aro_places *places, const struct aro_id *id,
                      const struct aro_place *place)
{
    struct key key = key_of(places, id);
    uint64_t at = second_bucket(places, &key);
    struct bucket *home = &places->bucket[key.home], *second = &places->bucket[at];
    struct words words = pack(&key, place);

    assert(words.place >> 40 != 0); /* the store never uses such a segment number */
    if (places->count >= places->chunks_max)
        return -ENOSPC;
    if (free_slot(home) == SLOTS && free_slot(second) == SLOTS &&
        room_make(places, key.home, at) != 0)
        return -ENOSPC;
    if (free_slot(home) == SLOTS) {
        words.name |= NAME_AWAY;
        away_add(places, home, 1);
        home = second;
    }
    slot_put(home, free_slot(home), &words);
    places->count++;
    return 0;
}

void aro_places_prefetch(const struct aro_places *places, const struct aro_id *id)
{
    struct key key = key_of(places, id);
    const struct bucket *home = &places->bucket[key.home];

    __builtin_prefetch(home, 1);
    __builtin_prefetch((const char *)home + sizeof(*home) / 2, 1);
}

static bool erase_from(struct bucket *bucket, const struct words *words)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (place_at(bucket, i) != words->place || name_at(bucket, i) != words->name)
            continue;
        slot_clear(bucket, i);
        return true;
    }
    return false;
}

int aro_places_erase(struct aro_places *places, const struct aro_id *id,
                     const struct aro_place *place)
{
    struct key key = key_of(places, id);
    struct bucket *home = &places->bucket[key.home];
    struct words words = pack(&key, place);

    if (!erase_from(home, &words)) {
        words.name |= NAME_AWAY;
        if (!erase_from(&places->bucket[second_bucket(places, &key)], &words))
            return -ENOENT;
        away_add(places, home, -1);
    }
    places->count--;
    return 0;
}

uint64_t aro_places_count(const struct aro_places *places)
{
    return places->count;
}

uint64_t aro_places_away(const struct aro_places *places)
{
    return places->away;
}

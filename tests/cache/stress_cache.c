/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two readers and the keeper on a small region, everything at once: find, pin, wait, reserve,
 * publish, abandon, insert, remove, flush, evict. The bytes of a chunk follow from its id, so every
 * hit and every pin is checked against it. Compiled with delay points and assertions.
 *
 *     stress_cache [SECONDS [SEED]]       prints what it did; exit 1 at the first wrong thing
 *
 * Runs in rounds: after each all threads rest and the cache must be consistent and leak nothing.
 * No check needs a particular interleaving; a longer run finds more.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "cache/base/error.h"
#include "cache/cache.h"
#include "cache/delay.h"
#include "cache/sums.h"

enum {
    REGION_BYTES = 8 << 20,
    READERS = 2,
    IDS = 600,    /* 19 MiB of chunks: most publications must evict */
    HOT_IDS = 24, /* asked for by everybody at once */
    PINS = 24,    /* per reader */
    READS = 4,    /* under way per reader */
    BURST = 8,
    ROUND_LOOPS = 4000,
    PATIENCE = 5 * 1000 * 1000, /* yields before a wake-up counts as lost */
};

struct pin {
    struct aro_entry *entry; /* NULL: slot free */
    unsigned number;
    unsigned woken_before;
    bool waiting;  /* was READING: somebody owes us a wake-up */
    bool resident; /* was RESIDENT: readable whatever happens */
};

struct tally {
    uint64_t found, checked, published, abandoned, joined, woken, erased, no_stock, loops;
};

struct actor {
    struct aro_reader *reader;
    struct stress *stress;
    uint64_t random;
    struct pin pin[PINS];
    struct aro_entry *read[READS]; /* reserved by us, being filled */
    struct tally tally;
};

struct stress {
    struct aro_cache *cache;
    struct actor actor[READERS];
    uint64_t random;
    _Atomic unsigned readers_left;
    _Atomic unsigned reading[IDS];        /* owners of a READING entry: 0 or 1 */
    _Atomic unsigned woken[READERS][IDS]; /* by the publisher, for each waiter */
};

static _Thread_local uint64_t delay_random = 88172645463325252u;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

void aro_delay_point(void)
{
    uint64_t r = next_random(&delay_random) >> 20;

    if (r % 64 != 0)
        return;
    for (uint64_t i = r / 64 % 256 == 0 ? 40 : 1; i > 0; i--)
        sched_yield();
}

#define REQUIRE(what)                                                                              \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "stress_cache: line %d: %s\n", __LINE__, #what);                       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* ---- chunks that follow from their number ---- */

static struct aro_id id_of(unsigned number)
{
    return (struct aro_id){{number, number * UINT64_C(0x9e3779b97f4a7c15), ~(uint64_t)number, 1}};
}

static uint32_t len_of(unsigned number)
{
    return number < HOT_IDS ? 4096 : 1 + number * 7919 % 65536;
}

static uint64_t word_of(unsigned number, uint32_t at)
{
    return (number * UINT64_C(0x2545f4914f6cdd1d)) ^ (at * UINT64_C(0xff51afd7ed558ccd));
}

static void chunk_fill(struct aro_entry *entry, unsigned number, bool wrong)
{
    uint32_t len = len_of(number);

    for (uint32_t at = 0; at < len; at += 8) {
        uint64_t word = word_of(number, at) ^ wrong;
        memcpy(entry->data + at, &word, len - at < 8 ? len - at : 8);
    }
}

static void word_check(const struct aro_entry *entry, unsigned number, uint32_t at)
{
    uint32_t len = len_of(number);
    uint64_t word = word_of(number, at);

    REQUIRE(memcmp(entry->data + at, &word, len - at < 8 ? len - at : 8) == 0);
}

static uint16_t *sums_of(const struct actor *actor, const struct aro_entry *entry)
{
    return aro_cache_sums(actor->stress->cache, entry);
}

/* First, last and some words, one prefix sum: cheap enough for every hit. */
static void chunk_check(struct actor *actor, const struct aro_entry *entry, unsigned number)
{
    struct aro_id id = id_of(number);
    uint32_t len = len_of(number);
    uint32_t words = (len + 7) / 8;
    uint32_t step = (uint32_t)(next_random(&actor->random) % (aro_sums_count(len) - 1));
    uint16_t sums[2] = {0};
    uint16_t between;

    REQUIRE(aro_id_equal(&entry->id, &id));
    REQUIRE(entry->len_bytes == len);
    word_check(entry, number, 0);
    word_check(entry, number, (words - 1) * 8);
    for (unsigned i = 0; i < 6; i++)
        word_check(entry, number, (uint32_t)(next_random(&actor->random) % words) * 8);
    aro_sums_extend(sums, 0, entry->data + step * ARO_SUM_STEP,
                    len - step * ARO_SUM_STEP < ARO_SUM_STEP ? len - step * ARO_SUM_STEP
                                                             : ARO_SUM_STEP);
    between = aro_sums_between(sums_of(actor, entry)[step], sums_of(actor, entry)[step + 1]);
    REQUIRE(between % 0xffff == sums[1] % 0xffff);
    actor->tally.checked++;
}

/* ---- a reader ---- */

static unsigned pick(uint64_t *random)
{
    uint64_t r = next_random(random) >> 11;

    return (unsigned)(r % 3 == 0 ? r / 3 % HOT_IDS : r / 3 % IDS);
}

static void wake(struct stress *stress, uint64_t waiters, unsigned number)
{
    for (unsigned i = 0; i < READERS; i++)
        if (waiters >> i & 1)
            atomic_fetch_add(&stress->woken[i][number], 1);
}

static void read_begin(struct actor *actor, unsigned number)
{
    struct stress *stress = actor->stress;
    struct aro_id id = id_of(number);
    unsigned slot = 0;
    struct aro_entry *entry;
    int rc;

    while (slot < READS && actor->read[slot] != NULL)
        slot++;
    if (slot == READS)
        return;
    rc = aro_cache_reserve(actor->reader, &id, len_of(number), &entry);
    if (rc == 0) {
        REQUIRE(atomic_fetch_add(&stress->reading[number], 1) == 0);
        chunk_fill(entry, number, true); /* a disk read half done */
        actor->read[slot] = entry;
    } else if (rc == -EALREADY) {
        REQUIRE(aro_id_equal(&entry->id, &id));
    } else {
        REQUIRE(rc == -ENOBUFS);
        actor->tally.no_stock++;
    }
}

static void read_end(struct actor *actor, struct aro_entry **read)
{
    struct aro_entry *entry = *read;
    unsigned number = (unsigned)entry->id.word[0];
    uint64_t waiters;

    *read = NULL;
    if (next_random(&actor->random) % 8 == 0) {
        REQUIRE(atomic_fetch_sub(&actor->stress->reading[number], 1) == 1);
        waiters = aro_cache_abandon(actor->reader, entry);
        actor->tally.abandoned++;
    } else {
        chunk_fill(entry, number, false);
        aro_sums_extend(sums_of(actor, entry), 0, entry->data, entry->len_bytes);
        REQUIRE(atomic_fetch_sub(&actor->stress->reading[number], 1) == 1);
        waiters = aro_cache_publish(actor->reader, entry);
        actor->tally.published++;
    }
    wake(actor->stress, waiters, number);
}

static void pin_begin(struct actor *actor, struct aro_entry *entry, unsigned number, bool join)
{
    unsigned slot = (unsigned)(next_random(&actor->random) % PINS);
    struct pin *pin = &actor->pin[slot];
    unsigned me = aro_reader_index(actor->reader);
    enum aro_entry_state state;

    if (pin->entry != NULL)
        return;
    aro_cache_pin(actor->reader, slot, entry);
    *pin = (struct pin){.entry = entry, .number = number, .resident = !join};
    if (!join)
        return;
    pin->woken_before = atomic_load(&actor->stress->woken[me][number]);
    state = aro_cache_wait(actor->reader, entry);
    pin->waiting = state == ARO_ENTRY_READING;
    pin->resident = state == ARO_ENTRY_RESIDENT;
    actor->tally.joined += pin->waiting;
}

/* Whoever was told READING is woken by the one who ends the read. */
static void wake_expect(struct actor *actor, const struct pin *pin)
{
    unsigned me = aro_reader_index(actor->reader);

    for (long i = 0; atomic_load(&actor->stress->woken[me][pin->number]) == pin->woken_before;
         i++) {
        REQUIRE(i < PATIENCE);
        sched_yield();
    }
    actor->tally.woken++;
}

/* An entry that was joined may end GONE unread; one that was RESIDENT stays readable. */
static void pin_end(struct actor *actor, unsigned slot, bool must)
{
    struct pin *pin = &actor->pin[slot];
    enum aro_entry_state state;

    if (pin->entry == NULL)
        return;
    state = aro_entry_state(pin->entry);
    if (state == ARO_ENTRY_READING && !must)
        return;
    if (pin->waiting && state != ARO_ENTRY_READING)
        wake_expect(actor, pin);
    if (state == ARO_ENTRY_RESIDENT || pin->resident)
        chunk_check(actor, pin->entry, pin->number);
    aro_cache_unpin(actor->reader, slot);
    pin->entry = NULL;
}

static void look_up(struct actor *actor)
{
    unsigned number[BURST];
    struct aro_id id[BURST];
    const struct aro_id *ids[BURST];
    struct aro_entry *entry[BURST];

    for (unsigned i = 0; i < BURST; i++) {
        number[i] = pick(&actor->random);
        id[i] = id_of(number[i]);
        ids[i] = &id[i];
    }
    actor->tally.found += aro_cache_find_burst(actor->reader, ids, BURST, entry);
    for (unsigned i = 0; i < BURST; i++) {
        enum aro_entry_state state;
        if (entry[i] == NULL) {
            read_begin(actor, number[i]);
            continue;
        }
        state = aro_entry_state(entry[i]);
        if (state == ARO_ENTRY_RESIDENT) {
            aro_delay_point();
            chunk_check(actor, entry[i], number[i]);
            aro_entry_touch(entry[i]);
        }
        if (state == ARO_ENTRY_READING)
            pin_begin(actor, entry[i], number[i], true);
        else if (state == ARO_ENTRY_RESIDENT && next_random(&actor->random) % 4 == 0)
            pin_begin(actor, entry[i], number[i], false);
    }
}

/* Whatever others do with it at this moment. */
static void erase(struct actor *actor, unsigned number)
{
    struct aro_id id = id_of(number);
    int rc = aro_cache_erase(actor->reader, &id);

    REQUIRE(rc == 0 || rc == -ENOENT || rc == -EBUSY);
    actor->tally.erased += rc == 0;
}

static void *reader_main(void *argument)
{
    struct actor *actor = argument;

    delay_random ^= actor->random;
    aro_cache_online(actor->reader);
    for (unsigned loop = 0; loop < ROUND_LOOPS; loop++) {
        look_up(actor);
        for (unsigned i = 0; i < READS; i++)
            if (actor->read[i] != NULL && next_random(&actor->random) % 3 == 0)
                read_end(actor, &actor->read[i]);
        if (next_random(&actor->random) % 16 == 0)
            erase(actor, pick(&actor->random));
        if (next_random(&actor->random) % 4 == 0)
            pin_end(actor, (unsigned)(next_random(&actor->random) % PINS), false);
        aro_cache_quiescent(actor->reader);
        if (next_random(&actor->random) % 64 == 0) {
            aro_cache_offline(actor->reader);
            sched_yield();
            aro_cache_online(actor->reader);
        }
    }
    for (unsigned i = 0; i < READS; i++)
        if (actor->read[i] != NULL)
            read_end(actor, &actor->read[i]);
    /* what others are still reading was joined in vain: nobody waits for it any more */
    for (unsigned i = 0; i < PINS; i++)
        pin_end(actor, i, true);
    aro_cache_offline(actor->reader);
    actor->tally.loops += ROUND_LOOPS;
    atomic_fetch_sub(&actor->stress->readers_left, 1);
    return NULL;
}

/* ---- the keeper ---- */

static void keeper_put(struct stress *stress)
{
    unsigned number = pick(&stress->random);
    struct aro_entry *entry;
    int rc = aro_cache_alloc(stress->cache, len_of(number), &entry);

    if (rc != 0) {
        REQUIRE(rc == -ENOBUFS);
        return;
    }
    entry->id = id_of(number);
    chunk_fill(entry, number, false);
    if (next_random(&stress->random) % 16 == 0) {
        aro_cache_discard(stress->cache, entry);
        return;
    }
    rc = aro_cache_insert(stress->cache, entry);
    REQUIRE(rc == 0 || rc == -EEXIST);
}

static void keeper_remove(struct stress *stress)
{
    uint64_t r = next_random(&stress->random) >> 17;
    struct aro_id id = id_of(r % 2 ? pick(&stress->random) : (unsigned)(r / 2 % HOT_IDS));
    int rc = aro_cache_remove(stress->cache, &id);

    REQUIRE(rc == 0 || rc == -ENOENT || rc == -EBUSY);
}

static void keeper_run(struct stress *stress)
{
    while (atomic_load(&stress->readers_left) > 0) {
        uint64_t r = next_random(&stress->random) >> 13;
        if (r % 8 < 4)
            aro_cache_maintain(stress->cache, 1 + (unsigned)(r / 8 % 64));
        else if (r % 8 < 6)
            keeper_put(stress);
        else if (r % 32 == 6)
            keeper_remove(stress);
        else if (r / 8 % 65536 == 0)
            aro_cache_flush(stress->cache);
        else
            sched_yield();
    }
}

/* ---- between rounds ---- */

static unsigned count_found(struct stress *stress)
{
    unsigned found = 0;

    for (unsigned number = 0; number < IDS; number++) {
        struct aro_id id = id_of(number);
        const struct aro_id *ids[1] = {&id};
        struct aro_entry *entry;
        if (aro_cache_find_burst(stress->actor[0].reader, ids, 1, &entry) == 0)
            continue;
        REQUIRE(aro_entry_state(entry) == ARO_ENTRY_RESIDENT);
        chunk_check(&stress->actor[0], entry, number);
        found++;
    }
    return found;
}

/* Nobody runs: what the policy holds is what is found (an id held twice would differ). */
static void rest_check(struct stress *stress, bool empty)
{
    struct aro_cache_stats stats;

    for (unsigned i = 0; i < 4; i++)
        while (aro_cache_maintain(stress->cache, 100000)) {
        }
    aro_cache_stats(stress->cache, &stats);
    REQUIRE(stats.entries_now == count_found(stress));
    REQUIRE(stats.retired_now == 0 && stats.pinned_now == 0);
    REQUIRE(stats.bytes_used_now <= REGION_BYTES);
    if (!empty)
        return;
    REQUIRE(aro_cache_flush(stress->cache) == stats.entries_now);
    for (unsigned i = 0; i < 4; i++)
        while (aro_cache_maintain(stress->cache, 100000)) {
        }
    aro_cache_stats(stress->cache, &stats);
    REQUIRE(stats.entries_now == 0 && stats.bytes_chunks_now == 0 && stats.retired_now == 0);
    REQUIRE(stats.bytes_used_now <= REGION_BYTES / 8 * 5 / 4); /* stock, and its sums */
}

static void round_run(struct stress *stress)
{
    pthread_t thread[READERS];

    atomic_store(&stress->readers_left, READERS);
    for (unsigned i = 0; i < READERS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, reader_main, &stress->actor[i]) == 0);
    keeper_run(stress);
    for (unsigned i = 0; i < READERS; i++)
        REQUIRE(pthread_join(thread[i], NULL) == 0);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int report(struct stress *stress, unsigned rounds)
{
    struct aro_cache_stats stats;
    struct tally sum = {0};

    aro_cache_stats(stress->cache, &stats);
    for (unsigned i = 0; i < READERS; i++) {
        const struct tally *tally = &stress->actor[i].tally;
        sum.loops += tally->loops;
        sum.found += tally->found;
        sum.checked += tally->checked;
        sum.published += tally->published;
        sum.joined += tally->joined;
        sum.woken += tally->woken;
        sum.no_stock += tally->no_stock;
    }
    printf("rounds %u lookups %lu found %lu checked %lu published %lu abandoned %lu joined %lu "
           "woken %lu no_stock %lu admitted %lu evicted %lu removed %lu alloc_failed %lu\n",
           rounds, sum.loops * BURST, sum.found, sum.checked, sum.published, stats.abandoned,
           sum.joined, sum.woken, sum.no_stock, stats.admitted, stats.evicted, stats.removed,
           stats.alloc_failed);
    return stats.evicted * 2 > stats.admitted ? 0 : 1; /* else it proved little */
}

int main(int argc, char *argv[])
{
    static struct stress stress;
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    double end_s = now_s() + seconds;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    void *region =
        mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct aro_error error = {0};
    struct aro_cache_config config = {.region = region,
                                      .region_bytes = REGION_BYTES,
                                      .readers_max = READERS,
                                      .pins_per_reader = PINS,
                                      .seed = seed};
    unsigned rounds = 0;
    int rc;

    REQUIRE(region != MAP_FAILED);
    stress.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    stress.cache = aro_cache_create(&config, &error);
    REQUIRE(stress.cache != NULL);
    for (unsigned i = 0; i < READERS; i++) {
        stress.actor[i].reader = aro_cache_reader_create(stress.cache);
        stress.actor[i].stress = &stress;
        stress.actor[i].random = (seed + i + 1) * UINT64_C(0xbf58476d1ce4e5b9) | 1;
    }
    do {
        round_run(&stress);
        rest_check(&stress, rounds++ % 4 == 3);
    } while (now_s() < end_s);
    rc = report(&stress, rounds);
    aro_cache_destroy(stress.cache);
    munmap(region, REGION_BYTES);
    return rc;
}

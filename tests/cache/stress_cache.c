/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two readers and the keeper on a small region, everything at once: find, pin, wait, reserve,
 * publish, abandon, insert, remove, flush, evict. The bytes of a chunk follow from its id, so every
 * hit and every pin is checked against it. Compiled with delay points and assertions.
 *
 *     stress_cache [-n OPERATIONS | -t SECONDS] [-s SEED] [-c CPUS]
 *
 * prints what it did and aborts at the first wrong thing. An operation is one id looked up, one
 * pin, unpin, wait, reserve, publish, abandon, erase, alloc, insert, discard, remove or flush; what
 * housekeeping does (evictions, reclamation, stock) comes on top. -c 1 puts all three threads on
 * one CPU: preemption in odd places finds what parallelism does not.
 *
 * Runs in rounds: after each all threads rest and the cache must be consistent and leak nothing.
 * No check needs a particular interleaving; a longer run finds more.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "cache/base/error.h"
#include "cache/delay.h"
#include "tests/cache/chunks.h"
#include "tests/cache/options.h"

enum {
    REGION_BYTES = 8 << 20,
    ENTRIES_MAX = 2048,
    READERS = 2,
    IDS = 3000, /* 24 MiB of chunks: most publications must evict */
    PINS = 24,  /* per reader */
    READS = 4,  /* under way per reader */
    BURST = 8,
    ROUND_LOOPS = 20000,
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
    uint64_t operations, looked_up, found, checked, published, abandoned, joined, woken, erased,
        no_stock;
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
    uint64_t keeper_operations;
    _Atomic unsigned readers_left;
    _Atomic unsigned reading[IDS];        /* owners of a READING entry: 0 or 1 */
    _Atomic unsigned woken[READERS][IDS]; /* by the publisher, for each waiter */
};

static _Thread_local uint64_t delay_random = 88172645463325252u;

void aro_delay_at(const struct aro_delay_site *site)
{
    uint64_t r = random_next(&delay_random) >> 20;

    (void)site;
    if (r % 64 != 0)
        return;
    for (uint64_t i = r / 64 % 256 == 0 ? 40 : 1; i > 0; i--)
        sched_yield();
}

/* ---- a reader ---- */

static void hit_check(struct actor *actor, const struct aro_entry *entry, unsigned number)
{
    chunk_check(entry, aro_cache_sums(actor->stress->cache, entry), number, &actor->random);
    actor->tally.checked++;
}

static unsigned pick(uint64_t *random)
{
    uint64_t r = random_next(random) >> 11;

    return (unsigned)(r % 3 == 0 ? r / 3 % CHUNKS_HOT : r / 3 % IDS);
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
    struct aro_id id = chunk_id(number);
    unsigned slot = 0;
    struct aro_entry *entry;
    int rc;

    while (slot < READS && actor->read[slot] != NULL)
        slot++;
    if (slot == READS)
        return;
    rc = aro_cache_reserve(actor->reader, &id, chunk_len(number), &entry);
    actor->tally.operations++;
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
    if (random_next(&actor->random) % 8 == 0) {
        REQUIRE(atomic_fetch_sub(&actor->stress->reading[number], 1) == 1);
        waiters = aro_cache_abandon(actor->reader, entry);
        actor->tally.abandoned++;
    } else {
        chunk_fill(entry, number, false);
        aro_sums_extend(aro_cache_sums(actor->stress->cache, entry), 0, entry->data,
                        entry->len_bytes);
        REQUIRE(atomic_fetch_sub(&actor->stress->reading[number], 1) == 1);
        waiters = aro_cache_publish(actor->reader, entry);
        actor->tally.published++;
    }
    actor->tally.operations++;
    wake(actor->stress, waiters, number);
}

static void pin_begin(struct actor *actor, struct aro_entry *entry, unsigned number, bool join)
{
    unsigned slot = (unsigned)(random_next(&actor->random) % PINS);
    struct pin *pin = &actor->pin[slot];
    unsigned me = aro_reader_index(actor->reader);
    enum aro_entry_state state;

    if (pin->entry != NULL)
        return;
    aro_cache_pin(actor->reader, slot, entry);
    actor->tally.operations += join ? 2 : 1;
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
        hit_check(actor, pin->entry, pin->number);
    aro_cache_unpin(actor->reader, slot);
    actor->tally.operations++;
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
        id[i] = chunk_id(number[i]);
        ids[i] = &id[i];
    }
    actor->tally.found += aro_cache_find_burst(actor->reader, ids, BURST, entry);
    actor->tally.operations += BURST;
    actor->tally.looked_up += BURST;
    for (unsigned i = 0; i < BURST; i++) {
        enum aro_entry_state state;
        if (entry[i] == NULL) {
            read_begin(actor, number[i]);
            continue;
        }
        state = aro_entry_state(entry[i]);
        if (state == ARO_ENTRY_RESIDENT) {
            aro_delay_point();
            hit_check(actor, entry[i], number[i]);
            aro_entry_touch(entry[i]);
        }
        if (state == ARO_ENTRY_READING)
            pin_begin(actor, entry[i], number[i], true);
        else if (state == ARO_ENTRY_RESIDENT && random_next(&actor->random) % 4 == 0)
            pin_begin(actor, entry[i], number[i], false);
    }
}

/* Whatever others do with it at this moment. */
static void erase(struct actor *actor, unsigned number)
{
    struct aro_id id = chunk_id(number);
    int rc = aro_cache_erase(actor->reader, &id);

    REQUIRE(rc == 0 || rc == -ENOENT || rc == -EBUSY);
    actor->tally.erased += rc == 0;
    actor->tally.operations++;
}

static void *reader_main(void *argument)
{
    struct actor *actor = argument;

    delay_random ^= actor->random;
    aro_cache_online(actor->reader);
    for (unsigned loop = 0; loop < ROUND_LOOPS; loop++) {
        look_up(actor);
        for (unsigned i = 0; i < READS; i++)
            if (actor->read[i] != NULL && random_next(&actor->random) % 3 == 0)
                read_end(actor, &actor->read[i]);
        if (random_next(&actor->random) % 16 == 0)
            erase(actor, pick(&actor->random));
        if (random_next(&actor->random) % 4 == 0)
            pin_end(actor, (unsigned)(random_next(&actor->random) % PINS), false);
        aro_cache_quiescent(actor->reader);
        if (random_next(&actor->random) % 64 == 0) {
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
    atomic_fetch_sub(&actor->stress->readers_left, 1);
    return NULL;
}

/* ---- the keeper ---- */

static void keeper_put(struct stress *stress)
{
    unsigned number = pick(&stress->random);
    struct aro_entry *entry;
    int rc = aro_cache_alloc(stress->cache, chunk_len(number), &entry);

    stress->keeper_operations++;
    if (rc != 0) {
        REQUIRE(rc == -ENOBUFS);
        return;
    }
    entry->id = chunk_id(number);
    chunk_fill(entry, number, false);
    stress->keeper_operations++;
    if (random_next(&stress->random) % 16 == 0) {
        aro_cache_discard(stress->cache, entry);
        return;
    }
    rc = aro_cache_insert(stress->cache, entry);
    REQUIRE(rc == 0 || rc == -EEXIST);
}

static void keeper_remove(struct stress *stress)
{
    uint64_t r = random_next(&stress->random) >> 17;
    struct aro_id id = chunk_id(r % 2 ? pick(&stress->random) : (unsigned)(r / 2 % CHUNKS_HOT));
    int rc = aro_cache_remove(stress->cache, &id);

    stress->keeper_operations++;
    REQUIRE(rc == 0 || rc == -ENOENT || rc == -EBUSY);
}

static void keeper_run(struct stress *stress)
{
    while (atomic_load(&stress->readers_left) > 0) {
        uint64_t r = random_next(&stress->random) >> 13;
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
        struct aro_id id = chunk_id(number);
        const struct aro_id *ids[1] = {&id};
        struct aro_entry *entry;
        if (aro_cache_find_burst(stress->actor[0].reader, ids, 1, &entry) == 0)
            continue;
        REQUIRE(aro_entry_state(entry) == ARO_ENTRY_RESIDENT);
        hit_check(&stress->actor[0], entry, number);
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

static uint64_t operations(const struct stress *stress)
{
    uint64_t sum = stress->keeper_operations;

    for (unsigned i = 0; i < READERS; i++)
        sum += stress->actor[i].tally.operations;
    return sum;
}

/* Each field of a tally is a uint64_t. */
static struct tally tally_sum(const struct stress *stress)
{
    struct tally sum = {0};

    for (unsigned i = 0; i < READERS; i++) {
        const uint64_t *from = (const uint64_t *)&stress->actor[i].tally;
        for (size_t field = 0; field < sizeof(sum) / sizeof(uint64_t); field++)
            ((uint64_t *)&sum)[field] += from[field];
    }
    return sum;
}

static int report(struct stress *stress, unsigned rounds, double seconds)
{
    struct tally sum = tally_sum(stress);
    struct aro_cache_stats stats;

    aro_cache_stats(stress->cache, &stats);
    printf("operations %lu seconds %.0f rounds %u\n", operations(stress), seconds, rounds);
    printf("looked_up %lu found %lu checked %lu joined %lu woken %lu\n", sum.looked_up, sum.found,
           sum.checked, sum.joined, sum.woken);
    printf("published %lu abandoned %lu no_stock %lu alloc_failed %lu removed %lu\n", sum.published,
           stats.abandoned, sum.no_stock, stats.alloc_failed, stats.removed);
    printf("admitted %lu evicted %lu (%.0f%% of what was admitted)\n", stats.admitted,
           stats.evicted, 100.0 * (double)stats.evicted / (double)stats.admitted);
    if (stats.evicted * 2 > stats.admitted)
        return 0;
    fprintf(stderr, "stress_cache: not even half was evicted: this proves little\n");
    return 1;
}

/* ---- start and end ---- */

static void stress_open(struct stress *stress, void *region, uint64_t seed)
{
    struct aro_error error = {0};
    struct aro_cache_config config = {.region = region,
                                      .region_bytes = REGION_BYTES,
                                      .entries_max = ENTRIES_MAX,
                                      .readers_max = READERS,
                                      .pins_per_reader = PINS,
                                      .seed = seed};

    stress->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    stress->cache = aro_cache_create(&config, &error);
    REQUIRE(stress->cache != NULL);
    for (unsigned i = 0; i < READERS; i++) {
        stress->actor[i].reader = aro_cache_reader_create(stress->cache);
        stress->actor[i].stress = stress;
        stress->actor[i].random = (seed + i + 1) * UINT64_C(0xbf58476d1ce4e5b9) | 1;
    }
}

int main(int argc, char *argv[])
{
    static struct stress stress;
    struct options options = {.seconds = 3, .seed = 1};
    double began_s = seconds_now();
    unsigned rounds = 0;
    void *region;
    int rc;

    if (!options_read(&options, argc, argv)) {
        fprintf(stderr, "usage: stress_cache [-n OPERATIONS | -t SECONDS] [-s SEED] [-c CPUS]\n");
        return 2;
    }
    printf("stress_cache: seed %lu\n", options.seed);
    region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(region != MAP_FAILED);
    stress_open(&stress, region, options.seed);
    do {
        round_run(&stress);
        rest_check(&stress, rounds++ % 4 == 3);
    } while (options.count > 0 ? operations(&stress) < options.count
                               : seconds_now() - began_s < options.seconds);
    rc = report(&stress, rounds, seconds_now() - began_s);
    aro_cache_destroy(stress.cache);
    munmap(region, REGION_BYTES);
    return rc;
}

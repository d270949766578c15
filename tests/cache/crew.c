/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/cache/crew.h"

#include <errno.h>
#include <time.h>

#include "tests/cache/chunks.h"

enum { IDS = 3000, BURST = 8, WORK_MAX = 8, END_PATIENCE_S = 20 };

const char *const crew_role_names[CREW_ROLES] = {"reader 0", "reader 1", "keeper"};
const char *const crew_call_names[CREW_CALLS] = {
    "nothing", "find",      "pin",   "unpin",  "wait",   "reserve", "publish", "abandon",
    "erase",   "quiescent", "alloc", "insert", "remove", "flush",   "maintain"};

static _Thread_local struct crew_member *self;

struct crew_member *crew_self(void)
{
    return self;
}

/* One call of the cache, whose value this is. */
#define CALL(member, what, expression)                                                             \
    ({                                                                                             \
        crew_call_begins(member, what);                                                            \
        __auto_type value_ = (expression);                                                         \
        crew_call_ended(member);                                                                   \
        value_;                                                                                    \
    })
#define CALL_VOID(member, what, expression)                                                        \
    do {                                                                                           \
        crew_call_begins(member, what);                                                            \
        expression;                                                                                \
        crew_call_ended(member);                                                                   \
    } while (0)

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static unsigned pick(struct crew_member *member)
{
    uint64_t r = random_next(&member->random) >> 11;

    return (unsigned)(r % 3 == 0 ? r / 3 % CHUNKS_HOT : r / 3 % IDS);
}

static bool chance(struct crew_member *member, unsigned one_of)
{
    return (random_next(&member->random) >> 15) % one_of == 0;
}

/* ---- what readers do ---- */

static void read_begin(struct crew_member *member, unsigned number)
{
    struct aro_id id = chunk_id(number);
    unsigned slot = 0;
    struct aro_entry *entry;
    int rc;

    while (slot < CREW_READS && member->read[slot] != NULL)
        slot++;
    if (slot == CREW_READS)
        return;
    rc = CALL(member, CREW_RESERVE,
              aro_cache_reserve(member->reader, &id, chunk_len(number), &entry));
    count(&member->inserted, 1);
    if (rc == 0)
        member->read[slot] = entry;
    else if (rc == -EALREADY)
        REQUIRE(aro_id_equal(&entry->id, &id));
    else
        count(&member->refused, 1);
}

static void read_end(struct crew_member *member, struct aro_entry **read)
{
    struct aro_entry *entry = *read;

    *read = NULL;
    if (chance(member, 8)) {
        CALL(member, CREW_ABANDON, aro_cache_abandon(member->reader, entry));
        return;
    }
    chunk_fill(entry, (unsigned)entry->id.word[0], false);
    aro_sums_extend(aro_cache_sums(member->crew->cache, entry), 0, entry->data, entry->len_bytes);
    CALL(member, CREW_PUBLISH, aro_cache_publish(member->reader, entry));
}

static void pin_begin(struct crew_member *member, struct aro_entry *entry, bool join)
{
    unsigned slot = (unsigned)(random_next(&member->random) % CREW_PINS);

    if (member->pin[slot] != NULL)
        return;
    CALL_VOID(member, CREW_PIN, aro_cache_pin(member->reader, slot, entry));
    member->pin[slot] = entry;
    if (join)
        CALL(member, CREW_WAIT, aro_cache_wait(member->reader, entry));
}

static void pin_end(struct crew_member *member, unsigned slot)
{
    struct aro_entry *entry = member->pin[slot];

    if (entry == NULL)
        return;
    if (aro_entry_state(entry) == ARO_ENTRY_RESIDENT)
        chunk_check(entry, aro_cache_sums(member->crew->cache, entry), (unsigned)entry->id.word[0],
                    &member->random);
    CALL_VOID(member, CREW_UNPIN, aro_cache_unpin(member->reader, slot));
    member->pin[slot] = NULL;
}

static void look_up(struct crew_member *member)
{
    struct aro_id id[BURST];
    const struct aro_id *ids[BURST];
    struct aro_entry *entry[BURST];
    unsigned number[BURST];

    for (unsigned i = 0; i < BURST; i++) {
        number[i] = pick(member);
        id[i] = chunk_id(number[i]);
        ids[i] = &id[i];
    }
    CALL(member, CREW_FIND, aro_cache_find_burst(member->reader, ids, BURST, entry));
    count(&member->looked_up, BURST);
    for (unsigned i = 0; i < BURST; i++) {
        enum aro_entry_state state = entry[i] == NULL ? 0 : aro_entry_state(entry[i]);
        if (entry[i] == NULL)
            read_begin(member, number[i]);
        if (state == ARO_ENTRY_RESIDENT) {
            chunk_check(entry[i], aro_cache_sums(member->crew->cache, entry[i]), number[i],
                        &member->random);
            aro_entry_touch(entry[i]);
        }
        if (state == ARO_ENTRY_READING || (state == ARO_ENTRY_RESIDENT && chance(member, 4)))
            pin_begin(member, entry[i], state == ARO_ENTRY_READING);
    }
}

static void erase(struct crew_member *member)
{
    struct aro_id id = chunk_id(pick(member));
    int rc = CALL(member, CREW_ERASE, aro_cache_erase(member->reader, &id));

    REQUIRE(rc == 0 || rc == -ENOENT || rc == -EBUSY);
    count(&member->erased, 1);
}

static void reader_turn(struct crew_member *member)
{
    look_up(member);
    for (unsigned i = 0; i < CREW_READS; i++)
        if (member->read[i] != NULL && chance(member, 3))
            read_end(member, &member->read[i]);
    erase(member);
    for (unsigned i = 0; i < 2; i++)
        pin_end(member, (unsigned)(random_next(&member->random) % CREW_PINS));
    CALL_VOID(member, CREW_QUIESCENT, aro_cache_quiescent(member->reader));
}

static void reader_leave(struct crew_member *member)
{
    for (unsigned i = 0; i < CREW_READS; i++)
        if (member->read[i] != NULL)
            read_end(member, &member->read[i]);
    for (unsigned i = 0; i < CREW_PINS; i++)
        pin_end(member, i);
}

/* ---- what the keeper does besides ---- */

static void keeper_put(struct crew_member *member)
{
    struct aro_cache *cache = member->crew->cache;
    unsigned number = pick(member);
    struct aro_entry *entry;
    int rc = CALL(member, CREW_ALLOC, aro_cache_alloc(cache, chunk_len(number), &entry));

    count(&member->inserted, 1);
    if (rc != 0) {
        REQUIRE(rc == -ENOBUFS);
        count(&member->alloc_refused, 1);
        return;
    }
    entry->id = chunk_id(number);
    chunk_fill(entry, number, false);
    rc = CALL(member, CREW_INSERT, aro_cache_insert(cache, entry));
    if (rc != 0 && rc != -EEXIST)
        count(&member->refused, 1);
}

static void keeper_turn(struct crew_member *member)
{
    struct aro_cache *cache = member->crew->cache;
    struct aro_id id = chunk_id(pick(member));

    CALL(member, CREW_MAINTAIN, aro_cache_maintain(cache, 1 + (unsigned)pick(member) % WORK_MAX));
    keeper_put(member);
    if (chance(member, 4))
        CALL(member, CREW_REMOVE, aro_cache_remove(cache, &id));
    if (chance(member, 512))
        CALL(member, CREW_FLUSH, aro_cache_flush(cache));
}

/* ---- threads ---- */

static void *member_main(void *argument)
{
    struct crew_member *member = argument;

    self = member;
    aro_cache_online(member->reader);
    while (!atomic_load_explicit(&member->crew->ending, memory_order_acquire)) {
        reader_turn(member);
        if (member->role == CREW_KEEPER)
            keeper_turn(member);
    }
    reader_leave(member);
    aro_cache_offline(member->reader);
    return NULL;
}

void crew_init(struct crew *crew, struct aro_cache *cache, uint64_t seed)
{
    crew->cache = cache;
    for (unsigned i = 0; i < CREW_ROLES; i++) {
        struct crew_member *member = &crew->member[i];
        member->crew = crew;
        member->role = (enum crew_role)i;
        member->random = (seed + i + 1) * UINT64_C(0xbf58476d1ce4e5b9) | 1;
        member->reader = aro_cache_reader_create(cache);
        REQUIRE(member->reader != NULL);
    }
}

void crew_start(struct crew *crew)
{
    atomic_store(&crew->ending, false);
    for (unsigned i = 0; i < CREW_ROLES; i++)
        REQUIRE(pthread_create(&crew->thread[i], NULL, member_main, &crew->member[i]) == 0);
}

void crew_end(struct crew *crew)
{
    struct timespec end;

    atomic_store_explicit(&crew->ending, true, memory_order_release);
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += END_PATIENCE_S;
    for (unsigned i = 0; i < CREW_ROLES; i++)
        REQUIRE(pthread_timedjoin_np(crew->thread[i], NULL, &end) == 0); /* else one stands */
}

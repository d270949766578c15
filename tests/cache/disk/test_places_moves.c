/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the writer moves while a reader looks: both are coroutines, and who goes on after a delay
 * point is decided here. Every schedule with three switches, then seeded random ones. A chunk that
 * is in the table is found, whole, wherever both are held up; and a reader ends while the writer
 * stands still. Includes the source so that ids can be chosen by their buckets.
 */
#include "cache/disk/places.c"

#include <criterion/criterion.h>

#include <ucontext.h>

enum {
    STACK_BYTES = 128 << 10,
    READS_MAX = 20,
    WRITES_MAX = 40,
    CHUNKS_MAX = 40,
    IDS_MAX = 64,
    P = 3,
    Q = 7,
    R = 11,
    S = 15
};

struct actor {
    ucontext_t context;
    bool ended;
    void *stack;
};

static struct world {
    struct aro_places *places;
    struct actor writer, reader;
    ucontext_t scheduler;
    struct actor *running; /* NULL: delay points pass */
    void (*write)(void);
    struct aro_id wanted;
    int result; /* of the reader */
    struct aro_place got;
    struct aro_id id[IDS_MAX]; /* a scene asks for the same ones each time: made once */
    unsigned ids, asked;
} world;

void aro_delay_at(const struct aro_delay_site *site)
{
    struct actor *me = world.running;

    (void)site;
    if (me != NULL)
        swapcontext(&me->context, &world.scheduler);
}

/* ---- chunks ---- */

/* The next id that is at home in one bucket and has the other for its second. */
static struct aro_id id_at(uint64_t home, uint64_t second)
{
    struct aro_id *id = &world.id[world.asked++];
    struct key key;

    cr_assert_leq(world.asked, (unsigned)IDS_MAX);
    if (world.asked <= world.ids)
        return *id;
    world.ids = world.asked;
    *id = (struct aro_id){{world.asked * UINT64_C(1000000), 1, 2, 3}};
    do {
        id->word[0]++;
        key = key_of(world.places, id);
    } while (key.home != home || second_bucket(world.places, &key) != second);
    return *id;
}

/* All parts follow from the id. */
static struct aro_place place_of(const struct aro_id *id)
{
    uint64_t sum = aro_hash_id(id, 77);

    return (struct aro_place){.segment = (uint32_t)(sum >> 40) | 1,
                              .block = (uint32_t)(sum >> 20) & 0xfffff,
                              .len_bytes = ((uint32_t)sum & 0xfffff) + 1,
                              .checksum = sum};
}

static bool same(const struct aro_place *a, const struct aro_place *b)
{
    return a->segment == b->segment && a->block == b->block && a->len_bytes == b->len_bytes &&
           a->checksum == b->checksum;
}

static void insert(const struct aro_id *id)
{
    struct aro_place place = place_of(id);

    cr_assert_eq(aro_places_insert(world.places, id, &place), 0);
}

static void erase(const struct aro_id *id)
{
    struct aro_place place = place_of(id);

    cr_assert_eq(aro_places_erase(world.places, id, &place), 0);
}

/* The first of n new ones; the rest of that bucket's slots is theirs. */
static struct aro_id fill(unsigned n, uint64_t home, uint64_t second)
{
    struct aro_id first = id_at(home, second);

    insert(&first);
    while (--n > 0) {
        struct aro_id id = id_at(home, second);
        insert(&id);
    }
    return first;
}

static unsigned bucket_of(const struct aro_id *id)
{
    struct aro_place place = place_of(id);
    struct key key = key_of(world.places, id);
    struct words words = pack(&key, &place);

    for (unsigned b = 0; b < world.places->buckets; b++)
        for (unsigned i = 0; i < SLOTS; i++)
            if (place_at(&world.places->bucket[b], i) == words.place)
                return b;
    return UINT32_MAX;
}

/* ---- scenes: a table, what the writer does in it, and whom the reader looks for ---- */

static struct {
    struct aro_id newcomer, second_newcomer;
} scene;

static void newcomer_comes(void)
{
    insert(&scene.newcomer);
}

/* P and Q are full, R is not: a newcomer at P makes the first of Q leave its home. */
static void scene_leaves_home(void)
{
    world.wanted = fill(SLOTS, Q, R);
    fill(SLOTS, P, Q);
    scene.newcomer = id_at(P, Q);
    world.write = newcomer_comes;
}

/* The wanted is at home in P, which was full when it came: it is in Q. Then P gets room, Q and S
 * are full, and a newcomer at Q sends it home. */
static void scene_comes_home(void)
{
    struct aro_id leaving = fill(SLOTS, P, R);

    world.wanted = fill(1, P, Q);
    fill(SLOTS - 1, Q, S);
    fill(SLOTS, S, Q);
    erase(&leaving);
    scene.newcomer = id_at(Q, S);
    world.write = newcomer_comes;
}

static void newcomers_come_and_go(void)
{
    insert(&scene.newcomer);
    erase(&scene.newcomer);
    insert(&scene.second_newcomer);
}

/* As before; then the first newcomer goes, and one at P makes the wanted leave again. */
static void scene_comes_home_and_leaves(void)
{
    scene_comes_home();
    scene.second_newcomer = id_at(P, S);
    world.write = newcomers_come_and_go;
}

/* ---- two actors ---- */

static void writer_main(void)
{
    world.write();
    world.writer.ended = true;
    swapcontext(&world.writer.context, &world.scheduler);
}

static void reader_main(void)
{
    world.result = aro_places_find(world.places, &world.wanted, 0, &world.got);
    world.reader.ended = true;
    swapcontext(&world.reader.context, &world.scheduler);
}

static void actor_begin(struct actor *actor, void (*function)(void))
{
    actor->ended = false;
    getcontext(&actor->context);
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&actor->context, function, 0);
}

/* Lets one go on to its next delay point; false: it has ended. */
static bool step(struct actor *actor)
{
    if (actor->ended)
        return false;
    world.running = actor;
    swapcontext(&world.scheduler, &actor->context);
    world.running = NULL;
    return true;
}

static void run_on(struct actor *actor, unsigned points)
{
    while (points-- > 0 && step(actor)) {
    }
}

static void begin(void (*scene_make)(void), uint64_t mask)
{
    world.asked = 0;
    world.places = aro_places_create(CHUNKS_MAX, 5, mask);
    scene_make();
    actor_begin(&world.writer, writer_main);
    actor_begin(&world.reader, reader_main);
}

/* The reader ends first, though the writer stands still. */
static void end(void)
{
    for (unsigned n = 0; step(&world.reader); n++)
        cr_assert_lt(n, 200, "a reader does not end while the writer stands still");
    run_on(&world.writer, UINT32_MAX);
}

static void check_found(void)
{
    struct aro_place want = place_of(&world.wanted);

    cr_assert_eq(world.result, 0, "it was there all the time");
    cr_assert(same(&world.got, &want));
    aro_places_destroy(world.places);
}

static void every_schedule(void (*scene_make)(void), uint64_t mask, void (*check)(void))
{
    for (unsigned a = 0; a < WRITES_MAX; a++)
        for (unsigned b = 0; b < READS_MAX; b++)
            for (unsigned c = 0; c < WRITES_MAX; c++) {
                begin(scene_make, mask);
                run_on(&world.writer, a);
                run_on(&world.reader, b);
                run_on(&world.writer, c);
                end();
                check();
            }
    srandom(11);
    for (int round = 0; round < 20000; round++) {
        begin(scene_make, mask);
        while (!world.reader.ended && !world.writer.ended)
            run_on(random() % 2 ? &world.writer : &world.reader, 1 + (unsigned)random() % 6);
        end();
        check();
    }
}

static void stacks_make(void)
{
    world.writer.stack = malloc(STACK_BYTES);
    world.reader.stack = malloc(STACK_BYTES);
}

static void stacks_free(void)
{
    free(world.writer.stack);
    free(world.reader.stack);
}

TestSuite(places_moves, .init = stacks_make, .fini = stacks_free, .timeout = 120);

Test(places_moves, the_scenes_move_what_they_say)
{
    begin(scene_leaves_home, UINT64_MAX);
    cr_assert_eq(bucket_of(&world.wanted), (unsigned)Q);
    run_on(&world.writer, UINT32_MAX);
    cr_assert_eq(bucket_of(&world.wanted), (unsigned)R);
    aro_places_destroy(world.places);

    world.ids = 0;
    begin(scene_comes_home_and_leaves, UINT64_MAX);
    cr_assert_eq(bucket_of(&world.wanted), (unsigned)Q);
    insert(&scene.newcomer);
    cr_assert_eq(bucket_of(&world.wanted), (unsigned)P);
    erase(&scene.newcomer);
    insert(&scene.second_newcomer);
    cr_assert_eq(bucket_of(&world.wanted), (unsigned)Q);
    aro_places_destroy(world.places);
}

Test(places_moves, a_chunk_is_found_while_it_leaves_its_home)
{
    every_schedule(scene_leaves_home, UINT64_MAX, check_found);
}

Test(places_moves, a_chunk_is_found_while_it_comes_home)
{
    every_schedule(scene_comes_home, UINT64_MAX, check_found);
}

Test(places_moves, a_chunk_is_found_while_it_comes_home_and_leaves_again)
{
    every_schedule(scene_comes_home_and_leaves, UINT64_MAX, check_found);
}

/* One fingerprint for all: the newcomer takes the very slot and name of the wanted. */
static void wanted_goes_newcomer_comes(void)
{
    erase(&world.wanted);
    insert(&scene.newcomer);
}

static void scene_slot_is_reused(void)
{
    uint64_t second = P + distance(world.places, 0);

    world.wanted = fill(1, P, second);
    scene.newcomer = id_at(P, second);
    world.write = wanted_goes_newcomer_comes;
}

static void check_whole(void)
{
    struct aro_place old = place_of(&world.wanted), new = place_of(&scene.newcomer);

    cr_assert(world.result == -ENOENT || same(&world.got, &old) || same(&world.got, &new));
    aro_places_destroy(world.places);
}

Test(places_moves, what_is_found_is_whole_while_its_slot_is_reused)
{
    every_schedule(scene_slot_is_reused, 0, check_whole);
}

Test(places_moves, when_no_chunk_can_move_the_table_is_full_and_unharmed)
{
    struct aro_id first, last, id[2 * SLOTS];
    struct aro_place place, got;

    world.places = aro_places_create(CHUNKS_MAX, 5, UINT64_MAX);
    for (unsigned i = 0; i < 2 * SLOTS; i++) {
        id[i] = id_at(P, Q);
        insert(&id[i]);
    }
    first = id[0];
    last = id_at(P, Q);
    place = place_of(&last);
    cr_assert_eq(aro_places_insert(world.places, &last, &place), -ENOSPC);
    cr_assert_eq(aro_places_find(world.places, &last, 0, &got), -ENOENT);
    cr_assert_eq(aro_places_count(world.places), 2ul * SLOTS);
    cr_assert_eq(aro_places_away(world.places), (uint64_t)SLOTS);
    erase(&first);
    insert(&last);
    for (unsigned i = 1; i < 2 * SLOTS; i++) {
        place = place_of(&id[i]);
        cr_assert_eq(aro_places_find(world.places, &id[i], 0, &got), 0);
        cr_assert(same(&got, &place));
    }
    aro_places_destroy(world.places);
}

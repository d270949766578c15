/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several inserts of one id, interleaved at every delay point by schedule instead of by chance:
 * each insert is a coroutine, and who goes on after a delay point is decided here. Every schedule
 * with at most three switches, then seeded random ones. At no time may the id have two members, no
 * entry that a find returned may lose, and each insert ends, whoever is held up wherever.
 */
#include "cache/index.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "cache/delay.h"

enum { ACTORS = 3, STACK_BYTES = 128 << 10, POINTS_MAX = 50, OTHERS = 9 };

struct actor {
    ucontext_t context;
    struct aro_entry *entry;
    bool seen; /* some find returned its entry */
    bool ended;
    void *stack;
};

static struct world {
    struct aro_index *index;
    struct actor actor[ACTORS];
    ucontext_t scheduler;
    int running; /* -1: none, delay points pass */
    unsigned members, won, met;
} world = {.running = -1};

void aro_delay_at(const struct aro_delay_site *site)
{
    int me = world.running;

    (void)site;
    if (me >= 0)
        swapcontext(&world.actor[me].context, &world.scheduler);
}

/* The owner of a member takes it out again: others then win in their turn. */
static void actor_main(int me)
{
    struct actor *actor = &world.actor[me];
    struct aro_entry *member = NULL;
    int rc = aro_index_insert(world.index, actor->entry, &member);

    if (rc == 0) {
        world.won++;
        world.members++;
        cr_assert_eq(world.members, 1u, "two members of one id");
        aro_delay_point();
        aro_delay_point();
        cr_assert_eq(aro_index_find(world.index, &actor->entry->id), actor->entry);
        world.members--;
        cr_assert(aro_index_erase(world.index, actor->entry));
    } else {
        cr_assert_eq(rc, -EEXIST);
        cr_assert_neq(member, actor->entry);
        cr_assert_not(actor->seen, "an entry was found and then lost");
        world.met++;
    }
    actor->ended = true;
    swapcontext(&actor->context, &world.scheduler);
}

static void world_begin(struct aro_entry *entries)
{
    world.members = world.won = world.met = 0;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &world.actor[i];
        actor->entry = &entries[i];
        actor->ended = actor->seen = false;
        getcontext(&actor->context);
        actor->context.uc_stack.ss_sp = actor->stack;
        actor->context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&actor->context, (void (*)(void))actor_main, 1, i);
    }
}

/* What a reader would find between any two steps. */
static void found_note(void)
{
    const struct aro_entry *found = aro_index_find(world.index, &world.actor[0].entry->id);

    for (int i = 0; i < ACTORS; i++)
        world.actor[i].seen |= world.actor[i].entry == found;
}

/* Lets one actor go on to its next delay point; false: it has ended. */
static bool step(int who)
{
    if (world.actor[who].ended)
        return false;
    world.running = who;
    swapcontext(&world.scheduler, &world.actor[who].context);
    world.running = -1;
    found_note();
    return true;
}

static void world_end(void)
{
    for (int i = 0; i < ACTORS; i++)
        for (int n = 0; step(i); n++)
            cr_assert_lt(n, 1000, "an insert does not end");
    cr_assert_eq(world.won + world.met, (unsigned)ACTORS);
    cr_assert_gt(world.won, 0u);
    cr_assert_null(aro_index_find(world.index, &world.actor[0].entry->id));
}

/* Two buckets, some slots taken by other ids so that free ones come in odd places. */
static struct aro_entry *world_make(void)
{
    struct aro_entry *entries =
        aligned_alloc(alignof(struct aro_entry), (ACTORS + OTHERS) * sizeof(*entries));
    struct aro_entry *member;

    memset(entries, 0, (ACTORS + OTHERS) * sizeof(*entries));
    world.index = aro_index_create(1, 5);
    for (int i = 0; i < OTHERS; i++) {
        entries[ACTORS + i].id.word[0] = 100 + (uint64_t)i;
        cr_assert_eq(aro_index_insert(world.index, &entries[ACTORS + i], &member), 0);
    }
    for (int i = 0; i < OTHERS; i += 3)
        aro_index_erase(world.index, &entries[ACTORS + i]);
    for (int i = 0; i < ACTORS; i++)
        world.actor[i].stack = malloc(STACK_BYTES);
    return entries;
}

static void world_free(struct aro_entry *entries)
{
    for (int i = 0; i < ACTORS; i++)
        free(world.actor[i].stack);
    aro_index_destroy(world.index);
    free(entries);
}

Test(index_races, one_id_has_one_member_under_every_schedule_of_three_switches)
{
    struct aro_entry *entries = world_make();

    for (int a = 0; a < POINTS_MAX; a++) {
        for (int b = 0; b < POINTS_MAX; b++) {
            for (int c = 0; c < POINTS_MAX; c++) {
                world_begin(entries);
                for (int i = 0; i < a && step(0); i++) {
                }
                for (int i = 0; i < b && step(1); i++) {
                }
                for (int i = 0; i < c && step((a + b) % 2 ? 2 : 0); i++) {
                }
                world_end();
            }
        }
    }
    world_free(entries);
}

Test(index_races, one_id_has_one_member_under_random_schedules)
{
    struct aro_entry *entries = world_make();

    srandom(11);
    for (int round = 0; round < 20000; round++) {
        world_begin(entries);
        for (int i = 0; i < 200; i++) {
            int who = (int)(random() % ACTORS);
            for (long n = random() % 8; n >= 0; n--)
                step(who);
        }
        world_end();
    }
    world_free(entries);
}

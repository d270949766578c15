/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stays in memory until it is asked for again: nothing is written for it, it is whole as long
 * as it is listed, and what it leaves behind is nobody else's.
 */
#include "control/admission.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/descent.h"
#include "tests/control/arrival.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
enum { OBJECTS = 160, CHUNK = 64 << 10 };

static struct fixture *fixture;
static struct aro_reader *reader; /* of the first cache, like an lcore's */
static struct aro_object object[OBJECTS];
static struct aro_id digest[OBJECTS];

static void begin(void)
{
    fixture = fixture_create(16 * MIB, 64 * MIB);
    fixture->second_hit = fixture->deferred = true;
    fixture_restart(fixture);
    reader = aro_cache_reader_create(fixture->cache);
}

static void end(void)
{
    fixture_destroy(fixture);
}

TestSuite(admission, .init = begin, .fini = end, .timeout = 120);

/* ---- means ---- */

static struct aro_admission *admission(void)
{
    return aro_content_admission(fixture->content);
}

static struct aro_admission_stats stats(void)
{
    struct aro_admission_stats now;

    aro_admission_stats(admission(), &now);
    return now;
}

static struct aro_store_stats store(void)
{
    struct aro_store_stats now;

    aro_store_stats(fixture->store, &now);
    return now;
}

static void settle(void)
{
    for (int quiet = 0; quiet < 50; quiet++) {
        if (aro_admission_turn(admission()))
            quiet = 0;
        fixture_turn(fixture);
    }
}

/* Content number n, of bytes that no other has; a period makes its chunks equal. */
static int put_of(unsigned n, uint64_t bytes, uint64_t period, struct aro_error *error)
{
    int fd = fixture_file(bytes, period, n + 1);
    struct aro_put_result result;
    int failed = fixture_put(fixture, fd, &result, error);

    if (failed == 0) {
        object[n] = result.object;
        digest[n] = fixture_file_digest(fd, bytes);
        cr_assert_eq(result.durable,
                     aro_content_object_on_disk(fixture->content, &result.object.id));
    }
    close(fd);
    return failed;
}

static void put(unsigned n, uint64_t bytes)
{
    struct aro_error error = {0};

    cr_assert_eq(put_of(n, bytes, 0, &error), 0, "%s", error.text);
}

static bool listed(unsigned n)
{
    struct aro_object found;

    return aro_content_object_find(fixture->content, &object[n].id, ARO_KIND_OBJECT, &found) == 0;
}

static bool on_disk(unsigned n)
{
    return aro_content_object_on_disk(fixture->content, &object[n].id);
}

/* Whatever is listed is whole and right. Returns how many of [0, count) are listed. */
static unsigned check(unsigned count)
{
    unsigned n_listed = 0;
    struct aro_id back;

    for (unsigned n = 0; n < count; n++) {
        if (!listed(n))
            continue;
        if (!fixture_read_back(fixture, &object[n].id, &back)) {
            cr_assert_not(listed(n), "object %u is half there", n);
            continue;
        }
        n_listed++;
        cr_assert(aro_id_equal(&back, &digest[n]));
    }
    return n_listed;
}

/* Every chunk of it is asked for so often. */
static void hit(unsigned n, unsigned hits)
{
    struct aro_descent *walk = aro_descent_create(fixture->content, &object[n].id, false);
    struct aro_descent_item item;
    struct aro_entry *entry;
    int more;

    for (; (more = aro_descent_next(walk, &item)) != 0; fixture_turn(fixture)) {
        const struct aro_id *ids[1] = {&item.id};
        cr_assert(more == 1 || more == -EAGAIN);
        if (more != 1)
            continue;
        aro_cache_online(reader);
        if (aro_cache_find_burst(reader, ids, 1, &entry) == 1)
            for (unsigned i = 0; i < hits; i++)
                aro_entry_touch(entry);
        aro_cache_offline(reader);
    }
    aro_descent_destroy(walk);
}

/* More than memory holds passes through it, asked for once each. Numbers from first on. */
static unsigned flood(unsigned first, uint64_t bytes)
{
    unsigned n = first;

    for (uint64_t passed = 0; passed < bytes; passed += 256 * KIB)
        put(n++, 256 * KIB);
    return n;
}

/* ---- once, and again ---- */

Test(admission, what_was_asked_for_once_is_whole_in_memory_and_nothing_is_written)
{
    put(0, 500 * KIB);
    settle();
    cr_assert(listed(0));
    cr_assert_not(on_disk(0));
    cr_assert_eq(store().bytes_written, 0);
    cr_assert_eq(check(1), 1u);
    cr_assert_eq(aro_content_object_at(fixture->content, 0, NULL)->total_bytes, 500 * KIB);
    cr_assert_null(aro_content_object_at(fixture->content, 1, NULL));
    cr_assert_eq(stats().deferred, 1);
    fixture_restart(fixture);
    cr_assert_not(listed(0));
}

Test(admission, asked_for_again_it_is_written_once_and_survives)
{
    put(0, 500 * KIB);
    aro_admission_ask(admission(), &object[0].id);
    aro_admission_ask(admission(), &object[0].id);
    cr_assert(aro_admission_writes(admission(), &object[0].id));
    settle();
    cr_assert(on_disk(0));
    cr_assert_eq(store().writes, 9u, "eight chunks and a manifest");
    cr_assert_eq(stats().admitted, 1);
    cr_assert_eq(stats().objects_now, 0);
    cr_assert_eq(aro_claims_now(aro_content_claims(fixture->content)), 0);
    fixture_restart(fixture);
    cr_assert_eq(check(1), 1u);
}

Test(admission, content_that_repeats_itself_is_not_asked_for_twice_by_that)
{
    struct aro_error error;

    cr_assert_eq(put_of(0, 8 * CHUNK, CHUNK, &error), 0);
    settle();
    cr_assert_eq(store().bytes_written, 0);
    aro_admission_ask(admission(), &object[0].id);
    settle();
    cr_assert_eq(store().writes, 2u);
    fixture_restart(fixture);
    cr_assert_eq(check(1), 1u);
}

Test(admission, put_again_it_counts_as_asked_for)
{
    put(0, 200 * KIB);
    put(0, 200 * KIB);
    settle();
    cr_assert(on_disk(0));
    cr_assert_eq(store().objects_now, 1);
    put(0, 200 * KIB); /* it is there: durable at once, and listed once */
    cr_assert_null(aro_content_object_at(fixture->content, 1, NULL));
    cr_assert_eq(stats().deferred, 1);
}

Test(admission, an_operators_put_of_the_same_content_is_durable_and_takes_it_over)
{
    put(0, 200 * KIB);
    fixture->deferred = false;
    put(0, 200 * KIB);
    cr_assert(on_disk(0));
    settle();
    cr_assert_eq(stats().objects_now, 0);
    cr_assert_eq(stats().admitted, 0, "not recorded twice");
    fixture_restart(fixture);
    cr_assert_eq(check(1), 1u);
}

/* ---- memory pressure ---- */

Test(admission, what_is_asked_for_once_passes_by_the_disk_and_what_is_listed_is_whole)
{
    unsigned n = flood(0, 20 * MIB);

    settle();
    cr_assert_eq(store().bytes_written, 0);
    cr_assert_geq(stats().dropped, n / 8);
    cr_assert_lt(check(n), n);
    cr_assert_eq(stats().deferred, stats().dropped + stats().objects_now);
    cr_assert_lt(aro_claims_now(aro_content_claims(fixture->content)), 16 * MIB / CHUNK * 5 / 4);
}

Test(admission, what_was_hit_is_written_when_eviction_takes_it_and_recorded_when_all_of_it_is)
{
    unsigned n_listed = 0;

    for (unsigned n = 0; n < OBJECTS; n++) { /* those hit again are more than memory holds */
        put(n, 256 * KIB);
        hit(n, n % 2 == 1 ? 3 : 1);
        settle();
    }
    cr_assert_eq(stats().evict_shed, 0);
    cr_assert_geq(stats().evict_writes, 5u);
    cr_assert_geq(stats().admitted, 1u);
    cr_assert_eq(store().writes, stats().evict_writes);
    for (unsigned n = 1; n < OBJECTS; n += 2)
        cr_assert(listed(n), "%u was hit", n);
    for (unsigned n = 0; n < OBJECTS; n += 2)
        n_listed += listed(n);
    cr_assert_lt(n_listed, OBJECTS / 8u, "hit by its first reader only");
    cr_assert_eq(check(OBJECTS), n_listed + OBJECTS / 2);
    fixture_restart(fixture);
    cr_assert_geq(check(OBJECTS), 1u);
}

/* Takes memory as fills do, but does not let the disk go on. */
static void press(unsigned chunks)
{
    struct aro_entry *entry[256];
    unsigned taken = 0;

    for (unsigned i = 0; i < 2000 && taken < chunks; i++) {
        if (aro_cache_alloc(fixture->cache, CHUNK, &entry[taken]) == 0)
            taken++;
        (void)aro_cache_maintain(fixture->cache, 64);
    }
    cr_assert_eq(taken, chunks, "eviction stands still");
    while (taken > 0)
        aro_cache_discard(fixture->cache, entry[--taken]);
}

Test(admission, a_disk_that_is_too_slow_for_eviction_costs_what_it_did_not_write_and_no_more)
{
    for (unsigned i = 0; i < 30; i++) {
        put(i, 256 * KIB);
        hit(i, 3);
    }
    press(220);
    cr_assert_gt(stats().evict_shed, 0u);
    settle();
    cr_assert_gt(stats().evict_writes, 0u);
    cr_assert_leq(stats().evict_writes, ARO_ADMISSION_LEAVING_MAX + 0u);
    cr_assert_gt(stats().dropped, 0u);
    (void)check(30);
    cr_assert_eq(stats().dropped + stats().objects_now + stats().admitted, 30u);
}

/* ---- what it shares ---- */

/* Object n begins as object 0 does. */
static void put_most_of_0(unsigned n, uint64_t bytes)
{
    int fd = fixture_file(256 * KIB, 0, 1);
    struct aro_put_result result;
    struct aro_error error = {0};

    cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
    cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
    object[n] = result.object;
    digest[n] = fixture_file_digest(fd, bytes);
    close(fd);
}

Test(admission, what_counts_on_a_disk_that_lost_a_chunk_is_not_listed_any_more)
{
    int fd = fixture_file(256 * KIB, 0, 1);
    struct aro_id first = fixture_file_digest(fd, CHUNK);
    struct aro_place place;

    close(fd);
    fixture->deferred = false;
    put(0, 256 * KIB);
    aro_cache_flush(fixture->cache);
    fixture->deferred = true;
    put_most_of_0(1, 255 * KIB);
    put(2, 255 * KIB);
    cr_assert_eq(aro_store_find(fixture->store, &first, 0, &place), 0);
    aro_store_quarantine(fixture->store, &first, &place);
    settle();
    cr_assert_not(listed(1));
    cr_assert(listed(2), "all of it is in memory");
}

Test(admission, what_is_dropped_leaves_the_chunks_of_others_alone)
{
    fixture->deferred = false;
    put(0, 256 * KIB);
    aro_cache_flush(fixture->cache); /* on disk only */
    fixture->deferred = true;
    put_most_of_0(1, 256 * KIB - 10);
    put_most_of_0(2, 256 * KIB - 20);
    cr_assert_eq(stats().objects_now, 2);
    cr_assert_eq(store().writes, 5u, "only the durable one");
    aro_admission_clear(admission());
    settle();
    cr_assert_eq(check(1), 1u);
    fixture_restart(fixture);
    cr_assert_eq(check(1), 1u);
}

Test(admission, a_chunk_that_two_objects_name_is_written_and_both_stay_whole)
{
    put(0, 256 * KIB);
    put_most_of_0(1, 255 * KIB);
    cr_assert_eq(store().writes, 3u);
    cr_assert_eq(check(2), 2u);
    aro_cache_flush(
        fixture->cache); /* by hand, unasked: what is loose is gone, what is not is not */
    aro_admission_ask(admission(), &object[1].id);
    settle();
    cr_assert_not(listed(1));
    aro_admission_clear(admission());
    settle();
    cr_assert_eq(store().chunks_now, 0, "what only they had on disk goes with them");
}

Test(admission, an_object_of_which_a_chunk_left_before_the_last_one_came_fails)
{
    int fd = fixture_file(300 * KIB, 0, 9);
    struct arrival own = arrival_begin(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};
    struct aro_id first;

    arrive(&own, 256 * KIB);
    first = fixture_file_digest(fd, CHUNK);
    cr_assert_eq(aro_cache_remove(fixture->cache, &first), 0);
    cr_assert_eq(arrival_end(&own, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_MEMORY_TIGHT);
    cr_assert_eq(stats().objects_now, 0);
    close(fd);
}

Test(admission, while_it_arrives_eviction_does_not_touch_it)
{
    int fd = fixture_file(450 * KIB, 0, 999);
    struct aro_id first = fixture_file_digest(fd, CHUNK);
    struct aro_put_result result;
    struct aro_error error = {0};
    struct aro_cache_stats cache;
    struct arrival own;

    for (unsigned n = 0; n < 80; n++) { /* whatever else is here is worth more */
        put(n, 256 * KIB);
        hit(n, 3);
    }
    own = arrival_begin(fixture, fd);
    arrive(&own, 400 * KIB);
    settle();
    press(140);
    cr_assert(aro_content_in_memory(fixture->content, &first));
    cr_assert_eq(arrival_end(&own, &result, &error), 0, "%s", error.text);
    aro_cache_stats(fixture->cache, &cache);
    cr_assert_eq(cache.kept_now, 0, "and from then on it may");
    close(fd);
}

Test(admission, what_is_put_by_hand_while_it_arrives_is_there_once_and_not_kept_for_ever)
{
    int fd = fixture_file(450 * KIB, 0, 1);
    struct arrival own = arrival_begin(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};
    struct aro_cache_stats cache;

    arrive(&own, 400 * KIB);
    fixture->deferred = false;
    put(0, 450 * KIB);
    cr_assert_eq(arrival_end(&own, &result, &error), 0, "%s", error.text);
    cr_assert(result.durable);
    cr_assert_eq(stats().objects_now, 0);
    aro_cache_stats(fixture->cache, &cache);
    cr_assert_eq(cache.kept_now, 0);
    cr_assert_eq(check(1), 1u);
    close(fd);
}

/* ---- a disk that does not take it ---- */

Test(admission, a_full_store_leaves_it_in_memory)
{
    struct aro_error error;
    unsigned n = 1;

    fixture->deferred = false;
    while (put_of(n, 4 * MIB, 0, &error) == 0)
        cr_assert_lt(++n, 30u);
    cr_assert_eq(error.id, ARO_E_STORE_FULL);
    fixture->deferred = true;
    put(0, 512 * KIB);
    for (int i = 0; i < 8 && stats().failed == 0; i++) {
        aro_admission_ask(admission(), &object[0].id);
        settle();
        if (on_disk(0)) /* it just fitted */
            put(0, 512 * KIB);
        if (on_disk(0))
            break;
    }
    if (on_disk(0))
        return;
    cr_assert_geq(stats().failed, 1u);
    cr_assert(listed(0));
    cr_assert_eq(check(1), 1u);
}

/* ---- bounds ---- */

/* A chunk in memory that an object of its own names. */
static int defer(struct aro_admission *own, struct aro_claims *claims, uint64_t n)
{
    struct aro_claim **claim = malloc(sizeof(*claim));
    struct aro_object made = {.id = {{n, 1, 2, 3}}, .digest = {{n, 4, 5, 6}}, .total_bytes = 4096};
    struct aro_entry *entry;

    cr_assert_eq(aro_cache_alloc(fixture->cache, 4096, &entry), 0);
    entry->id = (struct aro_id){{n, 7, 8, 9}};
    cr_assert_eq(aro_cache_insert(fixture->cache, entry), 0);
    claim[0] = aro_claims_take(claims, &(struct aro_id){{n, 7, 8, 9}});
    claim[0]->loose = true;
    claim[0]->fresh = 1;
    return aro_admission_defer(own, &made, claim, 1, 0, aro_store_mark(fixture->store));
}

Test(admission, of_too_many_objects_the_oldest_goes_but_not_one_that_is_wanted)
{
    struct aro_admission_config config = {.cache = fixture->cache,
                                          .disks = fixture->disks,
                                          .ring = fixture->ring,
                                          .claims = aro_claims_create(5),
                                          .objects_max = 3};
    struct aro_admission *own;
    struct aro_admission_stats now;

    fixture->second_hit = false; /* who is asked before eviction is one */
    fixture_restart(fixture);
    config.cache = fixture->cache;
    config.disks = fixture->disks;
    config.ring = fixture->ring;
    config.reader = aro_cache_reader_create(fixture->cache);
    own = aro_admission_create(&config, 5);
    for (uint64_t n = 0; n < 3; n++)
        cr_assert_eq(defer(own, config.claims, n), 0);
    aro_admission_ask(own, &(struct aro_id){{0, 1, 2, 3}});
    for (uint64_t n = 3; n < 5; n++)
        cr_assert_eq(defer(own, config.claims, n), 0);
    cr_assert_not_null(aro_admission_find(own, &(struct aro_id){{0, 4, 5, 6}}, ARO_KIND_DIGEST));
    cr_assert_null(aro_admission_find(own, &(struct aro_id){{1, 1, 2, 3}}, ARO_KIND_OBJECT));
    cr_assert_null(aro_admission_find(own, &(struct aro_id){{2, 4, 5, 6}}, ARO_KIND_DIGEST));
    cr_assert_not_null(aro_admission_find(own, &(struct aro_id){{4, 1, 2, 3}}, ARO_KIND_OBJECT));
    cr_assert_eq(aro_admission_at(own, 2)->id.word[0], 4u);
    cr_assert_null(aro_admission_at(own, 3));
    aro_admission_stats(own, &now);
    cr_assert_eq(now.objects_now, 3);
    cr_assert_eq(now.bytes_now, 3 * 4096u);
    cr_assert_eq(now.dropped, 2);
    aro_admission_destroy(own);
    cr_assert_eq(aro_claims_now(config.claims), 0);
    aro_claims_destroy(config.claims);
}

static bool defers(unsigned n)
{
    char url[64];

    snprintf(url, sizeof(url), "http://origin.example/%u", n);
    if (!aro_admission_defers(admission(), url, 1000, false))
        return false;
    aro_admission_arrived(admission(), 1000);
    return true;
}

Test(admission, a_url_is_remembered_for_a_while_and_then_new_again)
{
    cr_assert(defers(0));
    cr_assert_not(defers(0), "the second time");
    cr_assert_not(defers(0), "and from then on");
    for (unsigned n = 1; n < ARO_DEFERRED_URLS_MAX + 10; n++)
        cr_assert(defers(n));
    cr_assert(defers(0), "too long ago");
    cr_assert_not(defers(ARO_DEFERRED_URLS_MAX));
}

Test(admission, what_is_large_or_wanted_by_more_than_one_is_not_deferred)
{
    cr_assert(aro_admission_defers(admission(), "a", 16 * MIB / ARO_DEFERRED_SHARE, false));
    cr_assert_not(aro_admission_defers(admission(), "b", 16 * MIB / ARO_DEFERRED_SHARE + 1, false));
    cr_assert_not(aro_admission_defers(admission(), "c", UINT64_MAX, false));
    cr_assert_not(aro_admission_defers(admission(), "d", 1, true));
    cr_assert_not(aro_admission_defers(NULL, "e", 1, false));
    cr_assert(aro_admission_defers(admission(), "f", 16 * MIB / ARO_DEFERRED_SHARE, false));
    cr_assert_not(aro_admission_defers(admission(), "g", 1, false), "too many at once");
    aro_admission_arrived(admission(), 16 * MIB / ARO_DEFERRED_SHARE);
    cr_assert(aro_admission_defers(admission(), "h", 1, false));
    cr_assert_eq(stats().large, 3);
    cr_assert_eq(stats().recalled, 1);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * More is put than the store holds: objects that lose a chunk are off the list before, so every one
 * that is listed can be read back whole; what is pinned stays.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <unistd.h>

#include "cache/disk/reader.h"
#include "control/descent.h"
#include "tests/control/fixture.h"

#define MIB (UINT64_C(1) << 20)
enum { PUTS = 30 };

static struct fixture *fixture;
static struct aro_object object[PUTS];
static struct aro_id digest[PUTS];
static struct aro_id unreadable; /* the chunk that the disk fails to read `failures` times more */
static unsigned failures;
static struct aro_id watched; /* the object whose removal is looked out for */
static bool on_its_way_out;

int __real_aro_store_object_remove(struct aro_store *store, struct aro_store_op *op,
                                   const struct aro_id *id);
int __wrap_aro_store_object_remove(struct aro_store *store, struct aro_store_op *op,
                                   const struct aro_id *id);
unsigned __real_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max);
unsigned __wrap_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max);

unsigned __wrap_aro_disk_reap_burst(struct aro_disk_reader *reader, struct aro_disk_done done[],
                                    unsigned max)
{
    unsigned n = __real_aro_disk_reap_burst(reader, done, max);

    for (unsigned i = 0; i < n; i++) {
        const struct aro_fetch *fetch = (const struct aro_fetch *)(uintptr_t)done[i].cookie;
        if (failures == 0 || !aro_id_equal(&fetch->id, &unreadable))
            continue;
        failures--;
        done[i].result = -EIO;
    }
    return n;
}

int __wrap_aro_store_object_remove(struct aro_store *store, struct aro_store_op *op,
                                   const struct aro_id *id)
{
    on_its_way_out |= aro_id_equal(id, &watched);
    return __real_aro_store_object_remove(store, op, id);
}

static void begin(void)
{
    fixture = fixture_create(8 * MIB, 8 * MIB + 512 * 1024);
    fixture->recycling = true;
    fixture_restart(fixture);
}

static void end(void)
{
    fixture_destroy(fixture);
}

TestSuite(recycle_objects, .init = begin, .fini = end, .timeout = 120);

static int put(unsigned n, uint64_t bytes, struct aro_error *error)
{
    int fd = fixture_file(bytes, 0, n + 1);
    struct aro_put_result result;
    int failed = fixture_put(fixture, fd, &result, error);

    if (failed == 0) {
        object[n] = result.object;
        digest[n] = fixture_file_digest(fd, bytes);
    }
    close(fd);
    return failed;
}

static bool listed(unsigned n)
{
    struct aro_object found;

    return aro_content_object_find(fixture->content, &object[n].id, ARO_KIND_OBJECT, &found) == 0;
}

/* Whatever is listed is whole and right. Returns how many of [0, count) are listed. */
static unsigned check(unsigned count)
{
    unsigned n_listed = 0;
    struct aro_id back;

    for (unsigned n = 0; n < count; n++) {
        if (!listed(n))
            continue;
        if (!fixture_read_back(fixture, &object[n].id, &back)) { /* forgotten meanwhile? */
            cr_assert_not(listed(n), "object %u is half there", n);
            continue;
        }
        n_listed++;
        cr_assert(aro_id_equal(&back, &digest[n]));
    }
    return n_listed;
}

static struct aro_pin *pin(unsigned n)
{
    struct aro_pins *pins = aro_content_pins(fixture->content);
    struct aro_descent *walk = aro_descent_create(fixture->content, &object[n].id, false);
    struct aro_descent_item item;
    struct aro_error error;
    struct aro_pin *pin = aro_pin_begin(pins, &object[n].id, ARO_KIND_OBJECT, &error);
    int more;

    cr_assert_not_null(pin);
    while ((more = aro_descent_next(walk, &item)) != 0) {
        if (more == 1)
            cr_assert_eq(aro_pin_want(pins, pin, &item.id, item.len_bytes, &error), 0);
        fixture_turn(fixture);
    }
    aro_descent_destroy(walk);
    pin->complete = true;
    return pin;
}

/* Object n, all at once: no turn in between. */
static struct aro_pin *pin_at_once(unsigned n, const struct aro_id *chunk, unsigned chunks)
{
    struct aro_pins *pins = aro_content_pins(fixture->content);
    struct aro_error error;
    struct aro_pin *pin = aro_pin_begin(pins, &object[n].id, ARO_KIND_OBJECT, &error);

    cr_assert_not_null(pin);
    for (unsigned i = 0; i < chunks; i++)
        cr_assert_eq(aro_pin_want(pins, pin, &chunk[i], 65536, &error), 0);
    pin->complete = true;
    return pin;
}

static void unpin(struct aro_pin *pin)
{
    while (aro_pin_release(aro_content_pins(fixture->content), pin, 64))
        ;
}

static struct aro_store_stats stats(void)
{
    struct aro_store_stats now;

    aro_store_stats(fixture->store, &now);
    return now;
}

Test(recycle_objects, what_is_listed_is_whole_and_what_is_pinned_stays)
{
    struct aro_pin *pinned;
    struct aro_error error = {0};
    unsigned n_listed;

    cr_assert_eq(put(0, MIB, &error), 0, "%s", error.text);
    pinned = pin(0);
    for (unsigned n = 1; n < PUTS; n++) {
        cr_assert_eq(put(n, MIB - n * 20000, &error), 0, "put %u: %s", n, error.text);
        cr_assert(listed(n));
        cr_assert(listed(0), "after put %u", n);
        if (n % 4 == 0)
            check(n + 1);
    }
    do { /* until no turn is under way */
        n_listed = check(PUTS);
    } while (aro_store_victim(fixture->store) != NULL || check(PUTS) != n_listed);
    cr_assert_geq(n_listed, 4u);
    cr_assert_lt(n_listed, 12u);
    cr_assert_geq(stats().recycled, 5u);
    cr_assert_geq(stats().recycle_objects, PUTS - n_listed);
    unpin(pinned);
    fixture_restart(fixture); /* memory is empty: the disk has it all */
    cr_assert_eq(check(PUTS), n_listed);
    cr_assert(listed(0));
}

static unsigned chunks_of(unsigned n, struct aro_id chunk[32])
{
    struct aro_descent *walk = aro_descent_create(fixture->content, &object[n].id, false);
    struct aro_descent_item item;
    unsigned chunks = 0;
    int more;

    while ((more = aro_descent_next(walk, &item)) != 0) {
        if (more == 1)
            chunk[chunks++] = item.id;
        fixture_turn(fixture);
    }
    aro_descent_destroy(walk);
    return chunks;
}

/*
 * Puts until a segment is judged, turns so often, pins what lies in it, and goes on. Returns true
 * when the pin came in time: the record that removes the object was not yet on its way.
 */
static bool pin_while_judged(unsigned turns)
{
    struct aro_error error = {0};
    struct aro_put_result result;
    struct aro_id chunk[32];
    struct aro_pin *pinned;
    struct aro_put *next;
    unsigned chunks, n = 0;
    bool in_time;
    int fd;

    cr_assert_eq(put(n++, MIB / 2, &error), 0);
    chunks = chunks_of(0, chunk);
    watched = object[0].id;
    on_its_way_out = false;
    fixture_restart(fixture); /* memory is empty: it is cold, and would go */
    do {
        fd = fixture_file(MIB, 0, n + 1);
        next = fixture_put_start(fixture, fd);
        for (uint64_t at = 65536; at < MIB && aro_store_victim(fixture->store) == NULL; at += 65536)
            fixture_put_until(fixture, next, at);
        if (aro_store_victim(fixture->store) != NULL)
            break;
        cr_assert_eq(fixture_put_end(fixture, next, &result, &error), 0, "%s", error.text);
        close(fd);
    } while (++n < PUTS && listed(0));
    for (unsigned turn = 0; turn < turns; turn++)
        fixture_turn(fixture);
    in_time = listed(0) && !on_its_way_out;
    if (in_time) {
        pinned = pin_at_once(0, chunk, chunks);
        cr_assert_eq(fixture_put_end(fixture, next, &result, &error), 0, "%u turns: %s", turns,
                     error.text);
        for (n++; n < 16; n++)
            cr_assert_eq(put(n, MIB, &error), 0, "%u turns, put %u: %s", turns, n, error.text);
        cr_assert(listed(0), "%u turns", turns);
        unpin(pinned);
    } else {
        fixture_put_end(fixture, next, &result, &error);
    }
    close(fd);
    return in_time;
}

Test(recycle_objects, what_is_pinned_while_it_is_judged_stays_and_no_put_is_refused_for_it)
{
    unsigned in_time = 0;

    for (unsigned turns = 0; turns < 40; turns += 3) {
        in_time += pin_while_judged(turns);
        end();
        begin();
    }
    cr_assert_gt(in_time, 0u);
}

Test(recycle_objects, with_everything_pinned_a_put_is_refused_and_nothing_lost)
{
    struct aro_pin *pinned[PUTS];
    struct aro_error error = {0};
    unsigned n = 0;

    fixture_destroy(fixture);
    fixture = fixture_create(64 * MIB, 8 * MIB + 512 * 1024);
    fixture->recycling = true;
    fixture_restart(fixture);
    for (; n < PUTS && put(n, MIB, &error) == 0; n++)
        pinned[n] = pin(n);
    cr_assert_lt(n, 9u);
    cr_assert_geq(n, 6u);
    cr_assert_eq(error.id, ARO_E_STORE_FULL, "%s", error.text);
    cr_assert_eq(check(n), n);
    while (n > 0)
        unpin(pinned[--n]);
}

/* Chunks that it shares with an object already here lie in the segment that goes. */
Test(recycle_objects, a_put_that_counts_on_chunks_already_here_keeps_them)
{
    struct aro_error error = {0};
    int fd = fixture_file(MIB, 0, 1);
    struct aro_put *again;
    struct aro_put_result result;

    cr_assert_eq(put(0, MIB, &error), 0, "%s", error.text);
    again = fixture_put_start(fixture, fd);
    fixture_put_until(fixture, again, MIB - 65536);
    for (unsigned n = 1; n < 20; n++)
        cr_assert_eq(put(n, MIB, &error), 0, "%s", error.text);
    cr_assert_eq(fixture_put_end(fixture, again, &result, &error), 0, "%s", error.text);
    object[0] = result.object;
    fixture_restart(fixture);
    cr_assert(listed(0));
    check(20);
    close(fd);
}

Test(recycle_objects, what_can_never_fit_is_refused_before_anything_gives_way_for_it)
{
    struct aro_put_config config = {.content = fixture->content, .chunk_bytes = 65536, .label = ""};
    struct aro_error error = {0};
    int holes = fixture_file(MIB, 0, 99), ends[2];
    struct aro_put_result result;

    for (unsigned n = 0; n < 3; n++)
        cr_assert_eq(put(n, MIB, &error), 0, "%s", error.text);
    config.fd = fixture_file(9 * MIB, 0, 100);
    cr_assert_null(aro_put_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_STORE_FULL, "%s", error.text);
    cr_assert_eq(pipe(ends), 0);
    config.fd = ends[0];
    config.stream_bytes = 9 * MIB; /* promised */
    cr_assert_null(aro_put_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_STORE_FULL, "%s", error.text);
    cr_assert_eq(ftruncate(holes, 20 * MIB), 0); /* one chunk of zeroes, over and over */
    cr_assert_eq(fixture_put(fixture, holes, &result, &error), 0, "%s", error.text);
    cr_assert_eq(check(3), 3u);
    cr_assert_eq(stats().recycled, 0u);
    close(holes);
    close(ends[1]);
}

/* After a turn that fails the store refuses for a second. */
static void put_at_last(unsigned n, uint64_t bytes)
{
    struct aro_error error = {0};

    while (put(n, bytes, &error) != 0)
        cr_assert_eq(error.id, ARO_E_STORE_FULL, "put %u: %s", n, error.text);
}

static void with_a_manifest_that_fails(unsigned times)
{
    put_at_last(0, 3 * MIB); /* its manifest lies behind the segment where it begins */
    put_at_last(1, MIB);
    fixture_restart(fixture); /* memory is empty: the manifest comes from disk */
    unreadable = object[0].id;
    failures = times;
    for (unsigned n = 2; n < 12; n++) {
        put_at_last(n, MIB);
        if (failures == 0)
            check(n + 1);
    }
    cr_assert_geq(stats().recycled, 1u);
    cr_assert_eq(failures, 0u);
}

Test(recycle_objects, an_object_whose_manifest_cannot_be_read_for_once_is_not_left_half_there)
{
    with_a_manifest_that_fails(1);
}

Test(recycle_objects, an_object_whose_manifest_is_never_read_again_does_not_keep_every_segment)
{
    with_a_manifest_that_fails(3);
    cr_assert_not(listed(0));
}

Test(recycle_objects, while_the_disk_is_away_nothing_is_judged_and_nothing_goes)
{
    struct aro_store *store = aro_disks_store(fixture->disks, 0);
    struct aro_store_stats before, after;
    struct aro_error error;
    unsigned count = 0;

    while (count < PUTS && aro_store_victim(store) == NULL)
        cr_assert_eq(put(count++, MIB / 2, &error), 0, "%s", error.text);
    cr_assert_not_null(aro_store_victim(store));
    for (unsigned n = 0; n < count; n++) /* the disk alone has their manifests */
        (void)aro_cache_remove(fixture->cache, &object[n].id);
    aro_store_stats(store, &before);
    aro_disks_use(fixture->disks, 0, ARO_DISK_AWAY);
    for (unsigned turn = 0; turn < 3000; turn++)
        fixture_turn(fixture);
    cr_assert_lt(put(count, MIB / 2, &error), 0);
    cr_assert_eq(error.id, ARO_E_DISKS_OUT);
    aro_store_stats(store, &after);
    cr_assert_eq(after.recycle_dropped, before.recycle_dropped);
    cr_assert_eq(after.objects_now, before.objects_now);
    aro_disks_use(fixture->disks, 0, ARO_DISK_USED);
    cr_assert_eq(check(count), before.objects_now);
}

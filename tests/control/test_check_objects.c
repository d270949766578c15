/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that are listed and not whole are named, once each; sound ones and those that go are not.
 */
#include "control/check_objects.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/descent.h"
#include "tests/control/fixture.h"

#define MIB (UINT64_C(1) << 20)
enum { FOUND_MAX = 8 };

static struct fixture *fixture;
static struct aro_object object[2];
static struct aro_object_problem found[FOUND_MAX];
static unsigned founds;

static void begin(void)
{
    struct aro_put_result result;
    struct aro_error error = {0};

    fixture = fixture_create(16 * MIB, 64 * MIB);
    for (unsigned n = 0; n < 2; n++) {
        int fd = fixture_file((n + 1) * MIB, 0, n + 1);
        cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
        object[n] = result.object;
        close(fd);
    }
}

static void end(void)
{
    fixture_destroy(fixture);
}

TestSuite(check_objects, .init = begin, .fini = end, .timeout = 60);

static bool has_come;

static void fetched(struct aro_fetch *fetch, int result)
{
    (void)fetch;
    cr_assert_eq(result, 0);
    has_come = true;
}

static void report(void *arg, const struct aro_object_problem *problem)
{
    (void)arg;
    cr_assert_lt(founds, (unsigned)FOUND_MAX);
    found[founds++] = *problem;
}

static struct aro_objects_check *check_begin(void)
{
    struct aro_objects_check_config config = {.store = fixture->store, .report = report};
    struct aro_objects_check *check = aro_objects_check_create(&config);

    cr_assert_not_null(check);
    founds = 0;
    return check;
}

static unsigned check_end(struct aro_objects_check *check)
{
    while (aro_objects_check_turn(check) != ARO_CHECK_OVER)
        fixture_turn(fixture);
    cr_assert_eq(aro_objects_check_problems(check), founds);
    aro_objects_check_destroy(check);
    return founds;
}

/* Chunk number i of object n. */
static struct aro_id chunk_of(unsigned n, unsigned i)
{
    struct aro_descent *walk = aro_descent_create(fixture->content, &object[n].id, false);
    struct aro_descent_item item;
    unsigned chunks = 0;
    int more;

    do {
        more = aro_descent_next(walk, &item);
        cr_assert(more == 1 || more == -EAGAIN);
        chunks += more == 1 && !item.is_manifest;
        fixture_turn(fixture);
    } while (chunks <= i);
    aro_descent_destroy(walk);
    return item.id;
}

static void lose(const struct aro_id *id)
{
    cr_assert_eq(aro_store_chunk_remove(fixture->store, id), 0);
}

Test(check_objects, sound_ones_are_sound)
{
    cr_assert_eq(check_end(check_begin()), 0u);
}

Test(check_objects, one_that_lacks_chunks_is_named_once_with_the_first_of_them)
{
    struct aro_id first = chunk_of(1, 3), other = chunk_of(1, 20);

    lose(&other);
    lose(&first);
    cr_assert_eq(check_end(check_begin()), 1u);
    cr_assert(aro_id_equal(&found[0].object, &object[1].id));
    cr_assert(aro_id_equal(&found[0].chunk, &first));
    cr_assert_eq(found[0].chunks, 2u);
    cr_assert_not(found[0].is_manifest);
}

Test(check_objects, one_without_its_manifest_is_named)
{
    lose(&object[0].id);
    cr_assert_eq(check_end(check_begin()), 1u);
    cr_assert(aro_id_equal(&found[0].object, &object[0].id));
    cr_assert(aro_id_equal(&found[0].chunk, &object[0].id));
    cr_assert(found[0].is_manifest);
    cr_assert_str_eq(found[0].problem, "a manifest is not here");
}

Test(check_objects, a_manifest_that_the_disk_has_damaged_is_named)
{
    struct aro_fetch fetch = {.done = fetched, .id = object[0].id};

    fetch.buffer = aligned_alloc(4096, ARO_FETCH_BUFFER_BYTES);
    aro_content_fetch(fixture->content, &fetch);
    while (fetch.buffer != NULL && !has_come)
        fixture_turn(fixture);
    fixture_damage(fixture, fetch.buffer);
    free(fetch.buffer);
    cr_assert_eq(check_end(check_begin()), 1u);
    cr_assert_str_eq(found[0].problem, "a manifest is damaged");
}

static void gone(struct aro_store_op *op, int result)
{
    cr_assert_eq(result, 0);
    op->data = op; /* done */
}

Test(check_objects, one_that_is_forgotten_while_it_is_looked_at_is_no_problem)
{
    struct aro_id chunk = chunk_of(0, 5);
    struct aro_objects_check *check = check_begin();
    struct aro_store_op op = {.done = gone};

    cr_assert_eq(aro_objects_check_turn(check), ARO_CHECK_MORE); /* its manifest is on its way */
    cr_assert_eq(aro_store_object_remove(fixture->store, &op, &object[0].id), 0);
    while (op.data == NULL)
        fixture_turn(fixture);
    lose(&chunk);
    cr_assert_eq(check_end(check), 0u);
}

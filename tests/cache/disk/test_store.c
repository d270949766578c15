/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/store.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cache/disk/fixture.h"

static struct fixture f;

static void begin(void)
{
    fixture_begin(&f);
    cr_assert(fixture_open(&f), "%s", f.error.text);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store, .init = begin, .fini = end);

Test(store, appended_chunks_are_found_and_read_back)
{
    static const uint32_t lens[] = {1, 4095, 4096, 4097, 65536, ARO_CHUNK_BYTES_MAX};

    for (uint32_t n = 0; n < 6; n++) {
        cr_assert_eq(fixture_append(&f, n, lens[n]), 0);
        cr_assert_eq(fixture_check(&f, n, lens[n]), 1);
    }
    cr_assert_eq(fixture_check(&f, 6, 4096), 0);
    cr_assert_eq(fixture_stats(&f).chunks_now, 6u);
}

Test(store, synced_chunks_are_there_after_reopening)
{
    for (uint32_t n = 0; n < 100; n++)
        cr_assert_eq(fixture_append(&f, n, 60000), 0);
    cr_assert_eq(fixture_sync(&f, 0), 0);
    fixture_reopen(&f);
    for (uint32_t n = 0; n < 100; n++)
        cr_assert_eq(fixture_check(&f, n, 60000), 1, "chunk %u", n);
    cr_assert_eq(fixture_stats(&f).recovered_chunks, 100u);
    cr_assert_eq(fixture_stats(&f).recovered_torn, 0u);
}

Test(store, closing_keeps_what_nobody_synced)
{
    cr_assert_eq(fixture_append(&f, 1, 5000), 0);
    fixture_reopen(&f);
    cr_assert_eq(fixture_check(&f, 1, 5000), 1);
}

Test(store, a_chunk_that_is_there_is_not_stored_twice)
{
    struct aro_store_stats before, after;

    for (uint32_t n = 0; n < 20; n++)
        cr_assert_eq(fixture_append(&f, n, 9000), 0);
    before = fixture_stats(&f);
    for (uint32_t n = 0; n < 20; n++)
        cr_assert_eq(fixture_append(&f, n, 9000), -EEXIST);
    after = fixture_stats(&f);
    cr_assert_eq(before.bytes_written, after.bytes_written);
    fixture_reopen(&f);
    cr_assert_eq(fixture_append(&f, 3, 9000), -EEXIST);
}

Test(store, a_chunk_under_way_is_not_started_again)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data = fixture_chunk(1, 5000, &id);

    cr_assert_eq(aro_store_append(f.store, &op, &id, data, 5000), 0);
    cr_assert_eq(fixture_append(&f, 1, 5000), -EEXIST);
    cr_assert_eq(fixture_wait(&f, &op), 0);
}

Test(store, bad_lengths_and_addresses_are_refused)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_id id;
    const uint8_t *data = fixture_chunk(1, 5000, &id);

    cr_assert_eq(aro_store_append(f.store, &op, &id, data, 0), -EINVAL);
    cr_assert_eq(aro_store_append(f.store, &op, &id, data, ARO_CHUNK_BYTES_MAX + 1), -EINVAL);
    cr_assert_eq(aro_store_append(f.store, &op, &id, data + 1, 5000), -EINVAL);
}

Test(store, a_callback_never_runs_inside_the_call_that_started_it)
{
    struct aro_store_op op = {.done = fixture_note};

    cr_assert_eq(aro_store_sync(f.store, &op, 0), 0);
    cr_assert_not_null(op.store); /* not told yet, though there is nothing to sync */
    cr_assert_eq(fixture_wait(&f, &op), 0);
}

/* All members; the padding behind the last is nobody's. */
static bool same(const struct aro_object *a, const struct aro_object *b)
{
    return memcmp(a, b, offsetof(struct aro_object, label) + sizeof(a->label)) == 0;
}

Test(store, an_object_is_found_by_id_by_digest_and_by_number_after_reopening)
{
    struct aro_object want[3], got;

    for (uint32_t n = 0; n < 3; n++) {
        want[n] = fixture_object(n, 500);
        cr_assert_eq(fixture_append(&f, n, 500), 0);
        cr_assert_eq(fixture_object_add(&f, n, 500, 0), 0);
    }
    for (int round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < 3; n++) {
            cr_assert_eq(aro_store_object_find(f.store, &want[n].id, &got), 0);
            cr_assert(same(&want[n], &got));
            cr_assert_eq(aro_store_digest_find(f.store, &want[n].digest, &got), 0);
            cr_assert(same(&want[n], &got));
            cr_assert(same(&want[n], aro_store_object_at(f.store, n)));
        }
        cr_assert_null(aro_store_object_at(f.store, 3));
        fixture_reopen(&f);
    }
}

Test(store, an_object_becomes_visible_only_when_it_is_durable)
{
    struct aro_store_op op = {.done = fixture_note};
    struct aro_object object = fixture_object(1, 500), got;

    cr_assert_eq(fixture_append(&f, 1, 500), 0);
    cr_assert_eq(aro_store_object_add(f.store, &op, &object, 0), 0);
    cr_assert_eq(aro_store_object_find(f.store, &object.id, &got), -ENOENT);
    cr_assert_eq(fixture_wait(&f, &op), 0);
    cr_assert_eq(aro_store_object_find(f.store, &object.id, &got), 0);
}

Test(store, a_removed_object_stays_away_and_its_chunk_stays)
{
    struct aro_object object = fixture_object(1, 500), got;

    cr_assert_eq(fixture_append(&f, 1, 500), 0);
    cr_assert_eq(fixture_object_add(&f, 1, 500, 0), 0);
    cr_assert_eq(fixture_object_remove(&f, 1, 500), 0);
    cr_assert_eq(fixture_object_remove(&f, 1, 500), -ENOENT);
    fixture_reopen(&f);
    cr_assert_eq(aro_store_object_find(f.store, &object.id, &got), -ENOENT);
    cr_assert_eq(aro_store_digest_find(f.store, &object.digest, &got), -ENOENT);
    cr_assert_eq(fixture_check(&f, 1, 500), 1);
}

Test(store, an_object_whose_manifest_is_gone_is_dropped_and_counted)
{
    struct aro_object object = fixture_object(1, 500), got;

    cr_assert_eq(fixture_append(&f, 1, 500), 0);
    cr_assert_eq(fixture_object_add(&f, 1, 500, 0), 0);
    cr_assert_eq(aro_store_chunk_remove(f.store, &object.id), 0);
    fixture_reopen(&f);
    cr_assert_eq(aro_store_object_find(f.store, &object.id, &got), -ENOENT);
    cr_assert_eq(fixture_stats(&f).objects_dropped, 1u);
}

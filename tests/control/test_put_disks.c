/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts on a node with two disks. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/control/fixture.h"

enum { MIB = 1 << 20, REGION = 16 * MIB, SOME = 4 * MIB, FEW = 8 * 65536 };

static struct fixture *fixture;

static void begin(void)
{
    fixture = fixture_create(REGION, 64 * MIB);
    fixture->disks_wanted = 2;
    fixture_restart(fixture);
}

static void end(void)
{
    fixture_destroy(fixture);
}

TestSuite(put_disks, .init = begin, .fini = end, .timeout = 60);

static uint64_t chunks_on(unsigned disk)
{
    struct aro_store_stats stats;

    aro_store_stats(aro_disks_store(fixture->disks, disk), &stats);
    return stats.chunks_now;
}

static struct aro_put_result put(int fd)
{
    struct aro_put_result result;
    struct aro_error error = {0};

    cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
    return result;
}

static int disk_of(const struct aro_put_result *result)
{
    struct aro_object object;

    return aro_disks_object_find(fixture->disks, &result->object.id, &object);
}

static void check_content(const struct aro_put_result *result)
{
    struct aro_id back;

    cr_assert(fixture_read_back(fixture, &result->object.id, &back));
    cr_assert(aro_id_equal(&back, &result->object.digest));
}

Test(put_disks, content_lies_on_one_disk_and_the_next_on_the_other)
{
    struct aro_put_result result[4];

    for (int i = 0; i < 4; i++) {
        int fd = fixture_file(SOME, 0, (uint64_t)i + 1);
        uint64_t before[2] = {chunks_on(0), chunks_on(1)};
        result[i] = put(fd);
        cr_assert_eq(disk_of(&result[i]), i % 2);
        cr_assert_eq(chunks_on(i % 2), before[i % 2] + SOME / 65536 + 1);
        cr_assert_eq(chunks_on(1 - i % 2), before[1 - i % 2]);
        close(fd);
    }
    fixture_restart(fixture);
    for (int i = 0; i < 4; i++)
        check_content(&result[i]);
}

Test(put_disks, content_that_is_here_already_is_not_written_again)
{
    struct aro_put_result again;
    int fd = fixture_file(SOME, 0, 1);

    put(fd);
    again = put(fd);
    cr_assert_eq(again.new_bytes, 0);
    cr_assert_eq(disk_of(&again), 0);
    cr_assert_eq(chunks_on(1), 0);
    close(fd);
}

/* What the second file has in common with the first: all but its first chunk. */
static int same_but_first(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    int other = fixture_file((uint64_t)size, 0, 99);
    uint8_t *bytes = malloc((size_t)size);

    cr_assert_eq(pread(fd, bytes, (size_t)size, 0), size);
    cr_assert_eq(pwrite(other, bytes + 65536, (size_t)size - 65536, 65536), size - 65536);
    free(bytes);
    return other;
}

Test(put_disks, objects_that_share_chunks_have_a_copy_each)
{
    int fd = fixture_file(SOME, 0, 1), other = same_but_first(fd);
    struct aro_put_result one = put(fd), two = put(other);

    cr_assert_eq(disk_of(&one), 0);
    cr_assert_eq(disk_of(&two), 1);
    cr_assert_eq(chunks_on(0), SOME / 65536 + 1);
    cr_assert_eq(chunks_on(1), SOME / 65536 + 1);
    check_content(&one);
    check_content(&two);
    close(fd);
    close(other);
}

Test(put_disks, a_put_that_fails_takes_nothing_from_another_disk)
{
    int fd = fixture_file(SOME, 0, 1), other = same_but_first(fd);
    struct aro_put_result one = put(fd), two;
    struct aro_put *failing = fixture_put_start(fixture, other);
    struct aro_error error = {0};

    fixture_put_until(fixture, failing, SOME / 2);
    while (chunks_on(1) == 0)
        fixture_turn(fixture);
    aro_put_cancel(failing);
    cr_assert_eq(fixture_put_end(fixture, failing, &two, &error), -1);
    cr_assert_eq(chunks_on(1), 0);
    cr_assert_eq(chunks_on(0), SOME / 65536 + 1);
    check_content(&one);
    close(fd);
    close(other);
}

Test(put_disks, of_two_puts_at_once_the_one_that_fails_takes_only_its_own)
{
    int fd = fixture_file(SOME, 0, 1), other = same_but_first(fd);
    struct aro_put *first = fixture_put_start(fixture, fd), *second;
    struct aro_put_result one, two;
    struct aro_error error = {0};

    fixture_put_until(fixture, first, SOME / 2); /* it claims what both have */
    second = fixture_put_start(fixture, other);
    fixture_put_until(fixture, second, SOME / 2);
    while (chunks_on(0) == 0 || chunks_on(1) == 0) /* the suite's time limit ends it */
        fixture_turn(fixture);
    aro_put_cancel(first);
    cr_assert_eq(fixture_put_end(fixture, first, &one, &error), -1);
    cr_assert_eq(fixture_put_end(fixture, second, &two, &error), 0, "%s", error.text);
    cr_assert_eq(chunks_on(0), 0);
    cr_assert_eq(chunks_on(1), SOME / 65536 + 1);
    check_content(&two);
    close(fd);
    close(other);
}

Test(put_disks, a_put_goes_elsewhere_when_its_disk_takes_nothing)
{
    int fd = fixture_file(SOME, 0, 1);
    struct aro_put_result result;
    char command[128];

    /* no file can be made in a directory that is gone */
    snprintf(command, sizeof(command), "rm -rf '%s/store'", fixture->dir);
    cr_assert_eq(system(command), 0);
    result = put(fd);
    cr_assert_eq(disk_of(&result), 1);
    cr_assert_eq(chunks_on(0), 0);
    cr_assert_eq(chunks_on(1), SOME / 65536 + 1);
    check_content(&result);
    close(fd);
}

Test(put_disks, when_no_disk_takes_anything_the_put_says_why)
{
    int fd = fixture_file(SOME, 0, 1);
    struct aro_put_result result;
    struct aro_error error = {0};
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'/store*", fixture->dir);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(fixture_put(fixture, fd, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_STORE_FAILED, "%s", error.text);
    cr_assert_eq(chunks_on(0) + chunks_on(1), 0);
    close(fd);
}

/* Both have everything but their first chunk in common; the first disk's copies are made bad. */
static void check_read_elsewhere(void (*spoil)(int fd))
{
    int fd = fixture_file(SOME, 0, 1), other = same_but_first(fd);
    struct aro_put_result one = put(fd), two = put(other);

    cr_assert_eq(disk_of(&one), 0);
    cr_assert_eq(disk_of(&two), 1);
    spoil(fd);
    check_content(&two);
    close(fd);
    close(other);
}

static void flip(int fd)
{
    uint8_t head[64];

    cr_assert_eq(pread(fd, head, sizeof(head), 65536), (ssize_t)sizeof(head));
    fixture_damage(fixture, head);
    fixture_restart(fixture);
}

static void shorten(int fd)
{
    char command[128];

    (void)fd;
    snprintf(command, sizeof(command), "truncate -s 0 '%s'/store/*.data", fixture->dir);
    cr_assert_eq(system(command), 0);
}

Test(put_disks, a_chunk_that_is_damaged_on_one_disk_is_read_from_another)
{
    check_read_elsewhere(flip);
}

Test(put_disks, a_chunk_that_one_disk_cannot_read_is_read_from_another)
{
    check_read_elsewhere(shorten);
}

static struct aro_put_result put_deferred(int fd)
{
    struct aro_put_result result;

    fixture->deferred = true;
    result = put(fd);
    fixture->deferred = false;
    return result;
}

static void ask_for(const struct aro_put_result *result)
{
    aro_admission_ask(aro_content_admission(fixture->content), &result->object.id);
    while (aro_admission_writes(aro_content_admission(fixture->content), &result->object.id))
        fixture_turn(fixture);
}

Test(put_disks, what_waited_in_memory_comes_whole_onto_a_disk_of_its_own)
{
    int fd = fixture_file(FEW, 0, 1), other = same_but_first(fd), large = fixture_file(SOME, 0, 2);
    struct aro_put_result one, two;

    fixture->second_hit = true;
    fixture_restart(fixture);
    one = put_deferred(fd);
    put(large);                /* the first disk has less room now */
    two = put_deferred(other); /* shares chunks with what waits: these are written */
    ask_for(&one);
    ask_for(&two);
    cr_assert_eq(disk_of(&one), 0);
    cr_assert_eq(disk_of(&two), 1);
    cr_assert_eq(chunks_on(0), SOME / 65536 + 1 + FEW / 65536 + 1);
    cr_assert_eq(chunks_on(1), FEW / 65536 + 1);
    fixture_restart(fixture);
    check_content(&one);
    check_content(&two);
    close(fd);
    close(other);
    close(large);
}

Test(put_disks, what_is_on_its_way_to_a_disk_that_goes_out_is_never_acknowledged_there)
{
    static const uint64_t hashed[] = {0, 65536, MIB, SOME - 65536, SOME};
    struct aro_put_result result;
    struct aro_error error = {0};
    unsigned failed = 0;

    for (unsigned i = 0; i < sizeof(hashed) / sizeof(hashed[0]); i++) {
        int fd = fixture_file(SOME, 0, i + 1);
        struct aro_put *one = fixture_put_start(fixture, fd);
        uint64_t chunks = chunks_on(0);
        fixture_put_until(fixture, one, hashed[i]);
        aro_disks_use(fixture->disks, 0, ARO_DISK_AWAY);
        if (fixture_put_end(fixture, one, &result, &error) == 0) {
            cr_assert_eq(disk_of(&result), 1);
        } else {
            cr_assert_eq(error.id, ARO_E_STORE_FAILED, "%s", error.text);
            failed++;
        }
        aro_disks_use(fixture->disks, 0, ARO_DISK_USED);
        cr_assert_leq(chunks_on(0), chunks);
        cr_assert_eq(aro_claims_now(aro_content_claims(fixture->content)), 0u);
        fixture_restart(fixture);
        close(fd);
    }
    cr_assert_gt(failed, 0u);
}

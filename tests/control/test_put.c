/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/put.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/base/sha256.h"
#include "control/loop.h"
#include "tests/control/fixture.h"

enum { MIB = 1 << 20, REGION = 16 * MIB };

static struct aro_store_stats store_of(struct fixture *fixture)
{
    struct aro_store_stats stats;

    aro_store_stats(fixture->store, &stats);
    return stats;
}

static struct aro_cache_stats cache_of(struct fixture *fixture)
{
    struct aro_cache_stats stats;

    while (aro_cache_maintain(fixture->cache, 1024))
        ;
    aro_cache_stats(fixture->cache, &stats);
    return stats;
}

Test(put, the_answer_comes_with_the_object_recorded_and_survives_a_restart)
{
    static const uint64_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 3 * MIB + 17, 20 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fixture *fixture = fixture_create(REGION, 64 * MIB);
        int fd = fixture_file(sizes[i], 0, i + 1);
        struct aro_id digest = fixture_file_digest(fd, sizes[i]), back;
        struct aro_put_result result;
        struct aro_error error = {0};
        struct aro_object found;

        cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
        cr_assert_eq(aro_store_object_find(fixture->store, &result.object.id, &found), 0,
                     "visible when the put says so");
        cr_assert(result.durable);
        cr_assert_eq(result.object.total_bytes, sizes[i]);
        cr_assert_eq(result.object.chunks, (sizes[i] + 65535) / 65536);
        cr_assert(aro_id_equal(&result.object.digest, &digest));
        cr_assert_geq(result.new_bytes, sizes[i]);
        fixture_restart(fixture);
        cr_assert_eq(aro_store_digest_find(fixture->store, &digest, &found), 0);
        cr_assert_str_eq(found.label, "test");
        cr_assert(fixture_read_back(fixture, &found.id, &back));
        cr_assert(aro_id_equal(&back, &digest), "%llu bytes", (unsigned long long)sizes[i]);
        close(fd);
        fixture_destroy(fixture);
    }
}

Test(put, a_put_fills_the_memory_tier)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(4 * MIB, 0, 3);
    struct aro_put_result result;
    struct aro_error error = {0};

    cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
    cr_assert_eq(cache_of(fixture).entries_now, 64 + 1, "64 chunks and a manifest");
    close(fd);
    fixture_destroy(fixture);
}

Test(put, the_same_content_again_stores_nothing_new)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(2 * MIB + 5, 0, 3);
    struct aro_put_result first, second;
    struct aro_error error = {0};

    cr_assert_eq(fixture_put(fixture, fd, &first, &error), 0, "%s", error.text);
    cr_assert_eq(fixture_put(fixture, fd, &second, &error), 0, "%s", error.text);
    cr_assert(aro_id_equal(&first.object.id, &second.object.id));
    cr_assert_eq(second.new_bytes, 0);
    close(fd);
    fixture_destroy(fixture);
}

Test(put, repeated_chunks_are_stored_once)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(4 * MIB, 65536, 3);
    struct aro_put_result result;
    struct aro_error error = {0};
    struct aro_id digest = fixture_file_digest(fd, 4 * MIB), back;

    cr_assert_eq(fixture_put(fixture, fd, &result, &error), 0, "%s", error.text);
    cr_assert_eq(store_of(fixture).chunks_now, 2, "one chunk and a manifest");
    cr_assert(fixture_read_back(fixture, &result.object.id, &back));
    cr_assert(aro_id_equal(&back, &digest));
    close(fd);
    fixture_destroy(fixture);
}

Test(put, a_stream_is_taken_to_its_end_however_it_is_cut)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int file = fixture_file(300001, 0, 3), ends[2];
    struct aro_id digest = fixture_file_digest(file, 300001);
    struct aro_put_result result;
    struct aro_error error = {0};
    struct aro_put *put;
    uint8_t piece[7919];
    ssize_t got;

    lseek(file, 0, SEEK_SET);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    put = fixture_put_start(fixture, ends[0]);
    while ((got = read(file, piece, sizeof(piece))) > 0) {
        cr_assert_eq(write(ends[1], piece, (size_t)got), got);
        for (int turn = 0; turn < 8; turn++) {
            cr_assert_geq(aro_put_turn(put, aro_now_ns()), 0, "not over before the end");
            fixture_turn(fixture);
        }
    }
    close(ends[1]);
    cr_assert_eq(fixture_put_end(fixture, put, &result, &error), 0, "%s", error.text);
    cr_assert(aro_id_equal(&result.object.digest, &digest));
    cr_assert_eq(result.object.chunks, 5);
    close(ends[0]);
    close(file);
    fixture_destroy(fixture);
}

Test(put, a_full_store_is_an_error_and_nothing_of_the_put_stays)
{
    struct fixture *fixture = fixture_create(REGION, 8 * MIB);
    int small = fixture_file(MIB, 0, 1), large = fixture_file(24 * MIB, 0, 2);
    struct aro_id digest = fixture_file_digest(small, MIB), back;
    struct aro_put_result kept, result;
    struct aro_error error = {0};
    uint64_t chunks;

    cr_assert_eq(fixture_put(fixture, small, &kept, &error), 0, "%s", error.text);
    chunks = store_of(fixture).chunks_now;
    cr_assert_eq(fixture_put(fixture, large, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_STORE_FULL, "%s", error.text);
    cr_assert_eq(store_of(fixture).chunks_now, chunks, "what it had stored is removed again");
    cr_assert_eq(store_of(fixture).objects_now, 1);
    cr_assert_eq(cache_of(fixture).entries_now, chunks);
    cr_assert(fixture_read_back(fixture, &kept.object.id, &back));
    cr_assert(aro_id_equal(&back, &digest), "what was there is unharmed");
    close(small);
    close(large);
    fixture_destroy(fixture);
}

Test(put, a_cancelled_put_leaves_nothing_and_spares_what_another_put_needs)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(8 * MIB, 0, 5);
    struct aro_id digest = fixture_file_digest(fd, 8 * MIB), back;
    struct aro_put *first = fixture_put_start(fixture, fd), *second;
    struct aro_put_result result;
    struct aro_error error = {0};

    fixture_put_until(fixture, first, 4 * MIB);
    second = fixture_put_start(fixture, fd);
    fixture_put_until(fixture, second, 2 * MIB);
    aro_put_cancel(first);
    cr_assert_eq(fixture_put_end(fixture, first, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_JOB_CANCELLED);
    cr_assert_eq(fixture_put_end(fixture, second, &result, &error), 0, "%s", error.text);
    cr_assert(fixture_read_back(fixture, &result.object.id, &back));
    cr_assert(aro_id_equal(&back, &digest), "the second put's chunks are all there");
    close(fd);
    fixture_destroy(fixture);
}

Test(put, a_cancelled_put_alone_leaves_an_empty_store)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(8 * MIB, 0, 5);
    struct aro_put *put = fixture_put_start(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};

    fixture_put_until(fixture, put, 4 * MIB);
    cr_assert_gt(store_of(fixture).chunks_now, 0);
    aro_put_cancel(put);
    cr_assert_eq(fixture_put_end(fixture, put, &result, &error), -1);
    cr_assert_eq(store_of(fixture).chunks_now, 0);
    cr_assert_eq(cache_of(fixture).entries_now, 0);
    close(fd);
    fixture_destroy(fixture);
}

Test(put, a_source_that_cannot_be_read_is_refused)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    struct aro_put_config config = {.content = fixture->content, .chunk_bytes = 65536, .label = ""};
    struct aro_error error = {0};

    config.fd = open("/tmp", O_RDONLY);
    cr_assert_null(aro_put_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_SOURCE_UNREADABLE);
    config.fd = open("/dev/null", O_WRONLY);
    cr_assert_null(aro_put_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_SOURCE_UNREADABLE);
    config.fd = open("/dev/null", O_RDONLY);
    config.chunk_bytes = 5000;
    cr_assert_null(aro_put_create(&config, &error));
    cr_assert_eq(error.id, ARO_E_PARAMS_INVALID);
    fixture_destroy(fixture);
}

Test(put, a_file_that_shrinks_meanwhile_is_an_error)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(12 * MIB, 0, 5);
    struct aro_put *put = fixture_put_start(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};

    aro_put_turn(put, aro_now_ns());
    cr_assert_eq(ftruncate(fd, MIB), 0);
    cr_assert_eq(fixture_put_end(fixture, put, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_SOURCE_CHANGED, "%s", error.text);
    cr_assert_eq(store_of(fixture).chunks_now, 0);
    close(fd);
    fixture_destroy(fixture);
}

Test(put, a_file_cut_off_inside_a_shared_read_is_an_error)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(MIB / 2, 0, 5);
    struct aro_put *put = fixture_put_start(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};

    cr_assert_eq(ftruncate(fd, 100000), 0);
    cr_assert_eq(fixture_put_end(fixture, put, &result, &error), -1);
    cr_assert_eq(error.id, ARO_E_SOURCE_CHANGED, "%s", error.text);
    close(fd);
    fixture_destroy(fixture);
}

Test(put, cancelled_at_any_turn_it_ends_and_leaves_nothing, .timeout = 60)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(4 * MIB, 0, 5);
    struct aro_put_result result;
    struct aro_error error = {0};

    for (int turns = 0; turns < 200; turns += 1 + turns / 20) {
        struct aro_put *put = fixture_put_start(fixture, fd);
        for (int i = 0; i < turns && aro_put_done_bytes(put) < 3 * MIB; i++) {
            cr_assert_geq(aro_put_turn(put, aro_now_ns()), 0);
            fixture_turn(fixture);
        }
        aro_put_cancel(put);
        cr_assert_eq(fixture_put_end(fixture, put, &result, &error), -1);
        cr_assert_eq(error.id, ARO_E_JOB_CANCELLED);
        cr_assert_eq(store_of(fixture).chunks_now, 0, "after %d turns", turns);
    }
    cr_assert_eq(cache_of(fixture).entries_now, 0);
    close(fd);
    fixture_destroy(fixture);
}

Test(put, without_a_store_content_stays_in_memory_if_it_fits)
{
    struct fixture *fixture = fixture_create(REGION, 0);
    int small = fixture_file(5 * MIB, 0, 1), large = fixture_file(20 * MIB, 0, 2);
    struct aro_id digest = fixture_file_digest(small, 5 * MIB), back;
    struct aro_put_result result, none;
    struct aro_error error = {0};
    struct aro_object object;

    cr_assert_eq(fixture_put(fixture, small, &result, &error), 0, "%s", error.text);
    cr_assert_not(result.durable);
    cr_assert_eq(aro_content_object_find(fixture->content, &digest, ARO_KIND_DIGEST, &object), 0);
    cr_assert_eq(fixture_put(fixture, large, &none, &error), -1);
    cr_assert_eq(error.id, ARO_E_OBJECT_TOO_LARGE);
    cr_assert(fixture_read_back(fixture, &result.object.id, &back));
    cr_assert(aro_id_equal(&back, &digest));
    close(small);
    close(large);
    fixture_destroy(fixture);
}

Test(put, a_turn_takes_in_a_bounded_amount)
{
    struct fixture *fixture = fixture_create(REGION, 64 * MIB);
    int fd = fixture_file(8 * MIB, 0, 5);
    struct aro_put *put = fixture_put_start(fixture, fd);
    struct aro_put_result result;
    struct aro_error error = {0};
    uint64_t before = 0;

    while (aro_put_turn(put, aro_now_ns()) >= 0) {
        uint64_t done = aro_put_done_bytes(put);
        cr_assert_leq(done - before, (uint64_t)ARO_PUT_TURN_BYTES);
        before = done;
        fixture_turn(fixture);
    }
    cr_assert_eq(aro_put_result(put, &result, &error), 0, "%s", error.text);
    aro_put_destroy(put);
    close(fd);
    fixture_destroy(fixture);
}

/* Hits every chunk of the file that is in memory. Returns how many are. */
static unsigned hit(struct aro_reader *reader, int fd, unsigned chunks)
{
    unsigned n = 0;

    for (unsigned i = 0; i < chunks; i++) {
        static uint8_t bytes[65536];
        struct aro_id id;
        const struct aro_id *ids[] = {&id};
        struct aro_entry *entry = NULL;
        cr_assert_eq(pread(fd, bytes, sizeof(bytes), (off_t)i * 65536), 65536);
        id = aro_sha256(bytes, sizeof(bytes));
        aro_cache_online(reader);
        if (aro_cache_find_burst(reader, ids, 1, &entry) == 1) {
            aro_entry_touch(entry);
            n++;
        }
        aro_cache_offline(reader);
    }
    return n;
}

Test(put, a_put_larger_than_memory_leaves_what_is_hot_where_it_is)
{
    enum { HOT = 64 };
    struct fixture *fixture = fixture_create(REGION, 128 * MIB);
    int hot = fixture_file(HOT * 65536, 0, 1), large = fixture_file(4 * REGION, 0, 2);
    struct aro_reader *reader = aro_cache_reader_create(fixture->cache);
    struct aro_put_result result;
    struct aro_error error = {0};

    cr_assert_eq(fixture_put(fixture, hot, &result, &error), 0, "%s", error.text);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(hit(reader, hot, HOT), (unsigned)HOT);
    cr_assert_eq(fixture_put(fixture, large, &result, &error), 0, "%s", error.text);
    cr_assert_gt(cache_of(fixture).evicted, 2u * REGION / 65536);
    cr_assert_eq(hit(reader, hot, HOT), (unsigned)HOT);
    close(hot);
    close(large);
    fixture_destroy(fixture);
}

Test(put, chunks_of_every_size_come_back_right)
{
    static const uint32_t sizes[] = {4096, 12288, 262144, 1048576};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct fixture *fixture = fixture_create(REGION, 64 * MIB);
        int fd = fixture_file(5 * MIB + 4097, 0, i + 1);
        struct aro_id digest = fixture_file_digest(fd, 5 * MIB + 4097), back;
        struct aro_put_config config = {
            .content = fixture->content, .fd = dup(fd), .chunk_bytes = sizes[i], .label = "test"};
        struct aro_put_result result;
        struct aro_error error = {0};
        struct aro_put *put = aro_put_create(&config, &error);

        cr_assert_not_null(put, "%s", error.text);
        cr_assert_eq(fixture_put_end(fixture, put, &result, &error), 0, "%s", error.text);
        cr_assert(aro_id_equal(&result.object.digest, &digest));
        cr_assert(fixture_read_back(fixture, &result.object.id, &back));
        cr_assert(aro_id_equal(&back, &digest), "%u", sizes[i]);
        close(fd);
        fixture_destroy(fixture);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hasher.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <string.h>

#include "cache/base/sha256.h"

enum { JOBS = 200, LEN_MAX = 70000, WAIT_MS = 10000 };

static struct aro_uring *ring;
static struct aro_hasher *hasher;
static uint8_t bytes[JOBS + LEN_MAX];

static void begin(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    ring = aro_uring_create(8);
    hasher = aro_hasher_create(ring);
    cr_assert_not_null(hasher);
}

static void end(void)
{
    aro_hasher_destroy(hasher);
    cr_assert_eq(aro_uring_in_flight(ring), 0u);
    aro_uring_destroy(ring);
}

TestSuite(hasher, .init = begin, .fini = end, .timeout = 60);

static void give(struct aro_hash_job *job, struct aro_sha256_pair *sha, const uint8_t *data,
                 uint32_t len_bytes)
{
    *job = (struct aro_hash_job){.sha = sha, .data = data, .len_bytes = len_bytes};
    aro_hasher_give(hasher, job);
}

static void until_done(const struct aro_hash_job *job)
{
    struct pollfd wake = {.fd = aro_uring_fd(ring), .events = POLLIN};

    while (true) {
        aro_hasher_await(hasher, 1);
        if (aro_hash_job_done(job))
            return;
        aro_uring_submit(ring);
        cr_assert_neq(poll(&wake, 1, WAIT_MS), 0, "nobody woke us");
        aro_uring_reap(ring, 8);
    }
}

Test(hasher, jobs_of_several_wholes_are_done_in_order)
{
    struct aro_sha256_pair *sha[] = {aro_sha256_pair_create(), aro_sha256_pair_create()};
    struct aro_sha256 *plain = aro_sha256_create();
    static struct aro_hash_job job[JOBS];
    struct aro_id whole, other;

    for (unsigned i = 0; i < JOBS; i++)
        give(&job[i], sha[i % 2], bytes + i, i * 349);
    until_done(&job[JOBS - 1]);
    for (unsigned i = 0; i < JOBS; i++) {
        struct aro_id id = aro_sha256(bytes + i, i * 349);
        cr_assert(aro_hash_job_done(&job[i]));
        cr_assert(aro_id_equal(&job[i].id, &id), "%u", i);
    }
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = s; i < JOBS; i += 2)
            aro_sha256_update(plain, bytes + i, i * 349);
        whole = aro_sha256_final(plain);
        other = aro_sha256_pair_whole(sha[s]);
        cr_assert(aro_id_equal(&whole, &other));
        aro_sha256_pair_destroy(sha[s]);
    }
    aro_sha256_destroy(plain);
}

Test(hasher, whoever_waits_for_few_is_woken_before_the_last)
{
    struct aro_sha256_pair *sha = aro_sha256_pair_create();
    struct pollfd wake = {.fd = aro_uring_fd(ring), .events = POLLIN};
    static struct aro_hash_job job[JOBS];

    for (unsigned i = 0; i < JOBS; i++)
        give(&job[i], sha, bytes, LEN_MAX);
    aro_hasher_await(hasher, 4);
    aro_uring_submit(ring);
    while (aro_uring_reap(ring, 8) == 0)
        cr_assert_neq(poll(&wake, 1, WAIT_MS), 0);
    cr_assert(aro_hash_job_done(&job[3]));
    until_done(&job[JOBS - 1]);
    aro_sha256_pair_destroy(sha);
}

Test(hasher, fewer_than_were_waited_for_wake_too)
{
    struct aro_sha256_pair *sha = aro_sha256_pair_create();
    struct pollfd wake = {.fd = aro_uring_fd(ring), .events = POLLIN};
    struct aro_hash_job job[3];

    for (unsigned i = 0; i < 3; i++)
        give(&job[i], sha, bytes, LEN_MAX);
    aro_hasher_await(hasher, 100);
    aro_uring_submit(ring);
    while (!aro_hash_job_done(&job[2])) {
        cr_assert_neq(poll(&wake, 1, WAIT_MS), 0);
        aro_uring_reap(ring, 8);
    }
    aro_sha256_pair_destroy(sha);
}

Test(hasher, with_nothing_to_wait_for_nothing_stays_in_the_ring)
{
    struct aro_sha256_pair *sha = aro_sha256_pair_create();
    struct aro_hash_job job;

    aro_hasher_await(hasher, 1);
    cr_assert_eq(aro_uring_in_flight(ring), 0u);
    give(&job, sha, bytes, 1);
    until_done(&job);
    while (aro_uring_in_flight(ring) > 0) {
        aro_uring_wait(ring);
        aro_uring_reap(ring, 8);
    }
    aro_sha256_pair_destroy(sha);
}

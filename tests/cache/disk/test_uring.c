/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/uring.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct outcome {
    struct aro_io io;
    int calls;
    int result;
};

static void note(struct aro_io *io, int result)
{
    struct outcome *outcome = ARO_IO_OWNER(io, struct outcome, io);

    outcome->calls++;
    outcome->result = result;
}

static int wait_for(struct aro_uring *ring, struct outcome *outcome)
{
    while (outcome->calls == 0) {
        cr_assert_eq(aro_uring_wait(ring), 0);
        aro_uring_reap(ring, 8);
    }
    return outcome->result;
}

static int temporary_file(void)
{
    const char *tmp = getenv("TMPDIR");
    int fd = open(tmp == NULL ? "/tmp" : tmp, O_TMPFILE | O_RDWR, 0600);

    cr_assert_geq(fd, 0);
    return fd;
}

Test(uring, writes_syncs_and_reads_back_on_both_kinds_of_ring)
{
    struct aro_uring *rings[] = {aro_uring_create(8), aro_uring_create_lcore(8)};

    for (int i = 0; i < 2; i++) {
        struct outcome write = {.io.done = note}, sync = {.io.done = note},
                       read = {.io.done = note}, room = {.io.done = note};
        char buffer[16] = "";
        int fd = temporary_file();
        cr_assert_eq(aro_uring_allocate(rings[i], &room.io, fd, 0, 8192), 0);
        cr_assert_eq(wait_for(rings[i], &room), 0);
        cr_assert_eq(lseek(fd, 0, SEEK_END), 8192);
        cr_assert_eq(aro_uring_write(rings[i], &write.io, fd, "hello", 6, 100), 0);
        cr_assert_eq(wait_for(rings[i], &write), 6);
        cr_assert_eq(aro_uring_datasync(rings[i], &sync.io, fd), 0);
        cr_assert_eq(wait_for(rings[i], &sync), 0);
        cr_assert_eq(aro_uring_read(rings[i], &read.io, fd, buffer, 6, 100), 0);
        cr_assert_eq(wait_for(rings[i], &read), 6);
        cr_assert_str_eq(buffer, "hello");
        cr_assert_eq(aro_uring_in_flight(rings[i]), 0u);
        close(fd);
        aro_uring_destroy(rings[i]);
    }
}

Test(uring, callbacks_run_only_from_reap)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct outcome nop = {.io.done = note};

    cr_assert_eq(aro_uring_nop(ring, &nop.io), 0);
    cr_assert_eq(aro_uring_submit(ring), 0);
    cr_assert_eq(aro_uring_wait(ring), 0);
    cr_assert_eq(nop.calls, 0);
    cr_assert_eq(aro_uring_reap(ring, 8), 1u);
    cr_assert_eq(nop.calls, 1);
    aro_uring_destroy(ring);
}

Test(uring, depth_is_a_limit_and_comes_back)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct outcome nop[9] = {0};

    for (int i = 0; i < 9; i++) {
        nop[i].io.done = note;
        cr_assert_eq(aro_uring_nop(ring, &nop[i].io), i < 8 ? 0 : -EAGAIN);
    }
    while (aro_uring_in_flight(ring) > 0)
        aro_uring_poll(ring, 3);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(nop[i].calls, 1);
    cr_assert_eq(aro_uring_nop(ring, &nop[8].io), 0);
    aro_uring_destroy(ring);
    cr_assert_eq(nop[8].calls, 1);
}

Test(uring, the_descriptor_becomes_readable_when_something_completes)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct pollfd poll_fd = {.fd = aro_uring_fd(ring), .events = POLLIN};
    struct outcome read = {.io.done = note};
    char byte;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(aro_uring_read(ring, &read.io, ends[0], &byte, 1, ARO_IO_HERE), 0);
    cr_assert_eq(aro_uring_submit(ring), 0);
    cr_assert_eq(poll(&poll_fd, 1, 0), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    while (poll(&poll_fd, 1, -1) != 1) /* may be interrupted by the ring's own work */
        continue;
    cr_assert_eq(aro_uring_reap(ring, 8), 1u);
    cr_assert_eq(read.result, 1);
    aro_uring_destroy(ring);
}

Test(uring, destroying_cancels_what_would_never_end)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct outcome read = {.io.done = note};
    char byte;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(aro_uring_read(ring, &read.io, ends[0], &byte, 1, ARO_IO_HERE), 0);
    aro_uring_destroy(ring);
    cr_assert_eq(read.calls, 1);
    cr_assert_lt(read.result, 0);
}

Test(uring, registered_memory_takes_reads_inside_and_across_its_edges)
{
    enum { REGION = 1 << 20 };
    struct aro_uring *ring = aro_uring_create_lcore(8);
    char *region =
        mmap(NULL, 2 * REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t at[] = {0, REGION - 4096, REGION - 2048, REGION};
    int fd = temporary_file();

    cr_assert_eq(write(fd, region, 4096), 4096);
    if (aro_uring_register(ring, region, REGION) != 0)
        cr_skip_test("no locked memory for registration");
    for (int i = 0; i < 4; i++) {
        struct outcome read = {.io.done = note};
        memset(region, 1, 2 * REGION);
        cr_assert_eq(aro_uring_read(ring, &read.io, fd, region + at[i], 4096, 0), 0);
        cr_assert_eq(wait_for(ring, &read), 4096);
        cr_assert_eq(region[at[i]], 0);
        cr_assert_eq(region[at[i] + 4095], 0);
    }
    aro_uring_destroy(ring);
    munmap(region, 2 * REGION);
    close(fd);
}

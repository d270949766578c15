/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/uring.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

Test(uring, several_pieces_of_memory_are_one_write_and_one_read)
{
    struct aro_uring *rings[] = {aro_uring_create(8), aro_uring_create_lcore(8)};

    for (int i = 0; i < 2; i++) {
        struct outcome write = {.io.done = note}, read = {.io.done = note};
        char out[] = "one two", in[8] = "";
        struct iovec from[] = {{out + 4, 3}, {out + 3, 1}, {out, 3}}, to[] = {{in, 5}, {in + 5, 3}};
        int fd = temporary_file();
        cr_assert_eq(aro_uring_writev(rings[i], &write.io, fd, from, 3, 100), 0);
        cr_assert_eq(wait_for(rings[i], &write), 7);
        cr_assert_eq(aro_uring_readv(rings[i], &read.io, fd, to, 2, 100), 0);
        cr_assert_eq(wait_for(rings[i], &read), 7);
        cr_assert_str_eq(in, "two one");
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

/* Each callback queues the next operation, as writers do. */
static struct aro_uring *chain_ring;

static void chain(struct aro_io *io, int result)
{
    struct outcome *outcome = ARO_IO_OWNER(io, struct outcome, io);

    cr_assert_eq(result, 0);
    if (++outcome->calls < 1000)
        cr_assert_eq(aro_uring_nop(chain_ring, io), 0);
}

Test(uring, callbacks_may_queue_the_next_operation)
{
    struct outcome links[8] = {0};
    int calls = 0;

    chain_ring = aro_uring_create(8);
    for (int i = 0; i < 8; i++) {
        links[i].io.done = chain;
        cr_assert_eq(aro_uring_nop(chain_ring, &links[i].io), 0);
    }
    while (aro_uring_in_flight(chain_ring) > 0) {
        cr_assert_eq(aro_uring_wait(chain_ring), 0);
        aro_uring_reap(chain_ring, 3);
    }
    for (int i = 0; i < 8; i++)
        calls += links[i].calls;
    cr_assert_eq(calls, 8000);
    aro_uring_destroy(chain_ring);
}

Test(uring, the_descriptor_is_readable_while_something_waits_and_quiet_after)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct pollfd poll_fd = {.fd = aro_uring_fd(ring), .events = POLLIN};
    struct outcome nop[8] = {0};

    for (int i = 0; i < 8; i++) {
        nop[i].io.done = note;
        cr_assert_eq(aro_uring_nop(ring, &nop[i].io), 0);
    }
    cr_assert_eq(aro_uring_submit(ring), 0);
    for (int seen = 0; seen < 8;) {
        int ready = poll(&poll_fd, 1, 10000);
        cr_assert(ready == 1 || (ready < 0 && errno == EINTR), "after %d", seen);
        seen += (int)aro_uring_reap(ring, 1);
    }
    aro_uring_reap(ring, 1);
    cr_assert_eq(poll(&poll_fd, 1, 0), 0);
    aro_uring_destroy(ring);
}

Test(uring, by_threads_what_has_not_ended_may_need_its_descriptor)
{
    struct aro_uring *ring = aro_uring_create(8);
    struct outcome pipe_read = {.io.done = note}, nop = {.io.done = note};
    int refused, ends[2];
    char byte;

    if (!aro_uring_is_threads(ring, &refused))
        cr_skip_test("the kernel holds the files of what it was given");
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(aro_uring_read(ring, &pipe_read.io, ends[0], &byte, 1, ARO_IO_HERE), 0);
    for (unsigned i = 1; i <= 3; i++) {
        nop.calls = 0;
        cr_assert_eq(aro_uring_nop(ring, &nop.io), 0);
        cr_assert_eq(wait_for(ring, &nop), 0);
        cr_assert_eq(aro_uring_queued(ring), 1 + i, "all since the oldest, though they ended");
    }
    cr_assert_eq(write(ends[1], "x", 1), 1);
    cr_assert_eq(wait_for(ring, &pipe_read), 1);
    cr_assert_eq(aro_uring_queued(ring), 0u);
    aro_uring_destroy(ring);
}

Test(uring, where_the_kernel_refuses_it_threads_do_the_work)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    struct outcome write = {.io.done = note};
    struct aro_uring *ring;
    int refused, fd = temporary_file();

    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    ring = aro_uring_create_lcore(8);
    cr_assert_not_null(ring);
    cr_assert(aro_uring_is_threads(ring, &refused));
    cr_assert(refused == EPERM || refused == 0, "0 where threads were chosen");
    cr_assert_eq(aro_uring_write(ring, &write.io, fd, "hello", 6, 0), 0);
    cr_assert_eq(wait_for(ring, &write), 6);
    aro_uring_destroy(ring);
    close(fd);
}

static bool is_kernel_worker(const char *tid)
{
    char path[64], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
    file = fopen(path, "re");
    if (file != NULL && fgets(name, sizeof(name), file) == NULL)
        name[0] = '\0';
    if (file != NULL)
        fclose(file);
    return strncmp(name, "iou-wrk", 7) == 0;
}

/* How many threads the kernel made for our rings, and how many of them may run on cpu. */
static int kernel_workers(int cpu, int *ret_there)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int workers = 0;

    *ret_there = 0;
    cr_assert_not_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        cpu_set_t allowed;
        if (!is_kernel_worker(entry->d_name) ||
            sched_getaffinity(atoi(entry->d_name), sizeof(allowed), &allowed) != 0)
            continue;
        workers++;
        *ret_there += CPU_ISSET(cpu, &allowed) != 0;
    }
    closedir(dir);
    return workers;
}

Test(uring, workers_of_the_kernel_leave_a_pinned_thread_its_cpu)
{
    struct outcome read = {.io.done = note};
    struct aro_uring *ring;
    int cpu = sched_getcpu(), fd, there;
    cpu_set_t one;
    char byte;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        cr_skip_test("one CPU: the workers have nowhere to go");
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600); /* reads of a tmpfs are the workers' */
    if (fd < 0 || write(fd, "x", 1) != 1)
        cr_skip_test("no tmpfs on /dev/shm");
    ring = aro_uring_create_lcore(8);
    cr_assert_eq(aro_uring_read(ring, &read.io, fd, &byte, 1, 0), 0);
    cr_assert_eq(wait_for(ring, &read), 1);
    if (kernel_workers(cpu, &there) == 0)
        cr_skip_test("this kernel reads a tmpfs without workers");
    cr_assert_eq(there, 0, "%d of them on CPU %d", there, cpu);
    aro_uring_destroy(ring);
    close(fd);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_cycles.h>

#include "perf/fail.h"

void *bench_pages(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        bench_fail(ARO_E_BENCH_RESOURCES, "no %zu MiB of memory", bytes >> 20);
    madvise(at, bytes, MADV_HUGEPAGE); /* may be refused */
    return at;
}

void bench_pages_free(void *at, size_t bytes)
{
    munmap(at, bytes);
}

void bench_cpus_read(struct bench_cpus *ret)
{
    if (sched_getaffinity(0, sizeof(ret->set), &ret->set) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "which CPUs may be used cannot be asked");
    ret->count = (unsigned)CPU_COUNT(&ret->set);
}

void bench_pin(const struct bench_cpus *cpus, unsigned which)
{
    cpu_set_t one;
    int cpu = -1;

    for (unsigned left = which % cpus->count + 1; left > 0; left -= CPU_ISSET(cpu, &cpus->set) != 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "a thread cannot be pinned to CPU %d", cpu);
}

void bench_unpin(const struct bench_cpus *cpus)
{
    if (sched_setaffinity(0, sizeof(cpus->set), &cpus->set) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "a thread cannot be given back its CPUs");
}

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* user nice system idle iowait irq softirq steal, in ticks over all CPUs. */
static void ticks_read(uint64_t *ret_stolen, uint64_t *ret_all)
{
    unsigned long long ticks[8] = {0};
    FILE *file = fopen("/proc/stat", "re");

    *ret_stolen = *ret_all = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
               &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) == 8) {
        for (unsigned i = 0; i < 8; i++)
            *ret_all += ticks[i];
        *ret_stolen = ticks[7];
    }
    fclose(file);
}

void bench_mark(struct bench_mark *ret)
{
    ticks_read(&ret->stolen_ticks, &ret->all_ticks);
    ret->ns = clock_ns();
    ret->tsc = rte_rdtsc_precise();
}

void bench_sample_take(const struct bench_mark *mark, uint64_t ops, struct bench_sample *ret)
{
    uint64_t stolen, all;
    double load = 0;

    ret->cycles = rte_rdtsc_precise() - mark->tsc;
    ret->ns = clock_ns() - mark->ns;
    ret->ops = ops;
    ret->beside_per_s = 0;
    ticks_read(&stolen, &all);
    ret->stolen = all == mark->all_ticks
                      ? 0
                      : (double)(stolen - mark->stolen_ticks) / (double)(all - mark->all_ticks);
    ret->load = getloadavg(&load, 1) == 1 ? load : 0;
}

uint64_t bench_tsc_hz(void)
{
    struct bench_sample sample;
    struct bench_mark mark;

    bench_mark(&mark);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    bench_sample_take(&mark, 1, &sample);
    return (uint64_t)((double)sample.cycles * 1e9 / (double)sample.ns);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double values[], unsigned n)
{
    qsort(values, n, sizeof(values[0]), ascending);
    return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

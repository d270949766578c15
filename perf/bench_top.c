/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the table of top chunks costs, beside DPDK's sketch (rte_member): one call of each, the
 * clock's own time taken off; cold: 64 KiB of a larger region are touched before each call, as
 * packets and chunks do. A request of ours costs the count-down of its burst and one call in
 * ARO_TOP_EVERY; one of theirs a call, whatever its own rate of samples. Ids are Zipf(0.99) among a
 * million; prints TSC cycles and how many of the true twenty most frequent each one names.
 *
 *     bench_top [CALLS]      default 200000; medians and means
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_member.h>

#include "cache/top.h"

enum {
    BURST = 32,
    OBJECTS = 1 << 20,
    REQUESTS = 1 << 21,
    CALLS = 200000,
    TOP = 20,
    OTHER_BYTES = 64 << 10, /* per call */
    OTHER_ALL_BYTES = 16 << 20,
    INTERRUPTED_CYCLES = 20000, /* a call that took so long was not the code's fault */
};

struct bench {
    struct aro_id *asked; /* REQUESTS of them */
    uint8_t *other;
    size_t other_at;
    struct aro_top *top;
    struct rte_member_setsum *sketch;
    unsigned calls;
    uint64_t *took; /* calls of them */
};

static struct aro_id id_of(uint64_t i)
{
    return (struct aro_id){{i, i * 0x9e3779b97f4a7c15, ~i, i * 0xff51afd7ed558ccd}};
}

/* Object i has a share of about 1 / (i + 1)^0.99, drawn by its inverse. */
static void asked_fill(struct bench *bench)
{
    double *cumulative = malloc(OBJECTS * sizeof(*cumulative)), sum = 0;

    for (unsigned i = 0; i < OBJECTS; i++)
        cumulative[i] = sum += pow(i + 1, -0.99);
    for (unsigned r = 0; r < REQUESTS; r++) {
        double u = drand48() * sum;
        unsigned low = 0, high = OBJECTS - 1;
        while (low < high) {
            unsigned middle = (low + high) / 2;
            if (cumulative[middle] > u)
                high = middle;
            else
                low = middle + 1;
        }
        bench->asked[r] = id_of(low);
    }
    free(cumulative);
}

static void disturb(struct bench *bench)
{
    for (unsigned i = 0; i < OTHER_BYTES; i += 64)
        bench->other[(bench->other_at + i) % OTHER_ALL_BYTES]++;
    bench->other_at += OTHER_BYTES;
}

/* A burst without a sample: nearly all of them. */
static double burst_cycles(struct bench *bench)
{
    const struct aro_id *ids[BURST] = {bench->asked};
    uint64_t begin = rte_rdtsc_precise();

    for (unsigned i = 0; i < bench->calls; i++) {
        uint32_t left = UINT32_MAX;
        aro_top_burst(bench->top, &left, ids, BURST);
        __asm__ volatile("" : : "r"(left) : "memory");
    }
    return (double)(rte_rdtsc_precise() - begin) / bench->calls;
}

enum what { CLOCK, OURS, THEIRS };

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Median and mean of one call. */
static void call_cycles(struct bench *bench, enum what what, bool cold, double *ret_median,
                        double *ret_mean)
{
    unsigned kept = 0;

    *ret_mean = 0;
    for (unsigned i = 0; i < bench->calls; i++) {
        const struct aro_id id = bench->asked[i % REQUESTS];
        uint64_t begin, took;
        if (cold)
            disturb(bench);
        begin = rte_rdtsc_precise();
        if (what == OURS)
            aro_top_note(bench->top, &id);
        else if (what == THEIRS)
            rte_member_add(bench->sketch, &id, 1);
        took = rte_rdtsc_precise() - begin;
        if (took > INTERRUPTED_CYCLES)
            continue;
        bench->took[kept++] = took;
        *ret_mean += (double)took;
    }
    qsort(bench->took, kept, sizeof(*bench->took), by_value);
    *ret_median = (double)bench->took[kept / 2];
    *ret_mean /= kept;
}

static struct rte_member_setsum *sketch_create(float sample_rate)
{
    const struct rte_member_parameters parameters = {
        .name = "top",
        .type = RTE_MEMBER_TYPE_SKETCH,
        .key_len = sizeof(struct aro_id),
        .error_rate = 0.001f,
        .sample_rate = sample_rate,
        .top_k = ARO_TOP_ROOM,
        .socket_id = 0,
        .prim_hash_seed = 1,
        .extra_flag = 0,
    };

    return rte_member_create(&parameters);
}

static unsigned named_by_us(const struct bench *bench)
{
    static struct aro_top_item item[ARO_TOP_ROOM];
    unsigned n = aro_top_merge(item, aro_top_read(bench->top, item)), named = 0;

    for (unsigned i = 0; i < TOP && i < n; i++)
        named += item[i].id.word[0] < TOP;
    return named;
}

static unsigned named_by_them(const struct bench *bench)
{
    void *key[ARO_TOP_ROOM];
    uint64_t count[ARO_TOP_ROOM];
    int n = rte_member_report_heavyhitter(bench->sketch, key, count);
    unsigned named = 0;

    for (int i = 0; i < TOP && i < n; i++) {
        unsigned best = (unsigned)i;
        for (unsigned j = best; j < (unsigned)n; j++)
            best = count[j] > count[best] ? j : best;
        named += ((const struct aro_id *)key[best])->word[0] < TOP;
        key[best] = key[i];
        count[best] = count[i];
    }
    return named;
}

static void compare(struct bench *bench, const char *name, enum what what)
{
    for (int cold = 0; cold < 2; cold++) {
        double clock[2], value[2];
        call_cycles(bench, CLOCK, cold, &clock[0], &clock[1]);
        call_cycles(bench, what, cold, &value[0], &value[1]);
        printf("%-30s %s  median %6.1f  mean %6.1f cycles per call", name, cold ? "cold" : "warm",
               value[0] - clock[0], value[1] - clock[1]);
        if (what == OURS)
            printf(", %.2f per request", (value[1] - clock[1]) / ARO_TOP_EVERY);
        printf("\n");
    }
    printf("%-30s names %u of the true %d\n", name,
           what == OURS ? named_by_us(bench) : named_by_them(bench), TOP);
}

static int memory_make(struct bench *bench)
{
    bench->asked = aligned_alloc(64, REQUESTS * sizeof(*bench->asked));
    bench->other = calloc(1, OTHER_ALL_BYTES);
    bench->top = aligned_alloc(64, sizeof(*bench->top));
    bench->took = calloc(bench->calls, sizeof(*bench->took));
    if (bench->asked == NULL || bench->other == NULL || bench->top == NULL || bench->took == NULL)
        return -1;
    memset(bench->top, 0, sizeof(*bench->top));
    aro_top_init(bench->top, 42);
    return 0;
}

int main(int argc, char *argv[])
{
    char *eal[] = {argv[0],
                   (char[]){"--no-huge"},
                   (char[]){"-m"},
                   (char[]){"256"},
                   (char[]){"--no-pci"},
                   (char[]){"--no-shconf"},
                   (char[]){"--log-level=error"}};
    struct bench bench = {.calls = argc > 1 ? (unsigned)atoi(argv[1]) : CALLS};

    if (bench.calls == 0 || rte_eal_init(7, eal) < 0 || memory_make(&bench) != 0)
        return 71;
    asked_fill(&bench);
    printf("%-30s %.2f cycles per burst of %d, %.3f per request\n", "ours, burst without a sample",
           burst_cycles(&bench), BURST, burst_cycles(&bench) / BURST);
    compare(&bench, "ours, one sample", OURS);
    for (unsigned i = 0; i < 2; i++) {
        bench.sketch = sketch_create(i == 0 ? 1.0f / ARO_TOP_EVERY : 1.0f);
        if (bench.sketch == NULL)
            return 71;
        compare(&bench, i == 0 ? "rte_member, same rate" : "rte_member, all", THEIRS);
        rte_member_free(bench.sketch);
    }
    rte_eal_cleanup();
    return 0;
}

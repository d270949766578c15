/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookups while another core writes a million times a second: into our index (insert one, evict the
 * oldest), or into plain memory as many lines at places like those. What the ratio lacks to one is
 * what readers lose beyond what the memory system takes.
 */
#include "perf/compare.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "perf/churn.h"
#include "perf/fail.h"
#include "perf/plain.h"

enum {
    BURST = 32,
    WRITES_PER_S = 1000000,
    RING = 1 << 16, /* entries that come and go */
    SETTLE_NS = 5000000,
};
enum { SLOT_READER, SLOT_WRITER, SLOTS }; /* of QSBR */
enum mode { MODE_REST, MODE_INDEX, MODE_PLAIN, MODE_END };

struct writes {
    const struct compare *compare;
    struct bench_population population;
    struct bench_churn churn;
    struct aro_id *asked; /* [COMPARE_SAMPLES * lookups] */
    unsigned samples;     /* taken so far */
    uint8_t *lines;       /* plain's */
    uint64_t lines_count;
    struct bench_plain plain;
    uint64_t batch_cycles;
    alignas(64) _Atomic int mode;
    alignas(64) _Atomic uint64_t written; /* by the other thread */
};

/* ---- the other core ---- */

static void index_batch(struct writes *writes)
{
    bench_churn_begin(&writes->churn);
    bench_churn_batch(&writes->churn);
    bench_churn_end(&writes->churn);
}

/* Open loop: who is late makes up for it, but for no more than a millisecond. */
static void wait_for_turn(uint64_t *turn_tsc, uint64_t batch_cycles)
{
    uint64_t now = rte_rdtsc();

    *turn_tsc += batch_cycles;
    if (now > *turn_tsc + batch_cycles * (WRITES_PER_S / 1000 / BENCH_CHURN_BATCH))
        *turn_tsc = now;
    while (rte_rdtsc() < *turn_tsc)
        rte_pause();
}

static void *write_steadily(void *arg)
{
    struct writes *writes = arg;
    uint64_t turn_tsc = 0;
    int mode;

    bench_pin(&writes->compare->cpus, 1);
    while ((mode = atomic_load(&writes->mode)) != MODE_END) {
        if (mode == MODE_INDEX)
            index_batch(writes);
        if (mode == MODE_PLAIN)
            bench_plain_write(&writes->plain, BENCH_CHURN_BATCH);
        if (mode != MODE_REST)
            atomic_fetch_add_explicit(&writes->written, BENCH_CHURN_BATCH, memory_order_relaxed);
        wait_for_turn(&turn_tsc, writes->batch_cycles);
    }
    return NULL;
}

/* ---- the reader ---- */

static void measure(struct writes *writes, enum mode mode, struct bench_sample *ret)
{
    struct aro_qsbr *qsbr = &writes->population.qsbr;
    const uint32_t lookups = writes->compare->lookups;
    const struct aro_id *asked =
        &writes->asked[(size_t)(writes->samples++ % COMPARE_SAMPLES) * lookups];
    struct bench_mark mark;
    uint64_t wrong = 0, written;

    atomic_store(&writes->mode, mode);
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
    aro_qsbr_online(qsbr, SLOT_READER);
    bench_mark(&mark);
    written = atomic_load(&writes->written);
    for (uint32_t i = 0; i < lookups; i += BURST) {
        wrong += bench_population_lookup(&writes->population, &asked[i], BURST);
        aro_qsbr_quiescent(qsbr, SLOT_READER);
    }
    written = atomic_load(&writes->written) - written;
    bench_sample_take(&mark, lookups, ret);
    aro_qsbr_offline(qsbr, SLOT_READER);
    atomic_store(&writes->mode, MODE_REST);
    ret->beside_per_s = (double)written * 1e9 / (double)ret->ns;
    if (wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG, "%llu lookups did not find what they should",
                   (unsigned long long)wrong);
}

static void index_measure(void *arg, struct bench_sample *ret)
{
    measure(arg, MODE_INDEX, ret);
}

static void plain_measure(void *arg, struct bench_sample *ret)
{
    measure(arg, MODE_PLAIN, ret);
}

/* ---- both ---- */

static void writes_make(struct writes *writes, const struct compare *compare)
{
    *writes = (struct writes){.compare = compare};
    bench_population_make(&writes->population, compare->entries + RING + BENCH_CHURN_SPARE, 0,
                          SLOTS);
    bench_population_fill(&writes->population, compare->entries);
    bench_churn_make(&writes->churn, &writes->population, compare->entries, RING, SLOT_WRITER,
                     UINT64_C(1) << 32, 1);
    writes->asked = bench_asked_make(COMPARE_SAMPLES * compare->lookups, compare->entries, 7);
    writes->lines = bench_plain_lines_make(compare->entries, &writes->lines_count);
    bench_plain_make(&writes->plain, writes->lines, writes->lines_count, 3);
    writes->batch_cycles = bench_tsc_hz() * BENCH_CHURN_BATCH / WRITES_PER_S;
}

static void writes_free(struct writes *writes)
{
    bench_pages_free(writes->asked,
                     COMPARE_SAMPLES * writes->compare->lookups * sizeof(struct aro_id));
    bench_plain_free(&writes->plain);
    bench_plain_lines_free(writes->lines, writes->lines_count);
    bench_population_free(&writes->population);
}

void compare_lookup_under_writes(const struct compare *compare, const char *name)
{
    struct writes writes;
    struct compare_result result;
    struct compare_pair pair = {.name = name,
                                .by_cycles = true,
                                .ours = {index_measure, &writes},
                                .theirs = {plain_measure, &writes}};
    pthread_t other;

    if (compare->cpus.count < 2)
        bench_fail(ARO_E_BENCH_RESOURCES, "%s takes two CPUs", name);
    writes_make(&writes, compare);
    if (pthread_create(&other, NULL, write_steadily, &writes) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no thread can be started");
    compare_measure(compare, &pair, &result);
    atomic_store(&writes.mode, MODE_END);
    pthread_join(other, NULL);
    if (writes.churn.wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG, "inserts or evictions beside the lookups failed");
    compare_tell(name, &result, "cycles",
                 "%u entries, all hits at random, burst 32, while another core inserts and evicts "
                 "%.2f M/s in the same index; theirs: our lookups while it writes plain memory, "
                 "three lines each, %.2f M/s",
                 compare->entries, result.ours_beside / 1e6, result.theirs_beside / 1e6);
    writes_free(&writes);
}

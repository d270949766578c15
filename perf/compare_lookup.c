/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookups: every id is there, in random order, in bursts of 32, full ids compared; whatever is
 * found must be the entry of that id. Both sides point at the same entries; only ours reads them
 * for the id, the others keep copies of the ids.
 */
#include "perf/compare.h"

#include "perf/baseline.h"
#include "perf/fail.h"
#include "perf/population.h"

enum { BURST = 32, LINE = 64 };
static_assert((int)BASELINE_ID_BYTES == (int)ARO_ID_BYTES, "ids are the same everywhere");

struct lookup {
    uint32_t lookups; /* per sample, a multiple of BURST */
    struct bench_population population;
    struct aro_id *asked; /* [COMPARE_SAMPLES * lookups] */
    unsigned samples;     /* taken so far */
    const struct baseline_table_ops *ops;
    void *table;
    struct floor_loads floor;
};

static const uint8_t *id_bytes(const struct aro_id *ids)
{
    return (const uint8_t *)ids;
}

static void right_or_fail(const char *who, uint64_t wrong)
{
    if (wrong != 0)
        bench_fail(ARO_E_BENCH_WRONG, "%s: %llu lookups did not find what they should", who,
                   (unsigned long long)wrong);
}

static const struct aro_id *asked_next(struct lookup *lookup)
{
    return &lookup->asked[(size_t)(lookup->samples++ % COMPARE_SAMPLES) * lookup->lookups];
}

static void ours_measure(void *arg, struct bench_sample *ret)
{
    struct lookup *lookup = arg;
    const struct aro_id *asked = asked_next(lookup);
    struct bench_mark mark;
    uint64_t wrong = 0;

    bench_mark(&mark);
    for (uint32_t i = 0; i < lookup->lookups; i += BURST)
        wrong += bench_population_lookup(&lookup->population, &asked[i], BURST);
    bench_sample_take(&mark, lookup->lookups, ret);
    right_or_fail("index", wrong);
}

static void table_measure(void *arg, struct bench_sample *ret)
{
    struct lookup *lookup = arg;
    const struct aro_id *asked = asked_next(lookup);
    const struct aro_entry *entries = lookup->population.entries;
    struct bench_mark mark;
    uint64_t wrong = 0;

    bench_mark(&mark);
    for (uint32_t i = 0; i < lookup->lookups; i += BURST) {
        const struct aro_id *ids = &asked[i];
        void *found[BURST];
        wrong += BURST - lookup->ops->lookup_burst(lookup->table, id_bytes(ids), BURST, found);
        for (unsigned j = 0; j < BURST; j++)
            wrong += found[j] != &entries[bench_id_number(&ids[j])];
    }
    bench_sample_take(&mark, lookup->lookups, ret);
    right_or_fail(lookup->ops->name, wrong);
}

static void floor_measure(void *arg, struct bench_sample *ret)
{
    struct lookup *lookup = arg;
    const struct aro_id *asked = asked_next(lookup);
    struct bench_mark mark;
    uint64_t wrong = 0, sum = 0;

    bench_mark(&mark);
    for (uint32_t i = 0; i < lookup->lookups; i += BURST)
        wrong += BURST - floor_loads_burst(&lookup->floor, id_bytes(&asked[i]), BURST, &sum);
    bench_sample_take(&mark, lookup->lookups, ret);
    right_or_fail("floor", wrong + (sum == 0));
}

static void lookup_make(struct lookup *lookup, const struct compare *compare)
{
    *lookup = (struct lookup){.lookups = compare->lookups};
    bench_population_make(&lookup->population, compare->entries, 0, 1);
    bench_population_fill(&lookup->population, compare->entries);
    lookup->asked = bench_asked_make(COMPARE_SAMPLES * compare->lookups, compare->entries, 7);
}

static void lookup_free(struct lookup *lookup)
{
    bench_pages_free(lookup->asked, COMPARE_SAMPLES * lookup->lookups * sizeof(struct aro_id));
    bench_population_free(&lookup->population);
}

static void against_table(const struct compare *compare, const char *name,
                          const struct baseline_table_ops *ops, const char *how)
{
    struct lookup lookup;
    struct compare_result result;
    struct compare_pair pair = {.name = name,
                                .by_cycles = true,
                                .ours = {ours_measure, &lookup},
                                .theirs = {table_measure, &lookup}};

    lookup_make(&lookup, compare);
    lookup.ops = ops;
    lookup.table = ops->create(compare->entries, false);
    if (lookup.table == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no %s of %u entries", ops->name, compare->entries);
    for (uint32_t i = 0; i < compare->entries; i++) {
        struct aro_entry *entry = &lookup.population.entries[i];
        if (!ops->insert(lookup.table, id_bytes(&entry->id), entry))
            bench_fail(ARO_E_BENCH_WRONG, "%s refuses entry %u", ops->name, i);
    }
    compare_measure(compare, &pair, &result);
    compare_tell(name, &result, "cycles",
                 "%u entries, all hits at random, burst 32, 32-byte ids compared; %s",
                 compare->entries, how);
    ops->destroy(lookup.table);
    lookup_free(&lookup);
}

void compare_lookup_rte_hash(const struct compare *compare, const char *name)
{
    against_table(
        compare, name, &baseline_rte_hash,
        "rte_hash lock-free, bulk, hash given (bits of the id), in large pages like ours");
}

void compare_lookup_lfht(const struct compare *compare, const char *name)
{
    against_table(
        compare, name, &baseline_lfht,
        "liburcu lfht, QSBR, a bucket per entry, one by one (it has no bulk lookup), hash "
        "given, in large pages like ours");
}

/* As many lines as the index has for so many entries: eight to a line, half full. */
void compare_lookup_floor(const struct compare *compare, const char *name)
{
    struct lookup lookup;
    struct compare_result result;
    struct compare_pair pair = {.name = name,
                                .by_cycles = true,
                                .ours = {ours_measure, &lookup},
                                .theirs = {floor_measure, &lookup}};
    uint64_t lines = compare->entries / (ARO_INDEX_SLOTS / 2);
    uint64_t *memory;

    lookup_make(&lookup, compare);
    memory = bench_pages(lines * LINE);
    for (uint64_t i = 0; i < lines; i++)
        memory[i * LINE / sizeof(*memory)] = i + 1;
    lookup.floor = (struct floor_loads){.lines = (const uint8_t *)memory,
                                        .lines_count = lines,
                                        .entries = (const uint8_t *)lookup.population.entries,
                                        .entry_bytes = sizeof(struct aro_entry)};
    compare_measure(compare, &pair, &result);
    compare_tell(name, &result, "cycles",
                 "%u entries, all hits at random, burst 32; the floor is two prefetched loads of a "
                 "line each, one of %llu MiB, one of the entries, without hash or compare",
                 compare->entries, (unsigned long long)(lines * LINE >> 20));
    bench_pages_free(memory, lines * LINE);
    lookup_free(&lookup);
}

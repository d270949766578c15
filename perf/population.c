/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/population.h"

#include <errno.h>
#include <string.h>

#include "perf/fail.h"
#include "perf/machine.h"

enum { INDEX_SEED = 42, LINE = 64 };

void bench_population_make(struct bench_population *population, uint32_t entries_max,
                           uint32_t value_bytes, unsigned threads)
{
    *population = (struct bench_population){.entries_max = entries_max, .value_bytes = value_bytes};
    population->index = aro_index_create(entries_max, INDEX_SEED);
    if (population->index == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no index of %u entries: %s", entries_max,
                   strerror(errno));
    population->entries = bench_pages(entries_max * sizeof(struct aro_entry));
    population->value_stride = ((size_t)value_bytes + LINE - 1) / LINE * LINE;
    if (value_bytes > 0)
        population->values = bench_pages(entries_max * population->value_stride);
    aro_qsbr_init(&population->qsbr, threads);
}

void bench_population_free(struct bench_population *population)
{
    aro_index_destroy(population->index);
    bench_pages_free(population->entries, population->entries_max * sizeof(struct aro_entry));
    if (population->values != NULL)
        bench_pages_free(population->values, population->entries_max * population->value_stride);
}

void bench_population_fill(struct bench_population *population, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!bench_population_insert(population, &population->entries[i], i))
            bench_fail(ARO_E_BENCH_WRONG, "the index refuses entry %u of %u", i, n);
}

/* Every line of it begins with the number. */
static void value_write(uint8_t *value, uint32_t bytes, uint64_t number)
{
    memset(value, 0, bytes);
    for (uint32_t at = 0; at + sizeof(number) <= bytes; at += LINE)
        memcpy(value + at, &number, sizeof(number));
}

static bool value_is(const uint8_t *value, uint32_t bytes, uint64_t number)
{
    uint64_t differs = 0, word;

    for (uint32_t at = 0; at + sizeof(word) <= bytes; at += LINE) {
        memcpy(&word, value + at, sizeof(word));
        differs |= word ^ number;
    }
    return differs == 0;
}

bool bench_population_insert(struct bench_population *population, struct aro_entry *entry,
                             uint64_t number)
{
    struct aro_entry *member;

    entry->id = bench_id(number);
    if (population->values != NULL) {
        entry->data =
            population->values + (size_t)(entry - population->entries) * population->value_stride;
        value_write(entry->data, population->value_bytes, number);
    }
    entry->len_bytes = population->value_bytes;
    atomic_store_explicit(&entry->state, ARO_ENTRY_RESIDENT, memory_order_relaxed);
    if (aro_index_insert(population->index, entry, &member) == 0)
        return true;
    atomic_store_explicit(&entry->state, ARO_ENTRY_GONE, memory_order_relaxed);
    return false;
}

unsigned bench_population_lookup(const struct bench_population *population,
                                 const struct aro_id ids[], unsigned n)
{
    const struct aro_id *asked[ARO_FIND_BURST_MAX];
    struct aro_entry *found[ARO_FIND_BURST_MAX];
    unsigned wrong = 0;

    if (n == 0)
        return 0;
    for (unsigned i = 0; i < n; i++)
        asked[i] = &ids[i];
    aro_index_find_burst(population->index, asked, n, found);
    for (unsigned i = 0; i < n; i++)
        wrong += found[i] != &population->entries[bench_id_number(&ids[i])];
    if (population->values == NULL || wrong != 0)
        return wrong;
    for (unsigned i = 0; i < n; i++)
        wrong += !value_is(found[i]->data, population->value_bytes, bench_id_number(&ids[i]));
    return wrong;
}

struct aro_id *bench_asked_make(uint32_t n, uint32_t population, uint64_t seed)
{
    struct aro_id *ids = bench_pages(n * sizeof(*ids));

    for (uint32_t i = 0; i < n; i++)
        ids[i] = bench_id((bench_random(&seed) >> 32) * population >> 32);
    return ids;
}

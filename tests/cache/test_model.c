/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole cache against the obvious one: an array that knows for each id whether it must be
 * there, may be there or cannot be. One thread drives two readers and the keeper at random, seeded.
 *
 *     ARO_MODEL_STEPS=10000000 ARO_MODEL_SEED=7 test_cache_model     a longer run, or another one
 */
#include "cache/cache.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/base/error.h"
#include "cache/sums.h"

enum { REGION_BYTES = 8 << 20, IDS_MAX = 2000, READERS = 2, PINS = 8, STEPS = 600000 };

enum truth { ABSENT, READING, RESIDENT /* unless evicted */ };

struct pin {
    struct aro_entry *entry;
    unsigned number;
};

struct model {
    struct aro_cache *cache;
    struct aro_reader *reader[READERS];
    struct pin pin[READERS][PINS];
    unsigned ids;
    uint32_t len_max;
    enum truth truth[IDS_MAX];
    uint8_t version[IDS_MAX]; /* chunks are immutable; here a new life has new bytes */
    struct aro_entry *read[IDS_MAX];
    uint64_t admitted, removed, abandoned, lost;
};

static struct aro_id id_of(unsigned number)
{
    return (struct aro_id){{number, 77}};
}

static uint32_t len_of(const struct model *model, unsigned number)
{
    return 1 + number * 2654435761u % model->len_max;
}

static uint8_t byte_of(const struct model *model, unsigned number)
{
    return (uint8_t)(number * 31 + model->version[number]);
}

static void bytes_fill(struct model *model, struct aro_entry *entry, unsigned number)
{
    model->version[number]++;
    entry->data[0] = byte_of(model, number);
    entry->data[entry->len_bytes - 1] = byte_of(model, number);
}

static struct aro_entry *find(struct model *model, unsigned reader, unsigned number)
{
    struct aro_id id = id_of(number);
    const struct aro_id *ids[1] = {&id};
    struct aro_entry *entry;

    aro_cache_find_burst(model->reader[reader], ids, 1, &entry);
    return entry;
}

static void look_check(struct model *model, unsigned reader, unsigned number)
{
    struct aro_entry *entry = find(model, reader, number);
    struct pin *pin = &model->pin[reader][random() % PINS];

    if (model->truth[number] == READING) {
        cr_assert_eq(entry, model->read[number]);
        cr_assert_eq(aro_entry_state(entry), ARO_ENTRY_READING);
        return;
    }
    if (entry == NULL) {
        model->lost += model->truth[number] == RESIDENT;
        model->truth[number] = ABSENT;
        return;
    }
    cr_assert_eq(model->truth[number], RESIDENT);
    cr_assert_eq(aro_entry_state(entry), ARO_ENTRY_RESIDENT);
    cr_assert_eq(entry->len_bytes, len_of(model, number));
    cr_assert_eq(entry->data[0], byte_of(model, number));
    cr_assert_eq(entry->data[entry->len_bytes - 1], byte_of(model, number));
    aro_entry_touch(entry);
    if (pin->entry == NULL) {
        aro_cache_pin(model->reader[reader], (unsigned)(pin - model->pin[reader]), entry);
        *pin = (struct pin){entry, number};
    }
}

static void pin_drop(struct model *model, unsigned reader, unsigned slot)
{
    struct pin *pin = &model->pin[reader][slot];

    if (pin->entry == NULL)
        return;
    cr_assert_eq(pin->entry->id.word[0], pin->number);
    cr_assert_eq(pin->entry->data[0], pin->entry->data[pin->entry->len_bytes - 1]);
    aro_cache_unpin(model->reader[reader], slot);
    pin->entry = NULL;
}

static void read_step(struct model *model, unsigned reader, unsigned number)
{
    struct aro_id id = id_of(number);
    struct aro_entry *entry;
    int rc;

    if (model->truth[number] == READING) {
        entry = model->read[number];
        if (random() % 4 == 0) {
            aro_cache_abandon(model->reader[reader], entry);
            model->truth[number] = ABSENT;
            model->abandoned++;
        } else {
            bytes_fill(model, entry, number);
            aro_sums_extend(aro_cache_sums(model->cache, entry), 0, entry->data, 1);
            aro_cache_publish(model->reader[reader], entry);
            model->truth[number] = RESIDENT;
            model->admitted++;
        }
        return;
    }
    rc = aro_cache_reserve(model->reader[reader], &id, len_of(model, number), &entry);
    if (rc == 0) {
        model->lost += model->truth[number] == RESIDENT;
        model->truth[number] = READING;
        model->read[number] = entry;
    } else {
        cr_assert(rc == -ENOBUFS || (rc == -EALREADY && model->truth[number] == RESIDENT));
    }
}

static void put_step(struct model *model, unsigned number)
{
    struct aro_entry *entry;
    int rc = aro_cache_alloc(model->cache, len_of(model, number), &entry);
    uint8_t version = model->version[number];

    if (rc != 0) {
        cr_assert_eq(rc, -ENOBUFS);
        return;
    }
    entry->id = id_of(number);
    bytes_fill(model, entry, number);
    rc = aro_cache_insert(model->cache, entry);
    if (rc == 0) {
        cr_assert_neq(model->truth[number], READING);
        model->lost += model->truth[number] == RESIDENT;
        model->truth[number] = RESIDENT;
        model->admitted++;
    } else {
        cr_assert_eq(rc, -EEXIST);
        cr_assert_neq(model->truth[number], ABSENT);
        model->version[number] = version;
    }
}

/* By a reader, or by the keeper. */
static void remove_step(struct model *model, unsigned reader, unsigned number)
{
    struct aro_id id = id_of(number);
    int rc = random() % 2 == 0 ? aro_cache_erase(model->reader[reader], &id)
                               : aro_cache_remove(model->cache, &id);

    if (rc == 0) {
        cr_assert_eq(model->truth[number], RESIDENT);
        model->truth[number] = ABSENT;
        model->removed++;
    } else if (rc == -EBUSY) {
        cr_assert_eq(model->truth[number], READING);
    } else {
        cr_assert_eq(rc, -ENOENT);
        cr_assert_neq(model->truth[number], READING);
        model->lost += model->truth[number] == RESIDENT;
        model->truth[number] = ABSENT;
    }
}

static void flush_step(struct model *model)
{
    model->removed += aro_cache_flush(model->cache);
    for (unsigned number = 0; number < model->ids; number++) {
        if (model->truth[number] == READING)
            continue;
        cr_assert_null(find(model, 0, number));
        model->truth[number] = ABSENT;
    }
}

static void step(struct model *model)
{
    unsigned number = (unsigned)random() % model->ids;
    unsigned reader = (unsigned)random() % READERS;
    long what = random() % 1000;

    if (what < 450)
        look_check(model, reader, number);
    else if (what < 600)
        read_step(model, reader, number);
    else if (what < 700)
        put_step(model, number);
    else if (what < 730)
        remove_step(model, reader, number);
    else if (what < 800)
        pin_drop(model, reader, (unsigned)random() % PINS);
    else if (what < 900)
        aro_cache_quiescent(model->reader[reader]);
    else if (what < 999 || random() % 20 != 0)
        aro_cache_maintain(model->cache, 1 + (unsigned)random() % 32);
    else
        flush_step(model);
}

static void size_count(struct aro_size_count size[ARO_SIZE_CLASSES], uint32_t len_bytes)
{
    unsigned i = 0;

    while (len_bytes > (uint32_t)ARO_CHUNK_ALIGN << i)
        i++;
    size[i].entries++;
    size[i].bytes += len_bytes;
}

/* At rest the books must balance, and after a flush nothing but the stock is left. */
static void end_check(struct model *model)
{
    struct aro_size_count size[ARO_SIZE_CLASSES] = {{0}};
    struct aro_cache_stats stats;
    unsigned found = 0;

    for (unsigned number = 0; number < model->ids; number++)
        if (model->truth[number] == READING)
            read_step(model, 0, number);
    for (unsigned r = 0; r < READERS; r++) {
        for (unsigned i = 0; i < PINS; i++)
            pin_drop(model, r, i);
        aro_cache_offline(model->reader[r]);
    }
    for (int i = 0; i < 4; i++)
        while (aro_cache_maintain(model->cache, 1000)) {
        }
    for (unsigned number = 0; number < model->ids; number++) {
        const struct aro_entry *entry = find(model, 0, number);
        found += entry != NULL;
        if (entry != NULL)
            size_count(size, entry->len_bytes);
    }
    aro_cache_stats(model->cache, &stats);
    cr_assert_eq(stats.entries_now, found);
    cr_assert_eq(stats.admitted, model->admitted);
    cr_assert_eq(stats.abandoned, model->abandoned);
    cr_assert_eq(stats.admitted - stats.evicted - stats.removed, stats.entries_now);
    cr_assert_eq(stats.rejected, 0u);
    cr_assert_leq(stats.evicted_unread, stats.evicted);
    cr_assert_eq(stats.small_now + stats.main_now + stats.kept_now, stats.entries_now);
    cr_assert_arr_eq(stats.size_now, size, sizeof(size));
    cr_assert_eq(stats.retired_now, 0u);
    cr_assert_eq(stats.pinned_now, 0u);
    aro_cache_flush(model->cache);
    aro_cache_maintain(model->cache, 100000);
    aro_cache_stats(model->cache, &stats);
    cr_assert_leq(stats.bytes_used_now, REGION_BYTES / 8 * 5 / 4u);
    for (unsigned i = 0; i < ARO_SIZE_CLASSES; i++)
        cr_assert(stats.size_now[i].entries == 0 && stats.size_now[i].bytes == 0, "class %u", i);
}

static unsigned long setting(const char *name, unsigned long usual)
{
    const char *text = getenv(name);

    return text != NULL ? strtoul(text, NULL, 0) : usual;
}

static struct aro_cache_stats run(struct model *model, unsigned ids, uint32_t len_max,
                                  unsigned usual_seed)
{
    unsigned seed = (unsigned)setting("ARO_MODEL_SEED", usual_seed);
    unsigned long steps = setting("ARO_MODEL_STEPS", STEPS);
    void *region =
        mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct aro_cache_config config = {.region = region,
                                      .region_bytes = REGION_BYTES,
                                      .entries_max = 2 * IDS_MAX,
                                      .readers_max = READERS,
                                      .pins_per_reader = PINS,
                                      .seed = seed};
    struct aro_cache_stats stats;

    fprintf(stderr, "model: %u ids, %lu operations, seed %u\n", ids, steps, seed);
    srandom(seed);
    model->ids = ids;
    model->len_max = len_max;
    model->cache = aro_cache_create(&config, NULL);
    for (unsigned i = 0; i < READERS; i++) {
        model->reader[i] = aro_cache_reader_create(model->cache);
        aro_cache_online(model->reader[i]);
    }
    for (unsigned long i = 0; i < steps; i++)
        step(model);
    end_check(model);
    aro_cache_stats(model->cache, &stats);
    aro_cache_destroy(model->cache);
    munmap(region, REGION_BYTES);
    return stats;
}

Test(model, a_cache_with_room_for_all_loses_nothing)
{
    static struct model model;
    struct aro_cache_stats stats = run(&model, 500, 4096, 1);

    cr_assert_eq(stats.evicted, 0u);
    cr_assert_eq(model.lost, 0u);
    cr_assert_gt(stats.admitted, 10000u);
}

Test(model, a_cache_under_pressure_is_never_wrong)
{
    static struct model model;
    struct aro_cache_stats stats = run(&model, IDS_MAX, 60000, 2);

    cr_assert_gt(stats.evicted, stats.admitted / 2);
    cr_assert_gt(model.lost, 1000u);
    cr_assert_lt(model.lost, stats.evicted + 1);
}

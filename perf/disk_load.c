/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/disk_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "cache/sums.h"
#include "perf/fail.h"
#include "perf/ids.h"

enum {
    TURN_BYTES = 16384, /* verified per turn, as an lcore does */
    BURST = 64,
    BEGUN_MAX = 4, /* per turn, so that the device has some while others are chosen */
    SEED = 7,
};

/* A chunk from its choice to its verification. */
struct flight {
    struct aro_id id;
    struct aro_place place;
    struct aro_verify verify;
    uint8_t *data;
    uint16_t *sums;
};

struct disk_load {
    const struct disk_stock *stock;
    struct aro_disk_reader *reader;
    unsigned depth;
    unsigned flights; /* twice the depth: as many may be verified */
    size_t stride;
    uint8_t *memory;
    uint16_t *sums;
    uint64_t random;
    uint64_t tsc_hz;
    unsigned idle; /* free[:idle] are in no use */
    unsigned head, tail;
    unsigned *free, *verifying; /* verifying: a ring, [head..tail) modulo flights */
    struct flight *flight;
};

static void *array(size_t n, size_t each)
{
    void *memory = calloc(n, each);

    if (memory == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
    return memory;
}

struct disk_load *disk_load_make(const struct disk_stock *stock, unsigned depth)
{
    struct disk_load *load = array(1, sizeof(*load));
    struct aro_disk_reader_config config = {.store = stock->store, .depth = depth, .files = true};
    const size_t sums = aro_sums_count(stock->chunk_bytes);

    load->stock = stock;
    load->depth = depth;
    load->flights = load->idle = 2 * depth;
    load->stride = aro_blocks(stock->chunk_bytes) * (size_t)ARO_BLOCK_BYTES;
    load->random = SEED;
    load->tsc_hz = bench_tsc_hz();
    load->memory = bench_pages(load->flights * load->stride);
    memset(load->memory, 1, load->flights * load->stride);
    load->sums = array(load->flights * sums, sizeof(uint16_t));
    load->free = array(load->flights, sizeof(unsigned));
    load->verifying = array(load->flights, sizeof(unsigned));
    load->flight = array(load->flights, sizeof(struct flight));
    for (unsigned i = 0; i < load->flights; i++) {
        load->free[i] = i;
        load->flight[i].data = load->memory + i * load->stride;
        load->flight[i].sums = load->sums + i * sums;
    }
    config.region = load->memory;
    config.region_bytes = load->flights * load->stride;
    load->reader = aro_disk_reader_create(&config);
    if (load->reader == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no reader on io_uring: %s", strerror(errno));
    return load;
}

void disk_load_free(struct disk_load *load)
{
    aro_disk_reader_destroy(load->reader);
    bench_pages_free(load->memory, load->flights * load->stride);
    free(load->sums);
    free(load->free);
    free(load->verifying);
    free(load->flight);
    free(load);
}

void disk_load_reader(const struct disk_load *load, struct aro_disk_reader_stats *ret)
{
    aro_disk_reader_stats(load->reader, ret);
}

/* ---- one turn ---- */

/* Chooses chunks for the topmost n free flights. */
static void choose(struct disk_load *load, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct flight *flight = &load->flight[load->free[load->idle - 1 - i]];
        uint64_t random = bench_random(&load->random) >> 32;
        flight->id = bench_id(random * load->stock->chunks >> 32);
        if (aro_store_find(load->stock->store, &flight->id, 0, &flight->place) != 0)
            bench_fail(ARO_E_BENCH_WRONG, "a chunk of the stock is not found");
    }
}

static void queue(struct disk_load *load, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned number = load->free[--load->idle];
        struct flight *flight = &load->flight[number];
        int error = aro_disk_read(load->reader, &flight->place, flight->data, number);
        if (error != 0)
            bench_fail(ARO_E_BENCH_WRONG, "a read cannot be queued: %s", strerror(-error));
    }
}

static unsigned reap(struct disk_load *load)
{
    struct aro_disk_done done[BURST];
    unsigned n = aro_disk_reap_burst(load->reader, done, BURST);

    for (unsigned i = 0; i < n; i++) {
        if (done[i].result != 0)
            bench_fail(ARO_E_BENCH_WRONG, "a read failed: %s", strerror(-done[i].result));
        load->verifying[load->tail++ % load->flights] = (unsigned)done[i].cookie;
    }
    return n;
}

/* True when a chunk turned out to be what it should be. */
static bool verify(struct disk_load *load)
{
    unsigned number = load->verifying[load->head % load->flights];
    struct flight *flight = &load->flight[number];
    int state;

    if (flight->verify.data == NULL)
        aro_verify_begin(&flight->verify, &flight->id, &flight->place, flight->data, flight->sums);
    state = aro_verify_step(&flight->verify, TURN_BYTES);
    if (state == 1)
        return false;
    if (state != 0 || flight->place.len_bytes != load->stock->chunk_bytes)
        bench_fail(ARO_E_BENCH_WRONG, "the bytes read are not those of the chunk");
    flight->verify.data = NULL;
    load->free[load->idle++] = number;
    load->head++;
    return true;
}

/* How many reads can begin, of those still to be done. */
static unsigned room(const struct disk_load *load, uint64_t left)
{
    unsigned n = load->depth - aro_disk_in_flight(load->reader);

    n = n < load->idle ? n : load->idle;
    n = n < BEGUN_MAX ? n : BEGUN_MAX;
    return n < left ? n : (unsigned)left;
}

/* Returns how many reads began. */
static unsigned turn(struct disk_load *load, uint64_t left, struct disk_load_result *result)
{
    struct aro_disk_reader_stats before, after;
    uint64_t start, found, reaped, now;
    const unsigned begun = room(load, left);
    unsigned reaped_now;

    aro_disk_reader_stats(load->reader, &before);
    start = rte_rdtsc();
    choose(load, begun);
    found = rte_rdtsc();
    queue(load, begun);
    aro_disk_submit(load->reader);
    reaped_now = reap(load);
    reaped = rte_rdtsc();
    aro_disk_reader_stats(load->reader, &after);
    if (begun > 0)
        result->find_cycles += found - start;
    if (begun > 0 || reaped_now > 0 || after.enters != before.enters)
        result->sample.cycles += reaped - found;
    if (load->head == load->tail)
        return begun;
    now = rte_rdtsc();
    result->sample.ops += verify(load);
    result->verify_cycles += rte_rdtsc() - now;
    return begun;
}

void disk_load_run(struct disk_load *load, struct bench_span span, struct disk_load_result *ret)
{
    const uint64_t end = rte_rdtsc() + (uint64_t)(span.seconds * (double)load->tsc_hz);
    struct disk_load_result result = {0};
    struct aro_disk_reader_stats before, after;
    struct bench_sample whole;
    struct bench_mark mark;
    uint64_t left = span.ops_max > 0 ? span.ops_max : UINT64_MAX;

    disk_load_reader(load, &before);
    bench_mark(&mark);
    while (left > 0 || load->idle < load->flights) {
        left -= turn(load, left, &result);
        if (span.ops_max == 0 && rte_rdtsc() >= end)
            left = 0;
    }
    disk_load_reader(load, &after);
    bench_sample_take(&mark, result.sample.ops, &whole);
    whole.cycles = result.sample.cycles;
    result.sample = whole;
    result.enters = after.enters - before.enters;
    result.read_bytes = after.read_bytes - before.read_bytes;
    result.delivered_bytes = result.sample.ops * load->stock->chunk_bytes;
    *ret = result;
}

void disk_load_add(struct disk_load_result *total, const struct disk_load_result *result)
{
    total->sample.ops += result->sample.ops;
    total->sample.ns += result->sample.ns;
    total->sample.cycles += result->sample.cycles;
    total->find_cycles += result->find_cycles;
    total->verify_cycles += result->verify_cycles;
    total->enters += result->enters;
    total->read_bytes += result->read_bytes;
    total->delivered_bytes += result->delivered_bytes;
}

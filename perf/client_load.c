/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/client_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "dataplane/client/engine.h"
#include "dataplane/client/socket.h"
#include "perf/fail.h"
#include "perf/ids.h"

enum { SILENCE_US = 10000000, WAIT_US_MAX = 1000, SEED = 3 };

struct client_load {
    const struct disk_stock *stock;
    struct aro_engine *engine;
    struct aro_socket *socket;
    struct aro_download **flight; /* [depth]: a list each, of one chunk at a time */
    unsigned depth;
    uint32_t *order; /* of the chunks */
    uint64_t next;
    uint64_t now_us;
    uint64_t verified;
};

static uint64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void random_fill(void *arg, void *bytes, size_t len)
{
    (void)arg;
    if (getrandom(bytes, len, 0) != (ssize_t)len) /* up to 256 bytes are never cut short */
        abort();
}

/* ---- making ---- */

/* Fisher and Yates. */
static void order_make(struct client_load *load)
{
    const uint32_t n = load->stock->chunks;
    uint64_t random = SEED;

    load->order = calloc(n, sizeof(*load->order));
    if (load->order == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(bench_random(&random) % (i + 1));
        load->order[i] = load->order[at];
        load->order[at] = i;
    }
}

static void push(struct client_load *load, struct aro_download *flight)
{
    uint32_t number = load->order[load->next++ % load->stock->chunks];
    struct aro_id id = disk_stock_id(load->stock, number);

    if (aro_download_push(flight, &id, load->stock->chunk_bytes) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "the client takes no chunk");
}

static void source_add(struct client_load *load, const char *host)
{
    struct aro_error error = {0};
    struct aro_engine_source source = {.name = "node"};

    load->socket = aro_socket_create(host, ARO_WIRE_PORT, &error);
    if (load->socket == NULL)
        bench_fail_with(&error);
    source.slice_bytes_max = aro_socket_slice_bytes_max(load->socket, 0);
    source.receive_buffer_bytes = aro_socket_receive_buffer_bytes(load->socket);
    if (aro_engine_source_add(load->engine, &source, load->now_us) < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a source");
}

struct client_load *client_load_make(const struct disk_stock *stock, const char *host,
                                     unsigned depth)
{
    const struct aro_engine_options engine = {.random = random_fill};
    const struct aro_download_options list = {.list = true,
                                              .chunk_bytes = stock->chunk_bytes,
                                              .buffer_bytes = stock->chunk_bytes,
                                              .eager = true,
                                              .silence_us = SILENCE_US};
    struct client_load *load = calloc(1, sizeof(*load));

    if (load == NULL || (load->flight = calloc(depth, sizeof(struct aro_download *))) == NULL ||
        (load->engine = aro_engine_create(&engine)) == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a client");
    load->stock = stock;
    load->depth = depth;
    load->now_us = clock_us();
    order_make(load);
    source_add(load, host);
    for (unsigned i = 0; i < depth; i++) {
        load->flight[i] = aro_download_create(load->engine, &list, load->now_us);
        if (load->flight[i] == NULL)
            bench_fail(ARO_E_BENCH_RESOURCES, "no memory for a download");
        push(load, load->flight[i]);
    }
    return load;
}

void client_load_free(struct client_load *load)
{
    for (unsigned i = 0; i < load->depth; i++)
        aro_download_destroy(load->flight[i]);
    aro_engine_destroy(load->engine);
    aro_socket_destroy(load->socket);
    free(load->flight);
    free(load->order);
    free(load);
}

/* ---- a turn ---- */

static void datagram(void *arg, const uint8_t *bytes, size_t len)
{
    struct client_load *load = arg;

    aro_engine_receive(load->engine, 0, bytes, len, load->now_us);
}

static void requests_send(struct client_load *load)
{
    uint8_t requests[ARO_SOCKET_BURST][ARO_GET_BYTES];
    size_t n;

    while ((n = aro_engine_send_burst(load->engine, 0, requests, ARO_SOCKET_BURST, load->now_us)) >
           0)
        aro_socket_send_burst(load->socket, requests, n);
}

/* Its next chunk follows at once. */
static void pieces_take(struct client_load *load, struct aro_download *flight)
{
    struct aro_piece piece;

    while (aro_download_take(flight, &piece)) { /* verified by this */
        load->verified += piece.len_bytes == load->stock->chunk_bytes;
        aro_download_release(flight, &piece);
        push(load, flight);
    }
    if (aro_download_state(flight) == ARO_DOWNLOAD_FAILED)
        bench_fail_with(aro_download_error(flight));
}

static uint64_t wait_us(const struct client_load *load)
{
    uint64_t deadline = aro_engine_deadline_us(load->engine);
    uint64_t left = deadline > load->now_us ? deadline - load->now_us : 0;

    return left < WAIT_US_MAX ? left : WAIT_US_MAX;
}

static void turn(struct client_load *load)
{
    struct aro_download *flight;

    requests_send(load);
    aro_socket_receive_burst(load->socket, wait_us(load), datagram, load);
    load->now_us = clock_us();
    if (aro_socket_drained(load->socket) && load->now_us >= aro_engine_deadline_us(load->engine))
        aro_engine_timeout(load->engine, load->now_us);
    while ((flight = aro_engine_ready(load->engine)) != NULL)
        pieces_take(load, flight);
}

static void slices_count(struct client_load *load, uint64_t *ret_all, uint64_t *ret_memory)
{
    *ret_all = *ret_memory = 0;
    for (unsigned i = 0; i < load->depth; i++) {
        const struct arocache_stats *stats = aro_download_stats(load->flight[i]);
        *ret_all += stats->slices;
        *ret_memory += stats->slices_memory;
        if (stats->mismatches > 0)
            bench_fail(ARO_E_BENCH_WRONG, "a chunk came that does not have its SHA-256");
    }
}

void client_load_run(struct client_load *load, double seconds, struct client_load_result *ret)
{
    const uint64_t verified = load->verified, cpu = cpu_ns();
    const uint64_t end_us = clock_us() + (uint64_t)(seconds * 1e6);
    uint64_t slices, memory;
    struct bench_mark mark;

    slices_count(load, &slices, &memory);
    bench_mark(&mark);
    for (load->now_us = clock_us(); load->now_us < end_us;)
        turn(load);
    bench_sample_take(&mark, load->verified - verified, &ret->sample);
    ret->cpu_ns = cpu_ns() - cpu;
    slices_count(load, &ret->slices, &ret->slices_memory);
    ret->slices -= slices;
    ret->slices_memory -= memory;
    if (load->verified == verified)
        bench_fail(ARO_E_BENCH_WRONG, "no chunk came in %g s", seconds);
}

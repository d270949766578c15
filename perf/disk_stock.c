/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/disk_stock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "perf/fail.h"
#include "perf/ids.h"
#include "perf/machine.h"

enum { WRITES = 32, SEED = 42 };

/* A write in flight and the memory it comes from. */
struct write {
    struct aro_store_op op;
    uint8_t *data;
    bool busy;
};

static void written(struct aro_store_op *op, int result)
{
    struct write *write = (struct write *)(void *)((char *)op - offsetof(struct write, op));

    if (result != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "the store cannot be filled: %s", strerror(-result));
    write->busy = false;
}

static void turn(struct disk_stock *stock)
{
    aro_uring_wait(stock->ring);
    aro_uring_reap(stock->ring, WRITES);
    aro_store_poll(stock->store);
}

/* Every block of a chunk begins with the chunk's number: no two are alike. */
static void chunk_write(uint8_t *data, uint32_t bytes, uint64_t number)
{
    for (uint32_t at = 0; at < bytes; at += ARO_BLOCK_BYTES)
        memcpy(data + at, &number, sizeof(number));
}

static void append(struct disk_stock *stock, struct write *write, uint64_t number)
{
    struct aro_id id = bench_id(number);
    int error;

    while (write->busy)
        turn(stock);
    chunk_write(write->data, stock->chunk_bytes, number);
    write->op.done = written;
    write->busy = true;
    while ((error = aro_store_append(stock->store, &write->op, &id, write->data,
                                     stock->chunk_bytes)) == -EAGAIN)
        turn(stock);
    if (error != 0)
        written(&write->op, error);
}

static void *fill(void *arg)
{
    struct disk_stock *stock = arg;
    const size_t stride = aro_blocks(stock->chunk_bytes) * (size_t)ARO_BLOCK_BYTES;
    struct write write[WRITES] = {0}, sync = {.op.done = written, .busy = true};
    uint8_t *memory = bench_pages(WRITES * stride);
    uint64_t random = SEED;

    for (size_t at = 0; at < WRITES * stride; at += sizeof(random)) {
        uint64_t word = bench_random(&random);
        memcpy(memory + at, &word, sizeof(word));
    }
    for (unsigned i = 0; i < WRITES; i++)
        write[i].data = memory + i * stride;
    for (uint32_t n = 0; n < stock->chunks; n++)
        append(stock, &write[n % WRITES], n);
    for (unsigned i = 0; i < WRITES; i++)
        while (write[i].busy)
            turn(stock);
    if (aro_store_sync(stock->store, &sync.op, aro_store_mark(stock->store)) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "the store cannot be filled: no sync");
    while (sync.busy)
        turn(stock);
    bench_pages_free(memory, WRITES * stride);
    return NULL;
}

/* In a thread of its own: the kernel's workers are a thread's, and the caller's is measured. */
static void fill_apart(struct disk_stock *stock)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fill, stock) != 0 || pthread_join(thread, NULL) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no thread to fill the store");
}

/* All of them in the one segment that the first is in? */
static void check(struct disk_stock *stock)
{
    struct aro_place first, last;
    struct aro_id ends[] = {bench_id(0), bench_id(stock->chunks - 1)};

    if (aro_store_find(stock->store, &ends[0], 0, &first) != 0 ||
        aro_store_find(stock->store, &ends[1], 0, &last) != 0 || first.segment != last.segment)
        bench_fail(ARO_E_BENCH_WRONG, "%u chunks do not stand in one segment", stock->chunks);
    snprintf(stock->data_path, sizeof(stock->data_path), "%s/seg-%08u.data", stock->folder,
             first.segment);
}

void disk_stock_make(struct disk_stock *stock, const char *parent, uint64_t data_bytes,
                     uint32_t chunk_bytes)
{
    const uint64_t stride = aro_blocks(chunk_bytes) * (uint64_t)ARO_BLOCK_BYTES;
    struct aro_store_config config = {.seed = SEED};
    struct aro_error error = {0};

    *stock =
        (struct disk_stock){.chunk_bytes = chunk_bytes, .chunks = (uint32_t)(data_bytes / stride)};
    stock->data_bytes = stock->chunks * stride;
    bench_folder_make(parent, stock->folder);
    aro_qsbr_init(&stock->qsbr, 1);
    stock->ring = aro_uring_create(4 * WRITES);
    if (stock->ring == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no io_uring: %s", strerror(errno));
    config.path = stock->folder;
    config.segment_bytes = data_bytes;
    config.size_bytes = 2 * data_bytes;
    config.chunks_max = stock->chunks + 64;
    config.ring = stock->ring;
    config.qsbr = &stock->qsbr;
    stock->store = aro_store_open(&config, NULL, NULL, &error);
    if (stock->store == NULL)
        bench_fail_with(&error);
    fill_apart(stock);
    check(stock);
}

void disk_stock_free(struct disk_stock *stock)
{
    aro_store_close(stock->store);
    aro_uring_destroy(stock->ring);
    bench_folder_remove(stock->folder);
}

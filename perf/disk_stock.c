/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/disk_stock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/sha256.h"
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

struct aro_id disk_stock_id(const struct disk_stock *stock, uint32_t number)
{
    return stock->id == NULL ? bench_id(number) : stock->id[number];
}

static size_t stride_of(const struct disk_stock *stock)
{
    return aro_blocks(stock->chunk_bytes) * (size_t)ARO_BLOCK_BYTES;
}

/* Block by block: its head is the chunk's number, the rest is shared with others. */
void disk_stock_check(const struct disk_stock *stock, uint32_t number, uint64_t at,
                      const uint8_t *bytes, uint32_t len_bytes)
{
    const uint8_t *shared = stock->memory + number % WRITES * stride_of(stock);
    const uint64_t head = number;
    bool same = at + len_bytes <= stock->chunk_bytes;

    for (uint64_t i = at, end = at + len_bytes, next; same && i < end; i = next) {
        uint64_t in_block = i % ARO_BLOCK_BYTES;
        bool in_head = in_block < sizeof(head);
        const uint8_t *from = in_head ? (const uint8_t *)&head + in_block : shared + i;
        next = i - in_block + (in_head ? sizeof(head) : ARO_BLOCK_BYTES);
        next = next < end ? next : end;
        same = memcmp(bytes + (i - at), from, next - i) == 0;
    }
    if (!same)
        bench_fail(ARO_E_BENCH_WRONG, "%u bytes at %llu of a chunk are not what it holds",
                   len_bytes, (unsigned long long)at);
}

static void append(struct disk_stock *stock, struct write *write, uint32_t number)
{
    struct aro_id id;
    int error;

    while (write->busy)
        turn(stock);
    chunk_write(write->data, stock->chunk_bytes, number);
    if (stock->id != NULL)
        stock->id[number] = aro_sha256(write->data, stock->chunk_bytes);
    id = disk_stock_id(stock, number);
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
    struct write write[WRITES] = {0}, sync = {.op.done = written, .busy = true};

    for (unsigned i = 0; i < WRITES; i++)
        write[i].data = stock->memory + i * stride_of(stock);
    for (uint32_t n = 0; n < stock->chunks; n++)
        append(stock, &write[n % WRITES], n);
    for (unsigned i = 0; i < WRITES; i++)
        while (write[i].busy)
            turn(stock);
    if (aro_store_sync(stock->store, &sync.op, aro_store_mark(stock->store)) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "the store cannot be filled: no sync");
    while (sync.busy)
        turn(stock);
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
    struct aro_id ends[] = {disk_stock_id(stock, 0), disk_stock_id(stock, stock->chunks - 1)};

    if (aro_store_find(stock->store, &ends[0], 0, &first) != 0 ||
        aro_store_find(stock->store, &ends[1], 0, &last) != 0 || first.segment != last.segment)
        bench_fail(ARO_E_BENCH_WRONG, "%u chunks do not stand in one segment", stock->chunks);
    snprintf(stock->data_path, sizeof(stock->data_path), "%s/seg-%08u.data", stock->folder,
             first.segment);
}

static void memory_make(struct disk_stock *stock, bool digests)
{
    const size_t bytes = WRITES * stride_of(stock);
    uint64_t random = SEED;

    stock->memory = bench_pages(bytes);
    for (size_t at = 0; at < bytes; at += sizeof(random)) {
        uint64_t word = bench_random(&random);
        memcpy(stock->memory + at, &word, sizeof(word));
    }
    stock->id = digests ? calloc(stock->chunks, sizeof(*stock->id)) : NULL;
    if (digests && stock->id == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory for %u ids", stock->chunks);
}

static void store_open(struct disk_stock *stock)
{
    struct aro_store_config config = {.path = stock->folder,
                                      .size_bytes = stock->store_bytes,
                                      .segment_bytes = stock->segment_bytes,
                                      .chunks_max = stock->chunks + 64,
                                      .seed = SEED,
                                      .qsbr = &stock->qsbr};
    struct aro_error error = {0};

    aro_qsbr_init(&stock->qsbr, 1);
    config.ring = stock->ring = aro_uring_create(4 * WRITES);
    if (stock->ring == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no io_uring: %s", strerror(errno));
    stock->store = aro_store_open(&config, NULL, NULL, &error);
    if (stock->store == NULL)
        bench_fail_with(&error);
}

void disk_stock_make(struct disk_stock *stock, const struct disk_stock_config *config)
{
    *stock = (struct disk_stock){.chunk_bytes = config->chunk_bytes};
    stock->chunks = (uint32_t)(config->data_bytes / stride_of(stock));
    stock->data_bytes = stock->chunks * (uint64_t)stride_of(stock);
    stock->store_bytes = 2 * config->data_bytes;
    stock->segment_bytes = config->segment_bytes != 0 ? config->segment_bytes : config->data_bytes;
    bench_folder_make(config->parent, stock->folder);
    memory_make(stock, config->digests);
    store_open(stock);
    fill_apart(stock);
    if (config->segment_bytes == 0)
        check(stock);
}

void disk_stock_close(struct disk_stock *stock)
{
    aro_store_close(stock->store);
    aro_uring_destroy(stock->ring);
    stock->store = NULL;
    stock->ring = NULL;
}

void disk_stock_free(struct disk_stock *stock)
{
    if (stock->store != NULL)
        disk_stock_close(stock);
    bench_pages_free(stock->memory, WRITES * stride_of(stock));
    free(stock->id);
    bench_folder_remove(stock->folder);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store with chunks of one length in it. As a rule all of them stand in one segment, so that
 * another program can read the same file: chunk k's payload stands k lengths (rounded up to blocks)
 * from its beginning. The ids are made up (perf/ids.h), or digests where a client is to verify what
 * it gets; the checksums are the store's own. One thread, the store's writer.
 */
#ifndef ARO_PERF_DISK_STOCK_H
#define ARO_PERF_DISK_STOCK_H

#include <stdbool.h>

#include "cache/disk/store.h"
#include "perf/folder.h"

enum {
    DISK_STOCK_BYTES_MIN = 2 << 20,
    DISK_STOCK_CHUNKS_MAX = 16 << 20,
};
#define DISK_STOCK_BYTES_MAX (UINT64_C(4) << 30) /* of one segment */

struct disk_stock_config {
    const char *parent; /* directory that the store's is made in */
    uint64_t data_bytes;
    uint64_t segment_bytes; /* 0: one segment for all */
    uint32_t chunk_bytes;
    bool digests; /* ids are SHA-256 of the chunks */
};

struct disk_stock {
    char folder[BENCH_FOLDER_BYTES];         /* the store */
    char data_path[BENCH_FOLDER_BYTES + 32]; /* of the one segment: its payloads */
    uint64_t data_bytes;
    uint64_t store_bytes, segment_bytes; /* as the store was told */
    struct aro_qsbr qsbr;                /* one slot */
    struct aro_uring *ring;
    struct aro_store *store; /* NULL: closed */
    uint8_t *memory;         /* what chunks are made of */
    struct aro_id *id;       /* [chunks], of digests; else NULL */
    uint32_t chunks;
    uint32_t chunk_bytes;
};

/* Fills it with chunks, durable, in a new directory. */
void disk_stock_make(struct disk_stock *stock, const struct disk_stock_config *config);
/* Leaves the files to somebody else: a daemon. */
void disk_stock_close(struct disk_stock *stock);
void disk_stock_free(struct disk_stock *stock);

struct aro_id disk_stock_id(const struct disk_stock *stock, uint32_t number);
/* Fails the benchmark unless these are the bytes that the chunk holds from `at` on. */
void disk_stock_check(const struct disk_stock *stock, uint32_t number, uint64_t at,
                      const uint8_t *bytes, uint32_t len_bytes);

#endif

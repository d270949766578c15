/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A store with chunks of one length in it, all in one segment, so that another program can read the
 * same file: chunk k's payload stands k lengths (rounded up to blocks) from its beginning. The ids
 * are made up (perf/ids.h), the checksums are the store's own. One thread, the store's writer.
 */
#ifndef ARO_PERF_DISK_STOCK_H
#define ARO_PERF_DISK_STOCK_H

#include "cache/disk/store.h"
#include "perf/folder.h"

enum {
    DISK_STOCK_BYTES_MIN = 2 << 20,
    DISK_STOCK_CHUNKS_MAX = 16 << 20,
};
#define DISK_STOCK_BYTES_MAX (UINT64_C(4) << 30) /* of one segment */

struct disk_stock {
    char folder[BENCH_FOLDER_BYTES];
    char data_path[BENCH_FOLDER_BYTES + 32]; /* the segment's payloads */
    uint64_t data_bytes;
    struct aro_qsbr qsbr; /* one slot */
    struct aro_uring *ring;
    struct aro_store *store;
    uint32_t chunks;
    uint32_t chunk_bytes;
};

/* Fills data_bytes with chunks, durable, in a new directory inside parent. */
void disk_stock_make(struct disk_stock *stock, const char *parent, uint64_t data_bytes,
                     uint32_t chunk_bytes);
void disk_stock_free(struct disk_stock *stock);

#endif

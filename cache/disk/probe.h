/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the disk under a store work? One small operation of its own, on the writer's ring, whatever
 * the store itself has given up: a read of a block that was written once, past the page cache
 * where O_DIRECT is in use; or a write that ends with the device's flush. No content is touched.
 *
 * Writer thread; done comes from aro_uring_poll, never from inside the starting call.
 */
#ifndef ARO_CACHE_DISK_PROBE_H
#define ARO_CACHE_DISK_PROBE_H

#include "cache/disk/store.h"

struct aro_segment;

/* Embed it. Everything but done and block is the store's between start and done. */
struct aro_probe {
    void (*done)(struct aro_probe *probe, int result); /* 0 or -errno */
    void *block;                                       /* ARO_BLOCK_BYTES, aligned to as much */
    struct aro_store *store;
    struct aro_segment *segment;
    struct aro_io io;
    unsigned text_bytes;
};

/*
 * Any block that holds chunks; draw: random. 0, -EAGAIN, or -ENOENT: there is none. Cost: a walk
 * over the segments.
 */
int aro_store_probe_read(struct aro_store *store, struct aro_probe *probe, uint64_t draw);
/* Rewrites the lock file and syncs it; on a device, which has none, syncs alone. 0 or -EAGAIN. */
int aro_store_probe_write(struct aro_store *store, struct aro_probe *probe);

#endif

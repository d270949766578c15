/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything is on a device, and what its heads say. Pure functions; docs/disk-format.md
 * draws it:
 *
 *   superblock, 2 copies | heads, 2 copies each: log 0, log 1, slot 0.. | log 0 | log 1 | slots
 */
#ifndef ARO_CACHE_DISK_GEOMETRY_H
#define ARO_CACHE_DISK_GEOMETRY_H

#include <stdbool.h>

#include "cache/disk/format.h"
#include "cache/disk/store.h"

enum {
    ARO_DEVICE_LOGS = 2,
    ARO_DEVICE_SLOTS_MIN = 3, /* one that is filled, one that is emptied, one to spare */
    ARO_HEAD_PAIR_BYTES = ARO_HEAD_COPIES * ARO_BLOCK_BYTES,
};

/* All in blocks, offsets from the device's begin. */
struct aro_geometry {
    uint64_t blocks; /* in use */
    uint32_t slots;
    uint32_t table_blocks; /* of each slot */
    uint32_t data_blocks;
    uint32_t log_blocks; /* of each area */
    uint64_t logs_at;
    uint64_t slots_at;
};

/* For a new store: segments of segment_bytes, or less so that there are enough. False: too small.
 */
bool aro_geometry_plan(uint64_t device_bytes, uint64_t segment_bytes, struct aro_geometry *ret);
/* From its layout and back. False: nonsense, or more than device_bytes. */
bool aro_geometry_load(const struct aro_layout *layout, uint64_t device_bytes,
                       struct aro_geometry *ret);
void aro_geometry_save(const struct aro_geometry *geometry, struct aro_layout *ret);

/* Offsets in bytes. Heads: 0 and 1 of the logs, then one per slot. */
uint64_t aro_head_at(uint32_t head);
uint64_t aro_log_at(const struct aro_geometry *geometry, uint32_t log);
uint64_t aro_slot_at(const struct aro_geometry *geometry, uint32_t slot);

static inline uint32_t aro_slot_blocks(const struct aro_geometry *geometry)
{
    return geometry->table_blocks + geometry->data_blocks;
}

/* A head in memory. number 0: nothing is there. */
struct aro_place_head {
    uint32_t number;
    uint32_t records_max;
    uint64_t salt;
};

/* Both copies of head number `index`, as they are written. */
void aro_head_encode(const struct aro_place_head *head, uint64_t uuid_hash, uint32_t index,
                     uint8_t ret[ARO_HEAD_PAIR_BYTES]);
/* Both copies read. 0: *ret (a copy may be damaged); -EBADMSG: both are. */
int aro_head_decode(const uint8_t pair[ARO_HEAD_PAIR_BYTES], uint64_t uuid_hash, uint32_t index,
                    struct aro_place_head *ret);

#endif

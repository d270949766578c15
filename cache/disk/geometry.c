/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/geometry.h"

#include <errno.h>
#include <string.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"

enum {
    ALIGN_BLOCKS = 256,      /* parts begin at whole MiB: flash likes it, and so do people */
    HEADS_AT = ALIGN_BLOCKS, /* what is in front of it is the superblock's */
    TABLE_SHARE = 32,        /* 128 bytes per block of payload */
    TABLE_BLOCKS_MIN = 16,
    LOG_SHARE = 2048, /* 512 MiB per TiB: two million records */
    LOG_BLOCKS_MIN = 64,
    LOG_BLOCKS_MAX = 1 << 18,
    DATA_BLOCKS_MIN = 512,
    DATA_BLOCKS_MAX = 1 << 20, /* what the index can name */
    SLOTS_WANTED = 8,          /* so that space comes back in useful pieces */
    SLOTS_MAX = 1 << 23,       /* half of what the map of segments takes */
};

static uint64_t aligned(uint64_t blocks, uint64_t to)
{
    return (blocks + to - 1) / to * to;
}

static void place(struct aro_geometry *geometry)
{
    uint64_t heads = (uint64_t)geometry->slots + ARO_DEVICE_LOGS;

    geometry->logs_at = aligned(HEADS_AT + heads * ARO_HEAD_COPIES, ALIGN_BLOCKS);
    geometry->slots_at =
        aligned(geometry->logs_at + (uint64_t)ARO_DEVICE_LOGS * geometry->log_blocks, ALIGN_BLOCKS);
}

static uint64_t end_of(const struct aro_geometry *geometry)
{
    return geometry->slots_at + (uint64_t)geometry->slots * aro_slot_blocks(geometry);
}

static uint64_t between(uint64_t value, uint64_t min, uint64_t max)
{
    return value < min ? min : value > max ? max : value;
}

bool aro_geometry_plan(uint64_t device_bytes, uint64_t segment_bytes, struct aro_geometry *ret)
{
    struct aro_geometry plan = {.blocks = device_bytes / ARO_BLOCK_BYTES};
    uint64_t data = between(segment_bytes / ARO_BLOCK_BYTES, DATA_BLOCKS_MIN, DATA_BLOCKS_MAX);

    data =
        between(data, DATA_BLOCKS_MIN, between(plan.blocks / SLOTS_WANTED, DATA_BLOCKS_MIN, data));
    plan.data_blocks = (uint32_t)data;
    plan.table_blocks = (uint32_t)between(aligned(data / TABLE_SHARE, TABLE_BLOCKS_MIN),
                                          TABLE_BLOCKS_MIN, UINT32_MAX);
    plan.log_blocks = (uint32_t)between(aligned(plan.blocks / LOG_SHARE, TABLE_BLOCKS_MIN),
                                        LOG_BLOCKS_MIN, LOG_BLOCKS_MAX);
    plan.slots = (uint32_t)between(plan.blocks / aro_slot_blocks(&plan), 0, SLOTS_MAX);
    place(&plan);
    while (plan.slots > 0 && end_of(&plan) > plan.blocks) {
        plan.slots--;
        place(&plan);
    }
    if (plan.slots < ARO_DEVICE_SLOTS_MIN)
        return false;
    *ret = plan;
    return true;
}

bool aro_geometry_load(const struct aro_layout *layout, uint64_t device_bytes,
                       struct aro_geometry *ret)
{
    struct aro_geometry geometry = {.blocks = aro_load_le64(layout->blocks),
                                    .slots = aro_load_le32(layout->slots),
                                    .table_blocks = aro_load_le32(layout->table_blocks),
                                    .data_blocks = aro_load_le32(layout->data_blocks),
                                    .log_blocks = aro_load_le32(layout->log_blocks)};

    if (geometry.slots == 0 || geometry.slots > SLOTS_MAX || geometry.table_blocks == 0 ||
        geometry.table_blocks > DATA_BLOCKS_MAX || geometry.data_blocks == 0 ||
        geometry.data_blocks > DATA_BLOCKS_MAX || geometry.log_blocks == 0 ||
        geometry.log_blocks > LOG_BLOCKS_MAX)
        return false;
    place(&geometry);
    if (end_of(&geometry) > geometry.blocks || geometry.blocks > device_bytes / ARO_BLOCK_BYTES)
        return false;
    *ret = geometry;
    return true;
}

void aro_geometry_save(const struct aro_geometry *geometry, struct aro_layout *ret)
{
    memset(ret, 0, sizeof(*ret));
    aro_store_le64(ret->blocks, geometry->blocks);
    aro_store_le32(ret->slots, geometry->slots);
    aro_store_le32(ret->table_blocks, geometry->table_blocks);
    aro_store_le32(ret->data_blocks, geometry->data_blocks);
    aro_store_le32(ret->log_blocks, geometry->log_blocks);
}

uint64_t aro_head_at(uint32_t head)
{
    return (uint64_t)HEADS_AT * ARO_BLOCK_BYTES + (uint64_t)head * ARO_HEAD_PAIR_BYTES;
}

uint64_t aro_log_at(const struct aro_geometry *geometry, uint32_t log)
{
    return (geometry->logs_at + (uint64_t)log * geometry->log_blocks) * ARO_BLOCK_BYTES;
}

uint64_t aro_slot_at(const struct aro_geometry *geometry, uint32_t slot)
{
    return (geometry->slots_at + (uint64_t)slot * aro_slot_blocks(geometry)) * ARO_BLOCK_BYTES;
}

/* ---- heads ---- */

static uint64_t check_of(const struct aro_head *raw, uint64_t uuid_hash, uint32_t index)
{
    return aro_hash_bytes(raw, offsetof(struct aro_head, check), uuid_hash ^ index);
}

void aro_head_encode(const struct aro_place_head *head, uint64_t uuid_hash, uint32_t index,
                     uint8_t ret[ARO_HEAD_PAIR_BYTES])
{
    struct aro_head raw = {0};

    memcpy(raw.magic, ARO_HEAD_MAGIC, sizeof(raw.magic));
    aro_store_le32(raw.number, head->number);
    aro_store_le32(raw.records_max, head->records_max);
    aro_store_le64(raw.salt, head->salt);
    aro_store_le64(raw.check, check_of(&raw, uuid_hash, index));
    memset(ret, 0, ARO_HEAD_PAIR_BYTES);
    for (int copy = 0; copy < ARO_HEAD_COPIES; copy++)
        memcpy(ret + copy * ARO_BLOCK_BYTES, &raw, sizeof(raw));
}

static bool is_nothing(const struct aro_head *raw)
{
    static const struct aro_head nothing = {0};

    return memcmp(raw, &nothing, sizeof(nothing)) == 0;
}

/*
 * A write of both that was cut off leaves one old and one new copy. Of two that check the later one
 * is right; one that checks is better than none: what it names is empty, or has these records.
 */
int aro_head_decode(const uint8_t pair[ARO_HEAD_PAIR_BYTES], uint64_t uuid_hash, uint32_t index,
                    struct aro_place_head *ret)
{
    struct aro_place_head best = {0};
    unsigned damaged = 0;

    for (int copy = 0; copy < ARO_HEAD_COPIES; copy++) {
        struct aro_head raw;
        struct aro_place_head head;
        memcpy(&raw, pair + copy * ARO_BLOCK_BYTES, sizeof(raw));
        if (is_nothing(&raw))
            continue;
        head = (struct aro_place_head){.number = aro_load_le32(raw.number),
                                       .records_max = aro_load_le32(raw.records_max),
                                       .salt = aro_load_le64(raw.salt)};
        if (memcmp(raw.magic, ARO_HEAD_MAGIC, sizeof(raw.magic)) != 0 || head.number == 0 ||
            aro_load_le64(raw.check) != check_of(&raw, uuid_hash, index))
            damaged++;
        else if (head.number > best.number ||
                 (head.number == best.number && head.records_max > best.records_max))
            best = head;
    }
    if (best.number == 0 && damaged > 0)
        return -EBADMSG;
    *ret = best;
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table records between memory and disk: fill, seal with a check, check, read. Pure functions.
 */
#ifndef ARO_CACHE_DISK_RECORD_H
#define ARO_CACHE_DISK_RECORD_H

#include <stdbool.h>

#include "cache/base/bytes.h"
#include "cache/base/hash.h"
#include "cache/disk/format.h"
#include "cache/disk/store.h"

/*
 * Seed of the check of record number `number` in the table of segment (log of objects: 0), whose
 * own seed is the store's or differs from it by a salt.
 */
static inline uint64_t aro_record_seed(uint64_t seed, uint32_t segment, uint32_t number)
{
    return seed ^ ((uint64_t)segment << 32 | number);
}

/* A record for place and id, not sealed yet: its number is not known. Commits: both NULL. */
static inline struct aro_record aro_record_make(enum aro_record_type type, uint32_t segment,
                                                const struct aro_place *place,
                                                const struct aro_id *id)
{
    struct aro_record record = {.type = (uint8_t)type};

    aro_store_le32(record.segment, segment);
    if (place != NULL) {
        aro_store_le32(record.block, place->block);
        aro_store_le32(record.len, place->len_bytes);
        aro_store_le64(record.checksum, place->checksum);
        memcpy(record.id, id, sizeof(record.id));
    }
    return record;
}

static inline void aro_record_seal(struct aro_record *record, uint64_t seed, uint32_t segment,
                                   uint32_t number)
{
    aro_store_le64(record->check, aro_hash_bytes(record, offsetof(struct aro_record, check),
                                                 aro_record_seed(seed, segment, number)));
}

static inline bool aro_record_valid(const struct aro_record *record, uint64_t seed,
                                    uint32_t segment, uint32_t number)
{
    return aro_load_le64(record->check) == aro_hash_bytes(record,
                                                          offsetof(struct aro_record, check),
                                                          aro_record_seed(seed, segment, number)) &&
           aro_load_le32(record->segment) == segment;
}

static inline struct aro_place aro_record_place(const struct aro_record *record)
{
    return (struct aro_place){
        .segment = aro_load_le32(record->segment),
        .block = aro_load_le32(record->block),
        .len_bytes = aro_load_le32(record->len),
        .checksum = aro_load_le64(record->checksum),
    };
}

#endif

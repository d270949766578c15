/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every byte that the store keeps on disk, little-endian. docs/disk-format.md draws it and says
 * what an older reader does. In a directory:
 *
 *   STORE               two copies of the superblock, at 0 and 4096
 *   LOCK                held by flock while open; the holder's pid as text
 *   seg-00000001.table  records of segment 1: chunks, removals, commits
 *   seg-00000001.data   its payloads, each at a multiple of 4 KiB, nothing else
 *   objects.log         object records
 *
 * On a block device, at fixed places (struct aro_layout): the superblock; heads, two blocks each,
 * of two log areas and of every slot; the log areas; the slots, each a table and payloads.
 *
 * Records have a fixed size and check themselves: the seed of the check mixes the store's uuid, the
 * file and the record's number, so that a record in the wrong place is as invalid as a torn one.
 * An all-zero record is a void: nothing was there, or what was there was struck out.
 */
#ifndef ARO_CACHE_DISK_FORMAT_H
#define ARO_CACHE_DISK_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARO_STORE_VERSION = 2,
    ARO_SUPER_BYTES = 64,
    ARO_SUPER_COPIES = 2,
    ARO_SUPER_STEP_BYTES = 4096, /* between the copies */
    ARO_RECORD_BYTES = 64,
    ARO_OBJECT_RECORD_BYTES = 256,
    ARO_LABEL_BYTES = 128,
    ARO_HEAD_BYTES = 64,
    ARO_HEAD_COPIES = 2, /* one block each, side by side */
    ARO_CLAIMS_OF_COMMIT = 5,
    ARO_CLAIMS_OF_OBJECT = 2,
};

#define ARO_SUPER_MAGIC "AROSTORE"

/* Integers are little-endian in memory: read and write them with cache/base/bytes.h. */
struct aro_super {
    uint8_t magic[8];
    uint8_t version[4]; /* a reader refuses what is newer than itself */
    uint8_t block_bytes[4];
    uint8_t uuid[16];
    uint8_t created_ns[8];
    uint8_t layout[4]; /* enum aro_layout_kind */
    uint8_t reserved[12];
    uint8_t check[8]; /* XXH3 of the bytes before, seed 0 */
};
static_assert(sizeof(struct aro_super) == ARO_SUPER_BYTES, "on disk");

enum aro_layout_kind {
    ARO_LAYOUT_DIRECTORY = 0,
    ARO_LAYOUT_DEVICE = 1, /* struct aro_layout follows each copy of the superblock */
};

struct aro_layout {
    uint8_t blocks[8]; /* in use: the device has as many, or more */
    uint8_t slots[4];
    uint8_t table_blocks[4]; /* of each slot, in front */
    uint8_t data_blocks[4];
    uint8_t log_blocks[4]; /* of each of the two areas */
    uint8_t reserved[32];
    uint8_t check[8]; /* XXH3 of the bytes before, seed XXH3(uuid) */
};
static_assert(sizeof(struct aro_layout) == 64, "on disk");

#define ARO_HEAD_MAGIC "AROHEAD1"

/* What a slot or a log area holds; blocks of zeros: nothing. */
struct aro_head {
    uint8_t magic[8];
    uint8_t number[4];      /* of the segment; of a log area: the higher one is the log */
    uint8_t records_max[4]; /* no record with this number or a higher one was ever written */
    uint8_t salt[8];        /* random; xor XXH3(uuid): the seed of its records */
    uint8_t reserved[32];
    uint8_t check[8]; /* XXH3 of the bytes before, seed XXH3(uuid) xor index of the head */
};
static_assert(sizeof(struct aro_head) == ARO_HEAD_BYTES, "on disk");

enum aro_record_type {
    ARO_RECORD_VOID = 0,
    ARO_RECORD_CHUNK = 1,
    ARO_RECORD_REMOVE = 2, /* the chunk at this block is forgotten */
    ARO_RECORD_COMMIT = 3, /* the payloads of all chunk records before this one are on disk */
};

struct aro_record {
    uint8_t type;
    uint8_t reserved[3];
    uint8_t segment[4];
    uint8_t block[4]; /* offset of the payload in units of 4 KiB */
    uint8_t len[4];   /* of the payload in bytes */
    uint8_t checksum[8];
    uint8_t id[32];
    uint8_t check[8];
};
static_assert(sizeof(struct aro_record) == ARO_RECORD_BYTES, "on disk");
static_assert(offsetof(struct aro_record, check) == 56, "the check ends the record");

/* The table of this segment had at least so many records; zeros: no claim. (witness.h) */
struct aro_table_claim {
    uint8_t segment[4];
    uint8_t records[4];
};

/* A record of type COMMIT, of the same size. In version 1 all but its head and check is zero. */
struct aro_commit {
    uint8_t type;
    uint8_t reserved[3];
    uint8_t segment[4];
    uint8_t log_turn[4]; /* objects.log of that turn had at least log_records */
    uint8_t log_records[4];
    struct aro_table_claim claim[ARO_CLAIMS_OF_COMMIT];
    uint8_t check[8];
};
static_assert(sizeof(struct aro_commit) == ARO_RECORD_BYTES, "on disk");
static_assert(offsetof(struct aro_commit, check) == 56, "the check ends the record");

enum aro_object_record_type {
    ARO_OBJECT_VOID = 0,
    ARO_OBJECT_ADD = 1,
    ARO_OBJECT_REMOVE = 2, /* only id is meaningful */
};

struct aro_object_record {
    uint8_t type;
    uint8_t reserved[3];
    uint8_t level[4];
    uint8_t total_bytes[8];
    uint8_t created_ns[8];
    uint8_t chunk_bytes[4];
    uint8_t chunks[4];
    uint8_t id[32];
    uint8_t digest[32];
    uint8_t label[ARO_LABEL_BYTES]; /* NUL-terminated */
    uint8_t turn[4];                /* of the file: one higher each time that it is replaced */
    struct aro_table_claim claim[ARO_CLAIMS_OF_OBJECT];
    uint8_t unused[4];
    uint8_t check[8];
};
static_assert(sizeof(struct aro_object_record) == ARO_OBJECT_RECORD_BYTES, "on disk");
static_assert(offsetof(struct aro_object_record, check) == 248, "the check ends the record");

#endif

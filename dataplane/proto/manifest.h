/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The manifest: which chunks make an object, in order. Itself a chunk; a tree when long.
 *
 *    0  u32  magic "AROM"         4  u8   version = 1
 *    5  u8   hash type (0: SHA-256)
 *    6  u8   level (0: entries are content; n: entries are manifests of level n - 1)
 *    7  u8   reserved, zero
 *    8  u32  chunk size C         12  u32  entry count
 *   16  u64  content bytes below this manifest
 *   24  u8[32] SHA-256 of the whole content (root; all zero below a root)
 *   56  u32  length of TLVs       60  u32  reserved, zero
 *   64  entries {u8[32] id, u32 length of that chunk in bytes}
 *       TLVs {u16 type, u16 length, value}: skipped by who does not know them
 *
 * Every content chunk but the last has C bytes and every child but the last has all its
 * ARO_MANIFEST_FANOUT entries, so the place of any byte is arithmetic. Canonical: we write no TLVs
 * and the root has the lowest level that fits, hence same bytes and same C give the same object id.
 * A level can only sink from parent to child, so no manifest can lead back to itself.
 *
 * Pure functions over bytes, any thread, no heap. Building: manifest_build.h.
 */
#ifndef ARO_DATAPLANE_PROTO_MANIFEST_H
#define ARO_DATAPLANE_PROTO_MANIFEST_H

#include "cache/base/id.h"

/* Entries of a full manifest. Part of the format; only tests of deep trees build with fewer. */
#ifndef ARO_MANIFEST_FANOUT
#define ARO_MANIFEST_FANOUT 16384
#endif

enum {
    ARO_MANIFEST_MAGIC = 0x41524f4d, /* "AROM" */
    ARO_MANIFEST_VERSION = 1,
    ARO_MANIFEST_HEADER_BYTES = 64,
    ARO_MANIFEST_ENTRY_BYTES = ARO_ID_BYTES + 4,
    ARO_MANIFEST_LEVEL_MAX = 2, /* 64 KiB chunks: 1 GiB, 16 TiB, 256 PiB */
    ARO_MANIFEST_FULL_BYTES =
        ARO_MANIFEST_HEADER_BYTES + ARO_MANIFEST_FANOUT * ARO_MANIFEST_ENTRY_BYTES,
    ARO_MANIFEST_CHUNK_BYTES_MIN = 4096, /* chunk sizes are multiples of this */
};
static_assert(ARO_MANIFEST_FULL_BYTES <= (int)ARO_CHUNK_BYTES_MAX, "a full manifest is a chunk");

/* What is wrong with a manifest. Each has a sentence: aro_manifest_verdict_text(). */
enum aro_manifest_verdict {
    ARO_MANIFEST_OK = 0,
    ARO_MANIFEST_TRUNCATED,
    ARO_MANIFEST_BAD_MAGIC,
    ARO_MANIFEST_NEWER_VERSION,
    ARO_MANIFEST_BAD_HASH_TYPE,
    ARO_MANIFEST_TOO_DEEP,
    ARO_MANIFEST_RESERVED_SET,
    ARO_MANIFEST_BAD_CHUNK_SIZE,
    ARO_MANIFEST_TOO_MANY_ENTRIES,
    ARO_MANIFEST_TRAILING_BYTES,
    ARO_MANIFEST_BAD_TLV,
    ARO_MANIFEST_TOTAL_DISAGREES, /* the total does not fit the entries */
    ARO_MANIFEST_BAD_ENTRY_LENGTH,
    ARO_MANIFEST_NOT_A_ROOT,
    ARO_MANIFEST_ROOT_TOO_HIGH,
    ARO_MANIFEST_CHILD_LEVEL,
    ARO_MANIFEST_CHILD_CHUNK_SIZE,
    ARO_MANIFEST_CHILD_TOTAL,
    ARO_MANIFEST_CHILD_LENGTH,
    ARO_MANIFEST_CHILD_IS_ROOT,
    ARO_MANIFEST_VERDICTS,
};

/* A view of a manifest that decoded; lives as long as the bytes. */
struct aro_manifest {
    const uint8_t *bytes;
    size_t len_bytes;
    uint64_t total_bytes; /* content below */
    struct aro_id digest; /* SHA-256 of the whole content; zero below a root */
    uint32_t chunk_bytes; /* C */
    uint32_t entries;     /* 0 only for the empty object */
    uint32_t level;
};

/* One entry: a chunk and the content that it covers. */
struct aro_manifest_entry {
    struct aro_id id;
    uint32_t len_bytes;     /* of the chunk named: content, or a child manifest's own bytes */
    uint64_t content_at;    /* first content byte, counted from this manifest's first */
    uint64_t content_bytes; /* how much content it covers */
};

/*
 * Checks everything that one manifest alone can be checked for, every entry's length included, and
 * fills *ret on ARO_MANIFEST_OK (untouched otherwise). About 10 us for a full manifest.
 */
enum aro_manifest_verdict aro_manifest_decode(const uint8_t *bytes, size_t len,
                                              struct aro_manifest *ret);

/* Whether a decoded manifest may be an object's root: a digest, and no higher than it must be. */
enum aro_manifest_verdict aro_manifest_root_check(const struct aro_manifest *manifest);

/* Whether child is what entry i of parent promises. Both decoded; parent's level above 0. */
enum aro_manifest_verdict aro_manifest_child_check(const struct aro_manifest *parent, uint32_t i,
                                                   const struct aro_manifest *child);

/* Entry i, below manifest->entries. */
struct aro_manifest_entry aro_manifest_entry(const struct aro_manifest *manifest, uint32_t i);

/* The entry that covers content byte at (below total_bytes). */
uint32_t aro_manifest_seek(const struct aro_manifest *manifest, uint64_t at);

/* Content under one full entry of a manifest of this level: C * FANOUT^level. */
uint64_t aro_manifest_span_bytes(uint32_t level, uint32_t chunk_bytes);

static inline bool aro_manifest_chunk_bytes_valid(uint64_t chunk_bytes)
{
    return chunk_bytes >= ARO_MANIFEST_CHUNK_BYTES_MIN && chunk_bytes <= ARO_CHUNK_BYTES_MAX &&
           chunk_bytes % ARO_MANIFEST_CHUNK_BYTES_MIN == 0;
}

/* One sentence without a full stop: "its total length disagrees with its entries". */
const char *aro_manifest_verdict_text(enum aro_manifest_verdict verdict);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/manifest.h"

#include "cache/base/bytes.h"

uint64_t aro_manifest_span_bytes(uint32_t level, uint32_t chunk_bytes)
{
    uint64_t span = chunk_bytes;

    for (uint32_t i = 0; i < level; i++)
        span *= ARO_MANIFEST_FANOUT; /* at most 2^20 * 2^28: LEVEL_MAX is 2 */
    return span;
}

/* The fields of the header, one by one, before anything depends on them. */
static enum aro_manifest_verdict header_check(const uint8_t *bytes, size_t len)
{
    if (len < ARO_MANIFEST_HEADER_BYTES)
        return ARO_MANIFEST_TRUNCATED;
    if (aro_load_be32(bytes) != ARO_MANIFEST_MAGIC)
        return ARO_MANIFEST_BAD_MAGIC;
    if (bytes[4] != ARO_MANIFEST_VERSION)
        return ARO_MANIFEST_NEWER_VERSION;
    if (bytes[5] != 0)
        return ARO_MANIFEST_BAD_HASH_TYPE;
    if (bytes[6] > ARO_MANIFEST_LEVEL_MAX)
        return ARO_MANIFEST_TOO_DEEP;
    if (bytes[7] != 0 || aro_load_be32(bytes + 60) != 0)
        return ARO_MANIFEST_RESERVED_SET;
    if (!aro_manifest_chunk_bytes_valid(aro_load_be32(bytes + 8)))
        return ARO_MANIFEST_BAD_CHUNK_SIZE;
    if (aro_load_be32(bytes + 12) > ARO_MANIFEST_FANOUT)
        return ARO_MANIFEST_TOO_MANY_ENTRIES;
    return ARO_MANIFEST_OK;
}

/* Entries and TLVs must fill the manifest exactly. */
static enum aro_manifest_verdict extent_check(const uint8_t *bytes, size_t len)
{
    size_t at =
        ARO_MANIFEST_HEADER_BYTES + (size_t)aro_load_be32(bytes + 12) * ARO_MANIFEST_ENTRY_BYTES;
    size_t tlv_bytes = aro_load_be32(bytes + 56);

    if (len < at || len - at < tlv_bytes)
        return ARO_MANIFEST_TRUNCATED;
    if (len - at > tlv_bytes || len > ARO_CHUNK_BYTES_MAX)
        return ARO_MANIFEST_TRAILING_BYTES;
    while (at < len) {
        if (len - at < 4)
            return ARO_MANIFEST_BAD_TLV;
        size_t whole = 4 + (size_t)aro_load_be16(bytes + at + 2);
        if (whole > len - at)
            return ARO_MANIFEST_BAD_TLV;
        at += whole;
    }
    return ARO_MANIFEST_OK;
}

/* All entries but the last are full; the last covers 1 byte up to a full span. */
static enum aro_manifest_verdict total_check(const struct aro_manifest *manifest)
{
    uint64_t span = aro_manifest_span_bytes(manifest->level, manifest->chunk_bytes);
    uint64_t most = manifest->entries * span; /* below 2^62 */

    if (manifest->entries == 0) {
        if (manifest->level != 0)
            return ARO_MANIFEST_BAD_ENTRY_LENGTH; /* an empty parent promises nothing */
        return manifest->total_bytes == 0 ? ARO_MANIFEST_OK : ARO_MANIFEST_TOTAL_DISAGREES;
    }
    if (manifest->total_bytes > most || manifest->total_bytes <= most - span)
        return ARO_MANIFEST_TOTAL_DISAGREES;
    return ARO_MANIFEST_OK;
}

/* Entries that a manifest of this level needs for so much content. */
static uint64_t entries_for(uint32_t level, uint32_t chunk_bytes, uint64_t content_bytes)
{
    uint64_t span = aro_manifest_span_bytes(level, chunk_bytes);
    return (content_bytes + span - 1) / span;
}

/*
 * Whether entry's length is possible. Content: exactly what it covers. A child: at least its
 * header and entries; it may have TLVs, up to the size of a chunk.
 */
static bool entry_possible(const struct aro_manifest *manifest,
                           const struct aro_manifest_entry *entry)
{
    if (manifest->level == 0)
        return entry->len_bytes == entry->content_bytes;
    uint64_t least =
        ARO_MANIFEST_HEADER_BYTES + ARO_MANIFEST_ENTRY_BYTES * entries_for(manifest->level - 1,
                                                                           manifest->chunk_bytes,
                                                                           entry->content_bytes);
    return entry->len_bytes >= least && entry->len_bytes <= ARO_CHUNK_BYTES_MAX;
}

static enum aro_manifest_verdict entries_check(const struct aro_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->entries; i++) {
        struct aro_manifest_entry entry = aro_manifest_entry(manifest, i);
        if (!entry_possible(manifest, &entry))
            return ARO_MANIFEST_BAD_ENTRY_LENGTH;
    }
    return ARO_MANIFEST_OK;
}

enum aro_manifest_verdict aro_manifest_decode(const uint8_t *bytes, size_t len,
                                              struct aro_manifest *ret)
{
    enum aro_manifest_verdict verdict = header_check(bytes, len);

    if (verdict == ARO_MANIFEST_OK)
        verdict = extent_check(bytes, len);
    if (verdict != ARO_MANIFEST_OK)
        return verdict;
    struct aro_manifest manifest = {.bytes = bytes,
                                    .len_bytes = len,
                                    .total_bytes = aro_load_be64(bytes + 16),
                                    .digest = aro_id_load(bytes + 24),
                                    .chunk_bytes = aro_load_be32(bytes + 8),
                                    .entries = aro_load_be32(bytes + 12),
                                    .level = bytes[6]};
    verdict = total_check(&manifest);
    if (verdict == ARO_MANIFEST_OK)
        verdict = entries_check(&manifest);
    if (verdict == ARO_MANIFEST_OK)
        *ret = manifest;
    return verdict;
}

struct aro_manifest_entry aro_manifest_entry(const struct aro_manifest *manifest, uint32_t i)
{
    const uint8_t *at =
        manifest->bytes + ARO_MANIFEST_HEADER_BYTES + (size_t)i * ARO_MANIFEST_ENTRY_BYTES;
    uint64_t span = aro_manifest_span_bytes(manifest->level, manifest->chunk_bytes);
    struct aro_manifest_entry entry = {.id = aro_id_load(at),
                                       .len_bytes = aro_load_be32(at + ARO_ID_BYTES),
                                       .content_at = i * span,
                                       .content_bytes = span};

    if (i + 1 == manifest->entries)
        entry.content_bytes = manifest->total_bytes - entry.content_at;
    return entry;
}

uint32_t aro_manifest_seek(const struct aro_manifest *manifest, uint64_t at)
{
    return (uint32_t)(at / aro_manifest_span_bytes(manifest->level, manifest->chunk_bytes));
}

enum aro_manifest_verdict aro_manifest_root_check(const struct aro_manifest *manifest)
{
    if (aro_id_is_zero(&manifest->digest))
        return ARO_MANIFEST_NOT_A_ROOT;
    if (manifest->level > 0 && manifest->entries < 2)
        return ARO_MANIFEST_ROOT_TOO_HIGH;
    return ARO_MANIFEST_OK;
}

enum aro_manifest_verdict aro_manifest_child_check(const struct aro_manifest *parent, uint32_t i,
                                                   const struct aro_manifest *child)
{
    struct aro_manifest_entry entry = aro_manifest_entry(parent, i);

    if (child->level + 1 != parent->level)
        return ARO_MANIFEST_CHILD_LEVEL;
    if (child->chunk_bytes != parent->chunk_bytes)
        return ARO_MANIFEST_CHILD_CHUNK_SIZE;
    if (child->total_bytes != entry.content_bytes)
        return ARO_MANIFEST_CHILD_TOTAL;
    if (child->len_bytes != entry.len_bytes)
        return ARO_MANIFEST_CHILD_LENGTH;
    if (!aro_id_is_zero(&child->digest))
        return ARO_MANIFEST_CHILD_IS_ROOT;
    return ARO_MANIFEST_OK;
}

const char *aro_manifest_verdict_text(enum aro_manifest_verdict verdict)
{
    static const char *const texts[] = {
        [ARO_MANIFEST_OK] = "it is in order",
        [ARO_MANIFEST_TRUNCATED] = "it ends before its last entry",
        [ARO_MANIFEST_BAD_MAGIC] = "it does not begin like a manifest",
        [ARO_MANIFEST_NEWER_VERSION] = "its version is not the one this program reads",
        [ARO_MANIFEST_BAD_HASH_TYPE] = "its hash type is unknown",
        [ARO_MANIFEST_TOO_DEEP] = "its level is too deep",
        [ARO_MANIFEST_RESERVED_SET] = "a reserved field is not zero",
        [ARO_MANIFEST_BAD_CHUNK_SIZE] = "its chunk size is not a multiple of 4 KiB up to 1 MiB",
        [ARO_MANIFEST_TOO_MANY_ENTRIES] = "it has more entries than a manifest may have",
        [ARO_MANIFEST_TRAILING_BYTES] = "it goes on after its end",
        [ARO_MANIFEST_BAD_TLV] = "an optional field runs past its end",
        [ARO_MANIFEST_TOTAL_DISAGREES] = "its total length disagrees with its entries",
        [ARO_MANIFEST_BAD_ENTRY_LENGTH] = "an entry has an impossible length",
        [ARO_MANIFEST_NOT_A_ROOT] = "it has no digest of the whole content, so it is no object",
        [ARO_MANIFEST_ROOT_TOO_HIGH] = "its level is higher than its content needs",
        [ARO_MANIFEST_CHILD_LEVEL] = "its level does not follow from the manifest above",
        [ARO_MANIFEST_CHILD_CHUNK_SIZE] = "its chunk size differs from the manifest above",
        [ARO_MANIFEST_CHILD_TOTAL] = "its total length differs from what the manifest above says",
        [ARO_MANIFEST_CHILD_LENGTH] = "its own length differs from what the manifest above says",
        [ARO_MANIFEST_CHILD_IS_ROOT] = "it is the root of an object inside another object",
    };

    if ((unsigned)verdict >= ARO_MANIFEST_VERDICTS)
        return "unknown";
    return texts[verdict];
}

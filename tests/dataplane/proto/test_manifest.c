/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/manifest.h"

#include <criterion/criterion.h>

#include "cache/base/bytes.h"
#include "tests/dataplane/proto/tree.h"

enum { C = 4096 };

/* A valid manifest to spoil. */
struct sample {
    uint8_t bytes[4096];
    size_t len;
};

static struct sample sample_make(uint8_t level, uint32_t entries, uint64_t total)
{
    struct sample sample = {.len = ARO_MANIFEST_HEADER_BYTES};
    uint64_t span = aro_manifest_span_bytes(level, C);

    memset(sample.bytes, 0, sizeof(sample.bytes));
    memcpy(sample.bytes, "AROM\1", 5);
    sample.bytes[6] = level;
    aro_store_be32(sample.bytes + 8, C);
    aro_store_be32(sample.bytes + 12, entries);
    aro_store_be64(sample.bytes + 16, total);
    memset(sample.bytes + 24, 0xd1, ARO_ID_BYTES);
    for (uint32_t i = 0; i < entries; i++) {
        uint64_t covers = i + 1 < entries ? span : total - i * span;
        uint64_t below = level == 0 ? 0 : aro_manifest_span_bytes(level - 1u, C);
        uint64_t len = level == 0 ? covers
                                  : ARO_MANIFEST_HEADER_BYTES +
                                        (covers + below - 1) / below * ARO_MANIFEST_ENTRY_BYTES;
        memset(sample.bytes + sample.len, (int)i + 1, ARO_ID_BYTES);
        aro_store_be32(sample.bytes + sample.len + ARO_ID_BYTES, (uint32_t)len);
        sample.len += ARO_MANIFEST_ENTRY_BYTES;
    }
    return sample;
}

static enum aro_manifest_verdict verdict_of(const struct sample *sample)
{
    struct aro_manifest manifest;
    uint8_t *exact = malloc(sample->len > 0 ? sample->len : 1);
    enum aro_manifest_verdict verdict;

    memcpy(exact, sample->bytes, sample->len);
    verdict = aro_manifest_decode(exact, sample->len, &manifest);
    free(exact);
    return verdict;
}

static struct aro_manifest decode(const struct sample *sample)
{
    struct aro_manifest manifest = {.bytes = NULL};

    cr_assert_eq(aro_manifest_decode(sample->bytes, sample->len, &manifest), ARO_MANIFEST_OK);
    return manifest;
}

Test(manifest, a_decoded_manifest_shows_its_fields_and_entries)
{
    struct sample sample = sample_make(0, 3, 2 * C + 5);
    struct aro_manifest manifest = decode(&sample);
    struct aro_manifest_entry entry = aro_manifest_entry(&manifest, 2);

    cr_assert_eq(manifest.entries, 3);
    cr_assert_eq(manifest.chunk_bytes, C);
    cr_assert_eq(manifest.total_bytes, 2 * C + 5);
    cr_assert_eq(manifest.level, 0);
    cr_assert_eq(((const uint8_t *)&manifest.digest)[31], 0xd1);
    cr_assert_eq(entry.len_bytes, 5);
    cr_assert_eq(entry.content_bytes, 5);
    cr_assert_eq(entry.content_at, 2 * C);
    cr_assert_eq(((const uint8_t *)&entry.id)[0], 3);
}

Test(manifest, seek_finds_the_entry_that_covers_a_byte)
{
    struct sample sample = sample_make(0, 3, 2 * C + 5);
    struct aro_manifest manifest = decode(&sample);

    cr_assert_eq(aro_manifest_seek(&manifest, 0), 0);
    cr_assert_eq(aro_manifest_seek(&manifest, C - 1), 0);
    cr_assert_eq(aro_manifest_seek(&manifest, C), 1);
    cr_assert_eq(aro_manifest_seek(&manifest, 2 * C + 4), 2);
    sample = sample_make(1, 2, aro_manifest_span_bytes(1, C) + 1);
    manifest = decode(&sample);
    cr_assert_eq(aro_manifest_seek(&manifest, aro_manifest_span_bytes(1, C)), 1);
}

Test(manifest, every_truncation_is_noticed)
{
    struct sample sample = sample_make(0, 3, 2 * C + 5);
    size_t whole = sample.len;

    for (sample.len = 0; sample.len < whole; sample.len++)
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_TRUNCATED, "%zu", sample.len);
}

Test(manifest, each_lie_of_the_header_has_its_own_verdict)
{
    const struct {
        size_t at;
        uint32_t value;
        enum aro_manifest_verdict verdict;
    } lies[] = {
        {0, 0x41524f4e, ARO_MANIFEST_BAD_MAGIC},
        {4, 0x02000000, ARO_MANIFEST_NEWER_VERSION},
        {4, 0x01010000, ARO_MANIFEST_BAD_HASH_TYPE},
        {4, 0x01000300, ARO_MANIFEST_TOO_DEEP},
        {4, 0x01000001, ARO_MANIFEST_RESERVED_SET},
        {60, 1, ARO_MANIFEST_RESERVED_SET},
        {8, 0, ARO_MANIFEST_BAD_CHUNK_SIZE},
        {8, C + 1, ARO_MANIFEST_BAD_CHUNK_SIZE},
        {8, ARO_CHUNK_BYTES_MAX + C, ARO_MANIFEST_BAD_CHUNK_SIZE},
        {12, ARO_MANIFEST_FANOUT + 1, ARO_MANIFEST_TOO_MANY_ENTRIES},
        {12, 4, ARO_MANIFEST_TRUNCATED},
        {12, 2, ARO_MANIFEST_TRAILING_BYTES},
        {12, 0xffffffff, ARO_MANIFEST_TOO_MANY_ENTRIES},
        {16, 1, ARO_MANIFEST_TOTAL_DISAGREES},
        {20, 2 * C, ARO_MANIFEST_TOTAL_DISAGREES},
        {20, 3 * C + 1, ARO_MANIFEST_TOTAL_DISAGREES},
        {20, 2 * C + 6, ARO_MANIFEST_BAD_ENTRY_LENGTH},
        {56, 1, ARO_MANIFEST_TRUNCATED},
        {56, 0xffffffff, ARO_MANIFEST_TRUNCATED},
    };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct sample sample = sample_make(0, 3, 2 * C + 5);
        aro_store_be32(sample.bytes + lies[i].at, lies[i].value);
        cr_assert_eq(verdict_of(&sample), lies[i].verdict, "lie %zu: %s", i,
                     aro_manifest_verdict_text(verdict_of(&sample)));
    }
}

Test(manifest, an_entry_of_impossible_length_is_refused_on_every_level)
{
    const uint32_t lengths[] = {0, C - 1, C + 1, 0xffffffff};

    for (size_t i = 0; i < 4; i++) {
        struct sample sample = sample_make(0, 3, 2 * C + 5);
        aro_store_be32(sample.bytes + ARO_MANIFEST_HEADER_BYTES + ARO_ID_BYTES, lengths[i]);
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_ENTRY_LENGTH);
    }
    for (uint8_t level = 1; level <= ARO_MANIFEST_LEVEL_MAX; level++) {
        struct sample sample = sample_make(level, 2, aro_manifest_span_bytes(level, C) + 1);
        uint8_t *len = sample.bytes + ARO_MANIFEST_HEADER_BYTES + ARO_ID_BYTES;
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_OK);
        aro_store_be32(len, ARO_MANIFEST_FULL_BYTES - 1);
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_ENTRY_LENGTH);
        aro_store_be32(len, ARO_CHUNK_BYTES_MAX + 1);
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_ENTRY_LENGTH);
        aro_store_be32(len, ARO_MANIFEST_FULL_BYTES + 8); /* a child may have TLVs */
        cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_OK);
    }
}

Test(manifest, unknown_tlvs_are_skipped_and_overlong_ones_refused)
{
    struct sample sample = sample_make(0, 1, 7);
    uint8_t *tlv = sample.bytes + sample.len;

    aro_store_be16(tlv, 99);
    aro_store_be16(tlv + 2, 3);
    aro_store_be16(tlv + 7, 100);
    aro_store_be32(sample.bytes + 56, 11);
    sample.len += 11;
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_OK);
    aro_store_be16(tlv + 2, 5); /* leaves two bytes: no header */
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_TLV);
    aro_store_be16(tlv + 2, 8);
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_TLV);
    sample.len++;
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_TRAILING_BYTES);
}

Test(manifest, nothing_longer_than_a_chunk_is_a_manifest)
{
    size_t len = ARO_CHUNK_BYTES_MAX + 1;
    struct sample small = sample_make(0, 1, 7);
    uint8_t *bytes = calloc(1, len);
    struct aro_manifest manifest;

    memcpy(bytes, small.bytes, small.len);
    aro_store_be32(bytes + 56, (uint32_t)(len - small.len));
    cr_assert_eq(aro_manifest_decode(bytes, len, &manifest), ARO_MANIFEST_TRAILING_BYTES);
    free(bytes);
}

Test(manifest, the_empty_object_has_no_entries_and_level_zero)
{
    struct sample sample = sample_make(0, 0, 0);
    struct aro_manifest manifest = decode(&sample);

    cr_assert_eq(aro_manifest_root_check(&manifest), ARO_MANIFEST_OK);
    sample = sample_make(0, 0, 1);
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_TOTAL_DISAGREES);
    sample = sample_make(1, 0, 0);
    cr_assert_eq(verdict_of(&sample), ARO_MANIFEST_BAD_ENTRY_LENGTH);
}

Test(manifest, a_root_has_a_digest_and_the_lowest_level_that_fits)
{
    struct sample sample = sample_make(1, 1, C);
    struct aro_manifest manifest = decode(&sample);

    cr_assert_eq(aro_manifest_root_check(&manifest), ARO_MANIFEST_ROOT_TOO_HIGH);
    sample = sample_make(1, 2, aro_manifest_span_bytes(1, C) + 1);
    manifest = decode(&sample);
    cr_assert_eq(aro_manifest_root_check(&manifest), ARO_MANIFEST_OK);
    memset(sample.bytes + 24, 0, ARO_ID_BYTES);
    manifest = decode(&sample);
    cr_assert_eq(aro_manifest_root_check(&manifest), ARO_MANIFEST_NOT_A_ROOT);
}

Test(manifest, a_child_must_be_exactly_what_its_parent_promises)
{
    struct sample above = sample_make(1, 2, aro_manifest_span_bytes(1, C) + 2 * C);
    struct aro_manifest parent = decode(&above);
    struct sample below = sample_make(0, 2, 2 * C);
    struct aro_manifest child;

    memset(below.bytes + 24, 0, ARO_ID_BYTES);
    child = decode(&below);
    cr_assert_eq(aro_manifest_child_check(&parent, 1, &child), ARO_MANIFEST_OK);
    cr_assert_eq(aro_manifest_child_check(&parent, 0, &child), ARO_MANIFEST_CHILD_TOTAL);
    child.total_bytes--;
    cr_assert_eq(aro_manifest_child_check(&parent, 1, &child), ARO_MANIFEST_CHILD_TOTAL);
    child = decode(&below);
    child.len_bytes++;
    cr_assert_eq(aro_manifest_child_check(&parent, 1, &child), ARO_MANIFEST_CHILD_LENGTH);
    child = decode(&below);
    child.chunk_bytes *= 2;
    cr_assert_eq(aro_manifest_child_check(&parent, 1, &child), ARO_MANIFEST_CHILD_CHUNK_SIZE);
    child = decode(&below);
    child.digest.word[2] = 1;
    cr_assert_eq(aro_manifest_child_check(&parent, 1, &child), ARO_MANIFEST_CHILD_IS_ROOT);
}

Test(manifest, no_manifest_can_be_its_own_descendant)
{
    for (uint8_t level = 0; level <= ARO_MANIFEST_LEVEL_MAX; level++)
        for (uint8_t below = level; below <= ARO_MANIFEST_LEVEL_MAX; below++) {
            struct sample above = sample_make(level, 2, aro_manifest_span_bytes(level, C) + 1);
            struct sample loop = sample_make(below, 2, aro_manifest_span_bytes(below, C) + 1);
            struct aro_manifest parent = decode(&above);
            struct aro_manifest child = decode(&loop);
            cr_assert_eq(aro_manifest_child_check(&parent, 0, &child), ARO_MANIFEST_CHILD_LEVEL);
        }
}

Test(manifest, every_verdict_has_a_sentence)
{
    for (unsigned verdict = 0; verdict < ARO_MANIFEST_VERDICTS; verdict++)
        cr_assert_gt(strlen(aro_manifest_verdict_text((enum aro_manifest_verdict)verdict)), 10u);
    cr_assert_str_eq(aro_manifest_verdict_text(ARO_MANIFEST_VERDICTS), "unknown");
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a manifest. One that decodes must cover its content without gap or overlap, seek
 * must agree with its entries, and a level-0 manifest without TLVs must come out of the builder
 * byte for byte. Two manifests in one input: no child may sit on its parent's level or above.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "dataplane/proto/manifest_build.h"

struct expected {
    const struct aro_manifest *manifest;
    bool seen;
};

static int emitted(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    struct expected *expected = arg;

    (void)id;
    FUZZ_CHECK(!expected->seen && len == expected->manifest->len_bytes);
    FUZZ_CHECK(memcmp(bytes, expected->manifest->bytes, len) == 0);
    expected->seen = true;
    return 0;
}

static void rebuild(const struct aro_manifest *manifest)
{
    struct expected expected = {.manifest = manifest};
    struct aro_manifest_builder *builder =
        aro_manifest_builder_create(manifest->chunk_bytes, emitted, &expected);
    struct aro_id root;

    FUZZ_CHECK(builder != NULL);
    for (uint32_t i = 0; i < manifest->entries; i++) {
        struct aro_manifest_entry entry = aro_manifest_entry(manifest, i);
        FUZZ_CHECK(aro_manifest_builder_add(builder, &entry.id, entry.len_bytes) == 0);
    }
    FUZZ_CHECK(aro_manifest_builder_finish(builder, &manifest->digest, &root) == 0);
    FUZZ_CHECK(expected.seen);
    aro_manifest_builder_destroy(builder);
}

static void cover_check(const struct aro_manifest *manifest)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < manifest->entries; i++) {
        struct aro_manifest_entry entry = aro_manifest_entry(manifest, i);
        FUZZ_CHECK(entry.content_at == at && entry.content_bytes > 0);
        FUZZ_CHECK(entry.len_bytes > 0 && entry.len_bytes <= ARO_CHUNK_BYTES_MAX);
        FUZZ_CHECK(aro_manifest_seek(manifest, at) == i);
        FUZZ_CHECK(aro_manifest_seek(manifest, at + entry.content_bytes - 1) == i);
        at += entry.content_bytes;
    }
    FUZZ_CHECK(at == manifest->total_bytes);
}

static void family_check(const struct aro_manifest *parent, const uint8_t *input, size_t len)
{
    struct aro_manifest child;

    if (parent->level == 0 || aro_manifest_decode(input, len, &child) != ARO_MANIFEST_OK)
        return;
    for (uint32_t i = 0; i < parent->entries; i++)
        if (aro_manifest_child_check(parent, i, &child) == ARO_MANIFEST_OK)
            FUZZ_CHECK(child.level < parent->level);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    struct aro_manifest manifest;
    enum aro_manifest_verdict verdict = aro_manifest_decode(input, len, &manifest);

    FUZZ_CHECK(strlen(aro_manifest_verdict_text(verdict)) > 0);
    if (verdict != ARO_MANIFEST_OK)
        return 0;
    FUZZ_CHECK(manifest.bytes == input && manifest.len_bytes == len);
    cover_check(&manifest);
    bool root = aro_manifest_root_check(&manifest) == ARO_MANIFEST_OK;
    FUZZ_CHECK(!root || !aro_id_is_zero(&manifest.digest));
    size_t plain = ARO_MANIFEST_HEADER_BYTES + (size_t)manifest.entries * ARO_MANIFEST_ENTRY_BYTES;
    if (manifest.level == 0 && len == plain)
        rebuild(&manifest);
    family_check(&manifest, input, len);
    return 0;
}

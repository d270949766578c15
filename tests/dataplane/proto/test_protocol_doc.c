/* SPDX-License-Identifier: BSD-3-Clause */
/* Every vector of docs/protocol.md against the codec, byte for byte, and every id it names. */
#include "dataplane/proto/codec.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "cache/base/sha256.h"
#include "dataplane/proto/manifest_build.h"

enum { DOC_BYTES_MAX = 1 << 20, VECTOR_BYTES_MAX = 1024 };

static const char *doc_read(void)
{
    static char text[DOC_BYTES_MAX];
    FILE *file = fopen(ARO_PROTOCOL_MD, "r");
    size_t len;

    cr_assert_not_null(file, "%s", ARO_PROTOCOL_MD);
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

/* The bytes of the block ```vector NAME. */
static size_t vector_read(const char *name, uint8_t bytes[VECTOR_BYTES_MAX])
{
    char fence[64];
    const char *at;
    size_t len = 0;

    snprintf(fence, sizeof(fence), "```vector %s\n", name);
    at = strstr(doc_read(), fence);
    cr_assert_not_null(at, "no vector '%s'", name);
    at += strlen(fence);
    while (*at != '`') {
        char *end;
        unsigned long byte = strtoul(at, &end, 16);
        cr_assert(end == at + 2 && byte < 256 && len < VECTOR_BYTES_MAX, "vector '%s'", name);
        bytes[len++] = (uint8_t)byte;
        at = end;
        while (*at == ' ' || *at == '\n')
            at++;
    }
    return len;
}

static void assert_vector(const char *name, const uint8_t *expected, size_t len)
{
    uint8_t bytes[VECTOR_BYTES_MAX];

    cr_assert_eq(vector_read(name, bytes), len, "vector '%s'", name);
    cr_assert_eq(memcmp(bytes, expected, len), 0, "vector '%s'", name);
}

static const uint64_t doc_echo = 0x0123456789abcdefu;

static void doc_token(uint8_t token[ARO_TOKEN_BYTES])
{
    for (uint8_t i = 0; i < ARO_TOKEN_BYTES; i++)
        token[i] = (uint8_t)(0xa0 + i);
}

Test(protocol_doc, get_vectors_are_what_the_codec_sends_and_reads)
{
    struct aro_get get = {.id = aro_sha256("abc", 3),
                          .mask = 0x3ff,
                          .echo = doc_echo,
                          .flags = ARO_GET_ONLY_IF_CACHED,
                          .slice_bytes = 1152};
    uint8_t bytes[VECTOR_BYTES_MAX];

    doc_token(get.token);
    aro_get_encode(bytes, &get);
    assert_vector("get", bytes, ARO_GET_BYTES);

    size_t len = vector_read("get-extension", bytes);
    cr_assert_eq(len, ARO_GET_BYTES + 7);
    cr_assert_eq(aro_get_decode(bytes, len, &get), ARO_VERDICT_OK);
    cr_assert_eq(get.first, 46);
    cr_assert_eq(get.slice_bytes, 1408);
    cr_assert_eq(get.mask, 1);
    cr_assert_eq(get.flags, 0);
    cr_assert_eq(get.token[0], 0);
}

Test(protocol_doc, answer_vectors_are_what_the_codec_sends)
{
    uint8_t bytes[ARO_DATA_BYTES + 3];
    struct aro_status_msg status = {
        .echo = doc_echo, .residence_us = 12, .detail = 3, .code = ARO_STATUS_BAD_REQUEST};
    struct aro_token_msg token = {.echo = doc_echo, .life_s = 30};
    uint8_t message[ARO_TOKEN_MSG_BYTES];

    aro_data_encode(bytes, ARO_TIER_DISK, 1152, 0, 3, 250, doc_echo);
    memcpy(bytes + ARO_DATA_BYTES, "abc", 3);
    assert_vector("data", bytes, sizeof(bytes));
    aro_status_encode(message, &status);
    assert_vector("status-bad-request", message, ARO_STATUS_BYTES);
    status = (struct aro_status_msg){.echo = doc_echo,
                                     .retry_after_us = 5000,
                                     .residence_us = 12,
                                     .code = ARO_STATUS_RETRY_LATER};
    aro_status_encode(message, &status);
    assert_vector("status-retry-later", message, ARO_STATUS_BYTES);
    doc_token(token.token);
    aro_token_encode(message, &token);
    assert_vector("token", message, ARO_TOKEN_MSG_BYTES);
}

static int vector_check(void *arg, const struct aro_id *id, const uint8_t *bytes, size_t len)
{
    (void)id;
    if (arg != NULL)
        assert_vector(arg, bytes, len);
    return 0;
}

static void assert_named(const struct aro_id *id, enum aro_kind kind)
{
    char text[ARO_ID_TEXT_MAX];

    aro_id_format(id, kind, text);
    cr_assert_not_null(strstr(doc_read(), text), "the page does not name %s", text);
}

/* Builds the object of content; its one manifest must be the vector (NULL: not shown). */
static void assert_object(char *vector, const uint8_t *content, size_t len, uint32_t chunk_bytes)
{
    struct aro_manifest_builder *builder =
        aro_manifest_builder_create(chunk_bytes, vector_check, vector);
    struct aro_id digest = aro_sha256(content, len);
    struct aro_id object;

    for (size_t at = 0; at < len; at += chunk_bytes) {
        size_t chunk = len - at < chunk_bytes ? len - at : chunk_bytes;
        struct aro_id id = aro_sha256(content + at, chunk);
        assert_named(&id, ARO_KIND_CHUNK);
        cr_assert_eq(aro_manifest_builder_add(builder, &id, (uint32_t)chunk), 0);
    }
    cr_assert_eq(aro_manifest_builder_finish(builder, &digest, &object), 0);
    aro_manifest_builder_destroy(builder);
    assert_named(&object, ARO_KIND_OBJECT);
}

Test(protocol_doc, manifest_vectors_and_ids_can_be_recomputed_from_their_content)
{
    char abc[] = "manifest-abc", two[] = "manifest-two";
    uint8_t content[4096 + 9];
    struct aro_id whole;

    assert_object(abc, (const uint8_t *)"abc", 3, 65536);
    memset(content, 'a', 4096);
    memcpy(content + 4096, "arocache\n", 9);
    assert_object(two, content, sizeof(content), 4096);
    whole = aro_sha256(content, sizeof(content));
    assert_named(&whole, ARO_KIND_DIGEST);
    assert_object(NULL, content, 0, 65536);
}

/* A block that no test looks at would be a vector that nobody checks. */
Test(protocol_doc, no_vector_stands_there_unchecked)
{
    const char *at = doc_read();
    int count = 0;

    while ((at = strstr(at, "```vector ")) != NULL) {
        at++;
        count++;
    }
    cr_assert_eq(count, 8);
}

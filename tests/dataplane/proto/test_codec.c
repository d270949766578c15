/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/codec.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>

/* A valid GET to spoil; room for extensions behind it. */
struct request {
    uint8_t bytes[ARO_GET_BYTES + 2 * ARO_EXT_BYTES_MAX];
    size_t len;
};

static struct aro_get sample_get(void)
{
    struct aro_get get = {.id = {{1, 2, 3, 4}},
                          .mask = 0x8000000000000001u,
                          .echo = 0x1122334455667788u,
                          .flags = ARO_GET_ONLY_IF_CACHED | ARO_GET_BACKGROUND,
                          .slice_bytes = ARO_SLICE_BYTES_1500,
                          .first = 46};
    memset(get.token, 0xa5, sizeof(get.token));
    return get;
}

static struct request sample_request(void)
{
    struct request request = {.len = ARO_GET_BYTES};
    struct aro_get get = sample_get();

    aro_get_encode(request.bytes, &get);
    return request;
}

static void extension_add(struct request *request, uint16_t type, uint16_t len)
{
    uint8_t *at = request->bytes + request->len;

    aro_store_be16(at, type);
    aro_store_be16(at + 2, len);
    request->len += ARO_EXT_HEADER_BYTES + (size_t)len;
    aro_store_be16(request->bytes + 72, (uint16_t)(request->len - ARO_GET_BYTES));
}

/* Decodes from a heap copy of exactly len bytes, so that ASan sees one byte too many. */
static enum aro_verdict decode_exact(const uint8_t *bytes, size_t len, struct aro_get *ret)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    enum aro_verdict verdict;

    memcpy(copy, bytes, len);
    verdict = aro_get_decode(copy, len, ret);
    free(copy);
    return verdict;
}

static enum aro_verdict verdict_of(const struct request *request)
{
    struct aro_get get;
    return decode_exact(request->bytes, request->len, &get);
}

Test(codec, get_returns_every_field_as_it_was_sent)
{
    struct request request = sample_request();
    struct aro_get sent = sample_get();
    struct aro_get got;

    memset(&got, 0xff, sizeof(got));
    cr_assert_eq(aro_get_decode(request.bytes, request.len, &got), ARO_VERDICT_OK);
    cr_assert(aro_id_equal(&got.id, &sent.id));
    cr_assert_eq(got.mask, sent.mask);
    cr_assert_eq(got.echo, sent.echo);
    cr_assert_eq(got.flags, sent.flags);
    cr_assert_eq(got.slice_bytes, sent.slice_bytes);
    cr_assert_eq(got.first, sent.first);
    cr_assert_eq(got.detail, ARO_BAD_NONE);
    cr_assert_eq(memcmp(got.token, sent.token, ARO_TOKEN_BYTES), 0);
}

Test(codec, every_truncation_of_a_get_is_malformed)
{
    struct request request = sample_request();
    struct aro_get get;

    for (size_t len = 0; len < ARO_GET_BYTES; len++)
        cr_assert_eq(decode_exact(request.bytes, len, &get), ARO_VERDICT_MALFORMED, "%zu", len);
}

Test(codec, a_get_longer_or_shorter_than_its_extensions_is_malformed)
{
    struct request request = sample_request();

    request.len++;
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_MALFORMED);
    request = sample_request();
    extension_add(&request, 5, 8);
    request.len--;
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_MALFORMED);
}

Test(codec, a_get_with_reserved_bits_is_malformed)
{
    struct request request = sample_request();

    request.bytes[75] = 1;
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_MALFORMED);
}

Test(codec, replies_are_never_requests_whatever_their_length)
{
    const uint8_t types[] = {ARO_MSG_DATA, ARO_MSG_STATUS, ARO_MSG_TOKEN, ARO_MSG_LOCATED,
                             ARO_MSG_PONG};
    struct request request = sample_request();
    struct aro_get get;

    for (size_t i = 0; i < sizeof(types); i++) {
        request.bytes[0] = types[i];
        for (size_t len = 1; len <= ARO_GET_BYTES; len++)
            cr_assert_eq(aro_get_decode(request.bytes, len, &get), ARO_VERDICT_NOT_REQUEST);
    }
}

Test(codec, every_other_first_byte_is_an_unknown_type)
{
    struct request request = sample_request();

    for (unsigned type = 0; type < 256; type++) {
        if (type >= ARO_MSG_GET && type <= ARO_MSG_PONG)
            continue;
        request.bytes[0] = (uint8_t)type;
        cr_assert_eq(verdict_of(&request), ARO_VERDICT_UNKNOWN_TYPE, "%u", type);
    }
}

Test(codec, another_version_is_told_apart_with_its_echo)
{
    struct request request = sample_request();
    struct aro_get get = {0};

    request.bytes[1] = 2;
    cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_UNSUPPORTED_VERSION);
    cr_assert_eq(get.echo, sample_get().echo);
    /* a later version may be longer and lay out everything else anew */
    cr_assert_eq(aro_get_decode(request.bytes, request.len + 9, &get),
                 ARO_VERDICT_UNSUPPORTED_VERSION);
    cr_assert_eq(aro_get_decode(request.bytes, ARO_GET_BYTES - 1, &get), ARO_VERDICT_MALFORMED);
}

Test(codec, reserved_requests_are_refused_with_token_and_echo)
{
    const uint8_t types[] = {ARO_MSG_LOCATE, ARO_MSG_PING};
    struct request request = sample_request();

    for (size_t i = 0; i < sizeof(types); i++) {
        struct aro_get get = {0};
        request.bytes[0] = types[i];
        cr_assert_eq(aro_get_decode(request.bytes, 200, &get), ARO_VERDICT_BAD_REQUEST);
        cr_assert_eq(get.detail, ARO_BAD_TYPE);
        cr_assert_eq(get.echo, sample_get().echo);
        cr_assert_eq(get.token[15], 0xa5);
    }
}

Test(codec, semantic_faults_name_their_field_and_keep_token_and_echo)
{
    const struct {
        size_t at;
        uint16_t value;
        enum aro_bad_request detail;
    } faults[] = {
        {2, 1u << 3, ARO_BAD_FLAGS},
        {2, 1u << 15, ARO_BAD_FLAGS},
        {2, ARO_GET_TENANT, ARO_BAD_FLAGS},
        {2, 1u << ARO_GET_HASH_SHIFT, ARO_BAD_FLAGS},
        {4, 0, ARO_BAD_SLICE_SIZE},
        {4, 64, ARO_BAD_SLICE_SIZE},
        {4, 1400, ARO_BAD_SLICE_SIZE},
        {4, ARO_SLICE_BYTES_MAX + ARO_SLICE_STEP, ARO_BAD_SLICE_SIZE},
        {6, ARO_SLICE_REPAIR | 3, ARO_BAD_REPAIR},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct request request = sample_request();
        struct aro_get get = {0};
        aro_store_be16(request.bytes + faults[i].at, faults[i].value);
        cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_BAD_REQUEST);
        cr_assert_eq(get.detail, faults[i].detail, "fault %zu", i);
        cr_assert_eq(get.echo, sample_get().echo);
        cr_assert_eq(get.token[0], 0xa5);
    }
}

Test(codec, an_empty_mask_is_a_bad_request)
{
    struct request request = sample_request();
    struct aro_get get;

    aro_store_be64(request.bytes + 8, 0);
    cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_BAD_REQUEST);
    cr_assert_eq(get.detail, ARO_BAD_MASK);
}

Test(codec, unknown_extensions_are_skipped_and_padding_may_be_critical)
{
    struct request request = sample_request();

    extension_add(&request, 77, 0);
    extension_add(&request, ARO_EXT_PADDING, 13);
    extension_add(&request, ARO_EXT_PADDING | ARO_EXT_CRITICAL, 4);
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_OK);
}

Test(codec, an_unknown_critical_extension_is_refused_wherever_it_stands)
{
    for (int position = 0; position < 3; position++) {
        struct request request = sample_request();
        struct aro_get get;
        for (int i = 0; i < 3; i++)
            extension_add(&request, i == position ? ARO_EXT_CRITICAL | 9 : 9, 5);
        cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_BAD_REQUEST);
        cr_assert_eq(get.detail, ARO_BAD_EXTENSION);
        cr_assert_eq(get.echo, sample_get().echo);
    }
}

Test(codec, too_many_extension_bytes_are_a_bad_request)
{
    struct request request = sample_request();
    struct aro_get get;

    extension_add(&request, 9, ARO_EXT_BYTES_MAX - ARO_EXT_HEADER_BYTES);
    cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_OK);
    extension_add(&request, 9, 0);
    cr_assert_eq(aro_get_decode(request.bytes, request.len, &get), ARO_VERDICT_BAD_REQUEST);
    cr_assert_eq(get.detail, ARO_BAD_EXTENSION);
}

Test(codec, an_extension_that_runs_past_the_end_is_malformed)
{
    struct request request = sample_request();

    extension_add(&request, 9, 8);
    aro_store_be16(request.bytes + ARO_GET_BYTES + 2, 9);
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_MALFORMED);

    request = sample_request();
    extension_add(&request, 9, 8);
    request.len += 3; /* three stray bytes: less than an extension header */
    aro_store_be16(request.bytes + 72, (uint16_t)(request.len - ARO_GET_BYTES));
    cr_assert_eq(verdict_of(&request), ARO_VERDICT_MALFORMED);
}

/* A DATA of a 3000-byte chunk in slices of 1408: the last one carries 184 bytes. */
static size_t sample_data(uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX], uint16_t index)
{
    memset(bytes, 0x5a, ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX);
    aro_data_encode(bytes, ARO_TIER_DISK, 1408, index, 3000, 250, 0xfeedu);
    return ARO_DATA_BYTES + (index < 2 ? 1408 : 184);
}

Test(codec, data_returns_every_field_and_the_payload_in_place)
{
    uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX];
    struct aro_data data;

    for (uint16_t index = 0; index < 3; index++) {
        size_t len = sample_data(bytes, index);
        cr_assert_eq(aro_data_decode(bytes, len, &data), 0);
        cr_assert_eq(data.echo, 0xfeedu);
        cr_assert_eq(data.chunk_bytes, 3000);
        cr_assert_eq(data.residence_us, 250);
        cr_assert_eq(data.slice_bytes, 1408);
        cr_assert_eq(data.index, index);
        cr_assert_eq(data.flags & ARO_DATA_TIER_MASK, ARO_TIER_DISK);
        cr_assert_eq(data.payload, bytes + ARO_DATA_BYTES);
        cr_assert_eq(data.payload_bytes, len - ARO_DATA_BYTES);
        cr_assert_eq(aro_data_decode(bytes, len - 1, &data), -EINVAL);
        cr_assert_eq(aro_data_decode(bytes, len + 1, &data), -EINVAL);
    }
    cr_assert_eq(aro_data_decode(bytes, ARO_DATA_BYTES - 1, &data), -EINVAL);
    cr_assert_eq(aro_data_decode(bytes, 0, &data), -EINVAL);
}

Test(codec, a_data_that_no_server_may_send_is_refused)
{
    uint8_t bytes[ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX];
    struct aro_data data;
    size_t len = sample_data(bytes, 3); /* 3 * 1408 is past 3000 */

    cr_assert_eq(aro_data_decode(bytes, len, &data), -EINVAL);
    len = sample_data(bytes, 0);
    bytes[1] = 2;
    cr_assert_eq(aro_data_decode(bytes, len, &data), -EINVAL);
    len = sample_data(bytes, 0);
    bytes[3] = 1;
    cr_assert_eq(aro_data_decode(bytes, len, &data), -EINVAL);
    len = sample_data(bytes, 0);
    bytes[0] = ARO_MSG_STATUS;
    cr_assert_eq(aro_data_decode(bytes, len, &data), -EINVAL);
    aro_data_encode(bytes, 0, 1400, 0, 3000, 0, 0);
    cr_assert_eq(aro_data_decode(bytes, ARO_DATA_BYTES + 1400, &data), -EINVAL);
    aro_data_encode(bytes, 0, 1408, 0, ARO_CHUNK_BYTES_MAX + 1, 0, 0);
    cr_assert_eq(aro_data_decode(bytes, ARO_DATA_BYTES + 1408, &data), -EINVAL);
    aro_data_encode(bytes, 0, 1408, 0, 0, 0, 0);
    cr_assert_eq(aro_data_decode(bytes, ARO_DATA_BYTES, &data), -EINVAL);
    aro_data_encode(bytes, 0, ARO_SLICE_BYTES_MAX, 0xffff, ARO_CHUNK_BYTES_MAX, 0, 0);
    cr_assert_eq(aro_data_decode(bytes, ARO_DATA_BYTES + ARO_SLICE_BYTES_MAX, &data), -EINVAL);
}

Test(codec, status_returns_what_was_sent_and_refuses_what_was_spoilt)
{
    const struct aro_status_msg sent = {.echo = 0x0102030405060708u,
                                        .retry_after_us = 5000,
                                        .residence_us = 77,
                                        .detail = ARO_BAD_MASK,
                                        .code = ARO_STATUS_BAD_REQUEST};
    uint8_t bytes[ARO_STATUS_BYTES + 1];
    struct aro_status_msg got;

    aro_status_encode(bytes, &sent);
    cr_assert_eq(aro_status_decode(bytes, ARO_STATUS_BYTES, &got), 0);
    cr_assert_eq(got.echo, sent.echo);
    cr_assert_eq(got.retry_after_us, sent.retry_after_us);
    cr_assert_eq(got.residence_us, sent.residence_us);
    cr_assert_eq(got.detail, sent.detail);
    cr_assert_eq(got.code, sent.code);
    cr_assert_eq(aro_status_decode(bytes, ARO_STATUS_BYTES - 1, &got), -EINVAL);
    cr_assert_eq(aro_status_decode(bytes, ARO_STATUS_BYTES + 1, &got), -EINVAL);
    bytes[3] = 1;
    cr_assert_eq(aro_status_decode(bytes, ARO_STATUS_BYTES, &got), -EINVAL);
}

Test(codec, token_returns_what_was_sent_and_refuses_what_was_spoilt)
{
    struct aro_token_msg sent = {.echo = 42, .life_s = 30};
    uint8_t bytes[ARO_TOKEN_MSG_BYTES + 1];
    struct aro_token_msg got;

    memset(sent.token, 0x77, sizeof(sent.token));
    aro_token_encode(bytes, &sent);
    cr_assert_eq(aro_token_decode(bytes, ARO_TOKEN_MSG_BYTES, &got), 0);
    cr_assert_eq(got.echo, 42);
    cr_assert_eq(got.life_s, 30);
    cr_assert_eq(memcmp(got.token, sent.token, ARO_TOKEN_BYTES), 0);
    cr_assert_eq(aro_token_decode(bytes, ARO_TOKEN_MSG_BYTES - 1, &got), -EINVAL);
    cr_assert_eq(aro_token_decode(bytes, ARO_TOKEN_MSG_BYTES + 1, &got), -EINVAL);
    bytes[7] = 1;
    cr_assert_eq(aro_token_decode(bytes, ARO_TOKEN_MSG_BYTES, &got), -EINVAL);
}

Test(codec, every_code_has_a_name_and_no_other_number_has)
{
    for (unsigned code = ARO_STATUS_NOT_FOUND; code <= ARO_STATUS_UNSUPPORTED_VERSION; code++)
        cr_assert_str_neq(aro_status_name((uint8_t)code), "unknown");
    cr_assert_str_eq(aro_status_name(0), "unknown");
    cr_assert_str_eq(aro_status_name(7), "unknown");
    for (unsigned detail = ARO_BAD_NONE; detail <= ARO_BAD_TYPE; detail++)
        cr_assert_str_neq(aro_bad_request_name(detail), "unknown");
    cr_assert_str_eq(aro_bad_request_name(0x10001), "unknown");
    for (unsigned verdict = 0; verdict < ARO_VERDICTS; verdict++)
        cr_assert_str_neq(aro_verdict_name((enum aro_verdict)verdict), "unknown");
}

Test(codec, slices_of_the_default_chunk_are_what_the_design_says)
{
    cr_assert_eq(aro_slices(ARO_CHUNK_BYTES_DEFAULT, ARO_SLICE_BYTES_START), 57);
    cr_assert_eq(aro_slices(ARO_CHUNK_BYTES_DEFAULT, ARO_SLICE_BYTES_1500), 47);
    cr_assert_eq(aro_slices(1, ARO_SLICE_BYTES_MIN), 1);
    cr_assert_eq(aro_slices(ARO_CHUNK_BYTES_MAX, ARO_SLICE_BYTES_MIN), ARO_SLICES_MAX);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any datagram through every decoder of the protocol. What decodes must encode to bytes that decode
 * to the same, and keep the promises of codec.h. libFuzzer's input is a heap block of exactly its
 * length, so ASan sees a read past the end.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "dataplane/proto/codec.h"

static bool get_equal(const struct aro_get *a, const struct aro_get *b)
{
    return aro_id_equal(&a->id, &b->id) && a->mask == b->mask && a->echo == b->echo &&
           memcmp(a->token, b->token, ARO_TOKEN_BYTES) == 0 && a->flags == b->flags &&
           a->slice_bytes == b->slice_bytes && a->first == b->first && a->detail == b->detail;
}

/* A GET that came through is sent again without its extensions and must read the same. */
static void get_again(const struct aro_get *get, enum aro_verdict verdict)
{
    uint8_t bytes[ARO_GET_BYTES];
    struct aro_get again;

    aro_get_encode(bytes, get);
    if (get->detail == ARO_BAD_EXTENSION) {
        FUZZ_CHECK(aro_get_decode(bytes, sizeof(bytes), &again) == ARO_VERDICT_OK);
        return;
    }
    FUZZ_CHECK(aro_get_decode(bytes, sizeof(bytes), &again) == verdict);
    FUZZ_CHECK(get_equal(get, &again));
}

static void request_check(const uint8_t *input, size_t len)
{
    struct aro_get get, untouched;

    memset(&get, 0xcc, sizeof(get));
    untouched = get;
    enum aro_verdict verdict = aro_get_decode(input, len, &get);
    if (verdict > ARO_VERDICT_UNSUPPORTED_VERSION) {
        FUZZ_CHECK(memcmp(&get, &untouched, sizeof(get)) == 0);
        return;
    }
    FUZZ_CHECK(len >= ARO_REQUEST_BYTES_MIN);
    FUZZ_CHECK(get.echo == aro_load_be64(input + 16));
    if (verdict == ARO_VERDICT_UNSUPPORTED_VERSION)
        return;
    FUZZ_CHECK(memcmp(get.token, input + 24, ARO_TOKEN_BYTES) == 0);
    FUZZ_CHECK((get.detail == ARO_BAD_NONE) == (verdict == ARO_VERDICT_OK));
    if (verdict == ARO_VERDICT_OK) {
        FUZZ_CHECK(get.mask != 0 && aro_slice_bytes_valid(get.slice_bytes));
        FUZZ_CHECK((get.flags & ~ARO_GET_FLAGS_KNOWN) == 0 && (get.first & ARO_SLICE_REPAIR) == 0);
    }
    if (get.detail != ARO_BAD_TYPE)
        get_again(&get, verdict);
}

static void data_check(const uint8_t *input, size_t len)
{
    struct aro_data data;
    uint8_t header[ARO_DATA_BYTES];

    if (aro_data_decode(input, len, &data) != 0)
        return;
    FUZZ_CHECK(data.payload == input + ARO_DATA_BYTES);
    FUZZ_CHECK(data.payload_bytes > 0 && data.payload_bytes == len - ARO_DATA_BYTES);
    FUZZ_CHECK((uint64_t)data.index * data.slice_bytes + data.payload_bytes <= data.chunk_bytes);
    FUZZ_CHECK(data.chunk_bytes <= ARO_CHUNK_BYTES_MAX);
    aro_data_encode(header, data.flags, data.slice_bytes, data.index, data.chunk_bytes,
                    data.residence_us, data.echo);
    FUZZ_CHECK(memcmp(header, input, sizeof(header)) == 0);
}

static void status_check(const uint8_t *input, size_t len)
{
    struct aro_status_msg status;
    uint8_t bytes[ARO_STATUS_BYTES];

    if (aro_status_decode(input, len, &status) != 0)
        return;
    aro_status_encode(bytes, &status);
    FUZZ_CHECK(len == sizeof(bytes) && memcmp(bytes, input, len) == 0);
    FUZZ_CHECK(aro_status_name(status.code) != NULL);
    FUZZ_CHECK(aro_bad_request_name(status.detail) != NULL);
}

static void token_check(const uint8_t *input, size_t len)
{
    struct aro_token_msg token;
    uint8_t bytes[ARO_TOKEN_MSG_BYTES];

    if (aro_token_decode(input, len, &token) != 0)
        return;
    aro_token_encode(bytes, &token);
    FUZZ_CHECK(len == sizeof(bytes) && memcmp(bytes, input, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
    request_check(input, len);
    data_check(input, len);
    status_check(input, len);
    token_check(input, len);
    return 0;
}

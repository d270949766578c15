/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/proto/codec.h"

#include <errno.h>

/* Places of GET's fields; echo and token stand there in every request of every version. */
enum {
    GET_FLAGS = 2,
    GET_SLICE_BYTES = 4,
    GET_FIRST = 6,
    GET_MASK = 8,
    GET_ECHO = 16,
    GET_TOKEN = 24,
    GET_ID = 40,
    GET_EXT_BYTES = 72,
    GET_RESERVED = 74,
};

/*
 * Walks the extensions. Returns ARO_BAD_NONE, ARO_BAD_EXTENSION (a critical one that we do not
 * know), or -EINVAL when one runs past the end.
 */
static int extensions_walk(const uint8_t *bytes, size_t len)
{
    int detail = ARO_BAD_NONE;

    while (len > 0) {
        if (len < ARO_EXT_HEADER_BYTES)
            return -EINVAL;
        uint16_t type = aro_load_be16(bytes);
        size_t whole = ARO_EXT_HEADER_BYTES + (size_t)aro_load_be16(bytes + 2);
        if (whole > len)
            return -EINVAL;
        if ((type & ARO_EXT_CRITICAL) != 0 && (type & ~ARO_EXT_CRITICAL) != ARO_EXT_PADDING)
            detail = ARO_BAD_EXTENSION;
        bytes += whole;
        len -= whole;
    }
    return detail;
}

/* What is wrong with the fields of a well-formed GET, extensions apart. */
static enum aro_bad_request get_check(const struct aro_get *get)
{
    if ((get->flags & ~ARO_GET_FLAGS_KNOWN) != 0)
        return ARO_BAD_FLAGS; /* a hash type other than SHA-256 is an unknown flag too */
    if (!aro_slice_bytes_valid(get->slice_bytes))
        return ARO_BAD_SLICE_SIZE;
    if ((get->first & ARO_SLICE_REPAIR) != 0)
        return ARO_BAD_REPAIR;
    if (get->mask == 0)
        return ARO_BAD_MASK;
    return ARO_BAD_NONE;
}

/* A datagram of at least ARO_GET_BYTES, type GET, our version. */
static enum aro_verdict get_decode_body(const uint8_t *bytes, size_t len, struct aro_get *ret)
{
    size_t ext_bytes = aro_load_be16(bytes + GET_EXT_BYTES);
    int detail = ARO_BAD_NONE;

    if (aro_load_be16(bytes + GET_RESERVED) != 0 || len != ARO_GET_BYTES + ext_bytes)
        return ARO_VERDICT_MALFORMED;
    if (ext_bytes > ARO_EXT_BYTES_MAX)
        detail = ARO_BAD_EXTENSION;
    else if (ext_bytes != 0)
        detail = extensions_walk(bytes + ARO_GET_BYTES, ext_bytes);
    if (detail < 0)
        return ARO_VERDICT_MALFORMED;

    ret->flags = aro_load_be16(bytes + GET_FLAGS);
    ret->slice_bytes = aro_load_be16(bytes + GET_SLICE_BYTES);
    ret->first = aro_load_be16(bytes + GET_FIRST);
    ret->mask = aro_load_be64(bytes + GET_MASK);
    ret->echo = aro_load_be64(bytes + GET_ECHO);
    memcpy(ret->token, bytes + GET_TOKEN, ARO_TOKEN_BYTES);
    ret->id = aro_id_load(bytes + GET_ID);
    enum aro_bad_request bad = get_check(ret);
    ret->detail = (uint16_t)(bad != ARO_BAD_NONE ? (int)bad : detail);
    return ret->detail == ARO_BAD_NONE ? ARO_VERDICT_OK : ARO_VERDICT_BAD_REQUEST;
}

enum aro_verdict aro_get_decode(const uint8_t *bytes, size_t len, struct aro_get *ret)
{
    uint8_t type = len > 0 ? bytes[0] : 0;

    if (len == 0)
        return ARO_VERDICT_MALFORMED;
    if (type == ARO_MSG_DATA || type == ARO_MSG_STATUS || type == ARO_MSG_TOKEN ||
        type == ARO_MSG_LOCATED || type == ARO_MSG_PONG)
        return ARO_VERDICT_NOT_REQUEST;
    if (type != ARO_MSG_GET && type != ARO_MSG_LOCATE && type != ARO_MSG_PING)
        return ARO_VERDICT_UNKNOWN_TYPE;
    if (len < ARO_REQUEST_BYTES_MIN)
        return ARO_VERDICT_MALFORMED;
    if (bytes[1] != ARO_WIRE_VERSION) {
        ret->echo = aro_load_be64(bytes + GET_ECHO);
        return ARO_VERDICT_UNSUPPORTED_VERSION;
    }
    if (type == ARO_MSG_GET)
        return get_decode_body(bytes, len, ret);
    ret->echo = aro_load_be64(bytes + GET_ECHO);
    memcpy(ret->token, bytes + GET_TOKEN, ARO_TOKEN_BYTES);
    ret->detail = ARO_BAD_TYPE;
    return ARO_VERDICT_BAD_REQUEST;
}

void aro_get_encode(uint8_t *at, const struct aro_get *get)
{
    at[0] = ARO_MSG_GET;
    at[1] = ARO_WIRE_VERSION;
    aro_store_be16(at + GET_FLAGS, get->flags);
    aro_store_be16(at + GET_SLICE_BYTES, get->slice_bytes);
    aro_store_be16(at + GET_FIRST, get->first);
    aro_store_be64(at + GET_MASK, get->mask);
    aro_store_be64(at + GET_ECHO, get->echo);
    memcpy(at + GET_TOKEN, get->token, ARO_TOKEN_BYTES);
    memcpy(at + GET_ID, &get->id, sizeof(get->id));
    aro_store_be32(at + GET_EXT_BYTES, 0);
}

static bool is_message(const uint8_t *bytes, size_t len, enum aro_msg type, size_t len_min)
{
    return len >= len_min && bytes[0] == type && bytes[1] == ARO_WIRE_VERSION;
}

int aro_data_decode(const uint8_t *bytes, size_t len, struct aro_data *ret)
{
    if (!is_message(bytes, len, ARO_MSG_DATA, ARO_DATA_BYTES) || bytes[3] != 0)
        return -EINVAL;
    uint32_t slice_bytes = aro_load_be16(bytes + 4);
    uint32_t index = aro_load_be16(bytes + 6);
    uint32_t chunk_bytes = aro_load_be32(bytes + 8);
    uint32_t at = index * slice_bytes; /* below 2^32: both have 16 bits */
    if (!aro_slice_bytes_valid(slice_bytes) || chunk_bytes > ARO_CHUNK_BYTES_MAX ||
        at >= chunk_bytes)
        return -EINVAL;
    uint32_t payload = chunk_bytes - at < slice_bytes ? chunk_bytes - at : slice_bytes;
    if (len != ARO_DATA_BYTES + (size_t)payload)
        return -EINVAL;
    *ret = (struct aro_data){.echo = aro_load_be64(bytes + 16),
                             .chunk_bytes = chunk_bytes,
                             .residence_us = aro_load_be32(bytes + 12),
                             .slice_bytes = (uint16_t)slice_bytes,
                             .index = (uint16_t)index,
                             .flags = bytes[2],
                             .payload_bytes = payload,
                             .payload = bytes + ARO_DATA_BYTES};
    return 0;
}

int aro_status_decode(const uint8_t *bytes, size_t len, struct aro_status_msg *ret)
{
    if (!is_message(bytes, len, ARO_MSG_STATUS, ARO_STATUS_BYTES) || len != ARO_STATUS_BYTES ||
        bytes[3] != 0)
        return -EINVAL;
    *ret = (struct aro_status_msg){.echo = aro_load_be64(bytes + 16),
                                   .retry_after_us = aro_load_be32(bytes + 4),
                                   .residence_us = aro_load_be32(bytes + 8),
                                   .detail = aro_load_be32(bytes + 12),
                                   .code = bytes[2]};
    return 0;
}

void aro_status_encode(uint8_t *at, const struct aro_status_msg *status)
{
    at[0] = ARO_MSG_STATUS;
    at[1] = ARO_WIRE_VERSION;
    at[2] = status->code;
    at[3] = 0;
    aro_store_be32(at + 4, status->retry_after_us);
    aro_store_be32(at + 8, status->residence_us);
    aro_store_be32(at + 12, status->detail);
    aro_store_be64(at + 16, status->echo);
}

int aro_token_decode(const uint8_t *bytes, size_t len, struct aro_token_msg *ret)
{
    if (!is_message(bytes, len, ARO_MSG_TOKEN, ARO_TOKEN_MSG_BYTES) || len != ARO_TOKEN_MSG_BYTES ||
        aro_load_be32(bytes + 4) != 0)
        return -EINVAL;
    ret->life_s = aro_load_be16(bytes + 2);
    ret->echo = aro_load_be64(bytes + 8);
    memcpy(ret->token, bytes + 16, ARO_TOKEN_BYTES);
    return 0;
}

void aro_token_encode(uint8_t *at, const struct aro_token_msg *token)
{
    at[0] = ARO_MSG_TOKEN;
    at[1] = ARO_WIRE_VERSION;
    aro_store_be16(at + 2, token->life_s);
    aro_store_be32(at + 4, 0);
    aro_store_be64(at + 8, token->echo);
    memcpy(at + 16, token->token, ARO_TOKEN_BYTES);
}

static const char *name_of(const char *const *names, size_t count, size_t i)
{
    return i < count && names[i] != NULL ? names[i] : "unknown";
}

#define NAME_OF(names, i) name_of(names, sizeof(names) / sizeof((names)[0]), (size_t)(i))

const char *aro_status_name(uint8_t code)
{
    static const char *const names[] = {
        [ARO_STATUS_NOT_FOUND] = "not found",
        [ARO_STATUS_RETRY_LATER] = "retry later",
        [ARO_STATUS_BUSY] = "busy",
        [ARO_STATUS_DENIED] = "denied",
        [ARO_STATUS_BAD_REQUEST] = "bad request",
        [ARO_STATUS_UNSUPPORTED_VERSION] = "unsupported version",
    };
    return NAME_OF(names, code);
}

const char *aro_bad_request_name(uint32_t detail)
{
    static const char *const names[] = {
        [ARO_BAD_NONE] = "none",
        [ARO_BAD_SLICE_SIZE] = "slice size",
        [ARO_BAD_FIRST_SLICE] = "first slice beyond the chunk",
        [ARO_BAD_MASK] = "empty mask",
        [ARO_BAD_FLAGS] = "unknown flag or hash type",
        [ARO_BAD_EXTENSION] = "unknown critical extension",
        [ARO_BAD_REPAIR] = "repair slices are not served",
        [ARO_BAD_TYPE] = "message type is not served",
    };
    return NAME_OF(names, detail);
}

const char *aro_verdict_name(enum aro_verdict verdict)
{
    static const char *const names[] = {
        [ARO_VERDICT_OK] = "ok",
        [ARO_VERDICT_BAD_REQUEST] = "bad request",
        [ARO_VERDICT_UNSUPPORTED_VERSION] = "unsupported version",
        [ARO_VERDICT_MALFORMED] = "malformed",
        [ARO_VERDICT_NOT_REQUEST] = "not a request",
        [ARO_VERDICT_UNKNOWN_TYPE] = "unknown type",
    };
    return NAME_OF(names, verdict);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/cid.h"

#include <ctype.h>
#include <errno.h>

enum {
    CID_BYTES_MAX = ARO_CID_TEXT_MAX, /* no base makes more bytes than characters */
    CODEC_RAW = 0x55,
    HASH_SHA2_256 = 0x12,
    VARINT_BYTES_MAX = 9,
};

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
static const char base58[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char base16[] = "0123456789abcdef";

struct bytes {
    uint8_t at[CID_BYTES_MAX];
    size_t len;
};

static int digit_of(const char *alphabet, char c)
{
    const char *found = c != '\0' ? strchr(alphabet, c) : NULL;

    return found != NULL ? (int)(found - alphabet) : -EINVAL;
}

/* Bases of a power of two, without padding: what is left over must be less than a byte of zeros. */
static int bits_decode(const char *text, const char *alphabet, unsigned bits_each, bool upper,
                       struct bytes *ret)
{
    unsigned held = 0, bits = 0;

    for (; *text != '\0'; text++) {
        char c = *text;
        if (upper) {
            if (islower((unsigned char)c))
                return -EINVAL;
            c = (char)tolower((unsigned char)c);
        }
        int digit = digit_of(alphabet, c);
        if (digit < 0)
            return digit;
        held = held << bits_each | (unsigned)digit;
        bits += bits_each;
        if (bits >= 8) {
            bits -= 8;
            ret->at[ret->len++] = (uint8_t)(held >> bits);
            held &= (1u << bits) - 1;
        }
    }
    return bits < bits_each && held == 0 ? 0 : -EINVAL;
}

/* A number in base 58 becomes one in base 256; each leading '1' is a zero byte. */
static int base58_decode(const char *text, struct bytes *ret)
{
    uint8_t number[CID_BYTES_MAX] = {0}; /* little-endian */
    size_t zeros = strspn(text, "1"), used = 0;

    for (const char *at = text + zeros; *at != '\0'; at++) {
        int digit = digit_of(base58, *at);
        if (digit < 0)
            return digit;
        unsigned carry = (unsigned)digit;
        for (size_t i = 0; i < used; i++) {
            carry += number[i] * 58u;
            number[i] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry > 0)
            number[used++] = (uint8_t)carry;
    }
    ret->len = zeros + used;
    memset(ret->at, 0, zeros);
    for (size_t i = 0; i < used; i++)
        ret->at[zeros + i] = number[used - 1 - i];
    return 0;
}

static enum aro_cid_verdict text_decode(const char *text, struct bytes *ret)
{
    int failed;

    ret->len = 0;
    if (strlen(text) > ARO_CID_TEXT_MAX)
        return ARO_CID_TEXT;
    switch (text[0]) {
    case 'b':
    case 'B':
        failed = bits_decode(text + 1, base32, 5, text[0] == 'B', ret);
        break;
    case 'f':
    case 'F':
        failed = bits_decode(text + 1, base16, 4, text[0] == 'F', ret);
        break;
    case 'z':
        failed = base58_decode(text + 1, ret);
        break;
    case 'Q':
        return strlen(text) == 46 && text[1] == 'm' ? ARO_CID_VERSION_0 : ARO_CID_BASE;
    default:
        return ARO_CID_BASE;
    }
    return failed == 0 ? ARO_CID_OK : ARO_CID_TEXT;
}

/* An unsigned varint in its shortest form; returns the bytes it took, or 0. */
static size_t varint_take(const struct bytes *bytes, size_t from, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < VARINT_BYTES_MAX && from + i < bytes->len; i++) {
        uint8_t byte = bytes->at[from + i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *ret = value;
            return byte == 0 && i > 0 ? 0 : i + 1;
        }
    }
    return 0;
}

enum aro_cid_verdict aro_cid_parse(const char *text, struct aro_id *ret)
{
    static const struct {
        uint64_t wanted;
        enum aro_cid_verdict otherwise;
    } fields[] = {{1, ARO_CID_VERSION},
                  {CODEC_RAW, ARO_CID_CODEC},
                  {HASH_SHA2_256, ARO_CID_HASH},
                  {ARO_ID_BYTES, ARO_CID_LENGTH}};
    struct bytes bytes;
    enum aro_cid_verdict verdict = text_decode(text, &bytes);
    size_t at = 0;

    if (verdict != ARO_CID_OK)
        return verdict;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        uint64_t value;
        size_t took = varint_take(&bytes, at, &value);
        if (took == 0)
            return ARO_CID_TEXT;
        if (value != fields[i].wanted)
            return fields[i].otherwise;
        at += took;
    }
    if (bytes.len - at != ARO_ID_BYTES)
        return ARO_CID_LENGTH;
    *ret = aro_id_load(bytes.at + at);
    return ARO_CID_OK;
}

const char *aro_cid_verdict_text(enum aro_cid_verdict verdict)
{
    switch (verdict) {
    case ARO_CID_OK:
        return "it names a raw block by its SHA-256";
    case ARO_CID_VERSION_0:
        return "it is of version 0, which names dag-pb nodes: only raw blocks (bafkrei...) are "
               "served";
    case ARO_CID_BASE:
        return "it does not begin with b (base32), z (base58btc) or f (base16)";
    case ARO_CID_TEXT:
        return "it is not written in the base that its first character names";
    case ARO_CID_VERSION:
        return "it is not of version 1";
    case ARO_CID_CODEC:
        return "its codec is not raw (0x55): only raw blocks are served";
    case ARO_CID_HASH:
        return "its hash is not sha2-256 (0x12)";
    case ARO_CID_LENGTH:
        return "its digest does not have 32 bytes";
    }
    return "it is not understood";
}

char *aro_cid_format(const struct aro_id *id, char text[ARO_CID_BASE32_BYTES])
{
    uint8_t bytes[4 + ARO_ID_BYTES] = {1, CODEC_RAW, HASH_SHA2_256, ARO_ID_BYTES};
    unsigned held = 0, bits = 0;
    size_t used = 0;

    memcpy(bytes + 4, id, ARO_ID_BYTES);
    text[used++] = 'b';
    for (size_t i = 0; i < sizeof(bytes); i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            text[used++] = base32[held >> (bits - 5) & 31];
        held &= (1u << bits) - 1;
    }
    if (bits > 0)
        text[used++] = base32[held << (5 - bits) & 31];
    text[used] = '\0';
    return text;
}

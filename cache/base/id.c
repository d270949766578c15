/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/id.h"

#include <errno.h>

static const struct {
    enum aro_kind kind;
    const char *prefix;
    const char *name;
} kinds[] = {
    {ARO_KIND_CHUNK, "c-", "chunk"},
    {ARO_KIND_OBJECT, "o-", "object"},
    {ARO_KIND_DIGEST, "sha256:", "digest"},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads exactly 64 hex digits that end the string. */
static int hex_read(const char *text, struct aro_id *ret_id)
{
    uint8_t bytes[ARO_ID_BYTES];

    for (size_t i = 0; i < ARO_ID_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return -EINVAL;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[2 * ARO_ID_BYTES] != '\0')
        return -EINVAL;
    *ret_id = aro_id_load(bytes);
    return 0;
}

char *aro_id_format(const struct aro_id *id, enum aro_kind kind, char text[ARO_ID_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[ARO_ID_BYTES];
    char *out = text;

    for (size_t k = 0; k < KINDS; k++)
        if (kinds[k].kind == kind)
            for (const char *p = kinds[k].prefix; *p != '\0'; p++)
                *out++ = *p;
    memcpy(bytes, id, sizeof(bytes));
    for (size_t i = 0; i < ARO_ID_BYTES; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
    return text;
}

int aro_id_parse(const char *text, struct aro_id *ret_id, enum aro_kind *ret_kind)
{
    for (size_t k = 0; k < KINDS; k++) {
        size_t skip = strlen(kinds[k].prefix);
        if (strncmp(text, kinds[k].prefix, skip) != 0)
            continue;
        int error = hex_read(text + skip, ret_id);
        if (error == 0)
            *ret_kind = kinds[k].kind;
        return error;
    }
    return -EINVAL;
}

const char *aro_kind_name(enum aro_kind kind)
{
    for (size_t k = 0; k < KINDS; k++)
        if (kinds[k].kind == kind)
            return kinds[k].name;
    return "unknown";
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#define UNIT "bytes="

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *spaces_skip(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/*
 * A number that does not fit counts as the largest one: no content is that long, so it compares
 * like the integer it stands for. NULL: no digit here.
 */
static const char *number_parse(const char *at, uint64_t *ret)
{
    uint64_t value = 0;

    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            value = UINT64_MAX;
        else
            value = value * 10 + digit;
    }
    *ret = value;
    return at;
}

/* One range-spec as it is written: first-last, first- or -suffix. */
struct spec {
    uint64_t first, last; /* last: UINT64_MAX when open */
    uint64_t suffix;
    bool is_suffix;
};

static const char *spec_parse(const char *at, struct spec *ret)
{
    *ret = (struct spec){.last = UINT64_MAX};
    if (*at == '-') {
        ret->is_suffix = true;
        at = number_parse(at + 1, &ret->suffix);
    } else {
        at = number_parse(at, &ret->first);
        if (at != NULL) {
            at = spaces_skip(at);
            if (*at++ != '-')
                return NULL;
            at = spaces_skip(at);
            if (*at != '\0' && *at != ',')
                at = number_parse(at, &ret->last);
        }
    }
    return at == NULL ? NULL : spaces_skip(at);
}

/* Whether some of it lies in the content, and what. */
static bool spec_resolve(const struct spec *spec, uint64_t total_bytes, struct aro_range *ret)
{
    if (spec->is_suffix) {
        ret->bytes = spec->suffix < total_bytes ? spec->suffix : total_bytes;
        ret->first = total_bytes - ret->bytes;
        return ret->bytes > 0;
    }
    if (spec->first >= total_bytes || spec->last < spec->first)
        return false;
    uint64_t last = spec->last < total_bytes ? spec->last : total_bytes - 1;
    *ret = (struct aro_range){.first = spec->first, .bytes = last - spec->first + 1};
    return true;
}

/* Nothing can be a part of nothing, but asking for all of it is no mistake. */
static bool asks_all_of_nothing(const struct spec *spec, uint64_t total_bytes)
{
    return total_bytes == 0 && (spec->is_suffix || spec->first == 0);
}

enum aro_range_verdict aro_range_resolve(const char *header, uint64_t total_bytes,
                                         struct aro_range *ret)
{
    struct aro_range found, one = {0, 0};
    struct spec spec;
    unsigned satisfied = 0;

    if (header == NULL || strncasecmp(header, UNIT, sizeof(UNIT) - 1) != 0)
        return ARO_RANGE_WHOLE;
    const char *at = header + sizeof(UNIT) - 1;
    if (*at == '\0')
        return ARO_RANGE_WHOLE; /* asks for nothing: as if it were not there */
    for (;;) {
        at = spec_parse(spaces_skip(at), &spec);
        if (at == NULL || (*at != ',' && *at != '\0'))
            return ARO_RANGE_UNSATISFIABLE;
        if (asks_all_of_nothing(&spec, total_bytes))
            return ARO_RANGE_WHOLE;
        if (spec_resolve(&spec, total_bytes, &found)) {
            one = found;
            satisfied++;
        }
        if (*at++ == '\0')
            break;
    }
    if (satisfied > 1)
        return ARO_RANGE_WHOLE;
    if (satisfied == 0)
        return ARO_RANGE_UNSATISFIABLE;
    *ret = one;
    return ARO_RANGE_PART;
}

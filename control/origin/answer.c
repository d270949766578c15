/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ---- values ---- */

/* Decimal digits only, saturating; -1: none there. *end: behind them. */
static int64_t digits(const char *at, const char **end)
{
    int64_t value = 0;

    *end = at;
    if (!isdigit((unsigned char)*at))
        return -1;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value))
            value = INT64_MAX;
    *end = at;
    return value;
}

/* A number and nothing else; -1: not so, or larger than 2^63 - 2. */
static int64_t number(const char *text)
{
    const char *end;
    int64_t value = digits(text, &end);

    return value >= 0 && *end == '\0' && value != INT64_MAX ? value : -1;
}

static void keep(char *to, size_t room, const char *value)
{
    size_t length = strlen(value);

    if (*to != '\0' || length >= room)
        return;
    for (size_t i = 0; i < length; i++)
        if (value[i] < ' ' || value[i] > '~')
            return;
    memcpy(to, value, length + 1);
}

int64_t aro_http_date(const char *text)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct tm parts = {0};
        const char *end = strptime(text, forms[i], &parts);
        if (end != NULL && *end == '\0')
            return timegm(&parts);
    }
    return -1;
}

/* ---- one function per field ---- */

static void take_length(struct aro_answer *to, const char *value)
{
    int64_t length = number(value);

    if (length < 0 || (to->has_length && to->length_bytes != (uint64_t)length)) {
        to->contradictory = true;
        return;
    }
    to->has_length = true;
    to->length_bytes = (uint64_t)length;
}

/* Any coding but chunks would have to be undone. */
static void take_transfer(struct aro_answer *to, const char *value)
{
    to->contradictory |= strcasecmp(value, "chunked") != 0;
    to->chunked = true;
}

/* "bytes 0-99/1000", "bytes 0-99/" followed by a star; the unsatisfied form is none. */
static void take_range(struct aro_answer *to, const char *value)
{
    const char *end;
    int64_t first, last = -1, total = INT64_MAX;

    if (strncasecmp(value, "bytes ", 6) != 0)
        return;
    first = digits(value + 6, &end);
    if (first >= 0 && *end == '-')
        last = digits(end + 1, &end);
    if (last < first || *end != '/')
        return;
    if (strcmp(end + 1, "*") != 0 && (total = number(end + 1)) <= last) {
        to->contradictory = true;
        return;
    }
    to->contradictory |= to->has_range;
    to->has_range = true;
    to->range_first = (uint64_t)first;
    to->range_last = (uint64_t)last;
    to->range_total = total == INT64_MAX ? UINT64_MAX : (uint64_t)total;
}

/* Is the directive name, with or without an argument? */
static bool is_directive(const char *at, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(at, name, length) == 0;
}

static void take_directive(struct aro_answer *to, const char *at, size_t length)
{
    size_t name_len = strcspn(at, "=, \t");
    const char *argument = at + name_len, *end;

    if (name_len > length)
        name_len = length;
    argument += *argument == '=';
    argument += *argument == '"'; /* RFC 9111 5.2: both forms are to be taken */
    if (is_directive(at, name_len, "no-store") || is_directive(at, name_len, "no-cache") ||
        is_directive(at, name_len, "private"))
        to->no_reuse = true;
    else if (is_directive(at, name_len, "must-revalidate") ||
             is_directive(at, name_len, "proxy-revalidate"))
        to->revalidate = true;
    else if (is_directive(at, name_len, "max-age") && to->max_age_s < 0)
        to->max_age_s = digits(argument, &end);
    else if (is_directive(at, name_len, "s-maxage") && to->s_maxage_s < 0)
        to->s_maxage_s = digits(argument, &end);
}

static void take_cache_control(struct aro_answer *to, const char *value)
{
    while (*value != '\0') {
        size_t length;
        value += strspn(value, ", \t");
        length = strcspn(value, ",");
        take_directive(to, value, length);
        value += length;
    }
}

static void take_expires(struct aro_answer *to, const char *value)
{
    int64_t date = aro_http_date(value);

    if (to->expires_unix < 0)
        to->expires_unix = date >= 0 ? date : 0; /* RFC 9111 5.3: not a date is the past */
}

static void take_field(struct aro_answer *to, const char *name, const char *value)
{
    if (strcasecmp(name, "content-length") == 0)
        take_length(to, value);
    else if (strcasecmp(name, "content-range") == 0)
        take_range(to, value);
    else if (strcasecmp(name, "transfer-encoding") == 0)
        take_transfer(to, value);
    else if (strcasecmp(name, "accept-ranges") == 0)
        to->accepts_ranges = strcasecmp(value, "bytes") == 0;
    else if (strcasecmp(name, "content-encoding") == 0)
        to->encoded = *value != '\0' && strcasecmp(value, "identity") != 0;
    else if (strcasecmp(name, "content-type") == 0)
        keep(to->type, sizeof(to->type), value);
    else if (strcasecmp(name, "etag") == 0)
        keep(to->etag, sizeof(to->etag), value);
    else if (strcasecmp(name, "last-modified") == 0 && aro_http_date(value) >= 0)
        keep(to->last_modified, sizeof(to->last_modified), value);
    else if (strcasecmp(name, "location") == 0)
        keep(to->location, sizeof(to->location), value);
    else if (strcasecmp(name, "cache-control") == 0)
        take_cache_control(to, value);
    else if (strcasecmp(name, "expires") == 0)
        take_expires(to, value);
    else if (strcasecmp(name, "date") == 0)
        to->date_unix = aro_http_date(value);
    else if (strcasecmp(name, "age") == 0)
        to->age_s = number(value);
}

static void begin(struct aro_answer *answer, const char *line)
{
    const char *space = strchr(line, ' ');

    memset(answer, 0, sizeof(*answer));
    answer->max_age_s = answer->s_maxage_s = answer->age_s = -1;
    answer->date_unix = answer->expires_unix = -1;
    if (space != NULL)
        answer->status = atoi(space + 1);
}

void aro_answer_line(struct aro_answer *answer, const char *line, size_t len_bytes)
{
    char text[ARO_LOCATION_BYTES + 32], *value, *end;

    while (len_bytes > 0 && isspace((unsigned char)line[len_bytes - 1]))
        len_bytes--;
    if (len_bytes == 0 || len_bytes >= sizeof(text) || memchr(line, '\0', len_bytes) != NULL)
        return;
    memcpy(text, line, len_bytes);
    text[len_bytes] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) {
        begin(answer, text);
        return;
    }
    end = strchr(text, ':');
    if (end == NULL || end == text)
        return;
    *end = '\0';
    value = end + 1;
    value += strspn(value, " \t");
    take_field(answer, text, value);
}

/* ---- what follows from it ---- */

uint64_t aro_answer_total(const struct aro_answer *answer)
{
    if (answer->status == 206)
        return answer->range_total;
    return answer->has_length && !answer->chunked ? answer->length_bytes : UINT64_MAX;
}

int64_t aro_answer_ttl_s(const struct aro_answer *answer, int64_t absent_s, int64_t now_unix)
{
    int64_t ttl_s;

    if (answer->no_reuse)
        return 0;
    if (answer->s_maxage_s >= 0)
        ttl_s = answer->s_maxage_s;
    else if (answer->max_age_s >= 0)
        ttl_s = answer->max_age_s;
    else if (answer->expires_unix >= 0)
        ttl_s = answer->expires_unix - (answer->date_unix >= 0 ? answer->date_unix : now_unix);
    else
        return absent_s;
    if (ttl_s > ARO_TTL_S_MAX)
        ttl_s = ARO_TTL_S_MAX;
    if (answer->age_s > 0)
        ttl_s = answer->age_s < ttl_s ? ttl_s - answer->age_s : 0;
    return ttl_s > 0 ? ttl_s : 0;
}

bool aro_answer_stale_ok(const struct aro_answer *answer)
{
    return !answer->no_reuse && !answer->revalidate;
}

static bool strong(const char *etag)
{
    return etag[0] == '"';
}

const char *aro_answer_validator(const struct aro_answer *answer)
{
    return strong(answer->etag) ? answer->etag : answer->last_modified;
}

bool aro_answer_same_content(const struct aro_answer *a, const struct aro_answer *b)
{
    if (strong(a->etag) || strong(b->etag))
        return strcmp(a->etag, b->etag) == 0;
    return a->last_modified[0] != '\0' && strcmp(a->last_modified, b->last_modified) == 0;
}

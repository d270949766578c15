/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/head.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Fields that may stand once. Lists (If-Match, If-None-Match) could be repeated by the letter of
 * the RFC; nobody does, and parsers differ about it. */
static const struct {
    const char *name;
    size_t offset; /* in struct aro_head */
} singles[] = {
    {"Host", offsetof(struct aro_head, host)},
    {"Range", offsetof(struct aro_head, range)},
    {"Content-Length", offsetof(struct aro_head, content_length)},
    {"Transfer-Encoding", offsetof(struct aro_head, transfer_encoding)},
    {"If-Match", offsetof(struct aro_head, conditions.if_match)},
    {"If-None-Match", offsetof(struct aro_head, conditions.if_none_match)},
    {"If-Modified-Since", offsetof(struct aro_head, conditions.if_modified_since)},
    {"If-Unmodified-Since", offsetof(struct aro_head, conditions.if_unmodified_since)},
    {"If-Range", offsetof(struct aro_head, conditions.if_range)},
};

struct walk {
    struct aro_head *head;
    struct aro_error *error;
    const char *at; /* where the next field has to begin */
    bool failed;
};

static void fail(struct walk *walk, enum aro_error_id id, const char *what)
{
    if (!walk->failed)
        aro_error_set(walk->error, id, "%s", what);
    walk->failed = true;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!isalnum(c) && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return len > 0;
}

static bool is_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

/* The field lies where it has to, and nothing was skipped inside. */
static bool in_place(const struct walk *walk, const char *key, size_t key_len, const char *value)
{
    const char *gap = key + key_len + 1;

    if (key != walk->at || value < gap)
        return false;
    for (; gap < value; gap++)
        if (*gap != ' ' && *gap != '\t')
            return false;
    return true;
}

static void single_take(struct walk *walk, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        const char **field = (const char **)(void *)((char *)walk->head + singles[i].offset);
        if (strcasecmp(key, singles[i].name) != 0)
            continue;
        if (*field != NULL)
            fail(walk, i == 0 ? ARO_E_HTTP_HOST : ARO_E_HTTP_MALFORMED,
                 i == 0 ? "Host is given twice" : "a field that may stand once is given twice");
        *field = value;
    }
}

static enum MHD_Result on_field(void *arg, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                const char *value, size_t value_len)
{
    struct walk *walk = arg;

    (void)kind;
    if (value == NULL || !in_place(walk, key, key_len, value) || value[value_len] != '\0' ||
        value[value_len + 1] != '\0') {
        fail(walk, ARO_E_HTTP_MALFORMED,
             "a header line is folded, holds a NUL or does not end with CR LF");
        return MHD_NO;
    }
    if (!is_token(key, key_len) || !is_clean(value, value_len)) {
        fail(walk, ARO_E_HTTP_MALFORMED, "a header line holds a character that it may not hold");
        return MHD_NO;
    }
    single_take(walk, key, value);
    if (strcasecmp(key, "Accept") == 0 && walk->head->accept == NULL)
        walk->head->accept = value;
    walk->at = value + value_len + 2;
    return walk->failed ? MHD_NO : MHD_YES;
}

/* One space each between method, target and version, and CR LF behind them. */
static bool line_in_place(const struct aro_request_line *line)
{
    size_t method_len = strlen(line->method), version_len = strlen(line->version);

    return is_token(line->method, method_len) && line->target == line->method + method_len + 1 &&
           line->version == line->target + line->target_len + 1 &&
           line->version[version_len + 1] == '\0';
}

static size_t head_bytes(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info != NULL ? info->header_size : 0;
}

static int body_check(const struct aro_head *head, struct aro_error *error)
{
    if (head->content_length != NULL && head->transfer_encoding != NULL)
        return aro_error_set(error, ARO_E_HTTP_BODY,
                             "Content-Length and Transfer-Encoding contradict each other");
    if (head->transfer_encoding != NULL ||
        (head->content_length != NULL && strcmp(head->content_length, "0") != 0))
        return aro_error_set(error, ARO_E_HTTP_BODY, "the gateway takes no request body");
    return 0;
}

int aro_head_read(struct MHD_Connection *connection, const struct aro_request_line *line,
                  struct aro_head *ret, struct aro_error *error)
{
    struct walk walk = {.head = ret, .error = error};

    memset(ret, 0, sizeof(*ret));
    if (!line_in_place(line))
        return aro_error_set(error, ARO_E_HTTP_MALFORMED,
                             "the request line is not METHOD SP TARGET SP VERSION CR LF");
    walk.at = line->version + strlen(line->version) + 2;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_field, &walk);
    if (!walk.failed && walk.at + 2 != line->method + head_bytes(connection))
        fail(&walk, ARO_E_HTTP_MALFORMED, "the header does not end with an empty line of CR LF");
    if (walk.failed)
        return -1;
    if (ret->host == NULL && strcmp(line->version, MHD_HTTP_VERSION_1_0) != 0)
        return aro_error_set(error, ARO_E_HTTP_HOST, "Host is missing");
    return body_check(ret, error);
}

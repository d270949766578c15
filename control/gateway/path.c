/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/path.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "control/gateway/cid.h"

/* Text of bounded length under construction. */
struct text {
    char *at;
    size_t used, room; /* room leaves space for a NUL */
};

static int put(struct text *to, const char *bytes, size_t len)
{
    if (len > to->room - to->used)
        return -1;
    memcpy(to->at + to->used, bytes, len);
    to->used += len;
    to->at[to->used] = '\0';
    return 0;
}

static int too_long(struct aro_error *error)
{
    return aro_error_set(error, ARO_E_HTTP_TARGET_LONG,
                         "the target of the request is too long: %d bytes are allowed, %d for a "
                         "name",
                         ARO_TARGET_BYTES_MAX, ARO_GATE_NAME_BYTES_MAX);
}

/* ---- percent-encoding ---- */

static bool is_unreserved(unsigned char c)
{
    return isalnum(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

/* What may stand for itself in a path or a query. */
static bool is_plain(unsigned char c)
{
    return is_unreserved(c) || (c != '\0' && strchr("/:@!$&'()*+,;=?", c) != NULL);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that %XX at `at` stands for, or -1. */
static int escape_value(const char *at, size_t len)
{
    int high, low;

    if (len < 3)
        return -1;
    high = hex_value(at[1]);
    low = hex_value(at[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool is_control(unsigned char c)
{
    return c < ' ' || c == 0x7f;
}

static int escape_put(struct text *to, unsigned char c, struct aro_error *error)
{
    char escape[4];

    snprintf(escape, sizeof(escape), "%%%02X", c);
    return put(to, escape, 3) == 0 ? 0 : too_long(error);
}

/* Appends the one form of in[len]. decoded: it may hold any byte but control characters. */
static int normalise(struct text *to, const char *in, size_t len, bool decoded,
                     struct aro_error *error)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)in[i];
        bool escaped = c == '%';
        if (escaped) {
            int value = escape_value(in + i, len - i);
            if (value < 0)
                return aro_error_set(error, ARO_E_HTTP_TARGET,
                                     "the target holds a '%%' without two hex digits behind it");
            c = (unsigned char)value;
            i += 2;
        }
        if (is_control(c) || (!escaped && !decoded && (c == ' ' || c >= 0x80 || c == '#')))
            return aro_error_set(error, ARO_E_HTTP_TARGET,
                                 "the target holds a character that no URL may hold");
        if (escaped ? is_unreserved(c) : is_plain(c)) {
            if (put(to, (const char *)&c, 1) != 0)
                return too_long(error);
        } else if (escape_put(to, c, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Undoes one level of escapes; normalise has seen that they are whole. */
static int decode(struct text *to, const char *in, struct aro_error *error)
{
    for (; *in != '\0'; in++) {
        char c = *in;
        if (c == '%') {
            c = (char)escape_value(in, 3);
            in += 2;
        }
        if (put(to, &c, 1) != 0)
            return too_long(error);
    }
    return 0;
}

/* The length of a slash at `at` as some origin might read it: / \ %2F %5C; 0: none. */
static size_t slash_len(const char *at)
{
    if (*at == '/' || *at == '\\')
        return 1;
    return strncmp(at, "%2F", 3) == 0 || strncmp(at, "%5C", 3) == 0 ? 3 : 0;
}

/* Whether the path in its one form holds a segment that walks: "." or "..". */
static bool walks(const char *path)
{
    const char *at = path, *segment = path;

    for (;;) {
        size_t slash = slash_len(at);
        if (slash > 0 || *at == '\0' || *at == '?') {
            size_t len = (size_t)(at - segment);
            if ((len == 1 || len == 2) && strncmp(segment, "..", len) == 0)
                return true;
            if (slash == 0)
                return false;
            at += slash;
            segment = at;
        } else {
            at++;
        }
    }
}

static int walk_refuse(const char *path, struct aro_error *error)
{
    if (!walks(path))
        return 0;
    return aro_error_set(error, ARO_E_HTTP_TARGET,
                         "the path holds '.' or '..' segments: resolve them before you ask");
}

/* ---- host ---- */

static size_t port_len(const char *at)
{
    size_t digits;

    if (*at != ':')
        return 0;
    digits = strspn(at + 1, "0123456789");
    return digits > 0 && digits <= 5 ? digits + 1 : 0;
}

bool aro_host_valid(const char *host)
{
    size_t len;

    if (*host == '[') {
        len = strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (len < 2 || len > 45 || host[len + 1] != ']')
            return false;
        len += 2;
    } else {
        len = strspn(host, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._");
        if (len == 0 || len > 253 || host[0] == '.' || strstr(host, "..") != NULL)
            return false;
    }
    len += port_len(host + len);
    return host[len] == '\0';
}

/* ---- routes ---- */

/* "<prefix><64 hex>" or the digits alone. */
static int id_take(const char *text, enum aro_kind kind, struct aro_id *ret,
                   struct aro_error *error)
{
    char full[ARO_ID_TEXT_MAX];
    enum aro_kind found;

    if (strlen(text) == 2 * ARO_ID_BYTES) {
        snprintf(full, sizeof(full), "%c-%.64s", kind == ARO_KIND_CHUNK ? 'c' : 'o', text);
        text = full;
    }
    if (aro_id_parse(text, ret, &found) != 0)
        return aro_error_set(error, ARO_E_HTTP_TARGET, "'%.80s' is not an id of %s", text,
                             kind == ARO_KIND_CHUNK ? "a chunk" : "an object");
    if (found != kind)
        return aro_error_set(error, ARO_E_HTTP_TARGET,
                             "'%.80s' is the id of %s, which is asked for under /%s", text,
                             found == ARO_KIND_CHUNK    ? "a chunk"
                             : found == ARO_KIND_OBJECT ? "an object"
                                                        : "a whole content",
                             found == ARO_KIND_CHUNK    ? "c/"
                             : found == ARO_KIND_OBJECT ? "o/"
                                                        : "v2/<name>/blobs/");
    return 0;
}

static int cid_take(const char *text, struct aro_target *ret, struct aro_error *error)
{
    enum aro_cid_verdict verdict;

    if (strchr(text, '/') != NULL)
        return aro_error_set(
            error, ARO_E_HTTP_CID,
            "a raw block has no paths inside: ask for the CID of the block itself");
    verdict = aro_cid_parse(text, &ret->id);
    if (verdict != ARO_CID_OK)
        return aro_error_set(error, ARO_E_HTTP_CID, "the CID '%.100s' is not served: %s", text,
                             aro_cid_verdict_text(verdict));
    snprintf(ret->text, sizeof(ret->text), "%s", text);
    return 0;
}

static int blob_take(const char *path, struct aro_target *ret, struct aro_error *error)
{
    const char *blobs = strstr(path, "/blobs/");
    enum aro_kind kind;

    if (*path == '\0') {
        ret->route = ARO_ROUTE_REGISTRY;
        return 0;
    }
    if (blobs == NULL || blobs == path)
        return aro_error_set(error, ARO_E_HTTP_NOTHING,
                             "of a registry only blobs are served: /v2/<name>/blobs/<digest>");
    snprintf(ret->text, sizeof(ret->text), "%s", blobs + strlen("/blobs/"));
    if (aro_id_parse(ret->text, &ret->id, &kind) != 0 || kind != ARO_KIND_DIGEST)
        return aro_error_set(error, ARO_E_HTTP_TARGET, "'%.80s' is not a digest sha256:<64 hex>",
                             ret->text);
    aro_id_format(&ret->id, kind, ret->text);
    return 0;
}

/* rest: host and path, with the query, decoded. */
static int name_take(const char *rest, struct aro_target *ret, struct aro_error *error)
{
    struct text name = {.at = ret->text, .room = ARO_GATE_NAME_BYTES_MAX};
    size_t host_len = strcspn(rest, "/?");
    char host[256 + 8];

    snprintf(host, sizeof(host), "%.*s", host_len < sizeof(host) ? (int)host_len : 0, rest);
    if (!aro_host_valid(host))
        return aro_error_set(error, ARO_E_HTTP_TARGET,
                             "a name begins with host[:port], as in example.org/film.mp4");
    for (char *at = host; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    rest += host_len;
    host_len = strlen(host);
    if (host_len > 3 && strcmp(host + host_len - 3, ":80") == 0 && host[host_len - 4] != ':')
        host[host_len - 3] = '\0'; /* HTTP's own: nodes name contents without it */
    if (put(&name, host, strlen(host)) != 0 || (*rest != '/' && put(&name, "/", 1) != 0))
        return too_long(error);
    if (normalise(&name, rest, strlen(rest), true, error) != 0)
        return -1;
    return walk_refuse(ret->text + strlen(host), error);
}

/* The name that path and query ask for, not yet in its one form. */
static int name_join(const char *host, const char *path, const char *query, struct text *to,
                     struct aro_error *error)
{
    if (strncmp(path, "/n/", 3) == 0) {
        if (decode(to, path + 3, error) != 0)
            return -1;
    } else if (put(to, host, strlen(host)) != 0 || put(to, path, strlen(path)) != 0) {
        return too_long(error);
    }
    return put(to, query, strlen(query)) == 0 ? 0 : too_long(error);
}

/* path, query: in their one form; the query with its '?', or empty. */
static int route_take(const char *host, const char *path, const char *query, struct aro_target *ret,
                      struct aro_error *error)
{
    char joined[ARO_TARGET_BYTES_MAX + 512] = "";
    struct text name = {.at = joined, .room = sizeof(joined) - 1};

    if (strncmp(path, "/o/", 3) == 0) {
        ret->route = ARO_ROUTE_OBJECT;
        return id_take(path + 3, ARO_KIND_OBJECT, &ret->id, error);
    }
    if (strncmp(path, "/c/", 3) == 0) {
        ret->route = ARO_ROUTE_CHUNK;
        return id_take(path + 3, ARO_KIND_CHUNK, &ret->id, error);
    }
    if (strncmp(path, "/ipfs/", 6) == 0) {
        ret->route = ARO_ROUTE_IPFS;
        return cid_take(path + 6, ret, error);
    }
    if (strcmp(path, "/v2") == 0 || strncmp(path, "/v2/", 4) == 0) {
        ret->route = ARO_ROUTE_BLOB;
        return blob_take(path + (path[3] == '/' ? 4 : 3), ret, error);
    }
    ret->route = ARO_ROUTE_NAME;
    if (name_join(host, path, query, &name, error) != 0)
        return -1;
    return name_take(joined, ret, error);
}

/* ---- the whole target ---- */

/* Whether one of the query's fields is format=raw. */
static bool asks_raw(const char *query)
{
    static const char wanted[] = "format=raw";

    while (*query == '?' || *query == '&') {
        size_t len = strcspn(++query, "&");
        if (len == sizeof(wanted) - 1 && strncmp(query, wanted, len) == 0)
            return true;
        query += len;
    }
    return false;
}

/* Behind scheme and authority of the absolute form, which must agree with the host. */
static const char *origin_form(const char *host, const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], len) != 0)
            continue;
        target += len;
        len = strcspn(target, "/?");
        if (len != strlen(host) || strncasecmp(target, host, len) != 0)
            return NULL;
        return target[len] == '/' ? target + len : NULL;
    }
    return *target == '/' ? target : NULL;
}

int aro_target_parse(const char *host, const char *target, struct aro_target *ret,
                     struct aro_error *error)
{
    char path_bytes[ARO_TARGET_BYTES_MAX + 1] = "", query_bytes[ARO_TARGET_BYTES_MAX + 1] = "";
    struct text path = {.at = path_bytes, .room = ARO_TARGET_BYTES_MAX};
    struct text query = {.at = query_bytes, .room = ARO_TARGET_BYTES_MAX};

    *ret = (struct aro_target){.route = ARO_ROUTE_NAME};
    if (strlen(target) > ARO_TARGET_BYTES_MAX)
        return too_long(error);
    if (host != NULL && !aro_host_valid(host))
        return aro_error_set(error, ARO_E_HTTP_HOST, "Host is not host[:port]");
    target = origin_form(host != NULL ? host : "", target);
    if (target == NULL)
        return aro_error_set(error, ARO_E_HTTP_TARGET,
                             "the target is not a path on this host: it begins with '/', or with "
                             "the scheme and the very host of Host");
    size_t path_len = strcspn(target, "?");
    if (normalise(&path, target, path_len, false, error) != 0 ||
        normalise(&query, target + path_len, strlen(target + path_len), false, error) != 0 ||
        walk_refuse(path.at, error) != 0)
        return -1;
    ret->raw = asks_raw(query.at);
    return route_take(host != NULL ? host : "", path.at, query.at, ret, error);
}

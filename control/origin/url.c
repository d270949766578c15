/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool aro_name_valid(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length >= ARO_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return true;
}

static bool chars_valid(const char *text)
{
    size_t length = strlen(text);

    if (length >= ARO_URL_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~' || strchr("\"<>\\#", text[i]) != NULL)
            return false;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character, percent-encoding undone, and how many bytes it took; -1: not an encoding. */
static int decoded(const char *at, size_t *ret_took)
{
    int high, low;

    *ret_took = 1;
    if (*at != '%')
        return (unsigned char)*at;
    high = hex_digit(at[1]);
    low = high >= 0 ? hex_digit(at[2]) : -1;
    *ret_took = 3;
    return low >= 0 ? 16 * high + low : -1;
}

/* No segment of the path is "." or "..", whoever decodes it. */
static bool path_valid(const char *path)
{
    unsigned dots = 0, others = 0;
    size_t took;

    for (const char *at = path; *at != '\0' && *at != '?'; at += took) {
        int c = decoded(at, &took);
        if (c < ' ' || c == 0x7f)
            return false;
        if (c == '/' || c == '\\') {
            if (others == 0 && (dots == 1 || dots == 2))
                return false;
            dots = others = 0;
        } else if (c == '.') {
            dots++;
        } else {
            others++;
        }
    }
    return others > 0 || dots == 0 || dots > 2;
}

static bool host_valid(const char *host, size_t length)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    if (length == 0 || length > 253)
        return false;
    if (host[0] == '[')
        return length > 3 && host[length - 1] == ']' &&
               strspn(host + 1, "0123456789abcdefABCDEF:.") == length - 2;
    for (size_t i = 0; i < length; i++)
        if (host[i] == '.' && (i == 0 || host[i - 1] == '.'))
            return false;
    return strspn(host, plain) >= length;
}

/* ":8080" into *ret; 0 for none or the scheme's own. */
static int port_parse(const char *text, size_t length, unsigned own, unsigned *ret)
{
    unsigned port = 0;

    *ret = 0;
    if (length == 0)
        return 0;
    if (text[0] != ':' || length < 2 || length > 6)
        return -EINVAL;
    for (size_t i = 1; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -EINVAL;
        port = 10 * port + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > 65535)
        return -EINVAL;
    *ret = port == own ? 0 : port;
    return 0;
}

static int write_form(const char *scheme, const char *host, size_t host_len, unsigned port,
                      const char *rest, char ret[ARO_URL_BYTES])
{
    char text[ARO_URL_BYTES], number[16] = "";
    int length;

    if (port != 0)
        snprintf(number, sizeof(number), ":%u", port);
    length = snprintf(text, sizeof(text), "%s%.*s%s%s%s", scheme, (int)host_len, host, number,
                      *rest == '/' ? "" : "/", rest);
    if (length < 0 || (size_t)length >= sizeof(text))
        return -EINVAL;
    for (size_t i = 0; i < strlen(scheme) + host_len; i++)
        text[i] = (char)tolower(text[i]);
    memcpy(ret, text, (size_t)length + 1);
    return 0;
}

int aro_url_parse(const char *text, char ret[ARO_URL_BYTES])
{
    const char *scheme, *host, *rest, *colon;
    size_t authority_len, host_len;
    unsigned port;

    if (!chars_valid(text))
        return -EINVAL;
    if (strncasecmp(text, "http://", 7) == 0)
        scheme = "http://";
    else if (strncasecmp(text, "https://", 8) == 0)
        scheme = "https://";
    else
        return -EINVAL;
    host = text + strlen(scheme);
    authority_len = strcspn(host, "/?");
    rest = host + authority_len;
    colon = memchr(host, *host == '[' ? ']' : ':', authority_len);
    host_len = colon == NULL ? authority_len : (size_t)(colon - host) + (*host == '[');
    if (!host_valid(host, host_len) || !path_valid(rest) ||
        port_parse(host + host_len, authority_len - host_len, scheme[4] == 's' ? 443 : 80, &port))
        return -EINVAL;
    return write_form(scheme, host, host_len, port, rest, ret);
}

const char *aro_url_flaw(const char *text)
{
    const char *host = strstr(text, "://"), *rest;

    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return "it begins with neither http:// nor https://";
    if (strlen(text) >= ARO_URL_BYTES)
        return "it is too long";
    if (strchr(text, '#') != NULL)
        return "it has a fragment (#)";
    if (!chars_valid(text))
        return "it has a space or another character that must be percent-encoded";
    host += 3;
    rest = host + strcspn(host, "/?");
    if (memchr(host, '@', (size_t)(rest - host)) != NULL)
        return "it names a user";
    if (!path_valid(rest))
        return "its path has a '.' or '..' segment or a wrong percent-encoding";
    return "its host or port is none, or it is too long";
}

/* How much of base stays in front of location. */
static size_t kept(const char *base, const char *location)
{
    const char *host = aro_url_bare(base), *path = strchr(host, '/');
    size_t length;

    if (strncmp(location, "//", 2) == 0)
        return (size_t)(host - base) - 2;
    if (*location == '/')
        return (size_t)(path - base);
    length = (size_t)(path - base) + strcspn(path, "?");
    if (*location == '?')
        return length;
    while (base[length - 1] != '/')
        length--;
    return length;
}

int aro_url_join(const char *base, const char *location, char ret[ARO_URL_BYTES])
{
    char text[2 * ARO_URL_BYTES];
    size_t scheme_len = strspn(location, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (location[scheme_len] == ':')
        return aro_url_parse(location, ret);
    if (strlen(location) >= ARO_URL_BYTES)
        return -EINVAL;
    snprintf(text, sizeof(text), "%.*s%s", (int)kept(base, location), base, location);
    return aro_url_parse(text, ret);
}

bool aro_url_inside(const char *url, const char *base)
{
    return strncmp(url, base, strlen(base)) == 0;
}

const char *aro_url_bare(const char *url)
{
    return strstr(url, "://") + 3;
}

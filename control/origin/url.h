/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * URLs and names in the one form that we compare, store and ask for.
 *
 * A URL comes from operators, from names that strangers made up and from Location headers, and it
 * is judged by comparing text. So only what every parser reads the same way is let in: http or
 * https, a plain host, printable ASCII, no user, no fragment, no backslash, no dot segment (not in
 * percent-encoding either). The form that comes out has scheme and host in lower case, no default
 * port, and a path.
 *
 * Pure functions, any thread. RFC 3986.
 */
#ifndef ARO_CONTROL_ORIGIN_URL_H
#define ARO_CONTROL_ORIGIN_URL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    ARO_NAME_BYTES = 1024, /* of a name, NUL included */
    ARO_URL_BYTES = 1536,  /* of a URL, NUL included */
};

/* Writes the one form of text into ret. 0 or -EINVAL. */
int aro_url_parse(const char *text, char ret[ARO_URL_BYTES]);
/* What keeps a text that is no URL from being one; for people. */
const char *aro_url_flaw(const char *text);
/* What a Location header means on the page base (parsed): its form into ret. 0 or -EINVAL. */
int aro_url_join(const char *base, const char *location, char ret[ARO_URL_BYTES]);
/* Of a parsed URL: does it lie in the folder that base (parsed, ends in '/') names? */
bool aro_url_inside(const char *url, const char *base);
/* "host[:port]/path?query" of a parsed URL. */
const char *aro_url_bare(const char *url);

/* A name: 1..1023 bytes of printable ASCII, no space. */
bool aro_name_valid(const char *name);

#endif

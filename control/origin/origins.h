/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configured origins: which name lies where, and what may be asked for at all. Nothing outside
 * this list is ever asked, whoever wants it: not by a name, not by an operator, not by a redirect.
 *
 * Pure functions over constant data, any thread.
 */
#ifndef ARO_CONTROL_ORIGIN_ORIGINS_H
#define ARO_CONTROL_ORIGIN_ORIGINS_H

#include <stdint.h>

#include "cache/base/error.h"
#include "control/origin/url.h"

enum { ARO_ORIGINS_MAX = 16, ARO_ORIGIN_TEXT_BYTES = 256 };

/* One origin block. The effective form: url parsed, prefix never empty. */
struct aro_origin {
    char name[32];
    char url[ARO_ORIGIN_TEXT_BYTES];    /* a folder: ends in '/' */
    char prefix[ARO_ORIGIN_TEXT_BYTES]; /* of names; ends in '/' */
    char ca_file[ARO_ORIGIN_TEXT_BYTES];
    uint64_t ttl_us, stale_us, negative_ttl_us, timeout_us;
    uint64_t connections;
    uint64_t rate_bytes_per_s; /* 0: no limit */
    uint64_t max_object_bytes;
};

/* Brings url and prefix into their effective form. 0, or -1 with *error (2004). where: for it. */
int aro_origin_settle(struct aro_origin *origin, const char *where, struct aro_error *error);

struct aro_origins {
    const struct aro_origin *list;
    unsigned count;
};

/* The URL behind a name, by the longest prefix. The origin's number, or -ENOENT, -EINVAL. */
int aro_origins_map(const struct aro_origins *origins, const char *name,
                    char ret_url[ARO_URL_BYTES]);
/* The origin that a URL lies in; its form into ret. The number, -ENOENT (in none), -EINVAL. */
int aro_origins_admit(const struct aro_origins *origins, const char *url,
                      char ret_url[ARO_URL_BYTES]);
/* Where a redirect from the URL at leads; as above. ret_url may be at. */
int aro_origins_follow(const struct aro_origins *origins, const char *at, const char *location,
                       char ret_url[ARO_URL_BYTES]);
/* The name of an admitted URL: what is behind the origin's url, behind its prefix. 0 or -EINVAL. */
int aro_origin_name(const struct aro_origin *origin, const char *url, char ret[ARO_NAME_BYTES]);

#endif

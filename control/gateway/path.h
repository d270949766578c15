/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request's target means.
 *
 *     /o/<object>  /c/<chunk>                 an id in its text form, or its bare 64 hex digits
 *     /n/<name>                               a name, percent-encoded once more or not
 *     /ipfs/<cid>                             a raw block
 *     /v2/  /v2/<repository>/blobs/<digest>   a registry's blob
 *     anything else                           a name: Host and the target itself
 *
 * A name is host[:port] in lower case (port 80 left out), the path and, behind a '?', the query.
 * Percent-encoding is brought into one form: letters, digits and - . _ ~ stand for themselves, the
 * rest as upper-case %XX. Dot segments, however they are written, control characters and NUL are
 * refused: nothing here walks a file system, but an origin might.
 *
 * Pure functions, any thread.
 */
#ifndef ARO_CONTROL_GATEWAY_PATH_H
#define ARO_CONTROL_GATEWAY_PATH_H

#include "cache/base/error.h"
#include "cache/base/id.h"

enum {
    ARO_TARGET_BYTES_MAX = 8000,    /* of a request's target as it was sent */
    ARO_GATE_NAME_BYTES_MAX = 1023, /* of a name in its one form: what nodes take */
};

enum aro_route {
    ARO_ROUTE_OBJECT,   /* id */
    ARO_ROUTE_CHUNK,    /* id */
    ARO_ROUTE_NAME,     /* text: the name */
    ARO_ROUTE_IPFS,     /* id; text: the CID as it was sent */
    ARO_ROUTE_REGISTRY, /* the root of the registry */
    ARO_ROUTE_BLOB,     /* id: the digest; text: sha256:<hex> */
};

struct aro_target {
    enum aro_route route;
    bool raw; /* the query asks for format=raw */
    struct aro_id id;
    char text[ARO_GATE_NAME_BYTES_MAX + 1];
};

/*
 * host: the Host field, NULL when there was none. target: the request's, as it was sent, with its
 * query; in absolute form its authority must be the host. 0, or -1 with *error (9011..9013, 9018,
 * 9019); ret->route tells then whose clients the answer is for.
 */
int aro_target_parse(const char *host, const char *target, struct aro_target *ret,
                     struct aro_error *error);

/* Whether it is host[:port], and nothing else. */
bool aro_host_valid(const char *host);

#endif

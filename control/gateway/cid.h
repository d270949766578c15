/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Content identifiers of IPFS, as far as chunks can be found under them: version 1, codec raw,
 * SHA-256, in base32 (b), base58btc (z) or base16 (f). Their digest is the chunk id.
 *
 * https://github.com/multiformats/cid, /multibase, /multihash, /unsigned-varint.
 * Pure functions, any thread.
 */
#ifndef ARO_CONTROL_GATEWAY_CID_H
#define ARO_CONTROL_GATEWAY_CID_H

#include "cache/base/id.h"

enum { ARO_CID_TEXT_MAX = 128 }; /* far more than 36 bytes need in any of the bases */

enum aro_cid_verdict {
    ARO_CID_OK = 0,
    ARO_CID_VERSION_0, /* Qm...: names a dag-pb node */
    ARO_CID_BASE,      /* another multibase, or none */
    ARO_CID_TEXT,      /* not of its alphabet, too long, or no canonical encoding */
    ARO_CID_VERSION,   /* not version 1 */
    ARO_CID_CODEC,     /* not raw */
    ARO_CID_HASH,      /* not SHA-256 */
    ARO_CID_LENGTH,    /* digest of another length, or bytes that follow */
};

/* text: NUL-terminated. *ret is set for ARO_CID_OK only. */
enum aro_cid_verdict aro_cid_parse(const char *text, struct aro_id *ret);

/* One sentence; never NULL. Static storage. */
const char *aro_cid_verdict_text(enum aro_cid_verdict verdict);

/* "b" and base32, as tools print it: 59 characters and a NUL. Returns text. */
enum { ARO_CID_BASE32_BYTES = 60 };
char *aro_cid_format(const struct aro_id *id, char text[ARO_CID_BASE32_BYTES]);

#endif

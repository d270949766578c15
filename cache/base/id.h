/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Identities and their text form.
 *
 * A chunk id is the SHA-256 of the chunk's bytes; an object id is the chunk id of the object's root
 * manifest. Bytes alone do not say which of the two an id is, so the text form carries the kind:
 *
 *     c-<64 lower-case hex>   chunk
 *     o-<64 lower-case hex>   object
 *     sha256:<64 hex>         whole-content digest (an alias: resolved to an object by a store)
 *
 * Parsing accepts upper-case hex, printing never emits it. Any thread; no allocation.
 */
#ifndef ARO_CACHE_BASE_ID_H
#define ARO_CACHE_BASE_ID_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    ARO_ID_BYTES = 32,
    ARO_CHUNK_BYTES_MIN = 1,
    ARO_CHUNK_BYTES_MAX = 1u << 20,
    ARO_CHUNK_BYTES_DEFAULT = 64u << 10,
    ARO_ID_TEXT_MAX = 7 + 2 * ARO_ID_BYTES + 1, /* "sha256:" + hex + NUL */
};

/* 32 bytes of SHA-256. Aligned so that comparing is four loads. */
struct aro_id {
    uint64_t word[4]; /* the digest's bytes in memory order; never read as numbers */
};
static_assert(sizeof(struct aro_id) == ARO_ID_BYTES, "an id is its digest");

enum aro_kind {
    ARO_KIND_CHUNK = 1,
    ARO_KIND_OBJECT = 2,
    ARO_KIND_DIGEST = 3, /* whole-content digest */
};

static inline bool aro_id_equal(const struct aro_id *a, const struct aro_id *b)
{
    return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1]) | (a->word[2] ^ b->word[2]) |
            (a->word[3] ^ b->word[3])) == 0;
}

static inline bool aro_id_is_zero(const struct aro_id *id)
{
    return (id->word[0] | id->word[1] | id->word[2] | id->word[3]) == 0;
}

static inline struct aro_id aro_id_load(const void *bytes)
{
    struct aro_id id;
    memcpy(&id, bytes, sizeof(id));
    return id;
}

/* Writes the text form with its NUL into text; returns text. */
char *aro_id_format(const struct aro_id *id, enum aro_kind kind, char text[ARO_ID_TEXT_MAX]);

/*
 * Reads a text form of any kind. text: NUL-terminated. Returns 0 and sets both outputs, or -EINVAL
 * (no known prefix, wrong length, not hex) with both untouched.
 */
int aro_id_parse(const char *text, struct aro_id *ret_id, enum aro_kind *ret_kind);

/* "chunk", "object", "digest"; never NULL. */
const char *aro_kind_name(enum aro_kind kind);

#endif

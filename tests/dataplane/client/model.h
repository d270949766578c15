/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small, obvious server of the chunk protocol, for tests: content made from a seed, the real
 * codec, and switches that make it lie, refuse, forget or fall silent. No sockets, no clock.
 */
#ifndef ARO_TESTS_DATAPLANE_CLIENT_MODEL_H
#define ARO_TESTS_DATAPLANE_CLIENT_MODEL_H

#include "dataplane/proto/codec.h"
#include "dataplane/proto/manifest_build.h"

struct model_chunk {
    struct aro_id id;
    const uint8_t *bytes;
    uint8_t *owned; /* of a manifest: the same, to free */
    uint32_t len_bytes;
    bool manifest;
};

/* Hands one answer out: its header and, for a DATA, its payload. */
typedef void model_send(void *arg, const uint8_t *header, size_t header_len, const uint8_t *payload,
                        size_t payload_len);

struct model {
    /* content */
    uint8_t *content;
    uint64_t content_bytes;
    uint32_t chunk_bytes;
    struct aro_id object_id;
    struct aro_id digest;
    struct model_chunk *chunks; /* open addressing by the id's first word */
    uint32_t chunk_slots;
    uint32_t chunk_count;

    /* behaviour; change it at any time */
    bool silent;               /* answers nothing at all */
    uint32_t silent_after;     /* falls silent after so many requests; 0: never */
    uint32_t lies_bad_bytes;   /* of each chunk, so many times: one byte is wrong; ~0: always */
    bool lies_about_manifests; /* the lies above apply to manifests only */
    bool lies_length;          /* DATA of content gives a chunk length that is one too many */
    uint32_t refuse_percent;   /* of the requests: refuse_code instead of an answer */
    uint8_t refuse_code;
    uint32_t refuse_hint_us;
    uint32_t refuse_detail;
    uint32_t refuse_until;       /* only the first so many requests; 0: no limit */
    bool missing_last_chunk;     /* NOT_FOUND for the last content chunk */
    uint16_t slice_bytes_max;    /* BAD_REQUEST above; 0: no limit */
    uint16_t slice_bytes_passes; /* larger DATA vanish, as on a narrow path; 0: all pass */
    bool refuses_tokens;         /* every token is wrong */
    uint16_t token_life_s;
    uint32_t refresh_every; /* a fresh TOKEN beside every so many-th answer; 0: never */
    uint32_t residence_us;
    uint8_t tier;

    /* state and counts */
    uint64_t token_key; /* a restart changes it */
    uint64_t random;
    uint32_t requests, challenges, refusals;
    uint64_t slices;
    uint32_t first_window; /* most slices asked for before the first DATA left */
    uint32_t *lies_left;   /* per chunk slot */
};

/* Content of so many bytes from the seed, cut and put into a tree. */
struct model *model_create(uint64_t content_bytes, uint32_t chunk_bytes, uint64_t seed);
/* The same from a heap block that becomes the model's. */
struct model *model_create_from(uint8_t *content, uint64_t content_bytes, uint32_t chunk_bytes,
                                uint64_t seed);
void model_destroy(struct model *model);

/* Changes len bytes of the root manifest at the offset and serves it under its true id. */
void model_forge_root(struct model *model, size_t at, const void *bytes, size_t len);

void model_receive(struct model *model, const uint8_t *bytes, size_t len, model_send *send,
                   void *arg);
/* Forgets all tokens, as a restarted server does. */
void model_restart(struct model *model);
const struct model_chunk *model_find(const struct model *model, const struct aro_id *id);

/* splitmix64: the tests' only source of chance. */
uint64_t model_random(uint64_t *state);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires between the engine and model servers, in simulated time: delay, loss, duplication,
 * reordering, damage - all from one seed. Runs a whole fetch and checks every byte.
 */
#ifndef ARO_TESTS_DATAPLANE_CLIENT_WIRE_H
#define ARO_TESTS_DATAPLANE_CLIENT_WIRE_H

#include "dataplane/client/engine.h"
#include "tests/dataplane/client/model.h"

struct wire;

enum { WIRE_SOURCES_MAX = 4 };

/* A source beside the first one. Zero: as the first. */
struct wire_source {
    struct model *model; /* the same content */
    uint32_t delay_us;
    uint32_t slice_us;
};

struct wire_options {
    uint64_t seed;
    uint32_t delay_us;        /* one way; default 50 */
    uint32_t slice_us;        /* time that one DATA occupies the wire; default 3 */
    uint32_t loss_percent;    /* each way */
    uint32_t reorder_percent; /* of the answers: held back for up to 8 slices' time */
    uint32_t duplicate_percent;
    uint32_t stalls;          /* answers rest for STALL_US of each of so many first periods */
    uint32_t damage_permille; /* of the answers: one byte changed */
    uint32_t slice_bytes_max; /* default 1408 */
    uint32_t buffer_bytes;
    uint64_t silence_us;
    const uint8_t *token;
    bool chunk;                /* fetch the first content chunk instead of the object */
    uint32_t hold_pieces;      /* release pieces only so many later */
    uint64_t restart_at_slice; /* the server forgets its tokens then; 0: never */
    struct wire_source others[WIRE_SOURCES_MAX - 1];
    uint32_t other_count;
    uint64_t first_byte, byte_count; /* only these; byte_count 0: all */
    /* content from here to there was there already; the last byte of it is wrong */
    uint64_t local_first, local_end;
    bool as_list; /* push the chunks by hand, as they would arrive: one per step */
    uint64_t penalty_us;
    void (*on_request)(void *arg, const struct aro_get *get, uint64_t now_us);
    void *on_request_arg;
};

struct wire_result {
    enum aro_download_state state;
    struct aro_error error;
    struct arocache_stats stats;
    struct arocache_source_stats sources[WIRE_SOURCES_MAX];
    uint64_t end_us;
    uint64_t content_right; /* bytes taken in order, all equal to the model's */
    bool content_wrong;     /* a byte differed: must never be */
    struct aro_id digest;   /* of an object that arrived, as the engine computed it; of a chunk 0 */
};

struct wire_result wire_fetch(struct model *model, const struct wire_options *options);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's inside, shared by its files: engine.c (life, content), engine_ask.c (what to
 * request, when), engine_answer.c (slices), engine_status.c (other answers), engine_timeout.c.
 *
 * Transfers live in a ring in order of content: [head, tail) are in use, take is the next to be
 * handed out. Sequence number s sits in slot s % slots.
 */
#ifndef ARO_DATAPLANE_CLIENT_ENGINE_STATE_H
#define ARO_DATAPLANE_CLIENT_ENGINE_STATE_H

#include "cache/base/sha256_pair.h"
#include "dataplane/client/engine.h"
#include "dataplane/client/request.h"
#include "dataplane/client/source.h"
#include "dataplane/client/transfer.h"
#include "dataplane/client/walk.h"

enum {
    ENGINE_SLOTS_MAX = 256,
    ENGINE_SLOTS_MIN = 4,
    ENGINE_RANDOM_WORDS = 32, /* drawn at once: one system call for so many requests */
    ENGINE_DISAGREEMENTS_MAX = 16,
};

struct aro_engine {
    struct aro_engine_options options;
    struct aro_source source;
    struct aro_walk walk;
    struct arocache_stats stats;
    struct aro_error error;
    enum aro_engine_state state;
    struct aro_id digest;
    struct aro_sha256_pair *hash; /* of chunks and of the whole; NULL: chunks only */
    bool digest_known;
    bool walked; /* the walk has yielded everything */

    uint64_t head, take, tail;
    uint64_t scan; /* no transfer before has anything to ask for */
    uint32_t slots;
    uint32_t slot_bytes;                /* size of a content buffer */
    uint8_t *buffers[ENGINE_SLOTS_MAX]; /* one per slot, from its first use on */
    struct aro_transfer *transfers;     /* slots of them */
    uint32_t holds; /* transfers that wait for a hint to pass; recounted by timeout */

    uint64_t arrivals; /* slices that came in answer to something */
    uint64_t progress_us;
    uint8_t last_status; /* of the last STATUS, for the message of a time-out */
    uint32_t random_left;
    uint64_t random[ENGINE_RANDOM_WORDS];
    struct aro_requests requests;
};

static inline struct aro_transfer *engine_transfer(struct aro_engine *engine, uint64_t sequence)
{
    return &engine->transfers[sequence % engine->slots];
}

/* engine.c */
void engine_fail(struct aro_engine *engine, enum aro_error_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All slices are here: a manifest is verified at once, content when it is taken. */
void engine_complete(struct aro_engine *engine, struct aro_transfer *transfer);
/* The whole is wrong: fetched again once, then the source is convicted. */
void engine_mismatch(struct aro_engine *engine, struct aro_transfer *transfer, const char *what);
/* All of it is to be asked for again, perhaps in other slices. */
void engine_restart(struct aro_engine *engine, struct aro_transfer *transfer);
/* Puts as many chunks as there is room for into the ring. */
void engine_fill(struct aro_engine *engine);

/* engine_answer.c */
/* The transfer that a request belongs to, or NULL when that is over. */
struct aro_transfer *engine_transfer_of(struct aro_engine *engine,
                                        const struct aro_request *request);
/* These slices of a request will not come any more. Returns how many are to be asked for again. */
uint32_t engine_give_up(struct aro_engine *engine, struct aro_request *request, uint64_t mask);
/* The same, as a sign of congestion. */
void engine_lost(struct aro_engine *engine, struct aro_request *request, uint64_t mask,
                 uint64_t now_us);
/* An answer to one of our requests: the source lives. */
void engine_heard(struct aro_engine *engine, struct aro_request *request, uint64_t now_us);

/* engine_status.c */
void engine_on_token(struct aro_engine *engine, const struct aro_token_msg *message,
                     uint64_t now_us);
void engine_on_status(struct aro_engine *engine, const struct aro_status_msg *status,
                      uint64_t now_us);

/* engine_ask.c */
uint64_t engine_random(struct aro_engine *engine);

#endif

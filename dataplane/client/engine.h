/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fetch engine: one object or chunk from one source, without I/O and without a clock.
 *
 * The caller owns socket and time. Its loop: hand in what arrived (receive), tell when the deadline
 * has passed (timeout), then send what send_burst wants sent and take the content that is ready.
 *
 *   requests <- token, window, lost slices     datagrams -> slices straight into chunk buffers
 *   chunk complete -> SHA-256 agrees -> taken by the caller in order -> released
 *
 * A manifest that arrives tells what to fetch next. Memory is bounded by options.buffer_bytes plus
 * at most four manifests. The engine never trusts a byte it has not hashed: a chunk with the wrong
 * digest is fetched whole once more, and a second time convicts the source.
 *
 * One thread at a time. Cost: well below half a microsecond per slice beside its SHA-256.
 */
#ifndef ARO_DATAPLANE_CLIENT_ENGINE_H
#define ARO_DATAPLANE_CLIENT_ENGINE_H

#include "cache/base/error.h"
#include "cache/base/id.h"
#include "dataplane/client/arocache.h"
#include "dataplane/proto/wire.h"

struct aro_engine;

struct aro_engine_options {
    struct aro_id id;
    enum aro_kind kind;            /* chunk or object */
    const char *source_name;       /* for messages; borrowed for the engine's life */
    uint32_t slice_bytes_max;      /* what the path's MTU carries; valid by aro_slice_bytes_valid */
    uint32_t receive_buffer_bytes; /* of the socket: bounds the window */
    uint32_t buffer_bytes;         /* for chunks in assembly and in the caller's hands */
    uint64_t silence_us;           /* without progress for so long: give up */
    bool content_digest;           /* of an object: compute the SHA-256 of the whole, too */
    uint16_t flags;                /* ARO_GET_* of every request */
    const uint8_t *token;          /* ARO_TOKEN_BYTES, or NULL */
    void (*random)(void *arg, void *bytes, size_t len); /* unpredictable bytes, for echoes */
    void *random_arg;
};

enum aro_engine_state {
    ARO_ENGINE_RUNNING,
    ARO_ENGINE_DONE,   /* all content was taken */
    ARO_ENGINE_FAILED, /* error says why; what was taken is verified all the same */
};

/* Verified content; bytes belong to the engine until released. */
struct aro_piece {
    const uint8_t *bytes;
    uint32_t len_bytes;
    uint32_t slot;
    uint64_t at; /* offset in the content */
};

/* NULL with errno (ENOMEM, EINVAL). */
struct aro_engine *aro_engine_create(const struct aro_engine_options *options, uint64_t now_us);
void aro_engine_destroy(struct aro_engine *engine); /* takes NULL */

/* One datagram's payload. now_us is monotonic and may not run backwards. */
void aro_engine_receive(struct aro_engine *engine, const uint8_t *bytes, size_t len,
                        uint64_t now_us);
/* Does whatever is due at now_us; harmless when nothing is. */
void aro_engine_timeout(struct aro_engine *engine, uint64_t now_us);
/* When timeout wants to be called, or send_burst may have something again. */
uint64_t aro_engine_deadline_us(const struct aro_engine *engine);

/* Up to max requests to send now. Call it after receive, timeout and release. */
size_t aro_engine_send_burst(struct aro_engine *engine, uint8_t (*requests)[ARO_GET_BYTES],
                             size_t max, uint64_t now_us);

/* Verifies the next piece in order, if it is complete. Every piece must be released, in any order.
 */
bool aro_engine_take(struct aro_engine *engine, struct aro_piece *ret);
void aro_engine_release(struct aro_engine *engine, const struct aro_piece *piece);

enum aro_engine_state aro_engine_state(const struct aro_engine *engine);
const struct aro_error *aro_engine_error(const struct aro_engine *engine);
/* Brought up to date by the call; the engine keeps no times of its own. */
const struct arocache_stats *aro_engine_stats(struct aro_engine *engine);
/* SHA-256 of the whole content as the root manifest says; NULL while unknown, or for a chunk. */
const struct aro_id *aro_engine_digest(const struct aro_engine *engine);
/* The same of all pieces taken so far, computed; only with content_digest, for an object. */
struct aro_id aro_engine_content_digest(const struct aro_engine *engine);

#endif

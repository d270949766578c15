/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fetch engine: downloads from sources, without I/O and without a clock.
 *
 * A source is one server: its token, round trip, window. A download is one object, one chunk, a
 * range of an object, or a growing list of chunks. Any number of downloads share any number of
 * sources: the window belongs to the path, so a second download does not start from nothing.
 *
 * The caller owns sockets and time. Its loop: hand in what arrived (receive), tell when the
 * deadline has passed (timeout), send what send_burst wants sent to each source, and take the
 * content that is ready from each download.
 *
 *   requests <- token, window, lost slices     datagrams -> slices straight into chunk buffers
 *   chunk complete -> SHA-256 agrees -> taken by the caller in order -> released
 *
 * Every chunk comes from one source whole (a digest convicts a chunk, not a slice). Sources take
 * the next chunk whenever their window has room, so each gives as much as it is fast. A chunk that
 * a slow or silent source holds while others wait is asked for elsewhere. A source that is silent,
 * far slower than the others, or gave wrong bytes twice is left - for penalty_us, or for good -
 * as long as another one is there. A chunk that one source does not have is asked of the others.
 *
 * The engine never trusts a byte it has not hashed. Memory: buffer_bytes of each download plus at
 * most four manifests, which downloads of one object share; all buffers together within
 * buffer_bytes of the engine.
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
struct aro_download;

enum {
    ARO_ENGINE_SOURCES_MAX = 16,
    ARO_ENGINE_DOWNLOADS_MAX = 16384,
};

struct aro_engine_options {
    uint64_t buffer_bytes;         /* of all downloads together; 0: only their own limits count */
    uint64_t penalty_us;           /* how long a source stays left; 0: for good */
    uint64_t manifests_kept_bytes; /* of verified manifests that no download walks any more */
    void (*random)(void *arg, void *bytes, size_t len); /* unpredictable bytes, for echoes */
    void *random_arg;
};

/* NULL with errno (ENOMEM). */
struct aro_engine *aro_engine_create(const struct aro_engine_options *options);
void aro_engine_destroy(struct aro_engine *engine); /* takes NULL; no download left */

/* ---- sources ---- */

struct aro_engine_source {
    const char *name;              /* for messages; borrowed for the engine's life */
    uint32_t slice_bytes_max;      /* what the path's MTU carries; valid by aro_slice_bytes_valid */
    uint32_t receive_buffer_bytes; /* of the socket: bounds the window */
    const uint8_t *token;          /* ARO_TOKEN_BYTES, or NULL */
};

/* Its number, counted from 0, or -errno (ENOSPC, EINVAL, ENOMEM). */
int aro_engine_source_add(struct aro_engine *engine, const struct aro_engine_source *source,
                          uint64_t now_us);

/* One datagram's payload from that source. now_us is monotonic and may not run backwards. */
void aro_engine_receive(struct aro_engine *engine, unsigned source, const uint8_t *bytes,
                        size_t len, uint64_t now_us);
/* Up to max requests to send to that source now. Call it after receive, timeout and release. */
size_t aro_engine_send_burst(struct aro_engine *engine, unsigned source,
                             uint8_t (*requests)[ARO_GET_BYTES], size_t max, uint64_t now_us);
/* Does whatever is due at now_us; harmless when nothing is. */
void aro_engine_timeout(struct aro_engine *engine, uint64_t now_us);
/* When timeout wants to be called, or send_burst may have something again; UINT64_MAX: never. */
uint64_t aro_engine_deadline_us(const struct aro_engine *engine);

/* Brought up to date by the call. error: of one that was left (and may be back), else 0. */
const struct arocache_source_stats *aro_engine_source_stats(struct aro_engine *engine,
                                                            unsigned source);
/* Whether it is asked at all now: not left. */
bool aro_engine_source_alive(const struct aro_engine *engine, unsigned source);

/* Chunk buffers of all downloads together, now: against options.buffer_bytes. */
uint64_t aro_engine_buffers_bytes(const struct aro_engine *engine);

/* ---- downloads ---- */

struct aro_download_options {
    struct aro_id id;
    enum aro_kind kind;    /* chunk or object; ignored for a list */
    bool list;             /* chunks are pushed by the caller: see aro_download_push */
    bool root_only;        /* of an object: stop after the root until aro_download_range */
    uint32_t chunk_bytes;  /* of a list: the largest chunk to come */
    uint32_t buffer_bytes; /* for chunks in assembly and in the caller's hands */
    bool eager;            /* use all of buffer_bytes at once, not as fast as the caller takes */
    uint64_t silence_us;   /* without progress for so long: give up */
    bool hurried;          /* a source that fell silent counts as one that has nothing: the caller
                            * can turn elsewhere; until aro_download_patient */
    bool content_digest;   /* of an object: compute the SHA-256 of the whole, too */
    uint16_t flags;        /* ARO_GET_* of every request */
    /* Fills bytes with content that is here already (as an earlier try left it), or returns false.
     * Verified like any other. NULL: nothing is. */
    bool (*have)(void *arg, uint64_t at, void *bytes, uint32_t len_bytes);
    void *have_arg;
};

enum aro_download_state {
    ARO_DOWNLOAD_RUNNING,
    ARO_DOWNLOAD_DONE,   /* all content was taken */
    ARO_DOWNLOAD_FAILED, /* error says why; what was taken is verified all the same */
};

/* Verified content; bytes belong to the download until released. */
struct aro_piece {
    const uint8_t *bytes;
    uint32_t len_bytes;
    uint32_t slot;
    uint64_t at; /* offset in the content */
};

/* NULL with errno (ENOMEM, EINVAL, ENOSPC: too many). */
struct aro_download *aro_download_create(struct aro_engine *engine,
                                         const struct aro_download_options *options,
                                         uint64_t now_us);
/* Whether done or not; every piece is the download's again. Takes NULL. */
void aro_download_destroy(struct aro_download *download);

/*
 * Once the root is known (aro_download_root), and before anything was taken: only these bytes.
 * first + bytes <= the total; bytes > 0. Goes on after root_only. 0, or -EINVAL.
 */
int aro_download_range(struct aro_download *download, uint64_t first, uint64_t bytes);

/* No longer hurried: from now on a source that alone may have a chunk is waited for. */
void aro_download_patient(struct aro_download *download);

/* Of a list: the next chunk. 0, or -EINVAL (length), -ENOMEM. */
int aro_download_push(struct aro_download *download, const struct aro_id *id, uint32_t len_bytes);
/* Of a list: nothing follows. */
void aro_download_finish(struct aro_download *download);
/* Ends it as failed; for whoever feeds a list. */
void aro_download_fail(struct aro_download *download, const struct aro_error *error);

/* Verifies the next piece in order, if it is complete. Every piece is released, in any order. */
bool aro_download_take(struct aro_download *download, struct aro_piece *ret);
void aro_download_release(struct aro_download *download, const struct aro_piece *piece);

enum aro_download_state aro_download_state(const struct aro_download *download);
const struct aro_error *aro_download_error(const struct aro_download *download);
/* Brought up to date by the call; the engine keeps no times of its own. */
const struct arocache_stats *aro_download_stats(struct aro_download *download);

/* Sources that gave it a verified chunk or manifest: bit n for source n. */
uint32_t aro_download_sources(const struct aro_download *download);

/* What the root manifest says. False: not here yet, or a lone chunk, or a list. */
struct aro_download_root {
    uint64_t total_bytes;
    uint32_t chunk_bytes;
    struct aro_id digest; /* SHA-256 of the whole content */
};
bool aro_download_root(const struct aro_download *download, struct aro_download_root *ret);
/* SHA-256 of all pieces taken so far, computed; only with content_digest, for a whole object. */
struct aro_id aro_download_content_digest(const struct aro_download *download);

/* For the caller's lists: pointer of its own. */
void aro_download_set_arg(struct aro_download *download, void *arg);
void *aro_download_arg(const struct aro_download *download);
/* The next download that may have something to take since the last call, or NULL. */
struct aro_download *aro_engine_ready(struct aro_engine *engine);

#endif

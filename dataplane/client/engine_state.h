/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's inside, shared by its files: engine.c (life, sources), download.c (content of one
 * download), download_manifest.c (its manifests), download_digest.c, link.c (leaving sources,
 * taking chunks from slow ones), engine_ask.c (what to request, when), engine_answer.c (slices),
 * engine_status.c (other answers), engine_timeout.c.
 *
 * A link is a source as the engine uses it. Transfers of a download live in a ring in order of
 * content: [head, tail) are in use, take is the next to be handed out. Sequence number s sits in
 * slot s % slots. A transfer belongs to one link from its first request on, until it is released.
 */
#ifndef ARO_DATAPLANE_CLIENT_ENGINE_STATE_H
#define ARO_DATAPLANE_CLIENT_ENGINE_STATE_H

#include "cache/base/sha256_pair.h"
#include "dataplane/client/engine.h"
#include "dataplane/client/manifests.h"
#include "dataplane/client/request.h"
#include "dataplane/client/source.h"
#include "dataplane/client/transfer.h"
#include "dataplane/client/walk.h"

enum {
    ENGINE_SLOTS_MAX = 256,
    ENGINE_SLOTS_MIN = 4,
    ENGINE_SLOTS_FIRST = 2,   /* a download that is not eager begins with so many */
    ENGINE_RANDOM_WORDS = 32, /* drawn at once: one system call for so many requests */
    ENGINE_DISAGREEMENTS_MAX = 16,
};

/* A source as the engine uses it. */
struct aro_link {
    struct aro_engine *engine;
    unsigned number;
    struct aro_engine_source config;
    struct aro_source source; /* the path: token, round trip, window */
    struct arocache_source_stats stats;
    struct aro_error error; /* why it was left */
    bool left;
    uint64_t left_until_us; /* while left; UINT64_MAX: for good */

    uint64_t arrivals;   /* slices that came in answer to something */
    uint32_t mismatches; /* not yet outweighed by good chunks */
    uint32_t good;       /* chunks verified since the last of them */
    uint32_t taken;      /* chunks taken from it since it last finished one */

    uint64_t rate_since_us; /* the measurement under way; 0: none */
    uint64_t rate_bytes;
    uint64_t rate_bytes_per_s; /* smoothed; 0: not measured */
    struct aro_requests requests;
};

struct aro_chunk_name {
    struct aro_id id;
    uint32_t len_bytes;
};

struct aro_download {
    struct aro_engine *engine;
    struct aro_download_options options;
    uint32_t place;  /* in engine->downloads */
    uint32_t serial; /* requests of another one are history */
    void *arg;
    struct aro_walk walk;
    struct aro_chunk_name *list; /* pushed and not begun: [list_first, list_count) */
    size_t list_first, list_count, list_room;
    uint64_t list_at;
    bool list_ended;
    struct arocache_stats stats;
    struct aro_error error;
    enum aro_download_state state;
    struct aro_download_root root;
    struct aro_sha256_pair *hash;    /* of chunks and of the whole; NULL: chunks only */
    struct aro_manifest_entry entry; /* yielded last */
    enum aro_walk_step step;         /* what it is */
    bool entry_waits;                /* for memory */
    bool begun;                      /* the root or the lone chunk was yielded */
    bool root_known;
    bool paused;           /* until a range is chosen */
    bool walked;           /* everything that is wanted was yielded */
    bool ready;            /* on the list of those with something to take */
    bool hungry;           /* on the list of those with something to ask for */
    bool manifest_fetches; /* that of entry */
    bool manifest_waits;   /* that another download fetches it */
    bool starved;          /* would begin a chunk, but the engine's memory is used up */
    uint64_t first, end;   /* the range: content offsets */

    uint64_t head, take, tail;
    uint64_t scan;     /* no transfer before has anything to ask for */
    uint64_t grown_at; /* take + 1 when the ring last grew */
    uint32_t slots;
    uint32_t open;       /* of them in use, at most */
    uint32_t slot_bytes; /* size of a content buffer */
    uint8_t **spare;     /* chunk buffers at hand: [0, spares) */
    uint32_t spares;
    struct aro_transfer *transfers; /* slots of them */
    uint32_t holds; /* transfers that wait for a hint to pass; recounted by timeout */

    uint32_t sources; /* that gave something verified: a bit each */
    uint64_t progress_us;
    uint8_t last_status; /* of the last STATUS, for the message of a time-out */
    struct aro_download *hungry_before, *hungry_after; /* a ring */
    struct aro_download *ready_next;
};

struct aro_engine {
    struct aro_engine_options options;
    struct aro_link *links[ARO_ENGINE_SOURCES_MAX];
    unsigned link_count;
    struct aro_manifests manifests;
    uint32_t manifest_fetchers, manifest_waiters; /* downloads */
    struct aro_download **downloads;              /* places; NULL: free */
    uint32_t download_room, download_count;
    uint32_t serial;
    struct aro_download *hungry; /* whose turn it is, or NULL */
    struct aro_download *ready, **ready_last;
    uint32_t starved;       /* downloads that wait for memory */
    uint64_t buffers_bytes; /* of all chunk buffers */
    uint64_t now_us;        /* of the last call that told it */
    uint64_t check_us;      /* when downloads want to be looked at */
    uint32_t steal_at;      /* place of the download to look at next */
    uint32_t random_left;
    uint64_t random[ENGINE_RANDOM_WORDS];
    struct arocache_stats nobody; /* of requests whose download is over */
};

static inline struct aro_transfer *engine_transfer(const struct aro_download *download,
                                                   uint64_t sequence)
{
    return &download->transfers[sequence % download->slots];
}

/* The download that a request was for, or NULL when that is over. */
static inline struct aro_download *engine_download_of(const struct aro_engine *engine,
                                                      const struct aro_request *request)
{
    struct aro_download *download =
        request->download < engine->download_room ? engine->downloads[request->download] : NULL;
    return download != NULL && download->serial == request->serial ? download : NULL;
}

static inline uint32_t engine_link_bit(const struct aro_link *link)
{
    return UINT32_C(1) << link->number;
}

/* ---- engine.c ---- */
uint64_t engine_random(struct aro_engine *engine);
/* It may have something to take, or its state changed. */
void engine_ready(struct aro_download *download);
/* It may have something to ask for. */
void engine_wake(struct aro_download *download);
void engine_rest(struct aro_download *download);
/* Downloads want to be looked at then, or before. */
void engine_check_at(struct aro_engine *engine, uint64_t at_us);

/* ---- download.c ---- */
void download_fail(struct aro_download *download, enum aro_error_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* All slices are here: a manifest is verified at once, content when it is taken. */
void download_complete(struct aro_download *download, struct aro_transfer *transfer);
/* All of it is to be asked for again, of any source, perhaps in other slices. */
void download_restart(struct aro_download *download, struct aro_transfer *transfer);
/* Puts as many chunks as there is room for into the ring. */
void download_fill(struct aro_download *download);
/* Chunk buffers can be sized only once the chunk size is known: the ring begins anew. 0 or -ENOMEM.
 */
int download_slots(struct aro_download *download, uint32_t chunk_bytes);

/* ---- download_digest.c ---- */

/* Whether the bytes, all of which are here, are what the id says. */
bool download_digest_agrees(struct aro_download *download, struct aro_transfer *transfer);

/* ---- download_manifest.c ---- */
enum download_manifest {
    DOWNLOAD_MANIFEST_HERE,  /* the walk goes on by it */
    DOWNLOAD_MANIFEST_COMES, /* another download fetches it; this one is filled again then */
    DOWNLOAD_MANIFEST_FETCH, /* it is this download's to fetch */
};
/* The walk's next entry is a manifest. */
enum download_manifest download_manifest_begin(struct aro_download *download);
/* Its digest agreed: the walk goes on by it, and others may. */
void download_manifest_verified(struct aro_download *download, struct aro_transfer *transfer);
/* It neither waits for a manifest nor fetches one any more: others may have to. */
void download_manifest_leave(struct aro_download *download);

/* ---- link.c ---- */
/* The whole is wrong: the source is convicted at the second time. */
void link_mismatch(struct aro_download *download, struct aro_transfer *transfer, const char *what);
/* This source is of no use: left when there are others, else the download fails. */
void link_refuse(struct aro_link *link, struct aro_download *download, enum aro_error_id id,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* This source does not have the chunk. */
void link_absent(struct aro_link *link, struct aro_download *download,
                 struct aro_transfer *transfer);
/* Whether any source other than this one is asked now. */
bool link_has_others(const struct aro_link *link);
/* Silent, or never heard of: others come first. */
bool link_doubtful(const struct aro_link *link);
/* Nothing came for a whole time-out: its chunks go to others, and it is left after some. */
void link_silent(struct aro_link *link);
/* Sources whose time has passed are asked again. */
void link_return(struct aro_link *link, uint64_t now_us);
/* So many bytes came at now_us. */
void link_rate(struct aro_link *link, uint32_t bytes, uint64_t now_us);
void link_verified(struct aro_download *download, const struct aro_transfer *transfer);
/* Whether nobody of whom there is no doubt could bring it instead. */
bool link_needed(const struct aro_link *link, const struct aro_transfer *transfer);
/* May this chunk be asked of this source? */
bool link_may(const struct aro_link *link, const struct aro_transfer *transfer);
/*
 * Makes a chunk that a slow source holds free, if this one would have it sooner. Its download is
 * hungry then.
 */
bool link_steal(struct aro_link *link);

/* ---- engine_answer.c ---- */
/* The transfer that a request belongs to, or NULL when that is over. */
struct aro_transfer *engine_transfer_of(struct aro_download *download,
                                        const struct aro_request *request);
/* These slices of a request will not come any more. Returns how many are to be asked for again. */
uint32_t engine_give_up(struct aro_link *link, struct aro_request *request, uint64_t mask);
/* The same, as a sign of congestion. */
void engine_lost(struct aro_link *link, struct aro_request *request, uint64_t mask,
                 uint64_t now_us);
/* An answer to one of our requests: the source lives. */
void engine_heard(struct aro_link *link, struct aro_request *request, uint64_t now_us);
/* Where what happens to this request is counted. */
struct arocache_stats *engine_stats_of(struct aro_engine *engine,
                                       const struct aro_request *request);

/* The same for what belongs to no request. */
struct arocache_stats *engine_stray(struct aro_link *link);

/* ---- engine_status.c ---- */
void engine_on_token(struct aro_link *link, const struct aro_token_msg *message, uint64_t now_us);
void engine_on_status(struct aro_link *link, const struct aro_status_msg *status, uint64_t now_us);

/* ---- engine_timeout.c ---- */
/* How long this source may take for an answer. */
uint64_t engine_rto_us(const struct aro_link *link);

#endif

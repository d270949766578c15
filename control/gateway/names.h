/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What names and whole-content digests stand for, asked of the nodes' control sockets.
 *
 * One thread asks, over non-blocking connections; workers claim names and are woken when something
 * new is known. However many clients of however many workers want a name, its nodes are asked once
 * at a time: everybody shares one entry. Nodes are tried in an order that depends on the name, the
 * same in every gateway, so that one node pulls it and the others come after.
 *
 *     claimed -> ASKING -> HERE                      an object: fetched like any other
 *                       -> ARRIVING ... -> complete  its chunks become known while it is pulled
 *                       -> FAILED
 *
 * What is known is kept for a few seconds or the name's own time to live, whichever is shorter.
 * Bounds: ARO_GATE_NAMES_MAX entries, ARO_GATE_NAME_CHUNKS_MAX chunks of arriving contents in all.
 *
 * Any thread; one lock, held for short copies and never while somebody is waited for.
 */
#ifndef ARO_CONTROL_GATEWAY_NAMES_H
#define ARO_CONTROL_GATEWAY_NAMES_H

#include "control/gateway/gate_config.h"
#include "control/gateway/path.h"

#define ARO_NAME_TTL_ENDLESS_S                                                                     \
    UINT64_C(31536000) /* what a name that never expires tells: a year                             \
                        */

enum {
    ARO_GATE_NAMES_MAX = 4096,
    ARO_GATE_NAME_CHUNKS_MAX = 4 << 20, /* 256 GiB in chunks of 64 KiB; 36 bytes each */
};

enum aro_name_state {
    ARO_NAME_ASKING,
    ARO_NAME_HERE,
    ARO_NAME_ARRIVING,
    ARO_NAME_FAILED,
};

/* What is known of a name now. */
struct aro_name_facts {
    enum aro_name_state state;
    struct aro_id object; /* HERE */
    bool total_known;     /* ARRIVING */
    uint64_t total_bytes;
    uint32_t chunk_bytes; /* ARRIVING: the largest chunk to come */
    uint64_t chunks;      /* ARRIVING: so many are known */
    bool complete;        /* ARRIVING: nothing follows */
    char type[128];       /* of the origin; "": not told */
    char etag[160];       /* of the origin, valid; "": not told */
    int64_t modified_s;   /* of the origin; -1: not told */
    uint64_t age_s;       /* at told_us: since the origin was asked */
    uint64_t ttl_s;       /* at told_us: how long it is fresh */
    uint64_t told_us;     /* monotonic */
    struct aro_error error;
};

struct aro_name_chunk {
    struct aro_id id;
    uint32_t len_bytes;
};

struct aro_name_entry;

/* A worker's interest in one name; embed it. */
struct aro_claim {
    struct aro_name_entry *entry; /* NULL: none */
    unsigned worker;
    bool changed; /* on its worker's list */
    struct aro_claim *before, *after, *next_changed;
};

struct aro_gate_names;

/* NULL with *error (9003). Without a node that has a control socket every claim is refused. */
struct aro_gate_names *aro_gate_names_create(const struct aro_gate_config *config,
                                             struct aro_error *error);
/* Stops the thread; no claim left. Takes NULL. */
void aro_gate_names_destroy(struct aro_gate_names *names);

/*
 * text: a name, or sha256:<hex> for a digest. Look at it at once: it may be known. 0, or -1 with
 * *error (9003, 9020, 9021).
 */
int aro_gate_names_claim(struct aro_gate_names *names, struct aro_claim *claim, unsigned worker,
                         const char *text, struct aro_error *error);
void aro_gate_names_release(struct aro_gate_names *names,
                            struct aro_claim *claim); /* harmless twice */
/* What it was told is not to be had: whoever claims the name from now on has it asked anew. */
void aro_gate_names_doubt(struct aro_gate_names *names, const struct aro_claim *claim);

void aro_gate_names_look(struct aro_gate_names *names, const struct aro_claim *claim,
                         struct aro_name_facts *ret);
/* Of a name that arrives: chunks from number `from` on, up to max. Returns how many. */
size_t aro_gate_names_chunks(struct aro_gate_names *names, const struct aro_claim *claim,
                             uint64_t from, struct aro_name_chunk *ret, size_t max);

/* Readable when a claim of that worker changed; changed() empties it. */
int aro_gate_names_fd(const struct aro_gate_names *names, unsigned worker);
/* The next claim of which something new is known, or NULL. */
struct aro_claim *aro_gate_names_changed(struct aro_gate_names *names, unsigned worker);

struct aro_gate_names_stats {
#define ARO_GATE_NAMES_COUNTER(name, sentence) uint64_t name;
#define ARO_GATE_NAMES_GAUGE(name, sentence)   uint64_t name;
#include "control/gateway/counters.def"
};
void aro_gate_names_stats(struct aro_gate_names *names, struct aro_gate_names_stats *ret);
/* Grows several times a second while the thread advances. */
uint64_t aro_gate_names_turns(const struct aro_gate_names *names);

#endif

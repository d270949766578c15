/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes content in: reads a descriptor, cuts, hashes, stores, admits to memory, builds the manifest
 * and records the object. Done only when everything is durable (with a store).
 *
 * A state machine on the control ring. A window of chunks is in flight, each in a slot:
 *
 *     FREE -> READING -> FULL -> HASHING (in content order) -> STORING -> WRITING -> FREE
 *
 * read ahead and written behind, straight in cache memory: an entry stays private until it is
 * written, then it is inserted. Neighbours share reads and writes. The hasher is a thread of its
 * own (control/hasher.h), and what a turn takes back from it is bounded, so that it stays below a
 * millisecond. A failure, wherever it comes from, stops new work, waits for what is in flight, and
 * undoes what only this put had stored (control/claims.h).
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_PUT_H
#define ARO_CONTROL_PUT_H

#include "control/content.h"

struct aro_put;

enum {
    ARO_PUT_WINDOW_BYTES = 16 << 20, /* in flight, less when memory is small */
    ARO_PUT_SLOTS_MAX = 256,
    ARO_PUT_TURN_BYTES = 1 << 20, /* taken back from the hasher, and given to the store */
};
#define ARO_PUT_STALL_NS_MAX UINT64_C(4000000000) /* without any memory coming free */

struct aro_put_config {
    struct aro_content *content;
    int fd;                /* owned from here */
    uint32_t chunk_bytes;  /* a multiple of 4 KiB in 4 KiB..1 MiB */
    const char *label;     /* cut to what an object record holds */
    uint32_t window_bytes; /* in flight at most; 0: ARO_PUT_WINDOW_BYTES */
    uint64_t stream_bytes; /* how long a stream is going to be; 0: unknown */
    bool deferred;         /* stays in memory until it is asked for again (control/admission.h) */
    /* A chunk can be fetched from now on (the object is not there yet). Not in order. May be NULL.
     */
    void (*published)(void *arg, uint64_t number, const struct aro_id *id, uint32_t len_bytes);
    void *arg;
};

struct aro_put_result {
    struct aro_object object;
    uint64_t new_bytes; /* that the store or memory had not yet, manifests included */
    bool durable;
};

/*
 * NULL with *error; fd is closed then. 6022, 6012, 6005; 6026: a store that recycles can never hold
 * so much, and nothing is to give way for it.
 */
struct aro_put *aro_put_create(const struct aro_put_config *config, struct aro_error *error);
/* Only after aro_put_turn said so. Takes NULL. */
void aro_put_destroy(struct aro_put *put);

/* One turn: ms until the next one (0: at once), or -1: over (aro_put_result tells how). */
int aro_put_turn(struct aro_put *put, uint64_t now_ns);
void aro_put_cancel(struct aro_put *put);
/* The source turned out bad: the put fails with this error, unless it had ended. */
void aro_put_abort(struct aro_put *put, const struct aro_error *error);

/* Bytes hashed so far; bytes in all, 0: unknown (a pipe). */
uint64_t aro_put_done_bytes(const struct aro_put *put);
uint64_t aro_put_total_bytes(const struct aro_put *put);
/* After the end: 0 and *ret, or -1 and *error. */
int aro_put_result(const struct aro_put *put, struct aro_put_result *ret, struct aro_error *error);

#endif

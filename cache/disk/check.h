/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is the store sound? Two depths, one machine:
 *
 *   structure   files, tables and index against each other (walk.h); quick, reads only tables
 *   scrub       the same, and every payload with its checksum; what disagrees is quarantined
 *
 * Runs in turns beside everything else that the store does, or alone over a store that was opened
 * read-only; then nothing is quarantined. Writer thread.
 */
#ifndef ARO_CACHE_DISK_CHECK_H
#define ARO_CACHE_DISK_CHECK_H

#include "cache/disk/walk.h"

struct aro_check;

struct aro_check_config {
    struct aro_store *store; /* its index is whole */
    bool payloads;
    /* Once for every problem, from inside aro_check_turn. */
    void (*report)(void *arg, const struct aro_walk_item *item, bool quarantined);
    void *arg;
};

struct aro_check_stats {
    uint64_t segments;
    uint64_t chunks;
    uint64_t bytes; /* of payloads read */
    uint64_t problems;
};

struct aro_check *aro_check_create(const struct aro_check_config *config); /* NULL: no memory */
void aro_check_destroy(struct aro_check *check); /* nothing in flight; takes NULL */

enum aro_check_state {
    ARO_CHECK_MORE,  /* call again at once */
    ARO_CHECK_WAITS, /* call again when the ring has turned */
    ARO_CHECK_OVER,
};

/* A bounded turn. bytes_max: payload reads that this turn may start (one more is rounded up). */
enum aro_check_state aro_check_turn(struct aro_check *check, uint64_t bytes_max);
/* Starts nothing new: turns then come to OVER. */
void aro_check_stop(struct aro_check *check);
void aro_check_stats(const struct aro_check *check, struct aro_check_stats *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one place that decides what becomes of a request.
 *
 * Works on the requests of one receive burst in stages: judge all (protocol, token), find all
 * (one prefetched burst into the index), answer all. Every request leaves exactly one mark in the
 * counters: answered (by its job, later), refused, challenged, or a drop reason.
 */
#ifndef ARO_DATAPLANE_SERVE_H
#define ARO_DATAPLANE_SERVE_H

#include "dataplane/net/net.h"
#include "dataplane/proto/codec.h"

struct aro_lcore;
struct aro_queue;

struct aro_request {
    struct aro_frame frame;
    struct aro_get get;
    bool refresh;   /* a fresh token follows the answer */
    uint8_t slices; /* what it is charged for; of a miss the most that it may bring */
};

/* requests[0..n) came by queue in one burst, n <= ARO_BURST_MAX. Takes their packets. */
void aro_serve_burst(struct aro_lcore *lcore, struct aro_queue *queue, struct aro_request *requests,
                     unsigned n);

/* Counts a STATUS under its code. */
void aro_serve_count_status(struct aro_lcore *lcore, enum aro_status code);

#endif

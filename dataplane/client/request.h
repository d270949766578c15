/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests under way, found by their echo.
 *
 * An echo is 54 random bits and the request's place in the table, so finding it is one compare and
 * nobody off the path can guess one. A request that ended stays readable until its place is needed
 * again: an answer that comes late is still recognised. Live requests form a list from the least to
 * the most recently active one, which is also the order of their deadlines.
 * One owner; no heap.
 */
#ifndef ARO_DATAPLANE_CLIENT_REQUEST_H
#define ARO_DATAPLANE_CLIENT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARO_REQUESTS_MAX = 1024, /* a power of two */
    ARO_REQUEST_NONE = 0xffff,
};

struct aro_request {
    uint64_t echo;        /* 0: never used */
    uint64_t wanted;      /* mask as sent */
    uint64_t outstanding; /* of it, neither come nor given up */
    uint64_t sent_us;
    uint64_t active_us;    /* sent, or last slice */
    uint64_t arrival_mark; /* the engine's count of slices at that time */
    uint32_t download;     /* place and serial number of the download */
    uint32_t serial;
    uint32_t transfer; /* slot and its generation */
    uint32_t generation;
    uint32_t token_serial; /* which token it carried; 0: none */
    uint16_t first;
    uint16_t slice_bytes;
    uint16_t before, after; /* in the live list */
    bool live;
    bool answered; /* at least one DATA came */
    bool silenced; /* given up because nothing at all came back */
};

struct aro_requests {
    struct aro_request entries[ARO_REQUESTS_MAX];
    uint16_t oldest, newest; /* live list */
    uint16_t cursor;         /* next place to try */
    uint32_t live;
};

void aro_requests_init(struct aro_requests *requests);

/* A fresh live request with the echo made of random, or NULL when all places are live. */
struct aro_request *aro_requests_open(struct aro_requests *requests, uint64_t random,
                                      uint64_t now_us);
/* Leaves the live list; stays findable. */
void aro_requests_close(struct aro_requests *requests, struct aro_request *request);
/* Becomes the most recently active one. */
void aro_requests_touch(struct aro_requests *requests, struct aro_request *request,
                        uint64_t now_us);

/* The request that carries this echo, live or ended, or NULL. */
static inline struct aro_request *aro_requests_find(struct aro_requests *requests, uint64_t echo)
{
    struct aro_request *request = &requests->entries[echo % ARO_REQUESTS_MAX];
    return request->echo == echo && echo != 0 ? request : NULL;
}

/* The least recently active live request, or NULL. */
static inline struct aro_request *aro_requests_oldest(struct aro_requests *requests)
{
    return requests->oldest == ARO_REQUEST_NONE ? NULL : &requests->entries[requests->oldest];
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs: requests that were accepted, from acceptance until the last packet was freed.
 *
 *   FREE -> WAITING (its chunk is being read) -> ACTIVE (slices left to send)
 *        -> DRAINING (all sent, a port still holds packets that point into the chunk) -> FREE
 *
 * A job pins its chunk for all of that time, with the pin slot of its own number. Active jobs are
 * served round robin, at most ARO_TURN_SLICES_JOB slices a turn: one request may ask for 64, and a
 * table full of them must not starve anybody.
 *
 * lcore only, except that any thread may free a packet: then it counts in freed_elsewhere.
 */
#ifndef ARO_DATAPLANE_JOBS_H
#define ARO_DATAPLANE_JOBS_H

#include <stdalign.h>
#include <stdatomic.h>

#include "cache/cache.h"
#include "dataplane/proto/wire.h"

struct aro_lcore;
struct aro_queue;

enum {
    ARO_TURN_SLICES_JOB = 16, /* of one job per turn */
    ARO_TURN_SLICES = 128,    /* of all jobs per turn */
    ARO_HEADER_ROOM = 96,     /* Ethernet 14 + IPv6 40 + UDP 8 + DATA 24 = 86 */
};

enum aro_job_state {
    ARO_JOB_FREE = 0,
    ARO_JOB_WAITING,
    ARO_JOB_ACTIVE,
    ARO_JOB_DRAINING,
};

struct aro_job {
    /* what sending a slice touches */
    alignas(64) struct aro_entry *entry; /* pinned while not FREE */
    struct aro_queue *queue;             /* it came by and goes back by */
    const uint16_t *sums;                /* prefix sums of the chunk */
    uint64_t mask;                       /* slices still to send, from first */
    uint32_t udp_sum; /* one's-complement sum of what is the same in every slice of this turn */
    uint16_t first;
    uint16_t slice_bytes;
    uint8_t header_bytes; /* of header in use: 66 or 86 */
    uint8_t family;
    uint8_t tier; /* enum aro_tier */
    uint8_t state;
    uint16_t lcore_id;
    uint8_t slices;                   /* of the whole answer, once ACTIVE */
    uint32_t handed_out;              /* packets made that point into the chunk */
    uint32_t freed_here;              /* of these, freed by this lcore */
    _Atomic uint32_t freed_elsewhere; /* ... by other threads */

    alignas(64) uint8_t header[ARO_HEADER_ROOM]; /* as it stands before a full slice */

    /* waiting */
    uint64_t arrival_tsc;
    uint64_t deadline_tsc;
    uint32_t number;       /* in the table = pin slot */
    uint32_t chain;        /* next waiter of the same bucket */
    uint32_t older, newer; /* waiters by age */
    uint16_t share;        /* who waits: cell of pending.h's waiter_shares */
};

/* A bounded FIFO of job numbers. */
struct aro_job_queue {
    uint32_t *slot;
    uint32_t mask;
    uint32_t head, tail; /* tail - head jobs wait */
};

struct aro_jobs {
    struct aro_job *job;
    uint32_t capacity;
    uint32_t *free_number; /* stack */
    uint32_t free_count;
    struct aro_job_queue active;
    struct aro_job_queue draining;
};

/* 0 or -ENOMEM. Control thread, before the launch; socket: NUMA node of the memory. */
int aro_jobs_init(struct aro_jobs *jobs, uint32_t capacity, uint16_t lcore_id, int socket);
void aro_jobs_free(struct aro_jobs *jobs);

/* A free job pinned to entry, or NULL when the table is full. */
struct aro_job *aro_job_take(struct aro_lcore *lcore, struct aro_entry *entry);
/* Every packet of it is freed (or none was made): unpins, FREE. */
void aro_job_release(struct aro_lcore *lcore, struct aro_job *job);

/* Its chunk is RESIDENT: clips the mask to the chunk. 0, or -EINVAL: first slice beyond it. */
int aro_job_activate(struct aro_lcore *lcore, struct aro_job *job);

/* Sends slices of active jobs while the ports have room; returns how many. */
unsigned aro_jobs_send(struct aro_lcore *lcore);
/* Frees jobs whose packets came back; returns how many. Looks at a bounded number. */
unsigned aro_jobs_reap(struct aro_lcore *lcore);

/*
 * At the end of an lcore's life: gives up what is active and counts it as partial. The ports are
 * asked for their packets before; chunk memory outlives what they may still hold.
 */
void aro_jobs_give_up(struct aro_lcore *lcore);

static inline uint32_t aro_job_queue_count(const struct aro_job_queue *queue)
{
    return queue->tail - queue->head;
}

#endif

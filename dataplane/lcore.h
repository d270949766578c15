/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything one lcore owns. There is no other state on the packet path and no global.
 *
 * The lcore writes all of it; others read counters and gauges (a value may lag by a turn), push
 * into the mailbox, raise `stop`. Fields tagged "constant" are set before the launch.
 *
 * A request's road, one file a step: rx -> net -> guard -> serve -> jobs (answers under way) or
 * pending (waits for a read) -> reply, extbuf -> tx.
 */
#ifndef ARO_DATAPLANE_LCORE_H
#define ARO_DATAPLANE_LCORE_H

#include <stdatomic.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "cache/cache.h"
#include "cache/disk/readers.h"
#include "cache/top.h"
#include "dataplane/guard.h"
#include "dataplane/jobs.h"
#include "dataplane/pending.h"
#include "dataplane/port.h"
#include "dataplane/sample.h"

enum {
    ARO_QUEUES_MAX = ARO_PORTS_MAX, /* of one lcore: one per port */
    ARO_BURST_MAX = 64,
    ARO_TX_BUFFER = 512, /* packets waiting for one queue */
};

/* One receive/transmit queue pair. */
struct aro_queue {
    const struct aro_port *port; /* constant */
    uint16_t queue;              /* constant: number at the port */
    uint16_t tx_count;           /* packets in tx */
    int wait_fd;                 /* constant: readable while packets wait; -1: none */
    struct rte_mbuf *tx[ARO_TX_BUFFER];
};

struct aro_dataplane;

struct aro_lcore {
    /* clock and loop */
    alignas(64) uint64_t now_tsc; /* read once per turn */
    uint64_t tsc_per_us;          /* constant */
    struct aro_reader *reader;
    struct aro_disk_readers *disk; /* NULL: no store, or io_uring refused */
    const struct aro_cache *cache; /* constant */
    struct aro_disks *disks;       /* constant; NULL: memory only */
    unsigned index;                /* constant: 0.. within the data plane */
    unsigned queues;               /* constant */
    uint32_t idle_turns;           /* since the last work, as far as polling goes */
    uint32_t idle_rests;           /* since then */
    uint64_t idle_from_tsc;
    uint32_t idle_sleep_us_max; /* constant */
    uint32_t poll_disks;        /* constant: a bit for each disk whose device allows it */
    bool idle_poll;             /* constant: never sleep */
    bool idle_woken;            /* by a descriptor, and no packet came yet */
    bool idle_waits;            /* constant: every queue has a descriptor to wait on */
    uint32_t sample_left;       /* requests to the next sample; 0: sampling is off */
    uint32_t top_left;          /* requests to the next that counts for the top chunks */

    struct aro_counters counters;
    struct aro_guard guard;
    struct aro_jobs jobs;
    struct aro_pending pending;

    struct rte_mempool *frames;  /* constant: receive; small answers reuse the request's */
    struct rte_mempool *headers; /* constant: headers of zero-copy slices, STATUS of waiters */
    struct rte_mempool *slices;  /* constant: external buffers, no room of their own */
    struct rte_mempool *copies;  /* constant: whole frames, where a port takes no chains; or NULL */

    struct aro_sampler sampler;
    struct aro_top top;
    struct aro_queue queue[ARO_QUEUES_MAX];

    /* shared with others */
    alignas(64) _Atomic bool stop; /* control writes */
    _Atomic bool region_present;   /* control writes: chunk memory has its pages */
    bool region_registered;        /* lcore writes */
    _Atomic bool running;          /* lcore writes */
    _Atomic uint32_t jobs_now;     /* gauges, lcore writes */
    _Atomic uint32_t draining_now;
    _Atomic uint32_t pending_now;
    _Atomic uint32_t reads_now;
    struct rte_ring *mailbox;        /* entries that others settled, for our waiters */
    struct aro_dataplane *dataplane; /* constant: peers' mailboxes, the bell */
    unsigned lcore_id;               /* constant: EAL's */
    void *region;                    /* constant: chunk memory, for the disk ring to register */
    size_t region_bytes;
    uint64_t bell_tsc; /* last time control was woken */
    int cpu;
};

/* The body of an lcore: open, turns until stop, close. arg: struct aro_lcore. */
int aro_lcore_main(void *arg);
/* Its parts, all on one thread. close gives up what is under way and counts it as partial. */
void aro_lcore_open(struct aro_lcore *lcore);
void aro_lcore_turn(struct aro_lcore *lcore);
void aro_lcore_close(struct aro_lcore *lcore);

/* Wakes control when the cache wants it (at most once per millisecond: it is a system call). */
void aro_bell_ring(struct aro_lcore *lcore);
/* Tells control that the bytes at place were wrong. Lost when its ring is full; counted there. */
void aro_quarantine_send(struct aro_lcore *lcore, const struct aro_id *id,
                         const struct aro_place *place);
/* Tells the lcores of the bits in waiters that entry is settled. */
void aro_mail_send(struct aro_lcore *lcore, uint64_t waiters, struct aro_entry *entry);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests whose chunk is not in memory: one disk read, however many wait for it.
 *
 * The first to miss reserves the entry (READING) and starts the read; everybody else - on this
 * lcore or another - joins by waiting on that entry. When the bytes are there and agree with their
 * checksum, the reader publishes and wakes its own waiters directly, the others' through their
 * mailbox. A waiter whose reader or disk stalls gives up at its deadline with RETRY_LATER; the read
 * keeps its memory until the disk answers, and who asks again joins it.
 *
 * One source cannot have all reads, nor all places among those that wait: dataplane/shares.h.
 *
 *   reads   this lcore's disk reads: FREE -> READ (in the ring) -> VERIFY (in steps) -> FREE
 *   waiters WAITING jobs, found by entry (hash) and by age (list)
 *
 * lcore only.
 */
#ifndef ARO_DATAPLANE_PENDING_H
#define ARO_DATAPLANE_PENDING_H

#include "cache/disk/reader.h"
#include "dataplane/jobs.h"
#include "dataplane/shares.h"

enum {
    ARO_PLACES_MAX = 4,             /* candidates for one id (equal fingerprints) */
    ARO_VERIFY_TURN_BYTES = 16384,  /* checksummed per loop turn */
    ARO_RETRY_SOON_US = 1000,       /* hint: out of memory or reads for the moment */
    ARO_RETRY_DEADLINE_US = 100000, /* hint: the disk is slow */
    ARO_RETRY_UNKNOWN_US = 20000,   /* hint: the store's index is being built */
};

struct aro_read {
    struct aro_entry *entry;
    struct aro_id id;
    struct aro_place place[ARO_PLACES_MAX];
    uint8_t places, at;
    uint16_t share; /* who asked first: cell of read_shares */
    struct aro_verify verify;
};

struct aro_pending {
    struct aro_read *read;
    uint32_t *free_read; /* stack */
    uint32_t free_reads;
    uint32_t reads_max;
    uint32_t *verifying; /* FIFO of reads */
    uint32_t verify_head, verify_tail, verify_mask;

    uint32_t *bucket; /* first waiter by entry; ARO_NO_JOB: none */
    uint32_t bucket_mask;
    uint32_t oldest, newest; /* waiters by age */
    uint32_t waiting, waiting_max;
    uint64_t deadline_tsc; /* longest wait */

    struct aro_shares read_shares, waiter_shares;
};

#define ARO_NO_JOB UINT32_MAX

/* What became of a request. */
enum aro_miss {
    ARO_MISS_WAITING, /* job waits (or is already active) */
    ARO_MISS_ABSENT,  /* nowhere here */
    ARO_MISS_UNKNOWN, /* not found, but the store does not know yet all it has */
    ARO_MISS_RETRY,   /* no memory or no read at hand */
    ARO_MISS_BUSY,    /* no job at hand */
    ARO_MISS_BEYOND,  /* the chunk is here, the first slice is beyond it */
};

struct aro_frame;
struct aro_get;

int aro_pending_init(struct aro_pending *pending, uint32_t reads, uint32_t waiting,
                     uint64_t deadline_tsc, uint64_t seed, int socket);
void aro_pending_free(struct aro_pending *pending);

/* Serves a request whose chunk find did not return: starts a read or says why not. */
enum aro_miss aro_pending_miss(struct aro_lcore *lcore, struct aro_queue *queue,
                               const struct aro_frame *frame, const struct aro_get *get);
/* Joins the READING entry. */
enum aro_miss aro_pending_join(struct aro_lcore *lcore, struct aro_queue *queue,
                               const struct aro_frame *frame, const struct aro_get *get,
                               struct aro_entry *entry);

/* Finished reads go on to verification, verified ones are published. Returns how many moved. */
unsigned aro_reads_reap(struct aro_lcore *lcore);
unsigned aro_reads_verify(struct aro_lcore *lcore);
/* Entries that other lcores settled. */
unsigned aro_mailbox_take(struct aro_lcore *lcore);
/* Gives up what waited too long. */
unsigned aro_pending_expire(struct aro_lcore *lcore);

/* At the end of an lcore's life: lets its reads finish, gives up who waits for others'. */
void aro_pending_stop(struct aro_lcore *lcore);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/pending.h"

#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/lcore.h"
#include "dataplane/reply.h"
#include "dataplane/serve.h"
#include "dataplane/tx.h"

int aro_pending_init(struct aro_pending *pending, uint32_t reads, uint32_t waiting,
                     uint64_t deadline_tsc, uint64_t seed, int socket)
{
    uint32_t slots = rte_align32pow2(reads);
    uint32_t buckets = rte_align32pow2(waiting);

    pending->read = rte_zmalloc_socket("reads", reads * sizeof(*pending->read), 64, socket);
    pending->free_read = rte_malloc_socket("free reads", reads * sizeof(uint32_t), 64, socket);
    pending->verifying = rte_malloc_socket("verifying", slots * sizeof(uint32_t), 64, socket);
    pending->bucket = rte_malloc_socket("waiters", buckets * sizeof(uint32_t), 64, socket);
    if (pending->read == NULL || pending->free_read == NULL || pending->verifying == NULL ||
        pending->bucket == NULL) {
        aro_pending_free(pending);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < reads; i++)
        pending->free_read[i] = reads - 1 - i;
    memset(pending->bucket, 0xff, buckets * sizeof(uint32_t));
    pending->reads_max = pending->free_reads = reads;
    pending->verify_mask = slots - 1;
    pending->bucket_mask = buckets - 1;
    pending->oldest = pending->newest = ARO_NO_JOB;
    pending->waiting_max = waiting;
    pending->deadline_tsc = deadline_tsc;
    aro_shares_init(&pending->read_shares, reads, seed);
    aro_shares_init(&pending->waiter_shares, waiting, seed);
    return 0;
}

void aro_pending_free(struct aro_pending *pending)
{
    rte_free(pending->read);
    rte_free(pending->free_read);
    rte_free(pending->verifying);
    rte_free(pending->bucket);
    memset(pending, 0, sizeof(*pending));
}

static uint32_t *bucket_of(struct aro_pending *pending, const struct aro_entry *entry)
{
    uint64_t hash = ((uintptr_t)entry >> 6) * 0x9e3779b97f4a7c15ull; /* golden ratio */

    return &pending->bucket[(hash >> 32) & pending->bucket_mask];
}

static void waiter_add(struct aro_lcore *lcore, struct aro_job *job)
{
    struct aro_pending *pending = &lcore->pending;
    uint32_t *bucket = bucket_of(pending, job->entry);

    job->state = ARO_JOB_WAITING;
    job->deadline_tsc = lcore->now_tsc + pending->deadline_tsc;
    job->chain = *bucket;
    *bucket = job->number;
    job->older = pending->newest;
    job->newer = ARO_NO_JOB;
    if (pending->newest != ARO_NO_JOB)
        lcore->jobs.job[pending->newest].newer = job->number;
    else
        pending->oldest = job->number;
    pending->newest = job->number;
    pending->waiting++;
    pending->waiter_shares.held[job->share]++;
}

static void waiter_remove(struct aro_lcore *lcore, struct aro_job *job)
{
    struct aro_pending *pending = &lcore->pending;
    uint32_t *link = bucket_of(pending, job->entry);

    while (*link != job->number)
        link = &lcore->jobs.job[*link].chain;
    *link = job->chain;
    *(job->older != ARO_NO_JOB ? &lcore->jobs.job[job->older].newer : &pending->oldest) =
        job->newer;
    *(job->newer != ARO_NO_JOB ? &lcore->jobs.job[job->newer].older : &pending->newest) =
        job->older;
    pending->waiting--;
    pending->waiter_shares.held[job->share]--;
}

/* The job ends with a STATUS instead of slices. */
static void job_refuse(struct aro_lcore *lcore, struct aro_job *job, enum aro_status code,
                       uint32_t retry_after_us, uint32_t detail)
{
    struct aro_status_msg status = {
        .code = (uint8_t)code,
        .retry_after_us = retry_after_us,
        .residence_us = (uint32_t)((lcore->now_tsc - job->arrival_tsc) / lcore->tsc_per_us),
        .detail = detail,
    };
    struct rte_mbuf *packet = NULL;

    if (aro_tx_room(job->queue) != 0)
        packet = aro_reply_job_status(lcore, job, &status);
    if (packet != NULL) {
        aro_tx_push(job->queue, packet);
        aro_serve_count_status(lcore, code);
        lcore->counters.refused++;
    } else {
        lcore->counters.drop[ARO_DROP_request_no_memory]++;
    }
    if (aro_sample_due(&lcore->sample_left))
        aro_sample_job(lcore, job, ARO_OUTCOME_REFUSED, (uint8_t)code);
    aro_job_release(lcore, job);
}

/* Its entry is settled, one way or the other. */
static void waiter_wake(struct aro_lcore *lcore, struct aro_job *job, enum aro_entry_state state)
{
    waiter_remove(lcore, job);
    job->tier = ARO_TIER_DISK;
    if (state != ARO_ENTRY_RESIDENT)
        job_refuse(lcore, job, ARO_STATUS_RETRY_LATER, ARO_RETRY_SOON_US, 0);
    else if (aro_job_activate(lcore, job) != 0)
        job_refuse(lcore, job, ARO_STATUS_BAD_REQUEST, 0, ARO_BAD_FIRST_SLICE);
}

static unsigned waiters_wake(struct aro_lcore *lcore, struct aro_entry *entry,
                             enum aro_entry_state state)
{
    uint32_t number = *bucket_of(&lcore->pending, entry);
    unsigned woken = 0;

    while (number != ARO_NO_JOB) {
        struct aro_job *job = &lcore->jobs.job[number];
        number = job->chain;
        if (job->entry != entry)
            continue;
        waiter_wake(lcore, job, state);
        woken++;
    }
    return woken;
}

enum aro_miss aro_pending_join(struct aro_lcore *lcore, struct aro_queue *queue,
                               const struct aro_frame *frame, const struct aro_get *get,
                               struct aro_entry *entry)
{
    const struct aro_pending *pending = &lcore->pending;
    uint16_t share = aro_shares_cell(&pending->waiter_shares, aro_guard_net(frame->peer.address));
    enum aro_entry_state state;
    struct aro_job *job;

    if (!aro_share_is_open(&pending->waiter_shares, share,
                           pending->waiting_max - pending->waiting)) {
        lcore->counters.misses_over_share += pending->waiting < pending->waiting_max;
        return ARO_MISS_BUSY;
    }
    job = aro_job_take(lcore, entry);
    if (job == NULL)
        return ARO_MISS_BUSY;
    job->queue = queue;
    job->tier = ARO_TIER_DISK;
    job->share = share;
    aro_reply_prepare(job, frame, get);
    state = aro_cache_wait(lcore->reader, entry);
    if (state == ARO_ENTRY_READING) {
        waiter_add(lcore, job);
        return ARO_MISS_WAITING;
    }
    if (state == ARO_ENTRY_RESIDENT && aro_job_activate(lcore, job) == 0)
        return ARO_MISS_WAITING;
    aro_job_release(lcore, job);
    return state == ARO_ENTRY_RESIDENT ? ARO_MISS_BEYOND : ARO_MISS_RETRY;
}

/* Collects where the chunk may be; returns how many places, and the largest length. */
static unsigned places_find(const struct aro_disks *disks, const struct aro_id *id,
                            struct aro_place place[ARO_PLACES_MAX], uint32_t *ret_len_bytes)
{
    struct aro_disk_cursor at = {0};
    unsigned n = 0;

    *ret_len_bytes = 0;
    while (n < ARO_PLACES_MAX && aro_disks_find(disks, id, &at, &place[n]) == 0) {
        *ret_len_bytes = RTE_MAX(*ret_len_bytes, place[n].len_bytes);
        n++;
    }
    return n;
}

static int read_start(struct aro_lcore *lcore, struct aro_read *read)
{
    const struct aro_place *place = &read->place[read->at];
    uint32_t number = (uint32_t)(read - lcore->pending.read);
    int error = aro_disk_readers_read(lcore->disk, place, read->entry->data, number);

    if (error == 0) {
        lcore->counters.disk_reads++;
        lcore->counters.disk_read_bytes += RTE_ALIGN(place->len_bytes, ARO_CHUNK_ALIGN);
    }
    return error;
}

static void read_end(struct aro_lcore *lcore, struct aro_read *read)
{
    struct aro_pending *pending = &lcore->pending;

    pending->read_shares.held[read->share]--;
    pending->free_read[pending->free_reads++] = (uint32_t)(read - pending->read);
}

/* Tells everybody who waits for the entry. */
static void read_settle(struct aro_lcore *lcore, struct aro_read *read, enum aro_entry_state state)
{
    struct aro_entry *entry = read->entry;
    uint64_t waiters = state == ARO_ENTRY_RESIDENT ? aro_cache_publish(lcore->reader, entry)
                                                   : aro_cache_abandon(lcore->reader, entry);

    read_end(lcore, read);
    waiters_wake(lcore, entry, state);
    waiters &= ~(1ull << aro_reader_index(lcore->reader));
    if (waiters != 0)
        aro_mail_send(lcore, waiters, entry);
}

enum aro_miss aro_pending_miss(struct aro_lcore *lcore, struct aro_queue *queue,
                               const struct aro_frame *frame, const struct aro_get *get)
{
    struct aro_pending *pending = &lcore->pending;
    struct aro_place place[ARO_PLACES_MAX];
    struct aro_entry *entry;
    struct aro_read *read;
    uint32_t len_bytes;
    unsigned places;
    uint16_t share;
    enum aro_miss miss;
    bool whole;
    int error;

    if (lcore->disk == NULL)
        return ARO_MISS_ABSENT;
    whole = aro_disks_are_whole(lcore->disks); /* first: the chunk may come in while we look */
    places = places_find(lcore->disks, &get->id, place, &len_bytes);
    if (places == 0)
        return whole ? ARO_MISS_ABSENT : ARO_MISS_UNKNOWN;
    share = aro_shares_cell(&pending->read_shares, aro_guard_net(frame->peer.address));
    if (!aro_share_is_open(&pending->read_shares, share, pending->free_reads)) {
        lcore->counters.misses_over_share += pending->free_reads > 0;
        lcore->counters.misses_shed++;
        return ARO_MISS_RETRY;
    }
    error = aro_cache_reserve(lcore->reader, &get->id, len_bytes, &entry);
    if (error == -EALREADY) {
        lcore->counters.misses_joined++;
        return aro_pending_join(lcore, queue, frame, get, entry);
    }
    if (error != 0) {
        lcore->counters.stock_empty++;
        lcore->counters.misses_shed++;
        return ARO_MISS_RETRY;
    }
    read = &pending->read[pending->free_read[--pending->free_reads]];
    read->entry = entry;
    read->id = get->id;
    read->share = share;
    pending->read_shares.held[share]++;
    memcpy(read->place, place, sizeof(place));
    read->places = (uint8_t)places;
    read->at = 0;
    miss = aro_pending_join(lcore, queue, frame, get, entry);
    if (miss != ARO_MISS_WAITING || read_start(lcore, read) != 0) {
        /* nobody waits, or the ring is full: whoever joined meanwhile asks again */
        read_settle(lcore, read, ARO_ENTRY_GONE);
        lcore->counters.misses_shed++;
        return miss;
    }
    lcore->counters.misses_disk++;
    return ARO_MISS_WAITING;
}

/* This place did not have the chunk: try the next one, or give up. */
static void read_fail(struct aro_lcore *lcore, struct aro_read *read)
{
    while (++read->at < read->places)
        if (read_start(lcore, read) == 0)
            return;
    read_settle(lcore, read, ARO_ENTRY_GONE);
}

unsigned aro_reads_reap(struct aro_lcore *lcore)
{
    struct aro_pending *pending = &lcore->pending;
    struct aro_disk_done done[ARO_BURST_MAX];
    unsigned n;

    if (pending->free_reads == pending->reads_max)
        return 0;
    n = aro_disk_readers_reap_burst(lcore->disk, done, ARO_BURST_MAX);
    for (unsigned i = 0; i < n; i++) {
        struct aro_read *read = &pending->read[done[i].cookie];
        const struct aro_place *place = &read->place[read->at];
        if (done[i].result != 0) {
            lcore->counters.disk_errors++;
            read_fail(lcore, read);
            continue;
        }
        read->entry->len_bytes = place->len_bytes;
        aro_verify_begin(&read->verify, &read->id, place, read->entry->data,
                         aro_cache_sums(lcore->cache, read->entry));
        pending->verifying[pending->verify_tail++ & pending->verify_mask] =
            (uint32_t)done[i].cookie;
    }
    return n;
}

unsigned aro_reads_verify(struct aro_lcore *lcore)
{
    struct aro_pending *pending = &lcore->pending;
    struct aro_read *read;
    int state;

    if (pending->verify_head == pending->verify_tail)
        return 0;
    read = &pending->read[pending->verifying[pending->verify_head & pending->verify_mask]];
    state = aro_verify_step(&read->verify, ARO_VERIFY_TURN_BYTES);
    if (state == 1)
        return 1;
    pending->verify_head++;
    if (state == 0) {
        read_settle(lcore, read, ARO_ENTRY_RESIDENT);
    } else {
        lcore->counters.disk_mismatches++;
        aro_quarantine_send(lcore, &read->id, &read->place[read->at]);
        read_fail(lcore, read);
    }
    return 1;
}

unsigned aro_mailbox_take(struct aro_lcore *lcore)
{
    void *entries[ARO_BURST_MAX];
    unsigned n = rte_ring_sc_dequeue_burst(lcore->mailbox, entries, ARO_BURST_MAX, NULL);

    for (unsigned i = 0; i < n; i++) {
        struct aro_entry *entry = entries[i];
        /*
         * Our waiters pin the entry. Without one (they expired) the memory may be something else by
         * now, even a chunk that others of our jobs wait for: so believe its state, not the letter.
         */
        enum aro_entry_state state = aro_entry_state(entry);
        if (state != ARO_ENTRY_READING)
            waiters_wake(lcore, entry, state);
    }
    return n;
}

unsigned aro_pending_expire(struct aro_lcore *lcore)
{
    struct aro_pending *pending = &lcore->pending;
    unsigned expired = 0;

    while (pending->oldest != ARO_NO_JOB && expired < ARO_BURST_MAX) {
        struct aro_job *job = &lcore->jobs.job[pending->oldest];
        if (job->deadline_tsc > lcore->now_tsc)
            break;
        waiter_remove(lcore, job);
        lcore->counters.pending_expired++;
        job_refuse(lcore, job, ARO_STATUS_RETRY_LATER, ARO_RETRY_DEADLINE_US, 0);
        expired++;
    }
    return expired;
}

void aro_pending_stop(struct aro_lcore *lcore)
{
    struct aro_pending *pending = &lcore->pending;

    while (pending->free_reads != pending->reads_max) {
        lcore->now_tsc = rte_rdtsc();
        aro_disk_readers_submit(lcore->disk);
        aro_reads_reap(lcore);
        aro_reads_verify(lcore);
        aro_cache_quiescent(lcore->reader);
    }
    while (pending->oldest != ARO_NO_JOB) { /* they wait for another lcore's read */
        struct aro_job *job = &lcore->jobs.job[pending->oldest];
        waiter_remove(lcore, job);
        lcore->counters.partial++;
        aro_job_release(lcore, job);
    }
}

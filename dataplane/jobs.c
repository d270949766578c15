/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/jobs.h"

#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/lcore.h"
#include "dataplane/proto/codec.h"
#include "dataplane/reply.h"
#include "dataplane/tx.h"

enum { REAP_MAX = 32 /* draining jobs looked at per turn */ };

static int queue_init(struct aro_job_queue *queue, uint32_t capacity, int socket)
{
    uint32_t slots = rte_align32pow2(capacity);

    queue->slot = rte_zmalloc_socket("job queue", slots * sizeof(*queue->slot), 64, socket);
    queue->mask = slots - 1;
    queue->head = queue->tail = 0;
    return queue->slot == NULL ? -ENOMEM : 0;
}

/* Never full: it has a slot for every job. */
static void queue_push(struct aro_job_queue *queue, const struct aro_job *job)
{
    queue->slot[queue->tail++ & queue->mask] = job->number;
}

static struct aro_job *queue_pop(struct aro_jobs *jobs, struct aro_job_queue *queue)
{
    return &jobs->job[queue->slot[queue->head++ & queue->mask]];
}

int aro_jobs_init(struct aro_jobs *jobs, uint32_t capacity, uint16_t lcore_id, int socket)
{
    jobs->capacity = capacity;
    jobs->job = rte_zmalloc_socket("jobs", capacity * sizeof(*jobs->job), 64, socket);
    jobs->free_number =
        rte_malloc_socket("free jobs", capacity * sizeof(*jobs->free_number), 64, socket);
    if (jobs->job == NULL || jobs->free_number == NULL ||
        queue_init(&jobs->active, capacity, socket) != 0 ||
        queue_init(&jobs->draining, capacity, socket) != 0) {
        aro_jobs_free(jobs);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < capacity; i++) {
        jobs->job[i].number = i;
        jobs->job[i].lcore_id = lcore_id;
        jobs->free_number[i] = capacity - 1 - i;
    }
    jobs->free_count = capacity;
    return 0;
}

void aro_jobs_free(struct aro_jobs *jobs)
{
    rte_free(jobs->job);
    rte_free(jobs->free_number);
    rte_free(jobs->active.slot);
    rte_free(jobs->draining.slot);
    memset(jobs, 0, sizeof(*jobs));
}

struct aro_job *aro_job_take(struct aro_lcore *lcore, struct aro_entry *entry)
{
    struct aro_jobs *jobs = &lcore->jobs;
    struct aro_job *job;

    if (jobs->free_count == 0)
        return NULL;
    job = &jobs->job[jobs->free_number[--jobs->free_count]];
    job->entry = entry;
    job->sums = aro_cache_sums(lcore->cache, entry);
    job->handed_out = 0;
    job->freed_here = 0;
    atomic_store_explicit(&job->freed_elsewhere, 0, memory_order_relaxed);
    job->arrival_tsc = lcore->now_tsc;
    aro_cache_pin(lcore->reader, job->number, entry);
    return job;
}

void aro_job_release(struct aro_lcore *lcore, struct aro_job *job)
{
    aro_cache_unpin(lcore->reader, job->number);
    job->entry = NULL;
    job->state = ARO_JOB_FREE;
    lcore->jobs.free_number[lcore->jobs.free_count++] = job->number;
}

int aro_job_activate(struct aro_lcore *lcore, struct aro_job *job)
{
    uint32_t slices = aro_slices(job->entry->len_bytes, job->slice_bytes);

    if (job->first >= slices)
        return -EINVAL;
    if (slices - job->first < ARO_MASK_SLICES)
        job->mask &= (1ull << (slices - job->first)) - 1;
    if (job->mask == 0)
        return -EINVAL;
    job->slices = (uint8_t)__builtin_popcountll(job->mask);
    job->state = ARO_JOB_ACTIVE;
    aro_reply_chunk_known(job);
    queue_push(&lcore->jobs.active, job);
    return 0;
}

static void job_finish(struct aro_lcore *lcore, struct aro_job *job)
{
    lcore->counters.answered++;
    if (aro_sample_due(&lcore->sample_left))
        aro_sample_job(lcore, job,
                       job->tier == ARO_TIER_MEMORY ? ARO_OUTCOME_HIT : ARO_OUTCOME_MISS, 0);
    if (job->handed_out == 0) { /* every slice was copied */
        aro_job_release(lcore, job);
        return;
    }
    job->state = ARO_JOB_DRAINING;
    queue_push(&lcore->jobs.draining, job);
}

unsigned aro_jobs_send(struct aro_lcore *lcore)
{
    struct aro_jobs *jobs = &lcore->jobs;
    uint32_t turns = aro_job_queue_count(&jobs->active);
    unsigned sent_total = 0;

    while (turns-- != 0 && sent_total < ARO_TURN_SLICES) {
        struct aro_job *job = queue_pop(jobs, &jobs->active);
        unsigned sent = 0;
        if (aro_tx_room(job->queue) >= ARO_TURN_SLICES_JOB)
            sent = aro_reply_slices(lcore, job, ARO_TURN_SLICES_JOB);
        sent_total += sent;
        if (job->mask == 0)
            job_finish(lcore, job);
        else
            queue_push(&jobs->active, job);
    }
    return sent_total;
}

unsigned aro_jobs_reap(struct aro_lcore *lcore)
{
    struct aro_jobs *jobs = &lcore->jobs;
    uint32_t looks = RTE_MIN(aro_job_queue_count(&jobs->draining), (uint32_t)REAP_MAX);
    unsigned reaped = 0;

    while (looks-- != 0) {
        struct aro_job *job = queue_pop(jobs, &jobs->draining);
        /* acquire: whoever freed the packet elsewhere is done with the chunk's bytes */
        uint32_t freed =
            job->freed_here + atomic_load_explicit(&job->freed_elsewhere, memory_order_acquire);
        if (freed == job->handed_out) {
            aro_job_release(lcore, job);
            reaped++;
        } else {
            queue_push(&jobs->draining, job);
        }
    }
    return reaped;
}

void aro_jobs_give_up(struct aro_lcore *lcore)
{
    struct aro_jobs *jobs = &lcore->jobs;

    while (aro_job_queue_count(&jobs->active) != 0) {
        lcore->counters.partial++;
        aro_job_release(lcore, queue_pop(jobs, &jobs->active));
    }
    while (aro_job_queue_count(&jobs->draining) != 0)
        aro_job_release(lcore, queue_pop(jobs, &jobs->draining));
}

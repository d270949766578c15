/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long commands under way: put, verify, evict, stat. A job gets turns from the loop, reports
 * progress on its caller's connection a few times a second, and answers at its end. A caller that
 * goes away cancels its job.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_JOBS_H
#define ARO_CONTROL_JOBS_H

#include "control/loop.h"
#include "control/rpc.h"

struct aro_jobs;

/* Embed it. */
struct aro_job {
    /* One bounded turn, as a chore's. May end and free the job. */
    int (*turn)(struct aro_job *job, uint64_t now_ns);
    /* Asks it to end soon; it still answers through end or fail. Called once. */
    void (*cancel)(struct aro_job *job);
    uint64_t done, total; /* for people: bytes; total 0: unknown */
    /* the list's */
    struct aro_jobs *jobs;
    struct aro_call *call;
    unsigned number;
    bool cancelled;
    uint64_t started_ns, reported_ns;
};

struct aro_jobs *aro_jobs_create(struct aro_loop *loop); /* NULL with errno */
void aro_jobs_destroy(struct aro_jobs *jobs);            /* none under way; takes NULL */

/*
 * Takes over the call. turn and cancel are set. 0, or -1 with *error (6015, 6018) and the call
 * still the caller's.
 */
int aro_job_start(struct aro_jobs *jobs, struct aro_job *job, struct aro_call *call,
                  struct aro_error *error);
/* Answers and takes the job off the list; its memory is the caller's again. */
void aro_job_end(struct aro_job *job, json_t *result);
void aro_job_fail(struct aro_job *job, const struct aro_error *error);
/* The same with further members of "data": a new reference; NULL: none. */
void aro_job_fail_with(struct aro_job *job, const struct aro_error *error, json_t *data);

unsigned aro_jobs_now(const struct aro_jobs *jobs);
/* How many of the commands called name run. */
unsigned aro_jobs_named(const struct aro_jobs *jobs, const char *name);
/* Job by number; number 0: the i-th of those under way. NULL: none. */
struct aro_job *aro_jobs_find(struct aro_jobs *jobs, unsigned number);
struct aro_job *aro_jobs_at(struct aro_jobs *jobs, unsigned i);
void aro_job_cancel(struct aro_job *job);
/*
 * While it holds, jobs wait: they can be started, report, and be cancelled, but get no turns. The
 * index of the store is being built, and what they would see of it is not the whole.
 */
void aro_jobs_hold(struct aro_jobs *jobs, bool hold);
/* Cancels all and refuses new ones. */
void aro_jobs_stop(struct aro_jobs *jobs);

#endif

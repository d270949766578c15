/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/jobs.h"

#include <stdlib.h>
#include <string.h>

enum {
    REPORT_EVERY_NS = 200000000,
    HELD_MS = 20, /* until a job that waits looks again */
};

struct aro_jobs {
    struct aro_chore chore; /* first: the chore's turn gets it */
    struct aro_job *job[ARO_JOBS_MAX];
    unsigned last_number;
    bool stopping;
    bool held;
};

static void report(struct aro_job *job, uint64_t now_ns)
{
    if (now_ns - job->reported_ns < REPORT_EVERY_NS)
        return;
    job->reported_ns = now_ns;
    aro_call_progress(job->call, job->number, job->done, job->total);
}

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_jobs *jobs = (struct aro_jobs *)(void *)chore;
    int wish_ms = ARO_CHORE_IDLE_MS;

    for (unsigned i = 0; i < ARO_JOBS_MAX; i++) {
        struct aro_job *job = jobs->job[i];
        int job_ms;
        if (job == NULL)
            continue;
        if (job->call->client == NULL)
            aro_job_cancel(job);
        report(job, now_ns);
        job_ms = jobs->held && !job->cancelled ? HELD_MS : job->turn(job, now_ns);
        if (job_ms < wish_ms)
            wish_ms = job_ms;
    }
    return wish_ms;
}

struct aro_jobs *aro_jobs_create(struct aro_loop *loop)
{
    struct aro_jobs *jobs = calloc(1, sizeof(*jobs));

    if (jobs == NULL)
        return NULL;
    jobs->chore.turn = turn;
    aro_loop_chore(loop, &jobs->chore);
    return jobs;
}

void aro_jobs_destroy(struct aro_jobs *jobs)
{
    free(jobs);
}

int aro_job_start(struct aro_jobs *jobs, struct aro_job *job, struct aro_call *call,
                  struct aro_error *error)
{
    if (jobs->stopping)
        return aro_error_set(error, ARO_E_STOPPING, "the daemon is stopping");
    for (unsigned i = 0; i < ARO_JOBS_MAX; i++) {
        if (jobs->job[i] != NULL)
            continue;
        job->jobs = jobs;
        job->call = call;
        job->number = ++jobs->last_number;
        job->started_ns = job->reported_ns = aro_now_ns();
        jobs->job[i] = job;
        return 0;
    }
    return aro_error_set(error, ARO_E_JOBS_FULL, "%d jobs are running", ARO_JOBS_MAX);
}

static struct aro_call *take_off(struct aro_job *job)
{
    for (unsigned i = 0; i < ARO_JOBS_MAX; i++)
        if (job->jobs->job[i] == job)
            job->jobs->job[i] = NULL;
    return job->call;
}

void aro_job_end(struct aro_job *job, json_t *result)
{
    aro_call_reply(take_off(job), result);
}

void aro_job_fail(struct aro_job *job, const struct aro_error *error)
{
    aro_job_fail_with(job, error, NULL);
}

void aro_job_fail_with(struct aro_job *job, const struct aro_error *error, json_t *data)
{
    aro_call_fail_with(take_off(job), error, data);
}

unsigned aro_jobs_now(const struct aro_jobs *jobs)
{
    unsigned now = 0;

    for (unsigned i = 0; i < ARO_JOBS_MAX; i++)
        now += jobs->job[i] != NULL;
    return now;
}

unsigned aro_jobs_named(const struct aro_jobs *jobs, const char *name)
{
    unsigned now = 0;

    for (unsigned i = 0; i < ARO_JOBS_MAX; i++)
        now += jobs->job[i] != NULL && strcmp(jobs->job[i]->call->command->name, name) == 0;
    return now;
}

struct aro_job *aro_jobs_find(struct aro_jobs *jobs, unsigned number)
{
    for (unsigned i = 0; i < ARO_JOBS_MAX; i++)
        if (jobs->job[i] != NULL && jobs->job[i]->number == number)
            return jobs->job[i];
    return NULL;
}

struct aro_job *aro_jobs_at(struct aro_jobs *jobs, unsigned i)
{
    for (unsigned k = 0; k < ARO_JOBS_MAX; k++)
        if (jobs->job[k] != NULL && i-- == 0)
            return jobs->job[k];
    return NULL;
}

void aro_job_cancel(struct aro_job *job)
{
    if (job->cancelled)
        return;
    job->cancelled = true;
    job->cancel(job);
}

void aro_jobs_hold(struct aro_jobs *jobs, bool hold)
{
    jobs->held = hold;
}

void aro_jobs_stop(struct aro_jobs *jobs)
{
    jobs->stopping = true;
    for (unsigned i = 0; i < ARO_JOBS_MAX; i++)
        if (jobs->job[i] != NULL)
            aro_job_cancel(jobs->job[i]);
}

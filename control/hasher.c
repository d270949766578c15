/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hasher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct aro_hasher {
    struct aro_uring *ring;
    int event_fd;
    pthread_t thread;
    pthread_cond_t work;

    /* control: a read of event_fd, so that the thread can wake it */
    struct aro_io io;
    uint64_t event;
    bool listening;

    pthread_mutex_t lock; /* held for a few instructions; all below */
    struct aro_hash_job *first, **last;
    bool busy;        /* the thread has a job */
    bool stop;        /* and nothing is left */
    unsigned awaited; /* jobs until the owner wants to be woken; 0: it does not */
};

/* ---- the thread ---- */

/* NULL: the end. */
static struct aro_hash_job *job_take(struct aro_hasher *hasher)
{
    struct aro_hash_job *job;

    pthread_mutex_lock(&hasher->lock);
    while (hasher->first == NULL && !hasher->stop)
        pthread_cond_wait(&hasher->work, &hasher->lock);
    job = hasher->first;
    if (job != NULL) {
        hasher->first = job->next;
        if (hasher->first == NULL)
            hasher->last = &hasher->first;
    }
    hasher->busy = job != NULL;
    pthread_mutex_unlock(&hasher->lock);
    return job;
}

/* The job is the owner's again: it may be gone at once. */
static void job_end(struct aro_hasher *hasher, struct aro_hash_job *job)
{
    bool wake = false;

    pthread_mutex_lock(&hasher->lock);
    hasher->busy = false;
    atomic_store_explicit(&job->done, true, memory_order_release);
    if (hasher->awaited > 0 && (--hasher->awaited == 0 || hasher->first == NULL)) {
        hasher->awaited = 0;
        wake = true;
    }
    pthread_mutex_unlock(&hasher->lock);
    if (wake)
        eventfd_write(hasher->event_fd, 1);
}

static void *run(void *arg)
{
    struct aro_hasher *hasher = arg;
    struct aro_hash_job *job;

    pthread_setname_np(pthread_self(), "aro-hash");
    while ((job = job_take(hasher)) != NULL) {
        aro_sha256_pair_update(job->sha, job->data, job->len_bytes);
        job->id = aro_sha256_pair_part(job->sha);
        aro_sha256_pair_begin(job->sha);
        job_end(hasher, job);
    }
    return NULL;
}

/* ---- control ---- */

/* No signal is the thread's. */
static int thread_start(struct aro_hasher *hasher)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&hasher->thread, NULL, run, hasher);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct aro_hasher *aro_hasher_create(struct aro_uring *ring)
{
    struct aro_hasher *hasher = calloc(1, sizeof(*hasher));
    int error;

    if (hasher == NULL)
        return NULL;
    hasher->ring = ring;
    hasher->last = &hasher->first;
    hasher->event_fd = eventfd(0, EFD_CLOEXEC);
    error = hasher->event_fd < 0 ? errno : 0;
    if (error != 0)
        goto fail;
    pthread_mutex_init(&hasher->lock, NULL);
    pthread_cond_init(&hasher->work, NULL);
    error = thread_start(hasher);
    if (error == 0)
        return hasher;
    pthread_cond_destroy(&hasher->work);
    pthread_mutex_destroy(&hasher->lock);
    close(hasher->event_fd);
fail:
    free(hasher);
    errno = error;
    return NULL;
}

void aro_hasher_destroy(struct aro_hasher *hasher)
{
    if (hasher == NULL)
        return;
    pthread_mutex_lock(&hasher->lock);
    hasher->stop = true;
    pthread_cond_signal(&hasher->work);
    pthread_mutex_unlock(&hasher->lock);
    pthread_join(hasher->thread, NULL);
    if (hasher->listening)
        eventfd_write(hasher->event_fd, 1);
    while (hasher->listening && aro_uring_wait(hasher->ring) == 0)
        aro_uring_reap(hasher->ring, 1);
    pthread_cond_destroy(&hasher->work);
    pthread_mutex_destroy(&hasher->lock);
    close(hasher->event_fd);
    free(hasher);
}

void aro_hasher_give(struct aro_hasher *hasher, struct aro_hash_job *job)
{
    job->next = NULL;
    atomic_store_explicit(&job->done, false, memory_order_relaxed);
    pthread_mutex_lock(&hasher->lock);
    *hasher->last = job;
    hasher->last = &job->next;
    if (!hasher->busy)
        pthread_cond_signal(&hasher->work);
    pthread_mutex_unlock(&hasher->lock);
}

static void on_event(struct aro_io *io, int result)
{
    struct aro_hasher *hasher = ARO_IO_OWNER(io, struct aro_hasher, io);

    (void)result;
    hasher->listening = false;
}

void aro_hasher_await(struct aro_hasher *hasher, unsigned jobs)
{
    bool any;

    pthread_mutex_lock(&hasher->lock);
    any = hasher->busy || hasher->first != NULL;
    if (any && (hasher->awaited == 0 || hasher->awaited > jobs))
        hasher->awaited = jobs;
    pthread_mutex_unlock(&hasher->lock);
    if (!any || hasher->listening)
        return;
    hasher->io.done = on_event;
    hasher->listening = aro_uring_read(hasher->ring, &hasher->io, hasher->event_fd, &hasher->event,
                                       sizeof(hasher->event), ARO_IO_HERE) == 0;
}

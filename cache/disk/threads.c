/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/disk/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 16,      /* as many reads as one disk needs to be busy, nearly */
    PIPE_LOOK_MS = 50,     /* how often a read of a pipe looks whether it is to end */
    UNKNOWN_WAKE_MS = 1,   /* aro_threads_wait without a descriptor */
    STACK_BYTES = 1 << 17, /* a worker calls the kernel and nothing else */
};

/* One operation: with the owner, then a worker, then on the stack. */
struct job {
    struct aro_threads_op op;
    struct aro_io *io;
    struct job *next; /* spare, or done */
    int result;
    bool in_flight;  /* owner */
    uint32_t number; /* owner: how many were queued before */
};

struct aro_threads {
    /* constant */
    unsigned depth;
    unsigned workers;
    int event_fd; /* -1: none */

    /* owner */
    struct job *spare;
    struct job *done; /* taken from the stack, not yet told */
    unsigned in_flight;
    uint32_t queued;   /* jobs put into the ring so far */
    uint32_t released; /* of those, the workers may have */

    alignas(64) _Atomic uint32_t head; /* the next one for a worker; counts on */
    alignas(64) _Atomic(struct job *) stack;
    atomic_bool stopping;
    sem_t ready; /* one for each job in the ring, and one for each worker at the end */
    pthread_t worker[WORKERS_MAX];
    _Atomic(struct job *) *ring; /* [depth] */
    struct job job[];
};

/* ---- workers ---- */

/* A pipe may have nothing for ever: its reader must hear that it is to end. */
static ssize_t stream_read(struct aro_threads *threads, const struct aro_threads_op *op)
{
    struct pollfd source = {.fd = op->fd, .events = POLLIN};

    while (poll(&source, 1, PIPE_LOOK_MS) == 0)
        if (atomic_load(&threads->stopping))
            return -ECANCELED;
    return read(op->fd, op->buffer, op->len_bytes);
}

static int op_run(struct aro_threads *threads, const struct aro_threads_op *op)
{
    off_t offset = (off_t)op->offset_bytes;
    ssize_t result = -1;

    switch (op->kind) {
    case ARO_THREADS_NOP:
        return 0;
    case ARO_THREADS_READ:
        result = op->offset_bytes == ARO_IO_HERE ? stream_read(threads, op)
                                                 : pread(op->fd, op->buffer, op->len_bytes, offset);
        break;
    case ARO_THREADS_WRITE:
        result = op->offset_bytes == ARO_IO_HERE ? write(op->fd, op->data, op->len_bytes)
                                                 : pwrite(op->fd, op->data, op->len_bytes, offset);
        break;
    case ARO_THREADS_READV:
        result = preadv(op->fd, op->iov, (int)op->len_bytes, offset);
        break;
    case ARO_THREADS_WRITEV:
        result = pwritev(op->fd, op->iov, (int)op->len_bytes, offset);
        break;
    case ARO_THREADS_DATASYNC:
        result = fdatasync(op->fd);
        break;
    case ARO_THREADS_SYNC:
        result = fsync(op->fd);
        break;
    case ARO_THREADS_ALLOCATE:
        result = fallocate(op->fd, 0, offset, (off_t)op->len_bytes);
        break;
    case ARO_THREADS_UNLINK:
        result = unlinkat(op->fd, op->path, 0);
        break;
    case ARO_THREADS_CLOSE:
        result = close(op->fd);
        break;
    }
    return result == -1 ? -errno : (int)result;
}

/*
 * The oldest job, or NULL at the end. The head counts on for ever, so a worker that was stopped
 * between its load and its CAS cannot take what came round to the same place: it fails.
 */
static struct job *job_take(struct aro_threads *threads)
{
    struct job *job;
    uint32_t head;

    while (sem_wait(&threads->ready) != 0) /* EINTR */
        continue;
    if (atomic_load(&threads->stopping))
        return NULL;
    head = atomic_load(&threads->head);
    do {
        job = atomic_load(&threads->ring[head & (threads->depth - 1)]);
    } while (!atomic_compare_exchange_weak(&threads->head, &head, head + 1));
    return job;
}

/* The first on an empty stack wakes the owner, who empties the stack whenever it is woken. */
static void job_finish(struct aro_threads *threads, struct job *job)
{
    struct job *top = atomic_load(&threads->stack);

    do {
        job->next = top;
    } while (!atomic_compare_exchange_weak(&threads->stack, &top, job));
    if (top == NULL && threads->event_fd >= 0)
        eventfd_write(threads->event_fd, 1);
}

static void *worker_main(void *arg)
{
    struct aro_threads *threads = arg;
    struct job *job;

    while ((job = job_take(threads)) != NULL) {
        job->result = op_run(threads, &job->op);
        job_finish(threads, job);
    }
    return NULL;
}

/* ---- life ---- */

/* Beside the main thread, not beside an lcore that polls; and no signal is theirs. */
static int worker_start(struct aro_threads *threads)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    cpu_set_t cpus;
    int error;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (sched_getaffinity(getpid(), sizeof(cpus), &cpus) == 0)
        pthread_attr_setaffinity_np(&attributes, sizeof(cpus), &cpus);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&threads->worker[threads->workers], &attributes, worker_main, threads);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    threads->workers += error == 0;
    return -error;
}

static void threads_free(struct aro_threads *threads)
{
    if (threads->event_fd >= 0)
        close(threads->event_fd);
    sem_destroy(&threads->ready);
    free(threads->ring);
    free(threads);
}

struct aro_threads *aro_threads_create(unsigned depth, bool wakes)
{
    size_t bytes = sizeof(struct aro_threads) + depth * sizeof(struct job);
    struct aro_threads *threads =
        aligned_alloc(alignof(struct aro_threads), (bytes + alignof(struct aro_threads) - 1) &
                                                       ~(alignof(struct aro_threads) - 1));
    int error = 0;

    if (threads == NULL)
        return NULL;
    *threads = (struct aro_threads){.depth = depth, .event_fd = -1};
    sem_init(&threads->ready, 0, 0);
    threads->ring = calloc(depth, sizeof(*threads->ring));
    if (wakes)
        threads->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (threads->ring == NULL || (wakes && threads->event_fd < 0)) {
        threads_free(threads);
        return NULL;
    }
    for (unsigned i = 0; i < depth; i++) {
        threads->job[i] = (struct job){.next = threads->spare};
        threads->spare = &threads->job[i];
    }
    while (threads->workers < WORKERS_MAX && threads->workers < depth && error == 0)
        error = worker_start(threads);
    if (threads->workers > 0)
        return threads;
    threads_free(threads);
    errno = -error;
    return NULL;
}

/* Who waits for a pipe ends first; workers that found stopping take no more jobs. */
static void workers_end(struct aro_threads *threads)
{
    atomic_store(&threads->stopping, true);
    for (unsigned i = 0; i < threads->workers; i++)
        sem_post(&threads->ready);
    for (unsigned i = 0; i < threads->workers; i++)
        pthread_join(threads->worker[i], NULL);
}

static void jobs_cancel(struct aro_threads *threads)
{
    uint32_t head = atomic_load(&threads->head);

    for (; head != threads->queued; head++) {
        struct job *job = atomic_load(&threads->ring[head & (threads->depth - 1)]);
        job->result = -ECANCELED;
        job_finish(threads, job);
    }
    threads->released = threads->queued;
    atomic_store(&threads->head, head);
}

void aro_threads_destroy(struct aro_threads *threads)
{
    if (threads == NULL)
        return;
    aro_threads_submit(threads);
    workers_end(threads);
    while (threads->in_flight > 0) {
        jobs_cancel(threads); /* and what callbacks queue */
        aro_threads_reap(threads, threads->depth);
    }
    threads_free(threads);
}

/* ---- owner ---- */

int aro_threads_fd(const struct aro_threads *threads)
{
    return threads->event_fd;
}

unsigned aro_threads_in_flight(const struct aro_threads *threads)
{
    return threads->in_flight;
}

unsigned aro_threads_behind(const struct aro_threads *threads)
{
    uint32_t behind = 0;

    for (unsigned i = 0; threads->in_flight > 0 && i < threads->depth; i++) {
        const struct job *job = &threads->job[i];
        if (job->in_flight && threads->queued - job->number > behind)
            behind = threads->queued - job->number;
    }
    return behind;
}

int aro_threads_queue(struct aro_threads *threads, struct aro_io *io,
                      const struct aro_threads_op *op)
{
    struct job *job = threads->spare;

    if (job == NULL)
        return -EAGAIN;
    threads->spare = job->next;
    job->op = *op;
    job->io = io;
    job->in_flight = true;
    job->number = threads->queued;
    threads->in_flight++;
    atomic_store(&threads->ring[threads->queued & (threads->depth - 1)], job);
    threads->queued++;
    return 0;
}

void aro_threads_submit(struct aro_threads *threads)
{
    for (; threads->released != threads->queued; threads->released++)
        sem_post(&threads->ready);
}

/* The event is cleared first: what is pushed afterwards onto an empty stack sets it again. */
static void stack_take(struct aro_threads *threads)
{
    eventfd_t ignored;
    struct job *job, *oldest = NULL;

    if (threads->event_fd >= 0)
        eventfd_read(threads->event_fd, &ignored);
    job = atomic_exchange(&threads->stack, NULL);
    while (job != NULL) {
        struct job *next = job->next;
        job->next = oldest;
        oldest = job;
        job = next;
    }
    threads->done = oldest;
}

/* Each job is spare before its callback runs, which may queue the next operation. */
unsigned aro_threads_reap(struct aro_threads *threads, unsigned max)
{
    unsigned n = 0;

    while (n < max) {
        struct job *job;
        if (threads->done == NULL)
            stack_take(threads);
        job = threads->done;
        if (job == NULL)
            return n;
        threads->done = job->next;
        job->next = threads->spare;
        threads->spare = job;
        job->in_flight = false;
        threads->in_flight--;
        n++;
        job->io->done(job->io, job->result);
    }
    if (threads->done != NULL && threads->event_fd >= 0)
        eventfd_write(threads->event_fd, 1); /* there is more to come for */
    return n;
}

void aro_threads_wait(struct aro_threads *threads)
{
    struct pollfd event = {.fd = threads->event_fd, .events = POLLIN};

    aro_threads_submit(threads);
    while (threads->in_flight > 0 && threads->done == NULL && atomic_load(&threads->stack) == NULL)
        poll(&event, 1, threads->event_fd < 0 ? UNKNOWN_WAKE_MS : -1);
}

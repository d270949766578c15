/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/client/sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { ANNOUNCE_PIECES = 8 }; /* a wake-up costs as much as a small write */

/*
 * A ring with three positions: given >= done >= collected. The first thread advances given and
 * collected, the second done; the mutex is only for sleeping.
 */
struct aro_sink {
    struct aro_piece pieces[ARO_SINK_PIECES_MAX];
    atomic_uint given;
    atomic_uint done;
    unsigned collected;
    unsigned announced; /* given at the last flush; first thread's */
    atomic_bool sleeping;
    atomic_bool draining; /* the first thread waits for done */
    atomic_int refusal;
    atomic_bool ending;
    arocache_sink *callback;
    void *arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static void piece_handle(struct aro_sink *sink, const struct aro_piece *piece)
{
    if (atomic_load_explicit(&sink->refusal, memory_order_relaxed) != 0)
        return; /* it has given up: the rest only passes through */
    int refusal = sink->callback(sink->arg, piece->bytes, piece->len_bytes);
    if (refusal != 0)
        atomic_store_explicit(&sink->refusal, refusal, memory_order_relaxed);
}

/* Sleeps until a piece was given. False: the end. */
static bool piece_wait(struct aro_sink *sink, unsigned done)
{
    bool more;

    if (atomic_load(&sink->given) != done && !atomic_load(&sink->ending))
        return true;
    pthread_mutex_lock(&sink->mutex);
    atomic_store(&sink->sleeping, true); /* before the look: either we see it or we are woken */
    while (atomic_load(&sink->given) == done && !atomic_load(&sink->ending))
        pthread_cond_wait(&sink->changed, &sink->mutex);
    atomic_store(&sink->sleeping, false);
    more = !atomic_load(&sink->ending);
    pthread_mutex_unlock(&sink->mutex);
    return more;
}

/* Wakes whoever waits for given or done to move. */
static void announce(struct aro_sink *sink)
{
    pthread_mutex_lock(&sink->mutex);
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->mutex);
}

static void *sink_run(void *arg)
{
    struct aro_sink *sink = arg;

    for (unsigned done = 0; piece_wait(sink, done);) {
        piece_handle(sink, &sink->pieces[done % ARO_SINK_PIECES_MAX]);
        atomic_store(&sink->done, ++done);
        if (atomic_load(&sink->draining))
            announce(sink);
    }
    return NULL;
}

struct aro_sink *aro_sink_create(arocache_sink *callback, void *arg)
{
    struct aro_sink *sink = calloc(1, sizeof(*sink));
    int error;

    if (sink == NULL)
        return NULL;
    sink->callback = callback;
    sink->arg = arg;
    pthread_mutex_init(&sink->mutex, NULL);
    pthread_cond_init(&sink->changed, NULL);
    error = pthread_create(&sink->thread, NULL, sink_run, sink);
    if (error == 0)
        return sink;
    free(sink);
    errno = error;
    return NULL;
}

void aro_sink_destroy(struct aro_sink *sink)
{
    if (sink == NULL)
        return;
    pthread_mutex_lock(&sink->mutex);
    atomic_store(&sink->ending, true);
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->mutex);
    pthread_join(sink->thread, NULL);
    pthread_cond_destroy(&sink->changed);
    pthread_mutex_destroy(&sink->mutex);
    free(sink);
}

bool aro_sink_has_room(const struct aro_sink *sink)
{
    return atomic_load(&sink->given) - sink->collected < ARO_SINK_PIECES_MAX;
}

void aro_sink_give(struct aro_sink *sink, const struct aro_piece *piece)
{
    unsigned given = atomic_load(&sink->given);

    sink->pieces[given % ARO_SINK_PIECES_MAX] = *piece;
    atomic_store(&sink->given, given + 1);
    if (given + 1 - sink->announced >= ANNOUNCE_PIECES)
        aro_sink_flush(sink);
}

void aro_sink_flush(struct aro_sink *sink)
{
    unsigned given = atomic_load(&sink->given);

    if (sink->announced == given)
        return;
    sink->announced = given;
    if (atomic_load(&sink->sleeping))
        announce(sink);
}

bool aro_sink_flushed(const struct aro_sink *sink)
{
    return sink->announced == atomic_load_explicit(&sink->given, memory_order_relaxed);
}

bool aro_sink_collect(struct aro_sink *sink, struct aro_piece *ret)
{
    if (sink->collected == atomic_load_explicit(&sink->done, memory_order_acquire))
        return false;
    *ret = sink->pieces[sink->collected++ % ARO_SINK_PIECES_MAX];
    return true;
}

void aro_sink_drain(struct aro_sink *sink)
{
    aro_sink_flush(sink);
    atomic_store(&sink->draining, true);
    pthread_mutex_lock(&sink->mutex);
    while (atomic_load(&sink->done) != atomic_load(&sink->given))
        pthread_cond_wait(&sink->changed, &sink->mutex);
    pthread_mutex_unlock(&sink->mutex);
    atomic_store(&sink->draining, false);
}

int aro_sink_refusal(const struct aro_sink *sink)
{
    return atomic_load(&sink->refusal);
}

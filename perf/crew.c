/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/crew.h"

#include <pthread.h>
#include <time.h>

#include "perf/fail.h"

struct crew {
    const struct bench_cpus *cpus;
    void (*body)(struct bench_worker *worker);
    pthread_barrier_t start;
    atomic_bool over;
};

struct member {
    struct bench_worker worker;
    struct crew *crew;
    pthread_t thread;
};

static void *member_run(void *arg)
{
    struct member *member = arg;
    struct bench_mark mark;

    bench_pin(member->crew->cpus, member->worker.number);
    pthread_barrier_wait(&member->crew->start);
    bench_mark(&mark);
    member->crew->body(&member->worker);
    bench_sample_take(&mark, member->worker.ops, &member->worker.sample);
    return NULL;
}

static void wait_seconds(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    while (nanosleep(&time, &time) != 0)
        ;
}

/* ops and cycles add up, time and the host's share are the worst one's. */
static void sample_add(struct bench_sample *sum, const struct bench_sample *one)
{
    sum->ops += one->ops;
    sum->cycles += one->cycles;
    if (one->ns > sum->ns)
        sum->ns = one->ns;
    if (one->stolen > sum->stolen)
        sum->stolen = one->stolen;
    sum->load = one->load;
}

uint64_t bench_crew_run(const struct bench_cpus *cpus, unsigned threads, struct bench_span span,
                        void (*body)(struct bench_worker *worker), void *const work[],
                        struct bench_sample *ret)
{
    struct member members[BENCH_THREADS_MAX];
    struct crew crew = {.cpus = cpus, .body = body};
    uint64_t wrong = 0;

    pthread_barrier_init(&crew.start, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        members[i] = (struct member){
            .worker = {.number = i,
                       .work = work[i],
                       .over = &crew.over,
                       .ops_max = span.ops_max != 0 ? span.ops_max / threads : UINT64_MAX},
            .crew = &crew};
        if (pthread_create(&members[i].thread, NULL, member_run, &members[i]) != 0)
            bench_fail(ARO_E_BENCH_RESOURCES, "no thread can be started");
    }
    pthread_barrier_wait(&crew.start);
    if (span.ops_max == 0) {
        wait_seconds(span.seconds);
        atomic_store(&crew.over, true);
    }
    *ret = (struct bench_sample){0};
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(members[i].thread, NULL);
        sample_add(ret, &members[i].worker.sample);
        wrong += members[i].worker.wrong;
    }
    pthread_barrier_destroy(&crew.start);
    return wrong;
}

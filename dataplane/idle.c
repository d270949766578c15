/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/idle.h"

#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_pause.h>

#include "dataplane/lcore.h"
#include "dataplane/tx.h"

enum {
    POLL_TURNS = 256,    /* a gap between bursts of a running transfer */
    PAUSE_US = 100,      /* then rest: whoever shares the CPU gets it */
    SLEEP_FIRST_US = 10, /* doubles every SLEEP_STEP_RESTS */
    SLEEP_STEP_RESTS = 64,
    SLEEP_READING_US = 20, /* with disk reads in flight */
    PAUSES_PER_TURN = 8,
    WAIT_MS = 20, /* bounds how late an lcore sees anything but a packet: stop, gauges */
};

void aro_idle_init(void)
{
    prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0); /* 1 us instead of 50 */
}

static uint32_t sleep_us(struct aro_lcore *lcore)
{
    uint32_t steps = lcore->idle_rests++ / SLEEP_STEP_RESTS;
    uint32_t us = steps >= 16 ? lcore->idle_sleep_us_max : (uint32_t)SLEEP_FIRST_US << steps;

    if (lcore->pending.free_reads != lcore->pending.reads_max || lcore->pending.waiting != 0)
        us = RTE_MIN(us, (uint32_t)SLEEP_READING_US);
    return RTE_MIN(us, lcore->idle_sleep_us_max);
}

static void lcore_sleep(struct aro_lcore *lcore, uint32_t us)
{
    struct timespec span = {.tv_nsec = (long)us * 1000};

    lcore->counters.sleeps++;
    nanosleep(&span, NULL);
}

/*
 * Nothing but a packet can make work for this lcore. A descriptor that woke us for nothing (link
 * down, an error) costs a sleep before it is believed again.
 */
static bool can_wait(const struct aro_lcore *lcore)
{
    for (unsigned i = 0; i < lcore->queues; i++)
        if (lcore->queue[i].tx_count != 0)
            return false;
    return lcore->idle_waits && !lcore->idle_woken && lcore->pending.waiting == 0 &&
           lcore->pending.free_reads == lcore->pending.reads_max &&
           aro_job_queue_count(&lcore->jobs.draining) == 0;
}

static void lcore_wait(struct aro_lcore *lcore)
{
    struct pollfd fds[ARO_QUEUES_MAX];

    for (unsigned i = 0; i < lcore->queues; i++)
        fds[i] = (struct pollfd){.fd = lcore->queue[i].wait_fd, .events = POLLIN};
    lcore->counters.waits++;
    lcore->idle_woken = poll(fds, lcore->queues, WAIT_MS) > 0;
    for (unsigned i = 0; i < lcore->queues; i++)
        if (fds[i].revents == POLLIN)
            lcore->idle_from_tsc = rte_rdtsc(); /* tap's driver hears of it by a signal, later */
}

static void lcore_rest(struct aro_lcore *lcore)
{
    if (lcore->jobs.draining.head != lcore->jobs.draining.tail)
        aro_tx_cleanup(lcore);
    aro_cache_offline(lcore->reader);
    if (can_wait(lcore)) {
        lcore_wait(lcore);
    } else {
        lcore->idle_woken = false;
        lcore_sleep(lcore, sleep_us(lcore));
    }
    aro_cache_online(lcore->reader);
}

void aro_idle_turn(struct aro_lcore *lcore, unsigned work)
{
    bool sending = aro_job_queue_count(&lcore->jobs.active) != 0;

    if (work != 0 || sending) {
        lcore->idle_turns = 0;
        lcore->idle_rests = 0;
        lcore->idle_woken = false;
        lcore->idle_from_tsc = lcore->now_tsc;
    } else if (lcore->idle_turns < POLL_TURNS) {
        lcore->idle_turns++;
    } else if (!lcore->idle_poll) {
        if (lcore->now_tsc - lcore->idle_from_tsc <= (uint64_t)PAUSE_US * lcore->tsc_per_us ||
            lcore->idle_sleep_us_max == 0)
            for (unsigned i = 0; i < PAUSES_PER_TURN; i++)
                rte_pause();
        else
            lcore_rest(lcore);
    }
    uint64_t turn_cycles = rte_rdtsc() - lcore->now_tsc;
    if (work != 0)
        lcore->counters.busy_cycles += turn_cycles;
    else
        lcore->counters.idle_cycles += turn_cycles;
}

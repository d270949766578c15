/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Do threads advance? Each counts its turns, and even an idle one turns several times a second (an
 * lcore every 20 ms, dataplane/idle.c; a worker of the gateway every 250 ms): a count that stands
 * still for a second belongs to a thread that is stuck.
 *
 * What counts is time in which this thread looked: after a pause of the whole process (SIGSTOP, a
 * suspended machine) nobody is blamed. Pure; the caller brings the clock. Control thread only.
 */
#ifndef ARO_CONTROL_WATCH_PULSE_H
#define ARO_CONTROL_WATCH_PULSE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ARO_PULSE_THREADS_MAX = 32,
    ARO_PULSE_LOOK_MS = 500, /* look at least this often */
    ARO_PULSE_STILL_MS = 1000,
};

struct aro_pulse {
    uint64_t looked_ns; /* 0: never */
    unsigned threads;
    struct {
        uint64_t turns;    /* at the last look */
        uint64_t still_ns; /* for how long that has been so */
        uint64_t fed;      /* turns at the last successful aro_pulse_feed */
    } thread[ARO_PULSE_THREADS_MAX];
};

/* How often to look: twice a second, or twice per watchdog interval (0: none) if that is more. */
uint64_t aro_pulse_every_ns(uint64_t watchdog_us);
/* turns: of each thread now. Start with a pulse of zeros. */
void aro_pulse_look(struct aro_pulse *pulse, unsigned threads, const uint64_t turns[],
                    uint64_t now_ns);
/* Thread i was seen to advance within the last second. */
bool aro_pulse_beats(const struct aro_pulse *pulse, unsigned i);
/* As of the last look: every thread advanced since the last time that this said true. */
bool aro_pulse_feed(struct aro_pulse *pulse);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Do the lcores advance? Each counts its turns, and even an idle one turns every 20 ms
 * (dataplane/idle.c): a count that stands still for a second belongs to an lcore that is stuck.
 *
 * What counts is time in which this thread looked: after a pause of the whole process (SIGSTOP, a
 * suspended machine) nobody is blamed. Pure; the caller brings the clock. Control thread only.
 */
#ifndef ARO_CONTROL_WATCH_PULSE_H
#define ARO_CONTROL_WATCH_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

enum {
    ARO_PULSE_LOOK_MS = 500, /* look at least this often */
    ARO_PULSE_STILL_MS = 1000,
};

struct aro_pulse {
    uint64_t looked_ns; /* 0: never */
    unsigned lcores;
    struct {
        uint64_t loops;    /* at the last look */
        uint64_t still_ns; /* for how long that has been so */
        uint64_t fed;      /* loops at the last successful aro_pulse_feed */
    } lcore[ARO_LCORES_MAX];
};

/* loops: of each lcore now. Start with a pulse of zeros. */
void aro_pulse_look(struct aro_pulse *pulse, unsigned lcores, const uint64_t loops[],
                    uint64_t now_ns);
/* Lcore i was seen to advance within the last second. */
bool aro_pulse_beats(const struct aro_pulse *pulse, unsigned i);
/* As of the last look: every lcore advanced since the last time that this said true. */
bool aro_pulse_feed(struct aro_pulse *pulse);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/pulse.h"

enum { MS_NS = 1000000 };

void aro_pulse_look(struct aro_pulse *pulse, unsigned lcores, const uint64_t loops[],
                    uint64_t now_ns)
{
    const uint64_t look_ns = (uint64_t)ARO_PULSE_LOOK_MS * MS_NS;
    uint64_t since_ns = pulse->looked_ns == 0 ? 0 : now_ns - pulse->looked_ns;

    if (since_ns > look_ns) /* we were away, and so may they have been */
        since_ns = look_ns;
    for (unsigned i = 0; i < lcores; i++) {
        if (pulse->looked_ns == 0 || pulse->lcore[i].loops != loops[i])
            pulse->lcore[i].still_ns = 0;
        else
            pulse->lcore[i].still_ns += since_ns;
        pulse->lcore[i].loops = loops[i];
    }
    pulse->lcores = lcores;
    pulse->looked_ns = now_ns;
}

bool aro_pulse_beats(const struct aro_pulse *pulse, unsigned i)
{
    return i < pulse->lcores && pulse->lcore[i].still_ns < (uint64_t)ARO_PULSE_STILL_MS * MS_NS;
}

bool aro_pulse_feed(struct aro_pulse *pulse)
{
    for (unsigned i = 0; i < pulse->lcores; i++)
        if (pulse->lcore[i].loops == pulse->lcore[i].fed)
            return false;
    for (unsigned i = 0; i < pulse->lcores; i++)
        pulse->lcore[i].fed = pulse->lcore[i].loops;
    return true;
}

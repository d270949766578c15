/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/pulse.h"

enum { MS_NS = 1000000, LOOKS_PER_WATCHDOG = 2, LOOK_MS_MIN = 20 };

uint64_t aro_pulse_every_ns(uint64_t watchdog_us)
{
    uint64_t every_ms = watchdog_us / 1000 / LOOKS_PER_WATCHDOG;

    if (watchdog_us == 0 || every_ms > ARO_PULSE_LOOK_MS)
        every_ms = ARO_PULSE_LOOK_MS;
    return (every_ms < LOOK_MS_MIN ? LOOK_MS_MIN : every_ms) * MS_NS;
}

void aro_pulse_look(struct aro_pulse *pulse, unsigned threads, const uint64_t turns[],
                    uint64_t now_ns)
{
    const uint64_t look_ns = (uint64_t)ARO_PULSE_LOOK_MS * MS_NS;
    uint64_t since_ns = pulse->looked_ns == 0 ? 0 : now_ns - pulse->looked_ns;

    if (since_ns > look_ns) /* we were away, and so may they have been */
        since_ns = look_ns;
    for (unsigned i = 0; i < threads; i++) {
        if (pulse->looked_ns == 0 || pulse->thread[i].turns != turns[i])
            pulse->thread[i].still_ns = 0;
        else
            pulse->thread[i].still_ns += since_ns;
        pulse->thread[i].turns = turns[i];
    }
    pulse->threads = threads;
    pulse->looked_ns = now_ns;
}

bool aro_pulse_beats(const struct aro_pulse *pulse, unsigned i)
{
    return i < pulse->threads && pulse->thread[i].still_ns < (uint64_t)ARO_PULSE_STILL_MS * MS_NS;
}

bool aro_pulse_feed(struct aro_pulse *pulse)
{
    for (unsigned i = 0; i < pulse->threads; i++)
        if (pulse->thread[i].turns == pulse->thread[i].fed)
            return false;
    for (unsigned i = 0; i < pulse->threads; i++)
        pulse->thread[i].fed = pulse->thread[i].turns;
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/disk_health.h"

static uint64_t ended(const struct aro_disk_sight *sight)
{
    return sight->reads > sight->reads_now ? sight->reads - sight->reads_now : 0;
}

void aro_disk_health_init(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                          uint64_t now_ms)
{
    uint64_t times = health->times;

    *health = (struct aro_disk_health){.use = ARO_DISK_USED,
                                       .why = "",
                                       .times = times,
                                       .read_window_ms = now_ms,
                                       .write_window_ms = now_ms,
                                       .read_from = *sight,
                                       .write_from = *sight,
                                       .ended = ended(sight),
                                       .ended_ms = now_ms};
}

static void take_out(struct aro_disk_health *health, enum aro_disk_use use, const char *why,
                     uint64_t now_ms)
{
    health->use = use;
    health->why = why;
    health->times++;
    health->good = 0;
    health->probed_ms = now_ms;
}

static bool stands_still(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                         uint64_t now_ms)
{
    if (health->ended != ended(sight) || sight->reads_now == 0) {
        health->ended = ended(sight);
        health->ended_ms = now_ms;
    }
    return now_ms - health->ended_ms >= ARO_HEALTH_STALL_MS;
}

static bool reads_fail(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                       uint64_t now_ms)
{
    uint64_t faults = sight->read_faults - health->read_from.read_faults;
    uint64_t all = ended(sight) - ended(&health->read_from);

    if (faults >= ARO_HEALTH_READ_FAULTS && faults * 2 >= all)
        return true;
    if (now_ms - health->read_window_ms >= ARO_HEALTH_READ_WINDOW_MS) {
        health->read_from = *sight;
        health->read_window_ms = now_ms;
    }
    return false;
}

static bool writes_fail(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                        uint64_t now_ms)
{
    if (sight->write_faults - health->write_from.write_faults >= ARO_HEALTH_WRITE_FAULTS)
        return true;
    if (now_ms - health->write_window_ms >= ARO_HEALTH_WRITE_WINDOW_MS) {
        health->write_from = *sight;
        health->write_window_ms = now_ms;
    }
    return false;
}

void aro_disk_health_look(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                          uint64_t now_ms)
{
    if (health->use == ARO_DISK_AWAY)
        return;
    if (stands_still(health, sight, now_ms))
        take_out(health, ARO_DISK_AWAY, "its reads do not end", now_ms);
    else if (reads_fail(health, sight, now_ms))
        take_out(health, ARO_DISK_AWAY, "its reads fail", now_ms);
    else if (health->use == ARO_DISK_USED && writes_fail(health, sight, now_ms))
        take_out(health, ARO_DISK_SPARED, "its writes or syncs fail", now_ms);
}

void aro_disk_health_hold(struct aro_disk_health *health)
{
    health->use = ARO_DISK_AWAY;
    health->why = "an operator took it out";
    health->held = true;
}

void aro_disk_health_release(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                             uint64_t now_ms)
{
    aro_disk_health_init(health, sight, now_ms);
}

bool aro_disk_health_wants_probe(const struct aro_disk_health *health, uint64_t now_ms)
{
    return health->use != ARO_DISK_USED && !health->held &&
           now_ms - health->probed_ms >= ARO_HEALTH_PROBE_MS;
}

void aro_disk_health_probed(struct aro_disk_health *health, int result,
                            const struct aro_disk_sight *sight, uint64_t now_ms)
{
    if (health->held)
        return;
    health->probed_ms = now_ms;
    health->good = result == 0 ? health->good + 1 : 0;
    if (health->good >= ARO_HEALTH_PROBES)
        aro_disk_health_init(health, sight, now_ms);
}

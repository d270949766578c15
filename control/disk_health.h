/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When is a disk bad enough to be taken out, and when good enough to come back? Rules over counters
 * and time, nothing else: whoever looks (control/disk_watch.h) brings both.
 *
 *   reads   out (ARO_DISK_AWAY) when within 5 s at least 8 failed and they were half of what ended,
 *           or when reads are under way and none has ended for 10 s
 *   writes  spared (ARO_DISK_SPARED) when within 10 s three writes or syncs failed
 *   back    after four good probes in a row, half a second apart: of reads, or of writes
 *
 * So a disk with some bad sectors stays, and what answers with errors is not asked in vain; a fault
 * that ends costs two seconds more. An operator's word (out, in) goes before all of this.
 */
#ifndef ARO_CONTROL_DISK_HEALTH_H
#define ARO_CONTROL_DISK_HEALTH_H

#include "cache/disk/disks.h"

enum {
    ARO_HEALTH_READ_FAULTS = 8,
    ARO_HEALTH_READ_WINDOW_MS = 5000,
    ARO_HEALTH_STALL_MS = 10000,
    ARO_HEALTH_WRITE_FAULTS = 3,
    ARO_HEALTH_WRITE_WINDOW_MS = 10000,
    ARO_HEALTH_PROBE_MS = 500,
    ARO_HEALTH_PROBES = 4,
};

/* What can be seen of a disk; counters since the start. */
struct aro_disk_sight {
    uint64_t reads;        /* begun */
    uint64_t reads_now;    /* of them, under way */
    uint64_t read_faults;  /* of those that ended */
    uint64_t write_faults; /* writes and syncs */
};

struct aro_disk_health {
    enum aro_disk_use use;
    const char *why; /* "" when used */
    uint64_t times;  /* it was taken out, or spared, by these rules */
    bool held;       /* out by an operator's word: until the next one */
    /* disk_health.c's */
    uint64_t read_window_ms, write_window_ms; /* when they began */
    struct aro_disk_sight read_from, write_from;
    uint64_t ended, ended_ms;
    uint64_t probed_ms;
    unsigned good; /* probes in a row */
};

void aro_disk_health_init(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                          uint64_t now_ms);
/* At least once a second. */
void aro_disk_health_look(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                          uint64_t now_ms);
/* An operator's word: out, until he says in; in, whatever it was before. */
void aro_disk_health_hold(struct aro_disk_health *health);
void aro_disk_health_release(struct aro_disk_health *health, const struct aro_disk_sight *sight,
                             uint64_t now_ms);
/* A probe is due: of a read where use is AWAY, of a write where it is SPARED. */
bool aro_disk_health_wants_probe(const struct aro_disk_health *health, uint64_t now_ms);
/* What it said: 0 or -errno; sight as of now. */
void aro_disk_health_probed(struct aro_disk_health *health, int result,
                            const struct aro_disk_sight *sight, uint64_t now_ms);

#endif

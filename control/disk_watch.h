/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watches the disks at work: brings what the counters say before the rules of
 * control/disk_health.h, does what they say, probes what is out, and tells the log. Control thread.
 */
#ifndef ARO_CONTROL_DISK_WATCH_H
#define ARO_CONTROL_DISK_WATCH_H

#include "cache/disk/probe.h"
#include "control/disk_health.h"

struct aro_node;

struct aro_disk_watch {
    struct aro_node *node;
    unsigned disk;
    struct aro_disk_health health;
    uint64_t looked_ms;
    struct aro_probe probe;
    bool probing, probed; /* one is under way; result has not been looked at */
    int result;
    enum aro_disk_use probes; /* what the probe under way is for */
};

/* One per disk, in node->disk_watch. 0, or -1 with *error. */
int aro_disk_watch_start(struct aro_node *node, struct aro_error *error);
/* After the stores were closed: no probe is under way. */
void aro_disk_watch_stop(struct aro_node *node);
/* What an operator says; it is so when this returns. */
void aro_disk_watch_out(struct aro_node *node, unsigned disk);
void aro_disk_watch_in(struct aro_node *node, unsigned disk);
/* Bounded: a look four times a second, and a probe when one is due. Ms until the next one. */
int aro_disk_watch_turn(struct aro_node *node, unsigned disk, uint64_t now_ns);

#endif

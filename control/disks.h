/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The node's disks over their life: opened at start, given their turns by the loop, looked at by
 * `status`, `disks` and /metrics. What a disk is stands in cache/disk/disks.h. Control thread.
 */
#ifndef ARO_CONTROL_DISKS_H
#define ARO_CONTROL_DISKS_H

#include "cache/disk/readers.h"

struct aro_node;

/* Opens what the configuration has; their indexes are built by the turns. 0, or -1 with *error. */
int aro_node_disks_start(struct aro_node *node, struct aro_error *error);
void aro_node_disks_stop(struct aro_node *node);
/* Needs node->content. */
int aro_node_recyclers_create(struct aro_node *node, struct aro_error *error);
void aro_node_recyclers_destroy(struct aro_node *node);

/* Timers, a piece of an index, a piece of recycling. A chore's result. */
int aro_node_disks_turn(struct aro_node *node, uint64_t now_ns);

enum aro_disk_state {
    ARO_DISK_SERVING,
    ARO_DISK_RECOVERING, /* its index is being built; what is in it is served */
    ARO_DISK_READ_ONLY,  /* takes no writes at present */
    ARO_DISK_FAILING,    /* not asked for anything but probes at present: control/disk_health.h */
    ARO_DISK_OUT,        /* an operator took it out */
};
const char *aro_disk_state_name(enum aro_disk_state state); /* "serving", "recovering", ... */

struct aro_disk_info {
    const char *name, *path;
    enum aro_disk_state state;
    const char *why;          /* "" when serving */
    bool polled;              /* by the lcores */
    uint64_t times_out;       /* it failed, or was spared, since the start */
    const char *poll_refused; /* why not, though asked for; or NULL */
    struct aro_store_stats store;
    struct aro_disk_reader_stats reads; /* by all lcores and control; its flags are not set */
    uint64_t reads_now;                 /* in flight, of the lcores */
};
/* disk < aro_disks_count(node->disks). */
void aro_node_disk_info(struct aro_node *node, unsigned disk, struct aro_disk_info *ret);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything the control thread holds, in the order it was made. One per process, passed to whoever
 * needs it; control/phases.c makes and unmakes it.
 */
#ifndef ARO_CONTROL_NODE_H
#define ARO_CONTROL_NODE_H

#include "cache/cache.h"
#include "cache/disk/disks.h"
#include "control/api/notify.h"
#include "control/config.h"
#include "control/content.h"
#include "control/held.h"
#include "control/jobs.h"
#include "control/log.h"
#include "control/loop.h"
#include "control/origin/resolver.h"
#include "control/port_locks.h"
#include "control/recycle.h"
#include "control/rpc.h"
#include "control/server.h"

struct aro_eal;
struct aro_observer;
struct aro_request_log;

struct aro_node {
    struct aro_config config;
    const char *config_path;
    struct aro_log log;
    bool stop; /* leave the loop */
    uint64_t started_ns;
    uint64_t started_unix_ms;
    struct aro_notify notify; /* the service manager */

    int lock_fd;
    int signal_fd;
    struct aro_loop *loop;
    struct aro_port_locks port_locks;
    struct aro_eal *eal;
    bool eal_huge;
    uint64_t eal_memory_bytes;
    void *region;
    bool region_huge;
    uint64_t region_present_bytes; /* [:so much] of it has its pages, once the store is whole */
    struct aro_uring *ring;
    struct aro_cache *cache;
    struct aro_disks *disks;           /* NULL: memory only */
    struct aro_disk_watch *disk_watch; /* [:disks] */
    struct aro_content *content;       /* objects, puts, reads by control */
    struct aro_recycler *recycler[ARO_DISKS_MAX];
    const char *poll_refused[ARO_DISKS_MAX]; /* why it is not polled, though asked for; or NULL */
    struct aro_dataplane_config dataplane_config;
    struct aro_dataplane *dataplane;
    struct aro_rpc *rpc;
    struct aro_server *server;
    struct aro_jobs *jobs;
    struct aro_held_calls *held; /* calls that wait for a name or for chunks */
    unsigned table_calls;        /* that wait for the table of names */
    struct aro_resolver *resolver;
    struct aro_observer *observer;
    struct aro_request_log *request_log; /* NULL: off */

    struct aro_watch signal_watch, ring_watch, dataplane_watch;
    struct aro_chore housekeeping;
};

/* The handler of a command; every command of the table has one. */
aro_handler *aro_node_handler(const char *name);

#endif

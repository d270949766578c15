/* SPDX-License-Identifier: BSD-3-Clause */
/* What the data plane's control side holds; private to dataplane/. Control thread only. */
#ifndef ARO_DATAPLANE_STATE_H
#define ARO_DATAPLANE_STATE_H

#include "dataplane/lcore.h"

enum { ARO_POOLS_MAX = 4 * ARO_LCORES_MAX };

struct aro_pool {
    struct rte_mempool *pool;
    const char *purpose;
};

struct aro_dataplane {
    struct aro_dataplane_config config;
    struct aro_port port[ARO_PORTS_MAX];
    unsigned ports;
    struct aro_lcore *lcore[ARO_LCORES_MAX];
    unsigned lcores;
    struct aro_lcore *by_reader[ARO_QSBR_SLOTS_MAX]; /* whose mailbox a waiter bit means */
    struct aro_pool pool[ARO_POOLS_MAX];
    unsigned pools;
    struct aro_token_keys keys; /* lcores read */
    uint64_t rotated_tsc;
    uint64_t top_aged_tsc; /* when it was last looked whether the tables of top chunks age */
    uint64_t seed;
    struct rte_ring *quarantine; /* lcores -> control */
    int bell_fd;                 /* lcores -> control */
};

/* top.c: of every poll. */
void aro_top_poll(struct aro_dataplane *dataplane);

#endif

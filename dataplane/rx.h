/* SPDX-License-Identifier: BSD-3-Clause */
/* The first step: receives a burst per queue, answers what needs no cache, hands on requests. */
#ifndef ARO_DATAPLANE_RX_H
#define ARO_DATAPLANE_RX_H

struct aro_lcore;

/* Returns how many packets came. lcore only. */
unsigned aro_rx_burst(struct aro_lcore *lcore);

#endif

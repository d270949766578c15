/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet buffers of an lcore: how many of which size, and why.
 *
 *   frames   receive buffers, a frame each; small answers reuse them: receive and transmit rings,
 *            one burst at hand, what waits for transmission
 *   headers  128-byte buffers for the headers of zero-copy slices and STATUS to waiters
 *   slices   no room of their own: they point into chunk memory
 *   copies   whole frames, only where a port of the lcore takes no chains
 *
 * The last three are as many as packets can be under way: transmit rings and what waits for them.
 */
#ifndef ARO_DATAPLANE_POOLS_H
#define ARO_DATAPLANE_POOLS_H

#include "cache/base/error.h"

struct aro_dataplane;
struct aro_lcore;

/* 0, or -1 with *error. What was made is released by destroy. */
int aro_pools_create(struct aro_dataplane *dataplane, struct aro_lcore *lcore, int socket,
                     struct aro_error *error);
void aro_pools_destroy(struct aro_dataplane *dataplane);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last step: packets wait per queue and go out once per turn. A port that takes only a part
 * leaves the rest waiting; jobs then pause, nothing is dropped. lcore only.
 */
#ifndef ARO_DATAPLANE_TX_H
#define ARO_DATAPLANE_TX_H

#include "dataplane/lcore.h"

/* Room kept for the small answers of one receive burst, so that an answer always has a place. */
enum { ARO_TX_RESERVE = 2 * ARO_BURST_MAX };
static_assert(ARO_TX_RESERVE + ARO_TURN_SLICES_JOB <= ARO_TX_BUFFER, "jobs can always proceed");

/* Room for slices. */
static inline unsigned aro_tx_room(const struct aro_queue *queue)
{
    unsigned used = queue->tx_count + ARO_TX_RESERVE;

    return used >= ARO_TX_BUFFER ? 0 : ARO_TX_BUFFER - used;
}

/* Is there a place for every answer to one more receive burst? */
static inline bool aro_tx_has_reserve(const struct aro_queue *queue)
{
    return queue->tx_count <= ARO_TX_BUFFER - ARO_TX_RESERVE;
}

static inline void aro_tx_push(struct aro_queue *queue, struct rte_mbuf *packet)
{
    assert(queue->tx_count < ARO_TX_BUFFER);
    queue->tx[queue->tx_count++] = packet;
}

/* Offers what waits to the ports; returns how many packets they took. */
unsigned aro_tx_flush(struct aro_lcore *lcore);
/* Asks idle ports for packets they are done with but still hold. */
void aro_tx_cleanup(struct aro_lcore *lcore);

#endif

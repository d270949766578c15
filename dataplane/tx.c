/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/tx.h"

static unsigned queue_flush(struct aro_lcore *lcore, struct aro_queue *queue)
{
    uint64_t bytes = 0;
    uint16_t taken;

    for (uint16_t i = 0; i < queue->tx_count; i++)
        bytes += queue->tx[i]->pkt_len;
    taken = rte_eth_tx_burst(queue->port->id, queue->queue, queue->tx, queue->tx_count);
    if (taken < queue->tx_count) { /* what is left is still ours to read */
        for (uint16_t i = taken; i < queue->tx_count; i++)
            bytes -= queue->tx[i]->pkt_len;
        memmove(queue->tx, queue->tx + taken, (queue->tx_count - taken) * sizeof(queue->tx[0]));
        lcore->counters.tx_deferred++;
    }
    queue->tx_count = (uint16_t)(queue->tx_count - taken);
    lcore->counters.tx_packets += taken;
    lcore->counters.tx_bytes += bytes;
    return taken;
}

unsigned aro_tx_flush(struct aro_lcore *lcore)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < lcore->queues; i++)
        if (lcore->queue[i].tx_count != 0)
            taken += queue_flush(lcore, &lcore->queue[i]);
    return taken;
}

void aro_tx_cleanup(struct aro_lcore *lcore)
{
    for (unsigned i = 0; i < lcore->queues; i++) /* -ENOTSUP: the driver frees by itself */
        (void)rte_eth_tx_done_cleanup(lcore->queue[i].port->id, lcore->queue[i].queue, 0);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/rx.h"

#include "dataplane/lcore.h"
#include "dataplane/serve.h"
#include "dataplane/tx.h"

/* True: the frame is a request. Otherwise it was answered or dropped. */
static bool frame_take(struct aro_lcore *lcore, struct aro_queue *queue, struct aro_frame *frame)
{
    int fate = aro_net_input(frame);

    switch (fate) {
    case ARO_NET_REQUEST:
        return true;
    case ARO_NET_REPLY:
        lcore->counters.arp_replies++;
        break;
    case ARO_NET_REPLY_ND:
        lcore->counters.nd_replies++;
        break;
    case ARO_NET_REPLY_ICMP:
        lcore->counters.icmp_replies++;
        break;
    default:
        lcore->counters.drop[fate]++;
        rte_pktmbuf_free(frame->packet);
        return false;
    }
    aro_tx_push(queue, frame->packet);
    return false;
}

static unsigned queue_receive(struct aro_lcore *lcore, struct aro_queue *queue)
{
    const struct aro_port *port = queue->port;
    struct rte_mbuf *packets[ARO_BURST_MAX];
    struct aro_request requests[ARO_BURST_MAX];
    unsigned n_requests = 0;
    uint16_t n;

    if (!aro_tx_has_reserve(queue))
        return 0;
    n = rte_eth_rx_burst(port->id, queue->queue, packets, port->rx_burst);
    for (uint16_t i = 0; i < n; i++)
        rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
    for (uint16_t i = 0; i < n; i++) {
        struct aro_frame *frame = &requests[n_requests].frame;
        lcore->counters.rx_bytes += packets[i]->pkt_len;
        frame->packet = packets[i];
        frame->port = port;
        if (frame_take(lcore, queue, frame))
            n_requests++;
    }
    lcore->counters.rx_packets += n;
    if (n_requests != 0)
        aro_serve_burst(lcore, queue, requests, n_requests);
    return n;
}

unsigned aro_rx_burst(struct aro_lcore *lcore)
{
    unsigned n = 0;

    for (unsigned i = 0; i < lcore->queues; i++)
        n += queue_receive(lcore, &lcore->queue[i]);
    return n;
}

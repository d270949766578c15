/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/pools.h"

#include <stdio.h>

#include "dataplane/extbuf.h"
#include "dataplane/state.h"

enum {
    POOL_CACHE = 256, /* buffers an lcore keeps at hand */
    HEADER_BYTES = RTE_PKTMBUF_HEADROOM + 128,
    FRAME_BYTES_MIN = RTE_MBUF_DEFAULT_DATAROOM, /* memif and others refuse less */
    FRAME_BYTES_STEP = 1024, /* drivers with frames of their own want room for a whole one */
};
static_assert(ARO_HEADER_ROOM <= 128, "a slice's headers fit their buffer");

static int pool_add(struct aro_dataplane *dataplane, struct rte_mempool **at, const char *name,
                    unsigned index, const char *purpose, unsigned n, unsigned room_bytes,
                    int socket, struct aro_error *error)
{
    char unique[RTE_MEMPOOL_NAMESIZE];

    snprintf(unique, sizeof(unique), "%s-%u", name, index);
    *at = room_bytes == 0
              ? aro_extbuf_pool_create(unique, n, socket)
              : rte_pktmbuf_pool_create(unique, n, POOL_CACHE, 0, (uint16_t)room_bytes, socket);
    if (*at == NULL)
        return aro_error_set(error, ARO_E_PACKET_POOL,
                             "no memory for packet buffers \"%s\": %u of %u bytes: %s", unique, n,
                             room_bytes, rte_strerror(rte_errno));
    dataplane->pool[dataplane->pools++] = (struct aro_pool){.pool = *at, .purpose = purpose};
    return 0;
}

int aro_pools_create(struct aro_dataplane *dataplane, struct aro_lcore *lcore, int socket,
                     struct aro_error *error)
{
    unsigned rx = 0, tx = 0, frame_bytes = FRAME_BYTES_MIN, i = lcore->index;
    bool copies = false;

    for (unsigned q = 0; q < lcore->queues; q++) {
        const struct aro_port *port = lcore->queue[q].port;
        rx += port->rx_descriptors;
        tx += port->tx_descriptors + ARO_TX_BUFFER;
        frame_bytes = RTE_MAX(frame_bytes, aro_port_frame_bytes(port));
        copies |= !port->zero_copy;
    }
    frame_bytes = RTE_ALIGN(frame_bytes, FRAME_BYTES_STEP) + RTE_PKTMBUF_HEADROOM;
    if (pool_add(dataplane, &lcore->frames, "frames", i, "receive, and small answers",
                 rx + tx + ARO_BURST_MAX + POOL_CACHE, frame_bytes, socket, error) != 0 ||
        pool_add(dataplane, &lcore->headers, "headers", i, "headers of slices", tx + POOL_CACHE,
                 HEADER_BYTES, socket, error) != 0 ||
        pool_add(dataplane, &lcore->slices, "slices", i, "slices in chunk memory", tx + POOL_CACHE,
                 0, socket, error) != 0)
        return -1;
    if (!copies)
        return 0;
    return pool_add(dataplane, &lcore->copies, "copies", i, "slices copied", tx + POOL_CACHE,
                    frame_bytes, socket, error);
}

void aro_pools_destroy(struct aro_dataplane *dataplane)
{
    for (unsigned i = 0; i < dataplane->pools; i++)
        rte_mempool_free(dataplane->pool[i].pool);
    dataplane->pools = 0;
}

unsigned aro_dataplane_pools(const struct aro_dataplane *dataplane)
{
    return dataplane->pools;
}

void aro_dataplane_pool_info(const struct aro_dataplane *dataplane, unsigned pool,
                             struct aro_pool_info *ret)
{
    const struct rte_mempool *mempool = dataplane->pool[pool].pool;

    *ret = (struct aro_pool_info){
        .name = mempool->name,
        .purpose = dataplane->pool[pool].purpose,
        .bytes = (uint64_t)mempool->populated_size *
                 (mempool->header_size + mempool->elt_size + mempool->trailer_size),
        .items = mempool->populated_size,
        .items_free_now = rte_mempool_avail_count(mempool),
    };
}

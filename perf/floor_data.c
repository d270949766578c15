/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/floor_data.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

enum { BURST = 32, HEADER_BYTES = 96, PRIV_BYTES = 24 };

static void buffer_freed(void *addr, void *opaque)
{
    (void)addr;
    (*(uint64_t *)opaque)++;
}

void floor_open(struct floor_rig *floor, uint16_t port, struct rte_ring *from_port, uint8_t *memory,
                uint64_t memory_bytes)
{
    *floor = (struct floor_rig){
        .port = port, .from_port = from_port, .memory = memory, .memory_bytes = memory_bytes};
    floor->headers =
        rte_pktmbuf_pool_create("floor-headers", 1279, 256, 0, RTE_PKTMBUF_HEADROOM + 128, 0);
    floor->slices = rte_pktmbuf_pool_create("floor-slices", 1279, 256, PRIV_BYTES, 0, 0);
    if (floor->headers == NULL || floor->slices == NULL)
        abort();
}

static void burst_send(struct floor_rig *floor, const uint8_t *header, uint64_t *offset,
                       uint16_t slice_bytes, uint64_t *freed)
{
    struct rte_mbuf *packet[BURST], *slice[BURST];
    uint16_t sent = 0;

    if (rte_pktmbuf_alloc_bulk(floor->headers, packet, BURST) != 0 ||
        rte_pktmbuf_alloc_bulk(floor->slices, slice, BURST) != 0)
        abort();
    for (unsigned i = 0; i < BURST; i++) {
        struct rte_mbuf_ext_shared_info *info = rte_mbuf_to_priv(slice[i]);
        uint8_t *at = floor->memory + *offset;
        info->free_cb = buffer_freed;
        info->fcb_opaque = freed;
        rte_mbuf_ext_refcnt_set(info, 1);
        rte_pktmbuf_attach_extbuf(slice[i], at, (rte_iova_t)(uintptr_t)at, slice_bytes, info);
        slice[i]->data_off = 0;
        slice[i]->data_len = slice_bytes;
        memcpy(rte_pktmbuf_mtod(packet[i], void *), header, HEADER_BYTES);
        packet[i]->data_len = 66;
        packet[i]->pkt_len = 66u + slice_bytes;
        packet[i]->nb_segs = 2;
        packet[i]->next = slice[i];
        *offset += slice_bytes;
        if (*offset + slice_bytes > floor->memory_bytes)
            *offset = 0;
    }
    while (sent < BURST)
        sent = (uint16_t)(sent + rte_eth_tx_burst(floor->port, 0, packet + sent,
                                                  (uint16_t)(BURST - sent)));
}

static void burst_drain(struct floor_rig *floor)
{
    void *objects[BURST];
    unsigned n;

    while ((n = rte_ring_dequeue_burst(floor->from_port, objects, BURST, NULL)) != 0)
        rte_pktmbuf_free_bulk((struct rte_mbuf **)objects, n);
}

uint64_t floor_run(struct floor_rig *floor, uint64_t packets, uint16_t slice_bytes)
{
    uint8_t header[HEADER_BYTES] = {2};
    uint64_t offset = 0, freed = 0;
    uint64_t start = rte_rdtsc();

    for (uint64_t sent = 0; sent < packets; sent += BURST) {
        burst_send(floor, header, &offset, slice_bytes, &freed);
        burst_drain(floor);
    }
    uint64_t cycles = rte_rdtsc() - start;
    if (freed != packets)
        abort();
    return cycles;
}

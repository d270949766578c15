/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor of a zero-copy DATA packet: what any program must spend that copies 96 bytes of ready
 * headers, attaches an external buffer and hands the chain to a port. DPDK only, no project code.
 */
#ifndef ARO_PERF_FLOOR_DATA_H
#define ARO_PERF_FLOOR_DATA_H

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

struct floor_rig {
    uint16_t port;
    struct rte_ring *from_port; /* where the port's packets come out */
    struct rte_mempool *headers, *slices;
    uint8_t *memory; /* what the packets point into, memory_bytes long */
    uint64_t memory_bytes;
};

/* Makes pools like the product's: same sizes, same caches. Aborts when there is no memory. */
void floor_open(struct floor_rig *floor, uint16_t port, struct rte_ring *from_port, uint8_t *memory,
                uint64_t memory_bytes);
/* Sends and drains `packets` (a multiple of 32) of slice_bytes; returns the cycles it took. */
uint64_t floor_run(struct floor_rig *floor, uint64_t packets, uint16_t slice_bytes);

#endif

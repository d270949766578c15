/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zero copy: packets that point into chunk memory.
 *
 * Each slice packet carries its own shared info (in the mbuf's private area, count of one), so no
 * counter is shared between packets, jobs or lcores. When a port frees the packet - on whatever
 * thread - the job is told; when all came back, it unpins the chunk. The chunk's memory cannot be
 * reused before that (see cache.h).
 */
#ifndef ARO_DATAPLANE_EXTBUF_H
#define ARO_DATAPLANE_EXTBUF_H

#include <rte_mbuf.h>

#include "dataplane/jobs.h"

/* Private area of the mbufs of such a pool. */
enum { ARO_EXTBUF_PRIV_BYTES = RTE_ALIGN(sizeof(struct rte_mbuf_ext_shared_info), 8) };

/* A pool of n packets without room of their own; NULL with rte_errno. */
struct rte_mempool *aro_extbuf_pool_create(const char *name, unsigned n, int socket);

/* n empty packets, 0 or -ENOENT (none taken). */
int aro_extbuf_alloc_burst(struct rte_mempool *pool, struct rte_mbuf *slice[], unsigned n);

/* Points slice at [offset, offset + bytes) of job's chunk. The job counts it as handed out. */
void aro_extbuf_attach(struct aro_job *job, struct rte_mbuf *slice, uint32_t offset,
                       uint16_t bytes);

#endif

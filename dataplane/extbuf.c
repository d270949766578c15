/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/extbuf.h"

#include <rte_lcore.h>

static void slice_freed(void *addr, void *opaque)
{
    struct aro_job *job = opaque;

    (void)addr;
    if (rte_lcore_id() == job->lcore_id)
        job->freed_here++;
    else /* release: reads of the chunk through this packet come before; aro_jobs_reap acquires */
        atomic_fetch_add_explicit(&job->freed_elsewhere, 1, memory_order_release);
}

struct rte_mempool *aro_extbuf_pool_create(const char *name, unsigned n, int socket)
{
    return rte_pktmbuf_pool_create(name, n, 256, ARO_EXTBUF_PRIV_BYTES, 0, socket);
}

int aro_extbuf_alloc_burst(struct rte_mempool *pool, struct rte_mbuf *slice[], unsigned n)
{
    return rte_pktmbuf_alloc_bulk(pool, slice, n);
}

void aro_extbuf_attach(struct aro_job *job, struct rte_mbuf *slice, uint32_t offset, uint16_t bytes)
{
    struct rte_mbuf_ext_shared_info *info = rte_mbuf_to_priv(slice);
    uint8_t *at = job->entry->data + offset;

    info->free_cb = slice_freed;
    info->fcb_opaque = job;
    rte_mbuf_ext_refcnt_set(info, 1);
    /* chunk memory is mapped for devices at its virtual address (aro_port_map), or not at all */
    rte_pktmbuf_attach_extbuf(slice, at, (rte_iova_t)(uintptr_t)at, bytes, info);
    slice->data_off = 0;
    slice->data_len = bytes;
}

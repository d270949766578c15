/* SPDX-License-Identifier: BSD-3-Clause */
/* The main loop of an lcore: one turn is one pass over the road, the clock read once. */
#include <sched.h>

#include "dataplane/idle.h"
#include "dataplane/lcore.h"
#include "dataplane/rx.h"
#include "dataplane/tx.h"

static void clock_read(struct aro_lcore *lcore)
{
    lcore->now_tsc = rte_rdtsc();
    lcore->guard.now_ms = (uint32_t)(lcore->now_tsc / (lcore->tsc_per_us * 1000));
}

static void gauges_set(struct aro_lcore *lcore)
{
    const struct aro_pending *pending = &lcore->pending;

    atomic_store_explicit(&lcore->jobs_now, aro_job_queue_count(&lcore->jobs.active),
                          memory_order_relaxed);
    atomic_store_explicit(&lcore->draining_now, aro_job_queue_count(&lcore->jobs.draining),
                          memory_order_relaxed);
    atomic_store_explicit(&lcore->pending_now, pending->waiting, memory_order_relaxed);
    atomic_store_explicit(&lcore->reads_now, pending->reads_max - pending->free_reads,
                          memory_order_relaxed);
    lcore->counters.loops++;
}

/* Not before its pages are there: an lcore would stand still while the kernel brings them in. */
static void region_register(struct aro_lcore *lcore)
{
    if (lcore->region_registered ||
        !atomic_load_explicit(&lcore->region_present, memory_order_relaxed))
        return;
    lcore->region_registered = true;
    aro_disk_readers_register(lcore->disk, lcore->region, lcore->region_bytes);
}

void aro_lcore_turn(struct aro_lcore *lcore)
{
    unsigned work;

    clock_read(lcore);
    work = aro_rx_burst(lcore);
    work += aro_mailbox_take(lcore);
    work += aro_reads_reap(lcore);
    work += aro_reads_verify(lcore);
    work += aro_pending_expire(lcore);
    work += aro_jobs_send(lcore);
    work += aro_tx_flush(lcore);
    work += aro_jobs_reap(lcore);
    if (lcore->disk != NULL) {
        region_register(lcore);
        aro_disk_readers_submit(lcore->disk);
    }
    aro_bell_ring(lcore);
    aro_cache_quiescent(lcore->reader);
    gauges_set(lcore);
    aro_idle_turn(lcore, work);
}

static void tx_give_up(struct aro_lcore *lcore)
{
    aro_tx_flush(lcore);
    aro_tx_cleanup(lcore);
    for (unsigned i = 0; i < lcore->queues; i++) {
        rte_pktmbuf_free_bulk(lcore->queue[i].tx, lcore->queue[i].tx_count);
        lcore->queue[i].tx_count = 0;
    }
}

void aro_lcore_open(struct aro_lcore *lcore)
{
    aro_idle_init();
    lcore->cpu = sched_getcpu();
    clock_read(lcore);
    lcore->region_registered = false;
    if (lcore->disks != NULL) {
        const struct aro_disk_readers_config config = {
            .disks = lcore->disks,
            .depth = lcore->pending.reads_max / aro_disks_count(lcore->disks),
            .poll_disks = lcore->poll_disks,
            .files = true,
        };
        lcore->disk = aro_disk_readers_create(&config);
    }
    aro_cache_online(lcore->reader);
    atomic_store_explicit(&lcore->running, true, memory_order_release);
}

void aro_lcore_close(struct aro_lcore *lcore)
{
    aro_pending_stop(lcore);
    tx_give_up(lcore);
    aro_jobs_give_up(lcore);
    aro_disk_readers_destroy(lcore->disk);
    lcore->disk = NULL;
    gauges_set(lcore);
    aro_cache_offline(lcore->reader);
    atomic_store_explicit(&lcore->running, false, memory_order_release);
}

int aro_lcore_main(void *arg)
{
    struct aro_lcore *lcore = arg;

    aro_lcore_open(lcore);
    while (!atomic_load_explicit(&lcore->stop, memory_order_relaxed))
        aro_lcore_turn(lcore);
    aro_lcore_close(lcore);
    return 0;
}

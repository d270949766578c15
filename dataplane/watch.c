/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control thread may see of running ports and lcores. */
#include "dataplane/state.h"

unsigned aro_dataplane_ports(const struct aro_dataplane *dataplane)
{
    return dataplane->ports;
}

void aro_dataplane_port_info(struct aro_dataplane *dataplane, unsigned port,
                             struct aro_port_info *ret)
{
    aro_port_info(&dataplane->port[port], ret);
}

unsigned aro_dataplane_lcores(const struct aro_dataplane *dataplane)
{
    return dataplane->lcores;
}

void aro_dataplane_lcore_info(const struct aro_dataplane *dataplane, unsigned lcore,
                              struct aro_lcore_info *ret)
{
    struct aro_lcore *from = dataplane->lcore[lcore];
    struct aro_disk_reader_stats stats;
    bool buffers = from->disk != NULL, files = buffers;

    for (unsigned i = 0; from->disk != NULL && i < aro_disks_count(from->disks); i++) {
        aro_disk_readers_stats(from->disk, i, &stats);
        buffers &= stats.fixed_buffers;
        files &= stats.fixed_files;
    }
    *ret = (struct aro_lcore_info){
        .lcore = from->lcore_id,
        .cpu = from->cpu < 0 ? 0 : (unsigned)from->cpu,
        .running = atomic_load_explicit(&from->running, memory_order_acquire),
        .jobs_now = atomic_load_explicit(&from->jobs_now, memory_order_relaxed),
        .draining_now = atomic_load_explicit(&from->draining_now, memory_order_relaxed),
        .pending_now = atomic_load_explicit(&from->pending_now, memory_order_relaxed),
        .reads_now = atomic_load_explicit(&from->reads_now, memory_order_relaxed),
        .loops = __atomic_load_n(&from->counters.loops, __ATOMIC_RELAXED),
        .counters = &from->counters,
        .read_fixed_buffers = buffers,
        .read_fixed_files = files,
        .has_disk_ring = from->disk != NULL,
    };
}

void aro_dataplane_disk_stats(const struct aro_dataplane *dataplane, unsigned disk,
                              struct aro_disk_reader_stats *ret, uint64_t *ret_reads_now)
{
    *ret_reads_now = 0;
    for (unsigned i = 0; i < dataplane->lcores; i++) {
        const struct aro_disk_readers *from = dataplane->lcore[i]->disk;
        if (from == NULL)
            continue;
        aro_disk_readers_stats_add(from, disk, ret);
        *ret_reads_now += aro_disk_readers_in_flight(from, disk);
    }
}

void aro_dataplane_counters(const struct aro_dataplane *dataplane, struct aro_counters *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < dataplane->lcores; i++)
        for (unsigned c = 0; c < ARO_COUNTERS; c++) {
            const struct aro_counter_info *info = &aro_counter_infos[c];
            uint64_t *sum = (uint64_t *)(void *)((char *)ret + info->offset);
            *sum += aro_counter_read(&dataplane->lcore[i]->counters, info);
        }
}

double aro_dataplane_cycles_per_s(const struct aro_dataplane *dataplane)
{
    (void)dataplane;
    return (double)rte_get_tsc_hz();
}

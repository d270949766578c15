/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/watch/scrape.h"

#include <stdio.h>
#include <string.h>

#include "control/watch/names.h"

/* ---- the node's own measures ---- */

static void value_write(struct aro_exposition *to, const struct aro_exported *as,
                        const struct aro_label labels[], unsigned n, uint64_t value)
{
    if (as->scale == 1)
        aro_exposition_count(to, as->name, labels, n, value);
    else
        aro_exposition_real(to, as->name, labels, n, (double)value * as->scale);
}

static void metrics_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    for (size_t i = 0; i < aro_metric_count; i++) {
        const struct aro_metric *metric = &aro_metric_list[i];
        bool gauge = aro_metric_is_gauge(metric);
        struct aro_exported as;
        if ((strcmp(metric->group, "store") == 0 || strcmp(metric->group, "admission") == 0) &&
            !scrape->has_store)
            continue;
        aro_exported_name(metric->group, metric->name, gauge, scrape->cycles_per_s, &as);
        aro_exposition_family(to, as.name, gauge ? ARO_FAMILY_GAUGE : ARO_FAMILY_COUNTER,
                              metric->sentence);
        value_write(to, &as, NULL, 0, aro_metric_read(&scrape->metrics, metric));
    }
}

/* Chunks in memory by size; a label holds the largest size of its class. */
static void sizes_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const char *const names[] = {"arocache_cache_size_chunks", "arocache_cache_size_bytes"};
    static const char *const sentences[] = {
        "chunks in memory, by size: at most so many bytes, and more than the class below",
        "payload of the chunks in memory, by size"};

    for (unsigned v = 0; v < 2; v++) {
        aro_exposition_family(to, names[v], ARO_FAMILY_GAUGE, sentences[v]);
        for (unsigned i = 0; i < ARO_SIZE_CLASSES; i++) {
            const struct aro_size_count *count = &scrape->metrics.cache.size_now[i];
            char text[12];
            const struct aro_label size = {"size", text};
            snprintf(text, sizeof(text), "%u", (unsigned)ARO_CHUNK_ALIGN << i);
            aro_exposition_count(to, names[v], &size, 1, v == 0 ? count->entries : count->bytes);
        }
    }
}

static void node_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    const struct aro_label version = {"version", scrape->version};
    char reasons[ARO_REASONS_BYTES];

    aro_exposition_family(to, "arocache_build_info", ARO_FAMILY_GAUGE,
                          "always 1; the version is the label");
    aro_exposition_count(to, "arocache_build_info", &version, 1, 1);
    aro_exposition_family(to, "arocache_start_time_seconds", ARO_FAMILY_GAUGE,
                          "when the daemon started, Unix time");
    aro_exposition_real(to, "arocache_start_time_seconds", NULL, 0, scrape->started_unix_s);
    aro_exposition_family(to, "arocache_ready", ARO_FAMILY_GAUGE,
                          "what /readyz says: 1 when requests can be answered");
    aro_exposition_count(to, "arocache_ready", NULL, 0, aro_scrape_ready(scrape, reasons));
}

/* ---- per lcore ---- */

static struct aro_label lcore_label(const struct aro_scrape *scrape, unsigned i, char text[12])
{
    snprintf(text, 12, "%u", scrape->lcore[i].lcore);
    return (struct aro_label){"lcore", text};
}

static void counters_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    char text[12];

    for (unsigned c = 0; c < ARO_COUNTERS; c++) {
        const struct aro_counter_info *info = &aro_counter_infos[c];
        struct aro_exported as;
        if (info->layer != 'c')
            continue;
        aro_exported_name("dataplane", info->name, false, scrape->cycles_per_s, &as);
        aro_exposition_family(to, as.name, ARO_FAMILY_COUNTER, info->sentence);
        for (unsigned i = 0; i < scrape->lcores; i++) {
            struct aro_label lcore = lcore_label(scrape, i, text);
            value_write(to, &as, &lcore, 1, aro_counter_read(scrape->lcore[i].counters, info));
        }
    }
}

/* One family: sums over reasons are what dashboards draw. Reasons are explained in the docs. */
static void drops_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const char name[] = "arocache_dataplane_drops_total";
    char text[12];

    aro_exposition_family(to, name, ARO_FAMILY_COUNTER,
                          "packets dropped, by reason; layer: frame or request");
    for (unsigned c = ARO_COUNTERS - ARO_DROPS; c < ARO_COUNTERS; c++) {
        const struct aro_counter_info *info = &aro_counter_infos[c];
        for (unsigned i = 0; i < scrape->lcores; i++) {
            struct aro_label labels[] = {{"layer", info->layer == 'f' ? "frame" : "request"},
                                         {"reason", info->name + strlen("drop_")},
                                         lcore_label(scrape, i, text)};
            aro_exposition_count(to, name, labels, 3,
                                 aro_counter_read(scrape->lcore[i].counters, info));
        }
    }
}

enum lcore_gauge { ADVANCING, JOBS, DRAINING, PENDING, READS, LCORE_GAUGES };

static uint64_t lcore_gauge(const struct aro_scrape *scrape, unsigned i, enum lcore_gauge which)
{
    const struct aro_lcore_info *info = &scrape->lcore[i];
    const uint64_t values[LCORE_GAUGES] = {scrape->advances[i], info->jobs_now, info->draining_now,
                                           info->pending_now, info->reads_now};

    return values[which];
}

static void lcores_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const struct {
        const char *name, *sentence;
    } gauges[LCORE_GAUGES] = {
        [ADVANCING] = {"arocache_lcore_advancing", "1: its main loop turns; 0: not for a second"},
        [JOBS] = {"arocache_lcore_jobs", "answers under way"},
        [DRAINING] = {"arocache_lcore_draining", "answers sent of which a port holds packets"},
        [PENDING] = {"arocache_lcore_pending", "requests that wait for a disk read"},
        [READS] = {"arocache_lcore_reads", "disk reads in flight"},
    };
    char text[12];

    for (unsigned g = 0; g < LCORE_GAUGES; g++) {
        aro_exposition_family(to, gauges[g].name, ARO_FAMILY_GAUGE, gauges[g].sentence);
        for (unsigned i = 0; i < scrape->lcores; i++) {
            struct aro_label lcore = lcore_label(scrape, i, text);
            aro_exposition_count(to, gauges[g].name, &lcore, 1, lcore_gauge(scrape, i, g));
        }
    }
}

/* ---- per port, per disk, per pool ---- */

static void port_info_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    aro_exposition_family(to, "arocache_port_info", ARO_FAMILY_GAUGE,
                          "always 1; what the port is stands in the labels");
    for (unsigned i = 0; i < scrape->ports; i++) {
        const struct aro_port_info *port = &scrape->port[i];
        const struct aro_label labels[] = {{"port", port->name},
                                           {"device", port->device},
                                           {"driver", port->driver},
                                           {"profile", port->profile},
                                           {"zero_copy", port->zero_copy ? "yes" : "no"}};
        aro_exposition_count(to, "arocache_port_info", labels, 5, 1);
    }
}

enum port_value {
    LINK_UP,
    LINK_SPEED,
    RX_PACKETS,
    RX_BYTES,
    RX_MISSED,
    RX_ERRORS,
    TX_PACKETS,
    TX_BYTES,
    TX_ERRORS,
    PORT_VALUES
};

static uint64_t port_value(const struct aro_port_info *port, enum port_value which)
{
    const uint64_t values[PORT_VALUES] = {port->link_up,    port->link_mbps * UINT64_C(125000),
                                          port->rx_packets, port->rx_bytes,
                                          port->rx_missed,  port->rx_errors,
                                          port->tx_packets, port->tx_bytes,
                                          port->tx_errors};

    return values[which];
}

static void ports_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const struct {
        const char *name, *sentence;
    } list[PORT_VALUES] = {
        [LINK_UP] = {"arocache_port_link_up", "1: the link is up"},
        [LINK_SPEED] = {"arocache_port_link_speed_bytes",
                        "link speed, bytes per second; 0: unknown"},
        [RX_PACKETS] = {"arocache_port_rx_packets_total", "packets received, by the device"},
        [RX_BYTES] = {"arocache_port_rx_bytes_total", "bytes received, by the device"},
        [RX_MISSED] = {"arocache_port_rx_missed_total", "packets that found its receive ring full"},
        [RX_ERRORS] = {"arocache_port_rx_errors_total", "packets received damaged, by the device"},
        [TX_PACKETS] = {"arocache_port_tx_packets_total", "packets sent, by the device"},
        [TX_BYTES] = {"arocache_port_tx_bytes_total", "bytes sent, by the device"},
        [TX_ERRORS] = {"arocache_port_tx_errors_total", "packets that the device failed to send"},
    };

    port_info_write(scrape, to);
    for (unsigned v = 0; v < PORT_VALUES; v++) {
        aro_exposition_family(to, list[v].name,
                              v < RX_PACKETS ? ARO_FAMILY_GAUGE : ARO_FAMILY_COUNTER,
                              list[v].sentence);
        for (unsigned i = 0; i < scrape->ports; i++) {
            const struct aro_label port = {"port", scrape->port[i].name};
            aro_exposition_count(to, list[v].name, &port, 1, port_value(&scrape->port[i], v));
        }
    }
}

enum disk_value {
    DISK_SERVING,
    DISK_SIZE,
    DISK_USED,
    DISK_CHUNKS,
    DISK_OBJECTS,
    DISK_IN_FLIGHT,
    DISK_READS,
    DISK_READ_BYTES,
    DISK_READ_ERRORS,
    DISK_WRITE_ERRORS,
    DISK_OUTS,
    DISK_VALUES
};

static uint64_t disk_value(const struct aro_disk_info *disk, enum disk_value which)
{
    const uint64_t values[DISK_VALUES] = {disk->state == ARO_DISK_SERVING,
                                          disk->store.size_bytes,
                                          disk->store.bytes_taken_now,
                                          disk->store.chunks_now,
                                          disk->store.objects_now,
                                          disk->reads_now,
                                          disk->reads.reads,
                                          disk->reads.read_bytes,
                                          disk->reads.failures,
                                          disk->store.write_failures + disk->store.sync_failures,
                                          disk->times_out};

    return values[which];
}

static void disks_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const struct {
        const char *name, *sentence;
    } list[DISK_VALUES] = {
        [DISK_SERVING] =
            {"arocache_disk_serving",
             "1: its index is whole and it takes writes; 0: aroctl disks says why not"},
        [DISK_SIZE] = {"arocache_disk_size_bytes", "disk space that its store may take"},
        [DISK_USED] = {"arocache_disk_used_bytes", "of it: as arocache_store_taken_bytes"},
        [DISK_CHUNKS] = {"arocache_disk_chunks", "chunks on this disk"},
        [DISK_OBJECTS] = {"arocache_disk_objects", "objects on this disk"},
        [DISK_IN_FLIGHT] = {"arocache_disk_reads_in_flight", "reads that lcores wait for"},
        [DISK_READS] = {"arocache_disk_reads_total", "chunks read, by lcores and control"},
        [DISK_READ_BYTES] = {"arocache_disk_read_bytes_total", "bytes asked of it for them"},
        [DISK_READ_ERRORS] = {"arocache_disk_read_errors_total", "reads that failed"},
        [DISK_WRITE_ERRORS] = {"arocache_disk_write_errors_total", "writes and syncs that failed"},
        [DISK_OUTS] = {"arocache_disk_outs_total", "times it was not used because it failed"},
    };

    for (unsigned v = 0; v < DISK_VALUES && scrape->disks > 0; v++) {
        aro_exposition_family(to, list[v].name,
                              v < DISK_READS ? ARO_FAMILY_GAUGE : ARO_FAMILY_COUNTER,
                              list[v].sentence);
        for (unsigned i = 0; i < scrape->disks; i++) {
            const struct aro_label disk = {"disk", scrape->disk[i].name};
            aro_exposition_count(to, list[v].name, &disk, 1, disk_value(&scrape->disk[i], v));
        }
    }
}

static void pools_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    static const char *const names[] = {"arocache_pool_buffers", "arocache_pool_free_buffers"};
    static const char *const sentences[] = {"packet buffers of the pool", "of them not in use"};

    for (unsigned v = 0; v < 2; v++) {
        aro_exposition_family(to, names[v], ARO_FAMILY_GAUGE, sentences[v]);
        for (unsigned i = 0; i < scrape->pools; i++) {
            const struct aro_pool_info *pool = &scrape->pool[i];
            const struct aro_label label = {"pool", pool->name};
            aro_exposition_count(to, names[v], &label, 1,
                                 v == 0 ? pool->items : pool->items_free_now);
        }
    }
}

void aro_scrape_write(const struct aro_scrape *scrape, struct aro_exposition *to)
{
    node_write(scrape, to);
    counters_write(scrape, to);
    drops_write(scrape, to);
    lcores_write(scrape, to);
    ports_write(scrape, to);
    disks_write(scrape, to);
    pools_write(scrape, to);
    metrics_write(scrape, to);
    sizes_write(scrape, to);
}

/* ---- readiness ---- */

static bool any_link_up(const struct aro_scrape *scrape)
{
    for (unsigned i = 0; i < scrape->ports; i++)
        if (scrape->port[i].link_up)
            return true;
    return false;
}

bool aro_scrape_ready(const struct aro_scrape *scrape, char reasons[ARO_REASONS_BYTES])
{
    reasons[0] = '\0';
    if (scrape->stopping)
        aro_exporter_reason(reasons, ARO_REASONS_BYTES, "stopping\n");
    for (unsigned i = 0; i < scrape->lcores; i++)
        if (!scrape->advances[i])
            aro_exporter_reason(reasons, ARO_REASONS_BYTES, "lcore %u does not advance\n",
                                scrape->lcore[i].lcore);
    if (scrape->has_store && scrape->metrics.store.recovering)
        aro_exporter_reason(reasons, ARO_REASONS_BYTES,
                            "the store's index is being built: %llu of %llu segments\n",
                            (unsigned long long)scrape->metrics.store.recovered_segments,
                            (unsigned long long)scrape->metrics.store.recovery_segments);
    if (scrape->has_store && !scrape->metrics.store.writable)
        aro_exporter_reason(reasons, ARO_REASONS_BYTES, "the store takes no writes\n");
    if (!any_link_up(scrape))
        aro_exporter_reason(reasons, ARO_REASONS_BYTES, "no port has its link up\n");
    return reasons[0] == '\0';
}

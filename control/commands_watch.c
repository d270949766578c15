/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands that watch: status, stats, ports, lcores. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/commands.h"
#include "control/config_values.h"
#include "control/metrics.h"
#include "control/watch/observe.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

void aro_node_metrics(struct aro_node *node, struct aro_metrics *ret)
{
    memset(ret, 0, sizeof(*ret));
    aro_cache_stats(node->cache, &ret->cache);
    aro_disks_stats(node->disks, &ret->store);
    aro_server_stats(node->server, &ret->control.server);
    aro_observer_http_stats(node->observer, &ret->control.http);
    aro_request_log_stats(node->request_log, &ret->control.request_log);
    ret->control.requests = aro_rpc_requests(node->rpc);
    ret->control.errors = aro_rpc_errors(node->rpc);
    ret->control.jobs_now = aro_jobs_now(node->jobs);
    ret->control.rounds = aro_loop_rounds(node->loop);
    ret->control.longest_round_us = aro_loop_longest_us(node->loop);
    aro_admission_stats(aro_content_admission(node->content), &ret->admission);
    aro_resolver_stats(node->resolver, &ret->origin);
    ret->origin.held_now = aro_held_now(node->held);
}

static json_t *group_json(const struct aro_metrics *metrics, const char *group)
{
    json_t *json = json_object();

    for (size_t i = 0; i < aro_metric_count; i++) {
        const struct aro_metric *metric = &aro_metric_list[i];
        uint64_t value = aro_metric_read(metrics, metric);
        if (strcmp(metric->group, group) == 0)
            json_object_set_new(json, metric->name,
                                metric->kind == ARO_METRIC_FLAG ? json_boolean(value)
                                                                : integer(value));
    }
    return json;
}

/* ---- stats ---- */

static json_t *counters_json(const struct aro_counters *counters)
{
    json_t *json = json_object();

    for (size_t i = 0; i < ARO_COUNTERS; i++)
        json_object_set_new(json, aro_counter_infos[i].name,
                            integer(aro_counter_read(counters, &aro_counter_infos[i])));
    return json;
}

static uint64_t drops(const struct aro_counters *counters, char layer)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARO_COUNTERS; i++)
        if (aro_counter_infos[i].layer == layer)
            sum += aro_counter_read(counters, &aro_counter_infos[i]);
    return sum;
}

/* What lcores hold now: requests that are neither answered nor given up. */
static uint64_t under_way(struct aro_node *node)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < aro_dataplane_lcores(node->dataplane); i++) {
        struct aro_lcore_info info;
        aro_dataplane_lcore_info(node->dataplane, i, &info);
        sum += info.jobs_now + info.pending_now;
    }
    return sum;
}

/* The two sums of counters.def; differences are zero with traffic at rest. */
static json_t *balance_json(struct aro_node *node, const struct aro_counters *c)
{
    uint64_t frame_drops = drops(c, 'f'), request_drops = drops(c, 'r'), now = under_way(node);
    uint64_t frames = c->arp_replies + c->nd_replies + c->icmp_replies + frame_drops + c->requests;
    uint64_t requests = c->answered + c->partial + c->refused + c->challenged + request_drops + now;

    return json_pack("{s:o, s:o, s:o, s:I, s:I}", "frame_drops", integer(frame_drops),
                     "request_drops", integer(request_drops), "requests_now", integer(now),
                     "rx_packets_unaccounted", (json_int_t)(c->rx_packets - frames),
                     "requests_unaccounted", (json_int_t)(c->requests - requests));
}

void aro_handle_stats(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    struct aro_counters counters;
    struct aro_metrics metrics;

    aro_dataplane_counters(node->dataplane, &counters);
    aro_node_metrics(node, &metrics);
    aro_call_reply(
        call,
        json_pack("{s:o, s:o, s:o, s:o?, s:o?, s:o, s:o}", "dataplane", counters_json(&counters),
                  "balance", balance_json(node, &counters), "cache", group_json(&metrics, "cache"),
                  "store", node->disks != NULL ? group_json(&metrics, "store") : NULL, "admission",
                  node->disks != NULL ? group_json(&metrics, "admission") : NULL, "control",
                  group_json(&metrics, "control"), "origin", group_json(&metrics, "origin")));
}

/* ---- ports and lcores ---- */

static json_t *port_json(struct aro_node *node, unsigned i)
{
    const struct aro_port_config *config = &node->config.port[i];
    struct aro_port_info info;
    json_t *json, *addresses = json_array();
    char mac[18], address[64];

    aro_dataplane_port_info(node->dataplane, i, &info);
    for (unsigned a = 0; a < config->addresses; a++)
        json_array_append_new(addresses,
                              json_string(aro_address_format(&config->address[a], address)));
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", info.mac[0], info.mac[1],
             info.mac[2], info.mac[3], info.mac[4], info.mac[5]);
    json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:i, s:i, s:b, s:I}", "name", info.name,
                     "device", info.device, "driver", info.driver, "profile", info.profile, "note",
                     info.note, "mac", mac, "addresses", addresses, "mtu", (int)info.mtu, "queues",
                     (int)info.queues, "link_up", info.link_up, "link_mbps",
                     (json_int_t)info.link_mbps);
    json_object_update_new(json,
                           json_pack("{s:b, s:s, s:b, s:s}", "zero_copy", info.zero_copy,
                                     "zero_copy_why", info.zero_copy_why, "checksum_device",
                                     info.checksum_device, "checksum_why", info.checksum_why));
    json_object_update_new(
        json,
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rx_packets", integer(info.rx_packets),
                  "rx_bytes", integer(info.rx_bytes), "rx_missed", integer(info.rx_missed),
                  "rx_errors", integer(info.rx_errors), "tx_packets", integer(info.tx_packets),
                  "tx_bytes", integer(info.tx_bytes), "tx_errors", integer(info.tx_errors)));
    return json;
}

static json_t *ports_json(struct aro_node *node)
{
    json_t *ports = json_array();

    for (unsigned i = 0; i < aro_dataplane_ports(node->dataplane); i++)
        json_array_append_new(ports, port_json(node, i));
    return ports;
}

void aro_handle_ports(void *arg, struct aro_call *call)
{
    aro_call_reply(call, json_pack("{s:o}", "ports", ports_json(arg)));
}

static json_t *lcore_json(struct aro_node *node, unsigned i)
{
    struct aro_lcore_info info;
    uint64_t busy, idle;

    aro_dataplane_lcore_info(node->dataplane, i, &info);
    busy = __atomic_load_n(&info.counters->busy_cycles, __ATOMIC_RELAXED);
    idle = __atomic_load_n(&info.counters->idle_cycles, __ATOMIC_RELAXED);
    return json_pack("{s:i, s:i, s:b, s:I, s:I, s:I, s:I, s:o, s:f, s:b, s:b, s:b, s:o}", "lcore",
                     (int)info.lcore, "cpu", (int)info.cpu, "running", info.running, "jobs_now",
                     (json_int_t)info.jobs_now, "draining_now", (json_int_t)info.draining_now,
                     "pending_now", (json_int_t)info.pending_now, "reads_now",
                     (json_int_t)info.reads_now, "loops", integer(info.loops), "busy_ratio",
                     busy + idle > 0 ? (double)busy / (double)(busy + idle) : 0.0, "disk_ring",
                     info.has_disk_ring, "fixed_buffers", info.read_fixed_buffers, "fixed_files",
                     info.read_fixed_files, "counters", counters_json(info.counters));
}

void aro_handle_lcores(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    json_t *lcores = json_array();

    for (unsigned i = 0; i < aro_dataplane_lcores(node->dataplane); i++)
        json_array_append_new(lcores, lcore_json(node, i));
    aro_call_reply(call, json_pack("{s:o}", "lcores", lcores));
}

/* ---- status ---- */

static json_t *pools_json(struct aro_node *node)
{
    json_t *pools = json_array();

    for (unsigned i = 0; i < aro_dataplane_pools(node->dataplane); i++) {
        struct aro_pool_info info;
        aro_dataplane_pool_info(node->dataplane, i, &info);
        json_array_append_new(pools, json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", info.name,
                                               "purpose", info.purpose, "bytes",
                                               integer(info.bytes), "items", (json_int_t)info.items,
                                               "items_free_now", (json_int_t)info.items_free_now));
    }
    return pools;
}

static json_t *port_brief(struct aro_node *node)
{
    json_t *ports = json_array();

    for (unsigned i = 0; i < aro_dataplane_ports(node->dataplane); i++) {
        struct aro_port_info info;
        aro_dataplane_port_info(node->dataplane, i, &info);
        json_array_append_new(ports, json_pack("{s:s, s:s, s:b, s:b}", "name", info.name, "driver",
                                               info.driver, "link_up", info.link_up, "zero_copy",
                                               info.zero_copy));
    }
    return ports;
}

static json_t *memory_json(struct aro_node *node, const struct aro_cache_stats *cache)
{
    const struct aro_pins *pins = aro_content_pins(node->content);

    return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:b}", "cache_bytes",
                     integer(cache->bytes_total), "cache_hugepages", node->region_huge,
                     "cache_used_bytes", integer(cache->bytes_used_now), "cache_chunks",
                     integer(cache->entries_now), "pinned_bytes", integer(aro_pins_bytes(pins)),
                     "pinned_max_bytes", integer(aro_pins_bytes_max(pins)), "eal_bytes",
                     integer(node->eal_memory_bytes), "eal_hugepages", node->eal_huge);
}

json_t *aro_admission_json(const struct aro_node *node)
{
    bool second_hit = aro_config_second_hit(&node->config);
    struct aro_admission_stats stats;

    aro_admission_stats(aro_content_admission(node->content), &stats);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "admit",
                     second_hit ? "second-hit" : "always", "objects_now",
                     integer(stats.objects_now), "bytes_now", integer(stats.bytes_now), "deferred",
                     integer(stats.deferred), "admitted", integer(stats.admitted), "dropped",
                     integer(stats.dropped));
}

void aro_handle_status(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    struct aro_metrics metrics;
    json_t *json;

    aro_node_metrics(node, &metrics);
    json = json_pack(
        "{s:s, s:I, s:I, s:i, s:s, s:s}", "version", ARO_VERSION, "pid", (json_int_t)getpid(),
        "uptime_us", (json_int_t)((aro_now_ns() - node->started_ns) / 1000), "service_port",
        (int)node->config.service_port, "idle",
        node->config.idle == ARO_IDLE_POLL ? "poll" : "adaptive", "config", node->config_path);
    json_object_update_new(
        json,
        json_pack("{s:o, s:o?, s:o, s:i, s:o, s:i}", "memory", memory_json(node, &metrics.cache),
                  "store", aro_store_brief(node, &metrics.store), "ports", port_brief(node),
                  "lcores", (int)aro_dataplane_lcores(node->dataplane), "pools", pools_json(node),
                  "jobs", (int)metrics.control.jobs_now));
    if (node->disks != NULL)
        json_object_set_new(json, "admission", aro_admission_json(node));
    aro_call_reply(call, json);
}

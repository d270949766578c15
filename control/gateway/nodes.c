/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/nodes.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "dataplane/client/socket.h"

enum {
    PENALTY_US = 5000000, /* a node that was left is tried again after so long */
    DRAIN_US_MAX = 1000000,
    MANIFESTS_KEPT_BYTES = 16 << 20, /* so that a range costs no manifest */
    BURSTS_PER_ROUND = 4,            /* of one node: clients wait for their turn, too */
};

struct aro_nodes {
    struct aro_engine *engine;
    struct aro_gate_counters *counters;
    struct aro_socket *socket[ARO_GATE_NODES_MAX];
    bool waiting[ARO_GATE_NODES_MAX]; /* more had arrived than was received */
    unsigned count;
    unsigned receiving; /* node whose datagrams come now */
    uint64_t received_us;
};

uint64_t aro_gate_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void random_fill(void *arg, void *bytes, size_t len)
{
    (void)arg;
    if (getrandom(bytes, len, 0) != (ssize_t)len) /* never cut short: up to 256 bytes */
        abort();
}

static int node_add(struct aro_nodes *nodes, const struct aro_gate_node *node,
                    struct aro_error *error)
{
    struct aro_socket *socket = aro_socket_create(node->host, node->port, error);
    int number;

    if (socket == NULL)
        return -1;
    nodes->socket[nodes->count] = socket;
    struct aro_engine_source source = {
        .name = node->name,
        .slice_bytes_max = aro_socket_slice_bytes_max(socket, 0),
        .receive_buffer_bytes = aro_socket_receive_buffer_bytes(socket),
    };
    number = aro_engine_source_add(nodes->engine, &source, aro_gate_now_us());
    if (number < 0)
        return aro_error_set(error, ARO_E_CLIENT_MEMORY, "no memory for node \"%s\"", node->name);
    nodes->count++;
    return 0;
}

struct aro_nodes *aro_nodes_create(const struct aro_gate_config *config, uint64_t buffer_bytes,
                                   struct aro_gate_counters *counters, struct aro_error *error)
{
    struct aro_engine_options options = {.buffer_bytes = buffer_bytes,
                                         .penalty_us = PENALTY_US,
                                         .manifests_kept_bytes = MANIFESTS_KEPT_BYTES,
                                         .random = random_fill};
    struct aro_nodes *nodes = calloc(1, sizeof(*nodes));

    if (nodes == NULL || (nodes->engine = aro_engine_create(&options)) == NULL) {
        aro_error_set(error, ARO_E_CLIENT_MEMORY, "no memory for a fetch engine");
        goto fail;
    }
    nodes->counters = counters;
    for (unsigned i = 0; i < config->nodes; i++)
        if (node_add(nodes, &config->node[i], error) != 0)
            goto fail;
    return nodes;
fail:
    aro_nodes_destroy(nodes);
    return NULL;
}

void aro_nodes_destroy(struct aro_nodes *nodes)
{
    if (nodes == NULL)
        return;
    for (unsigned i = 0; i < ARO_GATE_NODES_MAX; i++)
        aro_socket_destroy(nodes->socket[i]);
    aro_engine_destroy(nodes->engine);
    free(nodes);
}

struct aro_engine *aro_nodes_engine(const struct aro_nodes *nodes)
{
    return nodes->engine;
}

unsigned aro_nodes_count(const struct aro_nodes *nodes)
{
    return nodes->count;
}

int aro_nodes_fd(const struct aro_nodes *nodes, unsigned node)
{
    return aro_socket_fd(nodes->socket[node]);
}

static void datagram_handle(void *arg, const uint8_t *bytes, size_t len)
{
    struct aro_nodes *nodes = arg;

    aro_engine_receive(nodes->engine, nodes->receiving, bytes, len, nodes->received_us);
}

void aro_nodes_receive(struct aro_nodes *nodes, unsigned node)
{
    struct aro_socket *socket = nodes->socket[node];
    int received = 1;

    nodes->receiving = node;
    nodes->waiting[node] = true;
    for (unsigned i = 0; i < BURSTS_PER_ROUND && received > 0 && nodes->waiting[node]; i++) {
        nodes->received_us = aro_gate_now_us();
        received = aro_socket_receive_burst(socket, 0, datagram_handle, nodes);
        nodes->waiting[node] = !aro_socket_drained(socket);
        if (received < 0)
            aro_gate_add(&nodes->counters->node[node].errors, 1);
        else
            aro_gate_add(&nodes->counters->node[node].datagrams, (uint64_t)received);
    }
}

/* Late for us is not lost: first everything that waits in the sockets, within reason. */
void aro_nodes_timeout(struct aro_nodes *nodes, uint64_t now_us)
{
    uint64_t deadline_us = aro_engine_deadline_us(nodes->engine), slack_us = 0;

    for (unsigned i = 0; i < nodes->count; i++)
        if (nodes->waiting[i])
            slack_us = DRAIN_US_MAX;
    if (now_us >= deadline_us && now_us - deadline_us >= slack_us)
        aro_engine_timeout(nodes->engine, now_us);
}

void aro_nodes_send(struct aro_nodes *nodes, uint64_t now_us)
{
    uint8_t requests[ARO_SOCKET_BURST][ARO_GET_BYTES];
    size_t count;

    for (unsigned i = 0; i < nodes->count; i++)
        while ((count = aro_engine_send_burst(nodes->engine, i, requests, ARO_SOCKET_BURST,
                                              now_us)) > 0)
            if (aro_socket_send_burst(nodes->socket[i], requests, count) != 0)
                aro_gate_add(&nodes->counters->node[i].errors, 1);
}

void aro_nodes_publish(struct aro_nodes *nodes)
{
    aro_gate_set(&nodes->counters->content_buffers_bytes_now,
                 aro_engine_buffers_bytes(nodes->engine));
    for (unsigned i = 0; i < nodes->count; i++) {
        const struct arocache_source_stats *stats = aro_engine_source_stats(nodes->engine, i);
        struct aro_gate_node_counters *to = &nodes->counters->node[i];
        aro_gate_set(&to->requests, stats->requests);
        aro_gate_set(&to->chunks, stats->chunks);
        aro_gate_set(&to->content_bytes, stats->content_bytes);
        aro_gate_set(&to->absent, stats->absent);
        aro_gate_set(&to->slices_lost, stats->slices_lost);
        aro_gate_set(&to->timeouts, stats->timeouts);
        aro_gate_set(&to->mismatches, stats->mismatches);
        aro_gate_set(&to->chunks_taken, stats->taken);
        aro_gate_set(&to->left_now, !aro_engine_source_alive(nodes->engine, i));
    }
}

uint64_t aro_nodes_sleep_us(const struct aro_nodes *nodes, uint64_t now_us)
{
    uint64_t deadline_us = aro_engine_deadline_us(nodes->engine);

    if (deadline_us == UINT64_MAX)
        return UINT64_MAX;
    return deadline_us > now_us ? deadline_us - now_us : 0;
}

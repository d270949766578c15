/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#include "control/gateway/nodes.h"
#include "dataplane/client/socket.h"
#include "dataplane/proto/codec.h"

struct probed {
    struct aro_watch watch; /* first; fd -1: none */
    struct aro_socket *socket;
    uint64_t echo; /* of the last question */
    uint64_t asked_us;
    uint64_t heard_us; /* 0: never */
};

struct aro_gate_probe {
    struct aro_loop *loop;
    struct probed node[ARO_GATE_NODES_MAX];
    unsigned nodes;
};

/* Any answer to the last question will do: a token, or a status of a node that is busy. */
static void on_datagram(void *arg, const uint8_t *bytes, size_t len)
{
    struct probed *node = arg;
    struct aro_token_msg token;
    struct aro_status_msg status;

    if ((aro_token_decode(bytes, len, &token) == 0 && token.echo == node->echo) ||
        (aro_status_decode(bytes, len, &status) == 0 && status.echo == node->echo))
        node->heard_us = aro_gate_now_us();
}

/* An ICMP error makes it ready, too; there is nothing to learn from it that silence does not say.
 */
static void on_ready(struct aro_watch *watch, uint32_t events)
{
    struct probed *node = (struct probed *)(void *)watch;

    (void)events;
    aro_socket_receive_burst(node->socket, 0, on_datagram, node);
}

static void ask(struct probed *node)
{
    uint8_t request[1][ARO_GET_BYTES];
    struct aro_get get = {.mask = 1, .slice_bytes = ARO_SLICE_BYTES_MIN};

    if (getrandom(&node->echo, sizeof(node->echo), 0) != sizeof(node->echo))
        abort(); /* never cut short: up to 256 bytes */
    get.echo = node->echo;
    aro_get_encode(request[0], &get);
    aro_socket_send_burst(node->socket, request, 1);
}

void aro_gate_probe_heard(struct aro_gate_probe *probe, unsigned node, uint64_t now_us)
{
    probe->node[node].heard_us = now_us;
}

void aro_gate_probe_turn(struct aro_gate_probe *probe, uint64_t now_us)
{
    for (unsigned i = 0; i < probe->nodes; i++) {
        struct probed *node = &probe->node[i];
        uint64_t last_us = node->heard_us > node->asked_us ? node->heard_us : node->asked_us;
        if (last_us != 0 && now_us < last_us + ARO_GATE_ASK_US)
            continue;
        node->asked_us = now_us;
        ask(node);
    }
}

bool aro_gate_probe_answers(const struct aro_gate_probe *probe, unsigned node, uint64_t now_us)
{
    uint64_t heard_us = probe->node[node].heard_us;

    return heard_us != 0 && now_us < heard_us + ARO_GATE_ANSWER_US;
}

static int node_open(struct aro_gate_probe *probe, const struct aro_gate_node *config,
                     struct aro_error *error)
{
    struct probed *node = &probe->node[probe->nodes];
    int failed;

    node->socket = aro_socket_create(config->host, config->port, error);
    if (node->socket == NULL)
        return -1;
    node->watch.fd = aro_socket_fd(node->socket);
    node->watch.ready = on_ready;
    failed = aro_loop_add(probe->loop, &node->watch, EPOLLIN);
    if (failed != 0)
        return aro_error_set(error, ARO_E_GATE_RESOURCES, "no descriptor to ask node \"%s\": %s",
                             config->name, strerror(-failed));
    probe->nodes++;
    return 0;
}

struct aro_gate_probe *aro_gate_probe_create(struct aro_loop *loop,
                                             const struct aro_gate_config *config,
                                             struct aro_error *error)
{
    struct aro_gate_probe *probe = calloc(1, sizeof(*probe));

    if (probe == NULL) {
        aro_error_set(error, ARO_E_GATE_RESOURCES, "no memory to watch the nodes");
        return NULL;
    }
    probe->loop = loop;
    for (unsigned i = 0; i < config->nodes; i++)
        if (node_open(probe, &config->node[i], error) != 0) {
            aro_gate_probe_destroy(probe);
            return NULL;
        }
    return probe;
}

void aro_gate_probe_destroy(struct aro_gate_probe *probe)
{
    if (probe == NULL)
        return;
    for (unsigned i = 0; i < ARO_GATE_NODES_MAX; i++)
        aro_socket_destroy(probe->node[i].socket);
    free(probe);
}

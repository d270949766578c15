/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/gateway/gate_config.h"

#include <arpa/inet.h>
#include <string.h>

#include "control/api/units.h"
#include "control/key_table.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

enum {
    NODE_PORT = 9500,
    WORKERS_AUTO_MAX = 4,
    WORKER_MEMORY_MIN = 8 << 20, /* for every worker: a few downloads of the largest chunks */
};

#define ROW(block, name, at, kind, min, max, initial, sentence)                                    \
    {block, #name, at, ARO_KEY_##kind, min, max, initial, ARO_CHANGE_RESTART, sentence},
#define KEY(name, field, ...)  ROW("", name, offsetof(struct aro_gate_config, field), __VA_ARGS__)
#define NODE(name, field, ...) ROW("node", name, offsetof(struct aro_gate_node, field), __VA_ARGS__)

/* clang-format off */
static const struct aro_key keys[] = {
KEY(listen, listen, ARGS, 1, ARO_EAL_ARGS_MAX, "{\"0.0.0.0:8080\", \"[::]:8080\"}",
    "addresses that HTTP is served on, address:port or [address]:port")
KEY(workers, workers, COUNT, 0, ARO_GATE_WORKERS_MAX, "0",
    "threads that serve; 0: one per CPU, at most 4")
KEY(connections, connections, COUNT, 1, 1000000, "4096",
    "client connections at once, over all workers; beyond: 503")
KEY(memory, memory_bytes, BYTES, 16 * MIB, 1024 * GIB, "256MiB",
    "memory for content under way, over all workers; beyond: 503")
KEY(request_memory, request_memory_bytes, BYTES, MIB, GIB, "4MiB",
    "memory for content under way of one request")
KEY(timeout, timeout_us, DURATION, 1000000, 3600000000, "30s",
    "longest silence of a client, of a node, and of whoever resolves a name")
KEY(log_level, log_level, LOG_LEVEL, 0, 3, "info",
    "least severe lines to log on standard error")
KEY(log, log, TEXT, 0, 255, "",
    "file of the access log; -: standard output; empty: none")
KEY(metrics_listen, metrics_listen, TEXT, 0, 63, "127.0.0.1:9502",
    "address of /metrics, /healthz and /readyz; empty: none")

NODE(address, address, TEXT, 1, 255, NULL,
    "host, host:port or [address]:port of the chunk protocol; port 9500 when left out")
NODE(control, control, TEXT, 0, 107, "",
    "path of the node's control socket, to resolve names and digests; empty: not asked")
};
/* clang-format on */

static bool is_titled(const char *block)
{
    return strcmp(block, "node") == 0;
}

static const struct aro_key_table table = {
    .keys = keys, .count = sizeof(keys) / sizeof(keys[0]), .titled = is_titled};

/* ---- addresses ---- */

/* "host:port", "[host]:port", "host": host without brackets. 0 or -1. */
static int host_split(const char *text, char *host, size_t room, uint64_t *port)
{
    const char *colon = strrchr(text, ':'), *from = text;
    size_t len = strlen(text);

    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return -1;
        from = text + 1;
        len = (size_t)(end - from);
        colon = end[1] == ':' ? end + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        len = (size_t)(colon - text);
    } else {
        colon = NULL; /* none, or an IPv6 address without brackets */
    }
    if (colon != NULL && (aro_count_parse(colon + 1, port) != 0 || *port == 0 || *port > 65535))
        return -1;
    if (len == 0 || len >= room)
        return -1;
    memcpy(host, from, len);
    host[len] = '\0';
    return 0;
}

static int address_parse(const char *text, struct aro_gate_address *ret)
{
    char host[64];
    uint64_t port = 0;

    memset(ret, 0, sizeof(*ret));
    if (host_split(text, host, sizeof(host), &port) != 0 || port == 0)
        return -1;
    if (inet_pton(AF_INET, host, &ret->ip4.sin_addr) == 1) {
        ret->ip4.sin_family = AF_INET;
        ret->ip4.sin_port = htons((uint16_t)port);
        ret->len = sizeof(ret->ip4);
    } else if (inet_pton(AF_INET6, host, &ret->ip6.sin6_addr) == 1) {
        ret->ip6.sin6_family = AF_INET6;
        ret->ip6.sin6_port = htons((uint16_t)port);
        ret->len = sizeof(ret->ip6);
    }
    return ret->len > 0 ? 0 : -1;
}

/* ---- what several keys must agree on ---- */

static int check_addresses(const char *path, struct aro_gate_config *config,
                           struct aro_error *error)
{
    for (unsigned i = 0; i < config->listens; i++)
        if (address_parse(config->listen[i], &config->listen_address[i]) != 0)
            return aro_error_set(error, ARO_E_CONFIG_RANGE,
                                 "%s: listen: '%.80s' is not address:port or [address]:port", path,
                                 config->listen[i]);
    if (config->metrics_listen[0] != '\0' &&
        address_parse(config->metrics_listen, &config->metrics_address) != 0)
        return aro_error_set(error, ARO_E_CONFIG_RANGE,
                             "%s: metrics_listen: '%.80s' is not address:port or [address]:port",
                             path, config->metrics_listen);
    return 0;
}

static int check_nodes(const char *path, struct aro_gate_config *config, struct aro_error *error)
{
    if (config->nodes == 0)
        return aro_error_set(error, ARO_E_CONFIG_MISSING,
                             "%s: no node block: the gateway would have nothing to serve", path);
    for (unsigned i = 0; i < config->nodes; i++) {
        struct aro_gate_node *node = &config->node[i];
        uint64_t port = NODE_PORT;
        if (host_split(node->address, node->host, sizeof(node->host), &port) != 0)
            return aro_error_set(error, ARO_E_CONFIG_RANGE,
                                 "%s: node \"%s\": '%.80s' is not host, host:port or "
                                 "[address]:port",
                                 path, node->name, node->address);
        node->port = (uint16_t)port;
    }
    return 0;
}

static int check(const char *path, unsigned cpus, struct aro_gate_config *config,
                 struct aro_error *error)
{
    if (config->workers == 0)
        config->workers = cpus < 1 ? 1 : cpus < WORKERS_AUTO_MAX ? cpus : WORKERS_AUTO_MAX;
    if (config->memory_bytes / config->workers < WORKER_MEMORY_MIN)
        return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                             "%s: memory gives each of %u workers less than 8 MiB", path,
                             (unsigned)config->workers);
    if (config->connections < config->workers)
        return aro_error_set(error, ARO_E_CONFIG_CONFLICT,
                             "%s: connections gives some of %u workers none", path,
                             (unsigned)config->workers);
    if (check_addresses(path, config, error) != 0)
        return -1;
    return check_nodes(path, config, error);
}

/* ---- reading ---- */

static void *node_begin(const char *path, const struct aro_settings_block *block,
                        struct aro_gate_config *config, struct aro_error *error)
{
    struct aro_gate_node *node = &config->node[config->nodes];

    if (config->nodes == ARO_GATE_NODES_MAX) {
        aro_error_set(error, ARO_E_CONFIG_RANGE, "%s:%u: more than %d nodes", path, block->line,
                      ARO_GATE_NODES_MAX);
        return NULL;
    }
    if (strlen(block->title) == 0 || strlen(block->title) >= sizeof(node->name)) {
        aro_error_set(error, ARO_E_CONFIG_RANGE, "%s:%u: the title of a node has 1..31 characters",
                      path, block->line);
        return NULL;
    }
    strcpy(node->name, block->title);
    aro_key_table_defaults(&table, "node", node);
    config->nodes++;
    return node;
}

int aro_gate_config_read(const char *path, unsigned cpus, struct aro_gate_config *ret,
                         struct aro_error *error)
{
    struct aro_settings *settings = aro_key_table_read(&table, path, error);
    int result = 0;

    if (settings == NULL)
        return -1;
    memset(ret, 0, sizeof(*ret));
    aro_key_table_defaults(&table, "", ret);
    for (unsigned i = 0; i < settings->count && result == 0; i++) {
        const struct aro_settings_block *block = &settings->blocks[i];
        if (!is_titled(block->name))
            ret->metrics_listen_given |= aro_settings_has(block, "metrics_listen");
        void *base = is_titled(block->name) ? node_begin(path, block, ret, error) : ret;
        result = base == NULL ? -1 : aro_key_table_apply(&table, settings, block, base, error);
    }
    if (result == 0)
        result = check(path, cpus, ret, error);
    aro_settings_destroy(settings);
    return result;
}

/* ---- for people ---- */

void aro_gate_config_dump(const struct aro_gate_config *config, FILE *out)
{
    aro_key_table_dump(&table, "", NULL, config, out);
    for (unsigned i = 0; i < config->nodes; i++)
        aro_key_table_dump(&table, "node", config->node[i].name, &config->node[i], out);
}

void aro_gate_config_template(FILE *out)
{
    aro_key_table_template(&table, out);
}

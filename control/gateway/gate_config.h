/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway's configuration: one table of keys, read once at start into a plain struct. One
 * thread.
 */
#ifndef ARO_CONTROL_GATEWAY_GATE_CONFIG_H
#define ARO_CONTROL_GATEWAY_GATE_CONFIG_H

#include <netinet/in.h>
#include <stdio.h>

#include "cache/base/error.h"
#include "control/config.h"

enum {
    ARO_GATE_NODES_MAX = 16,
    ARO_GATE_WORKERS_MAX = 16,
    ARO_GATE_TEXT_BYTES = 256,
};

/* An address to listen on. */
struct aro_gate_address {
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    };
    socklen_t len;
};

struct aro_gate_node {
    char name[32];
    char address[ARO_GATE_TEXT_BYTES]; /* as configured */
    char control[108];                 /* "": it is asked for no names */
    char host[ARO_GATE_TEXT_BYTES];    /* of address, brackets removed */
    uint16_t port;
};

struct aro_gate_config {
    /* a list as config_values.h wants it: count behind the texts */
    char listen[ARO_EAL_ARGS_MAX][ARO_EAL_ARG_BYTES];
    unsigned listens;
    struct aro_gate_address listen_address[ARO_EAL_ARGS_MAX];

    uint64_t workers; /* effective: never 0 after reading */
    uint64_t connections;
    uint64_t memory_bytes;
    uint64_t request_memory_bytes;
    uint64_t timeout_us;
    uint64_t log_level;
    char log[ARO_GATE_TEXT_BYTES];
    char metrics_listen[ARO_GATE_TEXT_BYTES];
    bool metrics_listen_given;               /* by the file: then it must work */
    struct aro_gate_address metrics_address; /* len 0: off */

    struct aro_gate_node node[ARO_GATE_NODES_MAX];
    unsigned nodes;
};

/* Reads and checks path. cpus: what workers = 0 means. 0, or -1 with *error (2001..2005, 2007). */
int aro_gate_config_read(const char *path, unsigned cpus, struct aro_gate_config *ret,
                         struct aro_error *error);

/* The effective configuration, every key with its range; reads back the same. */
void aro_gate_config_dump(const struct aro_gate_config *config, FILE *out);
/* One node, every default; what has none stands as <range>. */
void aro_gate_config_template(FILE *out);

#endif

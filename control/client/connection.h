/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's end of the control socket: one request, its progress, its answer. Blocking, with a
 * deadline; one thread per connection. docs/control-api.md is the other half of the contract.
 */
#ifndef ARO_CONTROL_CLIENT_CONNECTION_H
#define ARO_CONTROL_CLIENT_CONNECTION_H

#include <jansson.h>

#include "cache/base/error.h"

struct aro_connection;

/* NULL with *error (6030). */
struct aro_connection *aro_connect(const char *path, struct aro_error *error);
/* Over a connected stream socket, owned from here (tests). NULL with errno. */
struct aro_connection *aro_connection_over(int fd);
void aro_disconnect(struct aro_connection *connection); /* takes NULL */

struct aro_request {
    const char *method;
    json_t *params; /* borrowed; NULL: none */
    int descriptor; /* handed over with the request; -1: none */
    int timeout_ms; /* longest silence of the daemon; 0: wait for ever */
    void (*progress)(void *arg, json_t *params); /* NULL: not wanted */
    void *arg;
};

/*
 * Sends the request and waits for its answer. The result (the caller's reference), or NULL with
 * *error: what the daemon answered, or 6010, 6031, 6032.
 */
json_t *aro_ask(struct aro_connection *connection, const struct aro_request *request,
                struct aro_error *error);

/* The exit code of a tool that stops because of error. */
int aro_exit_code(const struct aro_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 on the lines of the control socket: parses a request, finds its command, checks role
 * and parameters against the command table, calls the handler, writes the answer.
 *
 * A handler either answers at once (aro_call_reply, aro_call_fail) or keeps the call and answers
 * later, reporting progress meanwhile. A call outlives its client: answers then go nowhere.
 *
 * Control thread only.
 */
#ifndef ARO_CONTROL_RPC_H
#define ARO_CONTROL_RPC_H

#include <jansson.h>

#include "control/api/commands.h"
#include "control/server.h"

struct aro_rpc;

/* One request under way. Ends with exactly one of reply and fail. */
struct aro_call {
    const struct aro_command *command;
    json_t *params; /* an object; checked */
    struct aro_rpc *rpc;
    struct aro_client *client; /* NULL: gone */
    json_t *id;                /* NULL: a notification, nobody waits */
    struct aro_call *next;
};

typedef void aro_handler(void *node, struct aro_call *call);

/* The handler of a command by its name; NULL: none. */
typedef aro_handler *aro_handler_find(const char *name);

/* NULL with errno. find and node: handed to handlers. */
struct aro_rpc *aro_rpc_create(aro_handler_find *find, void *node);
void aro_rpc_destroy(struct aro_rpc *rpc); /* no call under way; takes NULL */

/* For aro_server_config: arg is the rpc. */
void aro_rpc_line(void *rpc, struct aro_client *client, const char *text, size_t len_bytes);
void aro_rpc_gone(void *rpc, struct aro_client *client);

/* Answers and frees the call. result: a new reference, NULL: out of memory. */
void aro_call_reply(struct aro_call *call, json_t *result);
void aro_call_fail(struct aro_call *call, const struct aro_error *error);
/* The same with further members of "data": a new reference; NULL: none. */
void aro_call_fail_with(struct aro_call *call, const struct aro_error *error, json_t *data);
/* "data" of an error with this id; NULL: no memory. */
json_t *aro_error_data(enum aro_error_id id);
/* A notification "progress" on the call's connection. */
void aro_call_progress(const struct aro_call *call, unsigned job, uint64_t done, uint64_t total);

/* Parameters by name; checked before the handler ran, so wrong types cannot occur. */
const char *aro_call_text(const struct aro_call *call, const char *name); /* NULL: absent */
uint64_t aro_call_count(const struct aro_call *call, const char *name, uint64_t absent);
bool aro_call_flag(const struct aro_call *call, const char *name);

uint64_t aro_rpc_requests(const struct aro_rpc *rpc);
uint64_t aro_rpc_errors(const struct aro_rpc *rpc);

#endif

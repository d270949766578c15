/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/base/id.h"

/* Codes of JSON-RPC 2.0; -32000 is ours for everything that a command met. */
enum {
    CODE_PARSE = -32700,
    CODE_REQUEST = -32600,
    CODE_METHOD = -32601,
    CODE_PARAMS = -32602,
    CODE_COMMAND = -32000,
};

struct aro_rpc {
    aro_handler_find *find;
    void *node;
    struct aro_call *calls; /* under way */
    uint64_t requests, errors;
};

struct aro_rpc *aro_rpc_create(aro_handler_find *find, void *node)
{
    struct aro_rpc *rpc = calloc(1, sizeof(*rpc));

    if (rpc != NULL) {
        rpc->find = find;
        rpc->node = node;
    }
    return rpc;
}

void aro_rpc_destroy(struct aro_rpc *rpc)
{
    free(rpc);
}

uint64_t aro_rpc_requests(const struct aro_rpc *rpc)
{
    return rpc->requests;
}

uint64_t aro_rpc_errors(const struct aro_rpc *rpc)
{
    return rpc->errors;
}

/* ---- answers ---- */

/* Takes the reference. */
static void send_message(struct aro_client *client, json_t *message)
{
    char *text = message != NULL ? json_dumps(message, JSON_COMPACT) : NULL;

    if (text != NULL)
        aro_client_send(client, text, strlen(text));
    free(text);
    json_decref(message);
}

/* May the same request bring another answer a little later? */
static bool is_retryable(enum aro_error_id id)
{
    switch (id) {
    case ARO_E_CLIENTS_FULL:
    case ARO_E_JOBS_FULL:
    case ARO_E_JOB_CANCELLED:
    case ARO_E_MEMORY_TIGHT:
    case ARO_E_ORIGIN_DOWN:
    case ARO_E_ORIGIN_BUSY:
    case ARO_E_ORIGIN_LENGTH:
    case ARO_E_ORIGIN_CHANGED:
    case ARO_E_NAME_WAIT:
    case ARO_E_STORE_RECOVERING:
        return true;
    default:
        return false;
    }
}

/* "data" of an error: {"id", "cause", "remedy", "exit_code", "retryable"}. */
json_t *aro_error_data(enum aro_error_id id)
{
    const struct aro_error_info *info = aro_error_info((int)id);
    char tag[16];

    if (info == NULL)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:i, s:b}", "id", aro_error_tag(id, tag), "cause",
                     info->cause, "remedy", info->remedy, "exit_code", info->exit_code, "retryable",
                     is_retryable(id));
}

/* id: borrowed; NULL becomes null. more: further members of data, borrowed; NULL: none. */
static void send_error(struct aro_rpc *rpc, struct aro_client *client, json_t *id, int code,
                       const struct aro_error *error, json_t *more)
{
    json_t *data = aro_error_data(error->id);

    if (more != NULL)
        json_object_update(data, more);
    rpc->errors++;
    send_message(client, json_pack("{s:s, s:i, s:O?, s:{s:i, s:s, s:o}}", "jsonrpc", "2.0", "api",
                                   ARO_API_VERSION, "id", id, "error", "code", code, "message",
                                   error->text, "data", data));
}

static void call_destroy(struct aro_call *call)
{
    struct aro_call **at = &call->rpc->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (call->client != NULL)
        aro_client_release(call->client);
    json_decref(call->params);
    json_decref(call->id);
    free(call);
}

void aro_call_reply(struct aro_call *call, json_t *result)
{
    struct aro_error error;

    if (result == NULL) {
        aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for the answer");
        aro_call_fail(call, &error);
        return;
    }
    if (call->client != NULL && call->id != NULL)
        send_message(call->client, json_pack("{s:s, s:i, s:O, s:O}", "jsonrpc", "2.0", "api",
                                             ARO_API_VERSION, "id", call->id, "result", result));
    json_decref(result);
    call_destroy(call);
}

void aro_call_fail_with(struct aro_call *call, const struct aro_error *error, json_t *data)
{
    int code = error->id == ARO_E_PARAMS_INVALID ? CODE_PARAMS : CODE_COMMAND;

    if (call->client != NULL && call->id != NULL)
        send_error(call->rpc, call->client, call->id, code, error, data);
    json_decref(data);
    call_destroy(call);
}

void aro_call_fail(struct aro_call *call, const struct aro_error *error)
{
    aro_call_fail_with(call, error, NULL);
}

void aro_call_progress(const struct aro_call *call, unsigned job, uint64_t done, uint64_t total)
{
    if (call->client == NULL || call->id == NULL)
        return;
    send_message(call->client,
                 json_pack("{s:s, s:i, s:s, s:{s:O, s:i, s:I, s:I}}", "jsonrpc", "2.0", "api",
                           ARO_API_VERSION, "method", "progress", "params", "id", call->id, "job",
                           (int)job, "done", (json_int_t)done, "total", (json_int_t)total));
}

/* ---- parameters ---- */

static int check_type(const struct aro_param *param, const json_t *value, struct aro_error *error)
{
    struct aro_id id;
    enum aro_kind kind;

    switch (param->type) {
    case ARO_PARAM_COUNT:
    case ARO_PARAM_BYTES:
        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            (uint64_t)json_integer_value(value) < param->min ||
            (uint64_t)json_integer_value(value) > param->max)
            return aro_error_set(error, ARO_E_PARAMS_INVALID,
                                 "parameter '%s' must be an integer in %llu..%llu", param->name,
                                 (unsigned long long)param->min, (unsigned long long)param->max);
        return 0;
    case ARO_PARAM_FLAG:
        if (!json_is_boolean(value))
            return aro_error_set(error, ARO_E_PARAMS_INVALID, "parameter '%s' must be a boolean",
                                 param->name);
        return 0;
    default:
        if (!json_is_string(value) || json_string_length(value) < param->min ||
            json_string_length(value) > param->max)
            return aro_error_set(error, ARO_E_PARAMS_INVALID,
                                 "parameter '%s' must be a string of %llu..%llu bytes", param->name,
                                 (unsigned long long)param->min, (unsigned long long)param->max);
        if (param->type == ARO_PARAM_ID && aro_id_parse(json_string_value(value), &id, &kind) != 0)
            return aro_error_set(error, ARO_E_ID_INVALID, "'%s' is not an id",
                                 json_string_value(value));
        return 0;
    }
}

static int check_params(const struct aro_command *command, json_t *params, struct aro_error *error)
{
    const char *name;
    json_t *value;

    json_object_foreach(params, name, value)
    {
        const struct aro_param *param = aro_param_find(command, name);
        if (param == NULL)
            return aro_error_set(error, ARO_E_PARAMS_INVALID,
                                 "method '%s' has no parameter '%.40s'", command->name, name);
        if (check_type(param, value, error) != 0)
            return -1;
    }
    for (const struct aro_param *param = command->params; param->type != ARO_PARAM_NONE; param++)
        if (param->required && json_object_get(params, param->name) == NULL)
            return aro_error_set(error, ARO_E_PARAMS_INVALID, "method '%s' needs parameter '%s'",
                                 command->name, param->name);
    return 0;
}

const char *aro_call_text(const struct aro_call *call, const char *name)
{
    return json_string_value(json_object_get(call->params, name));
}

uint64_t aro_call_count(const struct aro_call *call, const char *name, uint64_t absent)
{
    const json_t *value = json_object_get(call->params, name);

    return value != NULL ? (uint64_t)json_integer_value(value) : absent;
}

bool aro_call_flag(const struct aro_call *call, const char *name)
{
    return json_is_true(json_object_get(call->params, name));
}

/* ---- requests ---- */

static void start_call(struct aro_rpc *rpc, struct aro_client *client,
                       const struct aro_command *command, json_t *params, json_t *id)
{
    struct aro_call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return;
    *call = (struct aro_call){.command = command,
                              .params = params != NULL ? json_incref(params) : json_object(),
                              .rpc = rpc,
                              .client = client,
                              .id = id != NULL ? json_incref(id) : NULL,
                              .next = rpc->calls};
    rpc->calls = call;
    aro_client_hold(client);
    rpc->find(command->name)(rpc->node, call);
}

/* The request's members are checked one after the other; the code says which rule it broke. */
static int check_request(struct aro_client *client, json_t *request,
                         const struct aro_command **ret_command, struct aro_error *error)
{
    json_t *params = json_object_get(request, "params"), *id = json_object_get(request, "id");
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    const char *method = json_string_value(json_object_get(request, "method"));
    const struct aro_command *command;
    const char *near;

    if (!json_is_object(request) || version == NULL || strcmp(version, "2.0") != 0 ||
        method == NULL || (id != NULL && !json_is_string(id) && !json_is_integer(id)) ||
        (params != NULL && !json_is_object(params))) {
        aro_error_set(error, ARO_E_REQUEST_SYNTAX,
                      "not a JSON-RPC 2.0 request: an object with jsonrpc \"2.0\", method, params "
                      "(object) and id (integer or string)");
        return CODE_REQUEST;
    }
    command = aro_command_find(method);
    if (command == NULL) {
        near = aro_command_suggest(method);
        aro_error_set(error, ARO_E_METHOD_UNKNOWN, "no method '%.40s'%s%s%s", method,
                      near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                      near != NULL ? "'?" : "");
        return CODE_METHOD;
    }
    if (command->role == ARO_ROLE_OPERATE && !aro_client_is_operator(client)) {
        aro_error_set(error, ARO_E_ROLE_REFUSED, "user %u may not call '%s'",
                      (unsigned)aro_client_uid(client), command->name);
        return CODE_COMMAND;
    }
    *ret_command = command;
    return check_params(command, params, error) == 0 ? 0 : CODE_PARAMS;
}

void aro_rpc_line(void *arg, struct aro_client *client, const char *text, size_t len_bytes)
{
    struct aro_rpc *rpc = arg;
    const struct aro_command *command;
    struct aro_error error = {0};
    json_error_t parse_error;
    json_t *request, *id;
    int code;

    if (text != NULL && len_bytes == 0)
        return; /* blank lines are harmless */
    rpc->requests++;
    if (text == NULL) {
        aro_error_set(&error, ARO_E_REQUEST_SYNTAX, "the line is longer than %d bytes",
                      ARO_LINE_BYTES_MAX);
        send_error(rpc, client, NULL, CODE_REQUEST, &error, NULL);
        return;
    }
    request = json_loadb(text, len_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &parse_error);
    if (request == NULL) {
        aro_error_set(&error, ARO_E_REQUEST_SYNTAX, "not JSON, at byte %d: %s",
                      parse_error.position, parse_error.text);
        send_error(rpc, client, NULL, CODE_PARSE, &error, NULL);
        return;
    }
    id = json_object_get(request, "id");
    code = check_request(client, request, &command, &error);
    if (code == 0)
        start_call(rpc, client, command, json_object_get(request, "params"), id);
    else if (id != NULL || code == CODE_REQUEST)
        send_error(rpc, client, json_is_string(id) || json_is_integer(id) ? id : NULL, code, &error,
                   NULL);
    json_decref(request);
}

void aro_rpc_gone(void *arg, struct aro_client *client)
{
    struct aro_rpc *rpc = arg;

    for (struct aro_call *call = rpc->calls; call != NULL; call = call->next)
        if (call->client == client)
            call->client = NULL;
}

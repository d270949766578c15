/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request under way: read, find out what it stands for, wait for that, have it answered.
 *
 * libmicrohttpd calls when the request's line is there (exchange_on_target), when its head is there
 * (exchange_on_request) and at its end (exchange_on_end). In between a connection is suspended
 * whenever something has to come from elsewhere; what comes resumes it, and exchange_on_request is
 * called again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/gateway/status.h"
#include "control/gateway/worker_state.h"

/* ---- waiting ---- */

void exchange_suspend(struct aro_exchange *exchange)
{
    if (exchange->suspended)
        return;
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
}

void exchange_resume(struct aro_exchange *exchange)
{
    if (!exchange->suspended)
        return;
    exchange->suspended = false;
    exchange->worker->run_due = true;
    MHD_resume_connection(exchange->connection);
}

static void answer_due(struct aro_exchange *exchange)
{
    exchange->state = EXCHANGE_ANSWER;
    exchange_resume(exchange);
}

static void fail(struct aro_exchange *exchange, const struct aro_error *error)
{
    exchange->error = *error;
    answer_due(exchange);
}

void exchange_abort(struct aro_exchange *exchange)
{
    aro_error_set(&exchange->error, ARO_E_GATE_STOPPING, "the gateway is being stopped");
    exchange->cut = true;
    if (exchange->state < EXCHANGE_ANSWER)
        exchange->state = EXCHANGE_ANSWER;
    exchange_resume(exchange);
}

/* ---- content ---- */

/* Memory that the exchange may count on; what it would not get now it is refused at once. */
static int reserve(struct aro_exchange *exchange, uint64_t bytes)
{
    struct aro_worker *worker = exchange->worker;
    uint64_t used = aro_engine_buffers_bytes(aro_nodes_engine(worker->nodes));

    used = used > worker->reserved_bytes ? used : worker->reserved_bytes;
    if (used + bytes > worker->buffer_bytes) {
        aro_gate_add(&worker->counters.refused_memory, 1);
        return aro_error_set(&exchange->error, ARO_E_GATE_MEMORY,
                             "memory for content is in use: %llu requests are under way",
                             (unsigned long long)worker->counters.requests_now);
    }
    worker->reserved_bytes += bytes;
    exchange->reserved_bytes += bytes;
    aro_gate_set(&worker->counters.content_reserved_bytes_now, worker->reserved_bytes);
    return 0;
}

static void unreserve(struct aro_exchange *exchange)
{
    exchange->worker->reserved_bytes -= exchange->reserved_bytes;
    exchange->reserved_bytes = 0;
    aro_gate_set(&exchange->worker->counters.content_reserved_bytes_now,
                 exchange->worker->reserved_bytes);
}

void exchange_drop_content(struct aro_exchange *exchange)
{
    if (exchange->download != NULL)
        exchange->sources = aro_download_sources(exchange->download);
    aro_download_destroy(exchange->download);
    exchange->download = NULL;
    exchange->has_piece = false;
    unreserve(exchange);
}

/* Starts a download; what it is for follows in exchange_on_download. */
static void content_begin(struct aro_exchange *exchange, struct aro_download_options *options)
{
    struct aro_worker *worker = exchange->worker;
    uint64_t least = options->list                     ? 2ull * options->chunk_bytes
                     : options->kind == ARO_KIND_CHUNK ? ARO_CHUNK_BYTES_MAX
                                                       : 0; /* known with the root */

    options->buffer_bytes = (uint32_t)worker->config->request_memory_bytes;
    options->silence_us = worker->config->timeout_us;
    exchange->state = EXCHANGE_CONTENT;
    if (reserve(exchange, least) != 0) {
        answer_due(exchange);
        return;
    }
    exchange->download =
        aro_download_create(aro_nodes_engine(worker->nodes), options, worker->now_us);
    if (exchange->download == NULL) {
        aro_error_set(&exchange->error, ARO_E_GATE_MEMORY, "no memory for another download: %s",
                      strerror(errno));
        answer_due(exchange);
        return;
    }
    aro_download_set_arg(exchange->download, exchange);
}

static void object_begin(struct aro_exchange *exchange, const struct aro_id *id)
{
    bool elsewhere = exchange->claim.entry != NULL && !exchange->asked_again; /* see ask_again */
    struct aro_download_options options = {
        .id = *id, .kind = ARO_KIND_OBJECT, .root_only = true, .hurried = elsewhere};

    content_begin(exchange, &options);
}

static void chunk_begin(struct aro_exchange *exchange)
{
    struct aro_download_options options = {.id = exchange->what.id, .kind = ARO_KIND_CHUNK};

    content_begin(exchange, &options);
}

/* The least that a download of this object begins with. */
static uint64_t least_bytes(const struct aro_download_root *root)
{
    return (root->total_bytes > root->chunk_bytes ? 2ull : 1ull) * root->chunk_bytes;
}

/*
 * The header leaves with the first piece: a manifest that is still known says nothing of whether
 * the chunks can be had, and after the header it is too late for 404 or 504.
 */
static void first_piece(struct aro_exchange *exchange)
{
    if (!body_take(exchange))
        return;
    aro_download_patient(exchange->download); /* nobody else can finish this answer */
    answer_due(exchange);
}

static void object_known(struct aro_exchange *exchange, const struct aro_download_root *root)
{
    if (!exchange->head_only && reserve(exchange, least_bytes(root)) != 0) {
        answer_due(exchange);
        return;
    }
    exchange->total_known = true;
    exchange->total_bytes = root->total_bytes;
    answer_decide(exchange);
    exchange->decided = exchange->download != NULL && exchange->range.bytes > 0;
    if (exchange->decided)
        first_piece(exchange);
    else
        answer_due(exchange);
}

static void chunk_known(struct aro_exchange *exchange)
{
    exchange->has_piece = true;
    exchange->first_us = aro_gate_now_us() - exchange->begun_us;
    exchange->total_known = true;
    exchange->total_bytes = exchange->piece.len_bytes;
    answer_decide(exchange);
    answer_due(exchange);
}

static void name_begin(struct aro_exchange *exchange);

/*
 * Nobody has what a name was said to stand for: the node that had it is gone, or evicted it. What
 * is believed of the name for some seconds is wrong then. True: its nodes are asked anew, once.
 */
static bool ask_again(struct aro_exchange *exchange)
{
    struct aro_gate_names *names = exchange->worker->names;
    enum aro_error_id id = aro_download_error(exchange->download)->id;

    if (exchange->asked_again || exchange->claim.entry == NULL ||
        (id != ARO_E_NOT_FOUND && id != ARO_E_INCOMPLETE))
        return false;
    exchange->asked_again = true;
    exchange->decided = exchange->total_known = false;
    exchange->etag[0] = '\0';
    exchange_drop_content(exchange);
    aro_gate_names_doubt(names, &exchange->claim);
    aro_gate_names_release(names, &exchange->claim);
    name_begin(exchange);
    return true;
}

/* Something of the download changed: the root, a chunk, its end. */
void exchange_on_download(struct aro_exchange *exchange)
{
    struct aro_download_root root;

    if (exchange->state == EXCHANGE_BODY) {
        exchange_resume(exchange);
        return;
    }
    if (exchange->state != EXCHANGE_CONTENT)
        return;
    if (aro_download_state(exchange->download) == ARO_DOWNLOAD_FAILED) {
        if (!ask_again(exchange))
            fail(exchange, aro_download_error(exchange->download));
    } else if (exchange->what.route == ARO_ROUTE_CHUNK || exchange->what.route == ARO_ROUTE_IPFS) {
        if (aro_download_take(exchange->download, &exchange->piece))
            chunk_known(exchange);
    } else if (exchange->decided) {
        first_piece(exchange);
    } else if (aro_download_root(exchange->download, &root)) {
        object_known(exchange, &root);
    }
}

/* ---- names ---- */

/* The content comes in while it is sent out. */
static void arriving_begin(struct aro_exchange *exchange)
{
    struct aro_download_options options = {.list = true,
                                           .chunk_bytes = exchange->facts.chunk_bytes};

    content_begin(exchange, &options);
    if (exchange->state != EXCHANGE_CONTENT)
        return;
    exchange->list = true;
    exchange->total_known = exchange->facts.total_known;
    exchange->total_bytes = exchange->facts.total_bytes;
    answer_decide(exchange);
    answer_due(exchange);
}

void exchange_on_name(struct aro_exchange *exchange)
{
    struct aro_worker *worker = exchange->worker;

    if (exchange->state >= EXCHANGE_ANSWER && exchange->list) {
        body_feed(exchange); /* also before its header is sent: nobody tells it twice */
        return;
    }
    if (exchange->state != EXCHANGE_NAME)
        return;
    aro_gate_names_look(worker->names, &exchange->claim, &exchange->facts);
    switch (exchange->facts.state) {
    case ARO_NAME_ASKING:
        return;
    case ARO_NAME_FAILED:
        fail(exchange, &exchange->facts.error);
        return;
    case ARO_NAME_HERE:
        object_begin(exchange, &exchange->facts.object);
        return;
    case ARO_NAME_ARRIVING:
        arriving_begin(exchange);
        return;
    }
}

static void name_begin(struct aro_exchange *exchange)
{
    struct aro_worker *worker = exchange->worker;

    aro_gate_add(&worker->counters.names_asked, 1);
    exchange->state = EXCHANGE_NAME;
    if (aro_gate_names_claim(worker->names, &exchange->claim, worker->number, exchange->what.text,
                             &exchange->error) != 0)
        answer_due(exchange);
    else
        exchange_on_name(exchange);
}

/* ---- the request ---- */

static int request_check(struct aro_exchange *exchange, const char *method, const char *version)
{
    struct aro_request_line line = {.method = method,
                                    .target = exchange->target_at,
                                    .target_len = strlen(exchange->target),
                                    .version = version};
    struct aro_worker *worker = exchange->worker;
    struct aro_error *error = &exchange->error;
    int read;

    exchange->head_only = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (worker->stop_us != 0)
        return aro_error_set(error, ARO_E_GATE_STOPPING, "the gateway is being stopped");
    if (worker->counters.connections_now > worker->connections_max) {
        aro_gate_add(&worker->counters.refused_full, 1);
        return aro_error_set(error, ARO_E_GATE_FULL, "there are as many connections as allowed");
    }
    read = aro_head_read(exchange->connection, &line, &exchange->head, error);
    if (read != 0 && error->id != ARO_E_HTTP_BODY)
        return -1;
    if (!exchange->head_only && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return aro_error_set(error, ARO_E_HTTP_METHOD, "the gateway only reads: GET and HEAD");
    if (read != 0)
        return -1;
    return aro_target_parse(exchange->head.host, exchange->target, &exchange->what, error);
}

/* Whether a raw block is what the client wants: by query or by Accept. */
static bool wants_block(const struct aro_exchange *exchange)
{
    const char *accept = exchange->head.accept;

    return exchange->what.raw ||
           (accept != NULL && strstr(accept, "application/vnd.ipld.raw") != NULL);
}

static void content_find(struct aro_exchange *exchange)
{
    switch (exchange->what.route) {
    case ARO_ROUTE_OBJECT:
        object_begin(exchange, &exchange->what.id);
        return;
    case ARO_ROUTE_IPFS:
        if (!wants_block(exchange)) {
            aro_error_set(&exchange->error, ARO_E_HTTP_CID,
                          "only raw blocks are served: ask with ?format=raw, or accept "
                          "application/vnd.ipld.raw");
            answer_due(exchange);
            return;
        }
        chunk_begin(exchange);
        return;
    case ARO_ROUTE_CHUNK:
        chunk_begin(exchange);
        return;
    case ARO_ROUTE_REGISTRY:
        answer_due(exchange);
        return;
    case ARO_ROUTE_NAME:
    case ARO_ROUTE_BLOB:
        name_begin(exchange);
        return;
    }
}

static void begin(struct aro_exchange *exchange, const char *method, const char *version)
{
    client_busy(exchange->worker, exchange->connection);
    snprintf(exchange->method, sizeof(exchange->method), "%s", method);
    snprintf(exchange->version, sizeof(exchange->version), "%s", version);
    if (request_check(exchange, method, version) != 0)
        answer_due(exchange);
    else
        content_find(exchange);
}

/* Whether what follows on the connection is doubtful: a body, or what only looks like a request. */
static bool ends_connection(const struct aro_exchange *exchange)
{
    switch (exchange->error.id) {
    case ARO_E_HTTP_MALFORMED:
    case ARO_E_HTTP_HOST:
    case ARO_E_HTTP_BODY:
    case ARO_E_HTTP_METHOD:
    case ARO_E_GATE_FULL:
    case ARO_E_GATE_STOPPING:
        return true;
    default:
        return false;
    }
}

/* ---- libmicrohttpd's callbacks ---- */

void *exchange_on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct aro_worker *worker = arg;
    struct aro_exchange *exchange = calloc(1, sizeof(*exchange));
    struct timespec wall;

    if (target == NULL)
        target = "";
    if (exchange == NULL || (exchange->target = strdup(target)) == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->worker = worker;
    exchange->connection = connection;
    exchange->target_at = target;
    clock_gettime(CLOCK_REALTIME, &wall);
    exchange->begun_s = wall.tv_sec;
    exchange->begun_us = aro_gate_now_us();
    exchange->after = worker->exchanges;
    if (exchange->after != NULL)
        exchange->after->before = exchange;
    worker->exchanges = exchange;
    aro_gate_add(&worker->counters.requests, 1);
    aro_gate_add(&worker->counters.requests_now, 1);
    return exchange;
}

enum MHD_Result exchange_on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *upload,
                                    size_t *upload_bytes, void **context)
{
    struct aro_exchange *exchange = *context;

    (void)arg;
    (void)connection;
    (void)url;
    (void)upload;
    (void)upload_bytes;
    if (exchange == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    if (exchange->state == EXCHANGE_NEW) {
        begin(exchange, method, version);
        /* an answer now would end the connection; it calls again for the end of the request */
        return ends_connection(exchange) ? answer_send(exchange) : MHD_YES;
    }
    if (exchange->state == EXCHANGE_ANSWER)
        return answer_send(exchange);
    /*
     * libmicrohttpd forgets that it was reading only when it comes by once unsuspended. Suspended
     * at once it would read again when it is resumed, and take a client that half-closed its
     * connection behind the request for one that is gone.
     */
    if (exchange->called)
        exchange_suspend(exchange);
    exchange->called = true;
    return MHD_YES;
}

/* Why the body ended short: its content, or the gateway's end. */
static void count_cut(struct aro_exchange *exchange)
{
    bool failed =
        exchange->download != NULL && aro_download_state(exchange->download) == ARO_DOWNLOAD_FAILED;

    aro_gate_count_error(&exchange->worker->counters,
                         failed ? aro_download_error(exchange->download)->id : exchange->error.id);
}

static void count_end(struct aro_exchange *exchange, enum MHD_RequestTerminationCode code)
{
    struct aro_gate_counters *counters = &exchange->worker->counters;

    aro_gate_add(&counters->requests_now, (uint64_t)-1);
    if (exchange->state == EXCHANGE_NEW && code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        exchange->status = 400; /* libmicrohttpd's parser said no by itself */
        aro_gate_add(&counters->status_400, 1);
    } else if (exchange->status == 0) {
        aro_gate_add(&counters->clients_gone, 1);
    }
    if (exchange->state != EXCHANGE_BODY)
        return;
    if (exchange->cut) {
        aro_gate_add(&counters->bodies_cut, 1);
        count_cut(exchange);
    } else if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        aro_gate_add(&counters->bodies, 1);
    } else {
        aro_gate_add(&counters->bodies_left, 1);
    }
}

/* The nodes whose content was sent: "a,b". */
static const char *nodes_text(const struct aro_exchange *exchange, char *text, size_t room)
{
    const struct aro_gate_config *config = exchange->worker->config;
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < config->nodes && used < room; i++)
        if ((exchange->sources >> i & 1) != 0)
            used += (size_t)snprintf(text + used, room - used, "%s%s", used > 0 ? "," : "",
                                     config->node[i].name);
    return text;
}

static void log_end(struct aro_exchange *exchange)
{
    struct MHD_Connection *connection = exchange->connection;
    bool failed = exchange->error.id != 0 && exchange->status >= 400;
    char nodes[256], tag[16];
    struct aro_access access = {
        .peer = client_peer(connection),
        .time_s = exchange->begun_s,
        .method = exchange->method,
        .target = exchange->target,
        .version = exchange->version,
        .status = exchange->status,
        .bytes = exchange->sent_bytes,
        .referer = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Referer"),
        .agent = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "User-Agent"),
        .first_us = exchange->first_us,
        .total_us = aro_gate_now_us() - exchange->begun_us,
        .nodes = nodes_text(exchange, nodes, sizeof(nodes)),
        .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
        .error = failed ? aro_error_tag(exchange->error.id, tag) : NULL,
        .why = exchange->error.text,
    };

    aro_access_log_add(exchange->worker->log, &access);
}

void exchange_on_end(void *arg, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode code)
{
    struct aro_worker *worker = arg;
    struct aro_exchange *exchange = *context;

    if (exchange == NULL)
        return;
    *context = NULL;
    count_end(exchange, code);
    exchange_drop_content(exchange);
    if (aro_access_log_on(worker->log))
        log_end(exchange);
    client_idle(worker, connection);
    aro_gate_names_release(worker->names, &exchange->claim);
    if (exchange->before != NULL)
        exchange->before->after = exchange->after;
    else
        worker->exchanges = exchange->after;
    if (exchange->after != NULL)
        exchange->after->before = exchange->before;
    free(exchange->target);
    free(exchange);
}

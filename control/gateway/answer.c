/* SPDX-License-Identifier: BSD-3-Clause */
/* What is answered: status, header, and for errors a sentence; docs/http.md is the contract. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/gateway/http_date.h"
#include "control/gateway/status.h"
#include "control/gateway/worker_state.h"

#define IMMUTABLE "public, max-age=31536000, immutable"

enum { BLOCK_BYTES = 64 << 10 }; /* handed to libmicrohttpd at once: a memory per answer */

/* ---- deciding ---- */

static void etag_make(struct aro_exchange *exchange)
{
    char hex[ARO_ID_TEXT_MAX];
    const struct aro_target *what = &exchange->what;

    if (what->route == ARO_ROUTE_IPFS) {
        snprintf(exchange->etag, sizeof(exchange->etag), "\"%.130s.raw\"", what->text);
    } else if (what->route == ARO_ROUTE_BLOB) {
        snprintf(exchange->etag, sizeof(exchange->etag), "\"%.80s\"", what->text);
    } else if (what->route != ARO_ROUTE_NAME) {
        aro_id_format(&what->id, what->route == ARO_ROUTE_CHUNK ? ARO_KIND_CHUNK : ARO_KIND_OBJECT,
                      hex);
        snprintf(exchange->etag, sizeof(exchange->etag), "\"%s\"", hex);
    } else if (exchange->facts.etag[0] != '\0') {
        strcpy(exchange->etag, exchange->facts.etag);
    } else if (exchange->facts.state == ARO_NAME_HERE) {
        aro_id_format(&exchange->facts.object, ARO_KIND_OBJECT, hex);
        snprintf(exchange->etag, sizeof(exchange->etag), "\"%s\"", hex);
    }
}

static struct aro_validators validators_of(const struct aro_exchange *exchange)
{
    bool name = exchange->what.route == ARO_ROUTE_NAME;

    return (struct aro_validators){.etag = exchange->etag[0] != '\0' ? exchange->etag : NULL,
                                   .modified_s = name ? exchange->facts.modified_s : -1};
}

/* 200 or 206 and which bytes, or 416. HEAD is told what GET would be. */
static void range_decide(struct aro_exchange *exchange, const struct aro_validators *validators)
{
    const char *field = exchange->head.range;

    exchange->status = 200;
    exchange->range = (struct aro_range){.bytes = exchange->total_bytes};
    if (!exchange->total_known || field == NULL ||
        !aro_if_range_holds(&exchange->head.conditions, validators, exchange->begun_s))
        return;
    switch (aro_range_resolve(field, exchange->total_bytes, &exchange->range)) {
    case ARO_RANGE_WHOLE:
        return;
    case ARO_RANGE_PART:
        exchange->status = 206;
        return;
    case ARO_RANGE_UNSATISFIABLE:
        aro_error_set(&exchange->error, ARO_E_HTTP_RANGE,
                      "the content has %" PRIu64 " bytes, none of them in this range",
                      exchange->total_bytes);
        return;
    }
}

/* Has the download go on with what is to be sent. */
static void content_go_on(struct aro_exchange *exchange)
{
    bool part = exchange->status == 206;

    exchange->left_bytes = exchange->total_known ? exchange->range.bytes : UINT64_MAX;
    if (exchange->has_piece) { /* a lone chunk: all of it is here */
        exchange->piece_used = (uint32_t)exchange->range.first;
        return;
    }
    if (exchange->range.bytes > 0 && (part || !exchange->list))
        aro_download_range(exchange->download, exchange->range.first, exchange->range.bytes);
    if (exchange->list)
        body_feed(exchange);
}

void answer_decide(struct aro_exchange *exchange)
{
    struct aro_validators validators;

    etag_make(exchange);
    validators = validators_of(exchange);
    switch (aro_conditions_check(&exchange->head.conditions, &validators, exchange->begun_s)) {
    case ARO_CONDITION_NOT_MODIFIED:
        exchange->status = 304;
        break;
    case ARO_CONDITION_FAILED:
        aro_error_set(&exchange->error, ARO_E_HTTP_PRECONDITION,
                      "the content is not the one that the request is about");
        break;
    case ARO_CONDITION_GO_ON:
        range_decide(exchange, &validators);
        break;
    }
    if (exchange->error.id == ARO_E_NONE && exchange->status != 304 && !exchange->head_only)
        content_go_on(exchange);
    else
        exchange_drop_content(exchange);
}

/* ---- header ---- */

static void header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value[0] != '\0')
        MHD_add_response_header(response, name, value);
}

/*
 * How fresh a name is: Age says how long ago the origin was asked, max-age how long it was good for
 * then, so that what is left of it is their difference.
 */
static void name_header(struct MHD_Response *response, const struct aro_exchange *exchange)
{
    const struct aro_name_facts *facts = &exchange->facts;
    uint64_t since_s = (exchange->worker->now_us - facts->told_us) / 1000000;
    uint64_t age_s = facts->age_s + since_s;
    uint64_t left_s = facts->ttl_s > since_s ? facts->ttl_s - since_s : 0;
    char text[64];

    header(response, "Content-Type",
           facts->type[0] != '\0' ? facts->type : "application/octet-stream");
    if (facts->modified_s >= 0)
        header(response, "Last-Modified", aro_http_date_format(facts->modified_s, text));
    snprintf(text, sizeof(text), "max-age=%" PRIu64, age_s + left_s);
    header(response, "Cache-Control", text);
    snprintf(text, sizeof(text), "%" PRIu64, age_s);
    header(response, "Age", text);
}

static void block_header(struct MHD_Response *response, const struct aro_exchange *exchange)
{
    char text[128 + 64];

    header(response, "Content-Type", "application/vnd.ipld.raw");
    header(response, "X-Content-Type-Options", "nosniff");
    snprintf(text, sizeof(text), "attachment; filename=\"%.128s.bin\"", exchange->what.text);
    header(response, "Content-Disposition", text);
    snprintf(text, sizeof(text), "/ipfs/%.128s", exchange->what.text);
    header(response, "X-Ipfs-Path", text);
    header(response, "X-Ipfs-Roots", exchange->what.text);
    header(response, "Access-Control-Allow-Origin", "*");
    header(response, "Access-Control-Expose-Headers",
           "Content-Length, Content-Range, X-Ipfs-Path, X-Ipfs-Roots");
}

static void registry_header(struct MHD_Response *response)
{
    header(response, "Docker-Distribution-API-Version", "registry/2.0");
}

static void content_header(struct MHD_Response *response, const struct aro_exchange *exchange)
{
    char text[80];

    if (exchange->total_known)
        header(response, "Accept-Ranges", "bytes");
    header(response, "ETag", exchange->etag);
    switch (exchange->what.route) {
    case ARO_ROUTE_NAME:
        name_header(response, exchange);
        break;
    case ARO_ROUTE_IPFS:
        block_header(response, exchange);
        break;
    case ARO_ROUTE_BLOB:
        registry_header(response);
        header(response, "Docker-Content-Digest", exchange->what.text);
        /* fallthrough */
    default:
        header(response, "Content-Type", "application/octet-stream");
    }
    if (exchange->what.route != ARO_ROUTE_NAME)
        header(response, "Cache-Control", IMMUTABLE);
    if (exchange->status == 206) {
        snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                 exchange->range.first, exchange->range.first + exchange->range.bytes - 1,
                 exchange->total_bytes);
        header(response, "Content-Range", text);
    }
}

/* ---- errors ---- */

enum { OWN_ERRORS_FIRST = 9000, OWN_ERRORS_LAST = 9099 }; /* cache/base/errors.def */

/*
 * What strangers may read. The gateway's own sentences speak of the request; those of others name
 * origins, nodes and files of the inside: of them the catalogue's sentence, and the access log has
 * the rest.
 */
static bool is_our_own(const struct aro_error *error)
{
    int id = (int)error->id;

    return id >= OWN_ERRORS_FIRST && id <= OWN_ERRORS_LAST;
}

static const char *public_text(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);

    return is_our_own(error) || info == NULL ? error->text : info->cause;
}

static char *error_text(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    bool remedy = is_our_own(error) && info != NULL;
    char tag[16], *text = NULL;

    if (asprintf(&text, "%s: %s%s%s\n", aro_error_tag(error->id, tag), public_text(error),
                 remedy ? ". " : "", remedy ? info->remedy : "") < 0)
        return NULL;
    return text;
}

/* The form that clients of a registry read. */
static char *registry_error_text(const struct aro_error *error, unsigned status)
{
    const char *message = public_text(error);
    char tag[16];
    json_t *json = json_pack("{s:[{s:s, s:s%, s:{s:s}}]}", "errors", "code",
                             aro_registry_code(status), "message", message, strlen(message),
                             "detail", "id", aro_error_tag(error->id, tag));
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return text;
}

static bool for_registry(const struct aro_exchange *exchange)
{
    return exchange->what.route == ARO_ROUTE_BLOB || exchange->what.route == ARO_ROUTE_REGISTRY;
}

/* What the status needs beside its sentence. */
static void error_header(struct MHD_Response *response, const struct aro_exchange *exchange)
{
    char text[64];

    header(response, "Cache-Control", "no-store");
    if (exchange->status == 405)
        header(response, "Allow", "GET, HEAD");
    if (exchange->status == 416) {
        snprintf(text, sizeof(text), "bytes */%" PRIu64, exchange->total_bytes);
        header(response, "Content-Range", text);
    }
    if (exchange->status == 503) {
        snprintf(text, sizeof(text), "%d", ARO_RETRY_AFTER_S);
        header(response, "Retry-After", text);
    }
    switch (exchange->error.id) {
    case ARO_E_HTTP_MALFORMED: /* where the next request begins is anybody's guess */
    case ARO_E_HTTP_HOST:
    case ARO_E_HTTP_BODY:
    case ARO_E_GATE_FULL:
    case ARO_E_GATE_STOPPING:
        header(response, "Connection", "close");
        break;
    default:
        break;
    }
}

static struct MHD_Response *error_response(struct aro_exchange *exchange)
{
    struct MHD_Response *response;
    bool registry = for_registry(exchange);
    char *text;

    exchange->status = aro_http_status(exchange->error.id);
    text = registry ? registry_error_text(&exchange->error, exchange->status)
                    : error_text(&exchange->error);
    if (text == NULL)
        return NULL;
    response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return NULL;
    }
    exchange->sent_bytes = exchange->head_only ? 0 : strlen(text);
    header(response, "Content-Type", registry ? "application/json" : "text/plain; charset=utf-8");
    if (registry)
        registry_header(response);
    error_header(response, exchange);
    return response;
}

/* ---- sending ---- */

static struct MHD_Response *registry_response(struct aro_exchange *exchange)
{
    static char text[] = "{}";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return NULL;
    exchange->status = 200;
    exchange->sent_bytes = exchange->head_only ? 0 : strlen(text);
    header(response, "Content-Type", "application/json");
    registry_header(response);
    return response;
}

/* With the length that a GET would have; libmicrohttpd never asks for the body of HEAD and 304. */
static struct MHD_Response *content_response(struct aro_exchange *exchange)
{
    uint64_t bytes = exchange->total_known ? exchange->range.bytes : MHD_SIZE_UNKNOWN;
    struct MHD_Response *response;

    if (exchange->status == 304)
        bytes = exchange->total_known ? exchange->total_bytes : 0;
    response = MHD_create_response_from_callback(
        bytes, bytes < BLOCK_BYTES && bytes > 0 ? (size_t)bytes : BLOCK_BYTES, body_read, exchange,
        NULL);
    if (response != NULL)
        content_header(response, exchange);
    return response;
}

static void status_count(struct aro_gate_counters *counters, unsigned status)
{
#define COUNT(number)                                                                              \
    case number:                                                                                   \
        aro_gate_add(&counters->status_##number, 1);                                               \
        break;
    switch (status) {
        COUNT(200)
        COUNT(206)
        COUNT(304)
        COUNT(400)
        COUNT(403)
        COUNT(404)
        COUNT(405)
        COUNT(412)
        COUNT(414)
        COUNT(416)
        COUNT(503)
        COUNT(504)
    default:
        aro_gate_add(&counters->status_502, 1);
    }
#undef COUNT
}

enum MHD_Result answer_send(struct aro_exchange *exchange)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (exchange->error.id != ARO_E_NONE) {
        exchange_drop_content(exchange);
        response = error_response(exchange);
    } else if (exchange->what.route == ARO_ROUTE_REGISTRY) {
        response = registry_response(exchange);
    } else {
        response = content_response(exchange);
        exchange->state = exchange->download != NULL ? EXCHANGE_BODY : EXCHANGE_ANSWER;
        exchange->moved_us = exchange->worker->now_us;
    }
    if (response == NULL)
        return MHD_NO; /* no memory: the connection is closed */
    result = MHD_queue_response(exchange->connection, exchange->status, response);
    MHD_destroy_response(response);
    if (result == MHD_YES) {
        status_count(&exchange->worker->counters, exchange->status);
        aro_gate_count_error(&exchange->worker->counters, exchange->error.id);
    }
    return result;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands about names: resolve and chunks, which wait for the origin as held calls; names,
 * purge and name, which wait for the table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"

enum {
    WAIT_MS_DEFAULT = 10000,
    UNREAD_MS_MIN = 10000, /* how long a client that does not read is waited for */
};

static json_t *text_or_null(const char *text)
{
    return *text != '\0' ? json_string(text) : json_null();
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *aro_http_status_json(int http_status)
{
    return http_status != 0 ? json_pack("{s:i}", "http_status", http_status) : NULL;
}

static void fail(struct aro_call *call, enum aro_error_id id, const char *text)
{
    struct aro_error error;

    aro_error_set(&error, id, "%s", text);
    aro_call_fail(call, &error);
}

/* ---- resolve ---- */

struct resolve_call {
    struct aro_held held; /* first */
    struct aro_lookup lookup;
    bool answered; /* the lookup still comes back */
};

static json_t *here_json(const struct aro_lookup *lookup)
{
    char id[ARO_ID_TEXT_MAX], digest[ARO_ID_TEXT_MAX];
    const struct aro_name *row = &lookup->row;
    int64_t now_unix = aro_now_unix();
    int64_t age_s = now_unix > row->fetched_unix ? now_unix - row->fetched_unix : 0;
    int64_t ttl_s = row->expires_unix > now_unix ? row->expires_unix - now_unix : 0;
    json_t *ttl = row->expires_unix == INT64_MAX ? json_null() : json_integer(ttl_s);

    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "state", "here",
                     "name", row->name, "object",
                     aro_id_format(&lookup->object.id, ARO_KIND_OBJECT, id), "digest",
                     aro_id_format(&lookup->object.digest, ARO_KIND_DIGEST, digest), "bytes",
                     count(lookup->object.total_bytes), "type", text_or_null(row->type), "etag",
                     text_or_null(row->etag), "last_modified", text_or_null(row->last_modified),
                     "age_s", (json_int_t)age_s, "ttl_s", ttl, "stale", lookup->stale);
}

static json_t *arriving_json(const struct aro_lookup *lookup)
{
    const struct aro_pull *pull = lookup->pull;
    const struct aro_answer *answer = &pull->answer;
    uint64_t total = aro_answer_total(answer);

    return json_pack(
        "{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:i}", "state", "arriving", "name", lookup->name,
        "pull", (int)pull->number, "bytes", total == UINT64_MAX ? json_null() : count(total),
        "type", text_or_null(answer->type), "etag", text_or_null(answer->etag), "last_modified",
        text_or_null(answer->last_modified), "chunk_bytes", (int)pull->chunk_bytes);
}

static void on_resolved(struct aro_lookup *lookup)
{
    struct resolve_call *own =
        (struct resolve_call *)(void *)((char *)lookup - offsetof(struct resolve_call, lookup));

    if (!own->answered && lookup->end == ARO_LOOKUP_FAILED)
        aro_call_fail_with(aro_unhold(&own->held), &lookup->error,
                           aro_http_status_json(lookup->http_status));
    else if (!own->answered)
        aro_call_reply(aro_unhold(&own->held),
                       lookup->end == ARO_LOOKUP_HERE ? here_json(lookup) : arriving_json(lookup));
    if (lookup->pull != NULL)
        aro_pull_release(lookup->pull);
    free(own);
}

static void give_up_resolve(struct aro_held *held)
{
    struct resolve_call *own = (struct resolve_call *)(void *)held;
    struct aro_error error;

    if (aro_held_stopping(held->calls))
        aro_error_set(&error, ARO_E_STOPPING, "the daemon is stopping");
    else
        aro_error_set(&error, ARO_E_NAME_WAIT, "what comes for '%.300s' was not known in time",
                      own->lookup.name);
    own->answered = true;
    aro_call_fail(aro_unhold(held), &error);
}

void aro_handle_resolve(void *arg, struct aro_call *call)
{
    uint64_t wait_ms = aro_call_count(call, "wait_ms", WAIT_MS_DEFAULT);
    struct resolve_call *own = calloc(1, sizeof(*own));
    struct aro_node *node = arg;
    struct aro_error error;

    if (own == NULL) {
        fail(call, ARO_E_CONTROL_RESOURCES, "no memory for a lookup");
        return;
    }
    own->held.give_up = give_up_resolve;
    strcpy(own->lookup.name, aro_call_text(call, "name"));
    own->lookup.chunk_bytes = ARO_CHUNK_BYTES_DEFAULT;
    own->lookup.done = on_resolved;
    if (aro_hold(node->held, &own->held, call, wait_ms, &error) != 0) {
        aro_call_fail(call, &error);
        free(own);
        return;
    }
    aro_resolver_lookup(node->resolver, &own->lookup);
}

/* ---- chunks ---- */

struct chunks_call {
    struct aro_held held;      /* first */
    struct aro_pull_wait wait; /* on pull, or on the client's reading */
    struct aro_pull *pull;
    uint64_t after;
    bool waits;
};

static json_t *chunk_list(const struct aro_pull *pull, uint64_t after, uint64_t next)
{
    char hex[ARO_ID_TEXT_MAX], text[ARO_ID_TEXT_MAX + 16];
    json_t *list = json_array();

    for (uint64_t i = after; i < next; i++) {
        aro_id_format(&pull->chunk[i].id, ARO_KIND_CHUNK, hex);
        snprintf(text, sizeof(text), "%s:%u", strchr(hex, '-') + 1, pull->chunk[i].len_bytes);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* As an error's "data", and what the sentence was. */
static json_t *pull_error_json(const struct aro_pull *pull)
{
    json_t *json = aro_error_data(pull->error.id),
           *status = aro_http_status_json(pull->http_status);

    json_object_set_new(json, "message", json_string(pull->error.text));
    if (status != NULL)
        json_object_update_new(json, status);
    return json;
}

/* Done is told together with the last chunk. */
static const char *state_of(const struct aro_pull *pull, uint64_t next)
{
    if (pull->state == ARO_PULL_FAILED)
        return "failed";
    return pull->state == ARO_PULL_DONE && next >= pull->chunks ? "done" : "arriving";
}

static json_t *chunks_json(const struct aro_pull *pull, uint64_t after)
{
    uint64_t next = pull->chunks < after                    ? after
                    : pull->chunks < after + ARO_CHUNKS_MAX ? pull->chunks
                                                            : after + ARO_CHUNKS_MAX;
    uint64_t total = aro_pull_total_bytes(pull);
    json_t *json = json_pack("{s:i, s:s, s:o, s:I, s:o}", "pull", (int)pull->number, "state",
                             state_of(pull, next), "chunks", chunk_list(pull, after, next), "next",
                             (json_int_t)next, "bytes", total > 0 ? count(total) : json_null());
    char id[ARO_ID_TEXT_MAX];

    if (pull->state == ARO_PULL_DONE && next >= pull->chunks) {
        aro_id_format(&pull->object.id, ARO_KIND_OBJECT, id);
        json_object_set_new(json, "object", json_string(id));
        json_object_set_new(json, "bytes", count(pull->object.total_bytes));
    } else if (pull->state == ARO_PULL_FAILED) {
        json_object_set_new(json, "error", pull_error_json(pull));
    }
    return json;
}

static bool has_news(const struct aro_pull *pull, uint64_t after)
{
    return pull->chunks > after || aro_pull_is_over(pull);
}

/* Something to tell, and a client that reads what it was told. */
static bool can_answer(const struct aro_pull *pull, uint64_t after, const struct aro_client *client)
{
    return has_news(pull, after) &&
           (client == NULL || aro_client_unread_bytes(client) <= ARO_UNREAD_CHUNKS_BYTES);
}

static void end_chunks(struct chunks_call *own)
{
    struct aro_call *call = aro_unhold(&own->held);

    aro_pull_unwait(own->pull, &own->wait);
    aro_call_reply(call, chunks_json(own->pull, own->after));
    aro_pull_release(own->pull);
    free(own);
}

static void on_more(struct aro_pull_wait *wait)
{
    struct chunks_call *own =
        (struct chunks_call *)(void *)((char *)wait - offsetof(struct chunks_call, wait));

    if (can_answer(own->pull, own->after, own->held.call->client))
        end_chunks(own);
    else
        aro_pull_wait(own->pull, wait);
}

/* The client may have read what it was told. */
static void look_chunks(struct aro_held *held)
{
    struct chunks_call *own = (struct chunks_call *)(void *)held;

    if (can_answer(own->pull, own->after, held->call->client))
        end_chunks(own);
}

/* In time or not: it says what there is, maybe nothing new. */
static void give_up_chunks(struct aro_held *held)
{
    end_chunks((struct chunks_call *)(void *)held);
}

void aro_handle_chunks(void *arg, struct aro_call *call)
{
    uint64_t wait_ms = aro_call_count(call, "wait_ms", 0);
    struct aro_node *node = arg;
    struct aro_pull *pull =
        aro_resolver_pull(node->resolver, (unsigned)aro_call_count(call, "pull", 0));
    uint64_t after = aro_call_count(call, "after", 0);
    struct chunks_call *own;
    struct aro_error error;

    if (pull == NULL) {
        fail(call, ARO_E_PULL_UNKNOWN, "no such pull");
        return;
    }
    if (can_answer(pull, after, call->client) || (wait_ms == 0 && !has_news(pull, after))) {
        aro_call_reply(call, chunks_json(pull, after));
        return;
    }
    if (wait_ms < UNREAD_MS_MIN && has_news(pull, after))
        wait_ms = UNREAD_MS_MIN;
    own = calloc(1, sizeof(*own));
    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory to wait for chunks");
    if (own == NULL || aro_hold(node->held, &own->held, call, wait_ms, &error) != 0) {
        aro_call_fail(call, &error);
        free(own);
        return;
    }
    own->held.give_up = give_up_chunks;
    own->held.look = look_chunks;
    own->wait.wake = on_more;
    own->pull = pull;
    own->after = after;
    aro_pull_hold(pull);
    aro_pull_wait(pull, &own->wait);
}

/* ---- names, purge, name: questions to the table ---- */

struct table_call {
    struct aro_names_op op; /* first */
    struct aro_node *node;
    struct aro_call *call;
    char text[ARO_URL_BYTES], after[ARO_NAME_BYTES];
    uint64_t limit;
    struct aro_name row[]; /* limit, for names one more */
};

static json_t *name_json(const struct aro_node *node, const struct aro_name *row)
{
    char id[ARO_ID_TEXT_MAX];
    struct aro_object object;
    bool here = aro_content_object_find(node->content, &row->object, ARO_KIND_OBJECT, &object) == 0;

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "name", row->name,
                     "object", aro_id_format(&row->object, ARO_KIND_OBJECT, id), "bytes",
                     count(row->bytes), "type", text_or_null(row->type), "etag",
                     text_or_null(row->etag), "last_modified", text_or_null(row->last_modified),
                     "url", text_or_null(row->url), "fetched_unix", (json_int_t)row->fetched_unix,
                     "expires_unix",
                     row->expires_unix == INT64_MAX ? json_null() : json_integer(row->expires_unix),
                     "here", here);
}

static json_t *names_json(const struct table_call *own)
{
    uint64_t rows = own->op.count < own->limit ? own->op.count : own->limit;
    json_t *list = json_array();

    for (uint64_t i = 0; i < rows; i++)
        json_array_append_new(list, name_json(own->node, &own->row[i]));
    return json_pack("{s:o, s:b}", "names", list, "more", own->op.count > own->limit);
}

static void on_table(struct aro_names_op *op)
{
    struct table_call *own = (struct table_call *)(void *)op;
    const struct aro_log *log = &own->node->log;

    own->node->table_calls--;
    if (op->result == -ENOSPC) {
        fail(own->call, ARO_E_NAMES_FULL, "the table is full of names set by hand");
    } else if (op->result != 0) {
        fail(own->call, ARO_E_NAMES_FAILED, "the table of names: an error of its database");
    } else if (op->verb == ARO_NAMES_LIST) {
        aro_call_reply(own->call, names_json(own));
    } else if (op->verb == ARO_NAMES_SET) {
        aro_log(log, ARO_LOG_INFO, "name", "name=%s", own->row[0].name);
        aro_call_reply(own->call, name_json(own->node, &own->row[0]));
    } else {
        aro_log(log, ARO_LOG_INFO, "purge", "what=%s names=%llu", own->text,
                (unsigned long long)op->count);
        aro_call_reply(own->call, json_pack("{s:I}", "purged", (json_int_t)op->count));
    }
    free(own);
}

/* NULL: the call was answered. rows: room for answers. */
static struct table_call *table_call(struct aro_node *node, struct aro_call *call,
                                     enum aro_names_verb verb, uint64_t rows)
{
    struct table_call *own = NULL;

    if (aro_held_stopping(node->held))
        fail(call, ARO_E_STOPPING, "the daemon is stopping");
    else if (node->table_calls >= ARO_TABLE_CALLS_MAX)
        fail(call, ARO_E_ORIGIN_BUSY, "too many calls wait for the table of names");
    else if ((own = calloc(1, sizeof(*own) + rows * sizeof(own->row[0]))) == NULL)
        fail(call, ARO_E_CONTROL_RESOURCES, "no memory for an answer");
    if (own == NULL)
        return NULL;
    own->node = node;
    own->call = call;
    own->op = (struct aro_names_op){.verb = verb,
                                    .text = own->text,
                                    .after = own->after,
                                    .row = own->row,
                                    .count = rows,
                                    .done = on_table};
    return own;
}

static void ask_table(struct table_call *own)
{
    own->node->table_calls++;
    aro_resolver_names(own->node->resolver, &own->op);
}

void aro_handle_names(void *arg, struct aro_call *call)
{
    uint64_t limit = aro_call_count(call, "limit", ARO_NAMES_MAX);
    const char *prefix = aro_call_text(call, "prefix"), *after = aro_call_text(call, "after");
    struct table_call *own = table_call(arg, call, ARO_NAMES_LIST, limit + 1);

    if (own == NULL)
        return;
    own->limit = limit;
    strcpy(own->text, prefix != NULL ? prefix : "");
    strcpy(own->after, after != NULL ? after : "");
    ask_table(own);
}

/* Exactly one of the three says what; a URL in its one form. */
static int purge_what(const struct aro_call *call, char text[ARO_URL_BYTES],
                      enum aro_names_verb *ret_verb, struct aro_error *error)
{
    const char *name = aro_call_text(call, "name"), *prefix = aro_call_text(call, "prefix");
    const char *url = aro_call_text(call, "url");

    if ((name != NULL) + (prefix != NULL) + (url != NULL) != 1)
        return aro_error_set(error, ARO_E_PARAMS_INVALID,
                             "purge needs exactly one of name, prefix and url");
    *ret_verb = name != NULL     ? ARO_NAMES_PURGE_NAME
                : prefix != NULL ? ARO_NAMES_PURGE_PREFIX
                                 : ARO_NAMES_PURGE_URL;
    if (url != NULL && aro_url_parse(url, text) != 0)
        return aro_error_set(error, ARO_E_PARAMS_INVALID, "'%.300s' is no URL: %s", url,
                             aro_url_flaw(url));
    if (url == NULL)
        strcpy(text, name != NULL ? name : prefix);
    return 0;
}

void aro_handle_purge(void *arg, struct aro_call *call)
{
    enum aro_names_verb verb = ARO_NAMES_PURGE_NAME;
    char text[ARO_URL_BYTES];
    struct table_call *own;
    struct aro_error error;

    if (purge_what(call, text, &verb, &error) != 0) {
        aro_call_fail(call, &error);
        return;
    }
    own = table_call(arg, call, verb, 0);
    if (own == NULL)
        return;
    strcpy(own->text, text);
    ask_table(own);
}

/* It will stand in headers of HTTP. */
static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

void aro_handle_name(void *arg, struct aro_call *call)
{
    const char *name = aro_call_text(call, "name"), *type = aro_call_text(call, "type");
    struct aro_node *node = arg;
    struct aro_object object;
    struct table_call *own;
    struct aro_error error;

    if (!aro_name_valid(name) || (type != NULL && !is_printable(type))) {
        fail(call, ARO_E_NAME_INVALID,
             "a name is printable ASCII without spaces, a type printable ASCII");
        return;
    }
    if (aro_call_object(node, call, &object, &error) != 0) {
        aro_call_fail(call, &error);
        return;
    }
    own = table_call(node, call, ARO_NAMES_SET, 1);
    if (own == NULL)
        return;
    aro_admission_ask(aro_content_admission(node->content), &object.id);
    own->row[0] = (struct aro_name){.object = object.id,
                                    .bytes = object.total_bytes,
                                    .fetched_unix = aro_now_unix(),
                                    .expires_unix = INT64_MAX};
    strcpy(own->row[0].name, name);
    if (type != NULL)
        strcpy(own->row[0].type, type);
    ask_table(own);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the thread of the names does: ask nodes one after the other until one knows, and follow what
 * arrives chunk by chunk. The methods are resolve, chunks and stat of docs/control-api.md.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "control/gateway/conditional.h"
#include "control/gateway/http_date.h"
#include "control/gateway/names_state.h"
#include "control/gateway/nodes.h"

enum {
    WAIT_MS_MAX = 10000,       /* that a node may keep a question */
    BELIEVED_US_MAX = 5000000, /* a name, however long it lives */
    DIGEST_US = 60000000,      /* a digest never stands for something else */
    ABSENT_US = 2000000,       /* that nobody has it */
    FAILED_US = 1000000,
    CHUNKS_PER_ANSWER_MAX = 4096,
    CHUNK_TEXT_HEX = 64,
    TURN_MS = 250, /* also for who watches that the thread advances */
};

/* ---- the order of nodes ---- */

/* Rendezvous hashing: every gateway asks the same node about a name first. */
static uint64_t rank_of(const char *text, const char *node)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    for (; *node != '\0'; node++)
        hash = (hash ^ (unsigned char)*node) * UINT64_C(1099511628211);
    hash ^= hash >> 33; /* the last bytes reach the upper bits, too */
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 33;
}

static void order_make(const struct aro_gate_names *names, struct aro_name_entry *entry)
{
    uint64_t rank[ARO_GATE_NODES_MAX];

    for (unsigned i = 0; i < names->config->nodes; i++) {
        uint64_t own = rank_of(entry->text, names->config->node[i].name);
        unsigned at = entry->order_count;
        if (names->link[i] == NULL)
            continue;
        for (; at > 0 && rank[at - 1] < own; at--) {
            rank[at] = rank[at - 1];
            entry->order[at] = entry->order[at - 1];
        }
        rank[at] = own;
        entry->order[at] = i;
        entry->order_count++;
    }
}

/* ---- ends ---- */

/* Which of two errors tells a client more: that it is not there, what went wrong, nobody asked. */
static unsigned error_weight(enum aro_error_id id)
{
    switch (id) {
    case ARO_E_NONE:
        return 0;
    case ARO_E_NAME_UNKNOWN: /* this node knows no origin for it; another may */
    case ARO_E_NOT_HERE:
        return 1;
    case ARO_E_DAEMON_UNREACHABLE:
    case ARO_E_DAEMON_LOST:
    case ARO_E_DAEMON_TIMEOUT:
    case ARO_E_DAEMON_DENIED:
        return 2;
    case ARO_E_ORIGIN_ABSENT: /* the origin itself says so */
        return 4;
    default:
        return 3;
    }
}

static void error_keep(struct aro_name_entry *entry, const struct aro_error *error)
{
    if (error_weight(error->id) > error_weight(entry->error.id))
        entry->error = *error;
}

static bool is_absent(enum aro_error_id id)
{
    return id == ARO_E_NAME_UNKNOWN || id == ARO_E_ORIGIN_ABSENT || id == ARO_E_NOT_HERE;
}

static void settle_failed(struct aro_name_entry *entry, const struct aro_error *error)
{
    struct aro_gate_names *names = entry->names;

    pthread_mutex_lock(&names->lock);
    names->stats.failed++;
    entry->facts.state = ARO_NAME_FAILED;
    entry->facts.error = *error;
    names_settle(entry, is_absent(error->id) ? ABSENT_US : FAILED_US);
    pthread_mutex_unlock(&names->lock);
}

static void ask_next(struct aro_name_entry *entry);

static void refuse(struct aro_name_entry *entry, const char *what)
{
    struct aro_error error;

    aro_error_set(&error, ARO_E_GATE_NAME_REFUSED, "node \"%s\" answers about '%.200s': %s",
                  entry->names->config->node[entry->node].name, entry->text, what);
    error_keep(entry, &error);
    ask_next(entry);
}

/* ---- what a node says ---- */

static void text_take(const json_t *from, const char *key, char *ret, size_t room)
{
    const char *text = json_string_value(json_object_get(from, key));

    ret[0] = '\0';
    if (text == NULL || strlen(text) >= room)
        return;
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
            return; /* would not stand in a header */
    strcpy(ret, text);
}

static uint64_t count_of(const json_t *from, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(from, key));

    return value > 0 ? (uint64_t)value : 0;
}

/* What the origin said about the content, as far as it may be passed on. */
static void origin_take(const json_t *from, struct aro_name_facts *facts)
{
    char date[64];

    text_take(from, "type", facts->type, sizeof(facts->type));
    text_take(from, "etag", facts->etag, sizeof(facts->etag));
    if (!aro_etag_valid(facts->etag))
        facts->etag[0] = '\0';
    text_take(from, "last_modified", date, sizeof(date));
    facts->told_us = aro_gate_now_us();
    facts->modified_s = aro_http_date_parse(date, (int64_t)time(NULL));
    facts->age_s = count_of(from, "age_s");
    facts->ttl_s = json_is_null(json_object_get(from, "ttl_s")) ? ARO_NAME_TTL_ENDLESS_S
                                                                : count_of(from, "ttl_s");
}

static bool object_take(const json_t *from, const char *key, struct aro_id *ret)
{
    const char *text = json_string_value(json_object_get(from, key));
    enum aro_kind kind;

    return text != NULL && aro_id_parse(text, ret, &kind) == 0 && kind == ARO_KIND_OBJECT;
}

static void take_here(struct aro_name_entry *entry, const json_t *result, const char *key)
{
    struct aro_gate_names *names = entry->names;
    struct aro_name_facts facts = {.state = ARO_NAME_HERE};
    uint64_t believed_us = DIGEST_US;

    if (!object_take(result, key, &facts.object)) {
        refuse(entry, "no object");
        return;
    }
    origin_take(result, &facts);
    if (!entry->digest)
        believed_us =
            facts.ttl_s < BELIEVED_US_MAX / 1000000 ? facts.ttl_s * 1000000 : BELIEVED_US_MAX;
    pthread_mutex_lock(&names->lock);
    entry->facts = facts;
    names_settle(entry, believed_us);
    pthread_mutex_unlock(&names->lock);
}

static void ask_chunks(struct aro_name_entry *entry);

static void take_arriving(struct aro_name_entry *entry, const json_t *result)
{
    struct aro_gate_names *names = entry->names;
    const json_t *total = json_object_get(result, "bytes");
    struct aro_name_facts facts = {.state = ARO_NAME_ARRIVING,
                                   .total_known = json_is_integer(total),
                                   .total_bytes = count_of(result, "bytes")};
    uint64_t chunk_bytes = count_of(result, "chunk_bytes");

    entry->pull = count_of(result, "pull");
    entry->after = 0;
    if (chunk_bytes == 0 || chunk_bytes > ARO_CHUNK_BYTES_MAX || entry->pull == 0) {
        refuse(entry, "a pull that makes no sense");
        return;
    }
    facts.chunk_bytes = (uint32_t)chunk_bytes;
    origin_take(result, &facts);
    facts.ttl_s = 0; /* how long it lives is known when it is here */
    pthread_mutex_lock(&names->lock);
    entry->facts = facts;
    names_notify(entry);
    pthread_mutex_unlock(&names->lock);
    ask_chunks(entry);
}

static void on_told(void *arg, json_t *result, const struct aro_error *error)
{
    struct aro_name_entry *entry = arg;
    const char *state = json_string_value(json_object_get(result, "state"));

    if (result == NULL) {
        error_keep(entry, error);
        ask_next(entry);
    } else if (entry->digest) {
        take_here(entry, result, "id");
    } else if (state != NULL && strcmp(state, "here") == 0) {
        take_here(entry, result, "object");
    } else if (state != NULL && strcmp(state, "arriving") == 0) {
        take_arriving(entry, result);
    } else {
        refuse(entry, "neither here nor arriving");
    }
}

/* ---- asking ---- */

static uint64_t wait_ms(const struct aro_gate_names *names)
{
    uint64_t half_ms = names->config->timeout_us / 2000;

    return half_ms < WAIT_MS_MAX ? half_ms : WAIT_MS_MAX;
}

static json_t *question_params(const struct aro_name_entry *entry)
{
    if (entry->digest)
        return json_pack("{s:s}", "id", entry->text);
    return json_pack("{s:s, s:I}", "name", entry->text, "wait_ms",
                     (json_int_t)wait_ms(entry->names));
}

/* The next node, or the end. */
static void ask_next(struct aro_name_entry *entry)
{
    struct aro_gate_names *names = entry->names;
    struct aro_error error = {0};

    while (entry->asked < entry->order_count) {
        uint64_t deadline_us = aro_gate_now_us() + names->config->timeout_us;
        entry->node = entry->order[entry->asked++];
        pthread_mutex_lock(&names->lock);
        names->stats.questions++;
        pthread_mutex_unlock(&names->lock);
        if (aro_rpc_ask(names->link[entry->node], entry->digest ? "stat" : "resolve",
                        question_params(entry), deadline_us, on_told, entry, &error) == 0)
            return;
        error_keep(entry, &error);
    }
    error = entry->error;
    settle_failed(entry, &error);
}

/* ---- what arrives ---- */

static bool chunk_parse(const char *text, uint32_t chunk_bytes_max, struct aro_name_chunk *ret)
{
    char id[ARO_ID_TEXT_MAX];
    enum aro_kind kind;
    char *end;

    if (text == NULL || strlen(text) < CHUNK_TEXT_HEX + 2 || text[CHUNK_TEXT_HEX] != ':')
        return false;
    snprintf(id, sizeof(id), "c-%.64s", text);
    unsigned long len = strtoul(text + CHUNK_TEXT_HEX + 1, &end, 10);
    ret->len_bytes = (uint32_t)len;
    return aro_id_parse(id, &ret->id, &kind) == 0 && *end == '\0' && len > 0 &&
           len <= chunk_bytes_max;
}

/* 0, or a word about what is wrong. */
static const char *chunks_take(struct aro_name_entry *entry, const json_t *list)
{
    struct aro_gate_names *names = entry->names;
    size_t count = json_array_size(list);
    struct aro_name_chunk *chunks = NULL;
    const char *wrong = NULL;

    if (count > CHUNKS_PER_ANSWER_MAX)
        return "too many chunks at once";
    chunks = calloc(count + 1, sizeof(*chunks));
    if (chunks == NULL)
        return "no memory for its chunks";
    for (size_t i = 0; i < count && wrong == NULL; i++)
        if (!chunk_parse(json_string_value(json_array_get(list, i)), entry->facts.chunk_bytes,
                         &chunks[i]))
            wrong = "a chunk that makes no sense";
    pthread_mutex_lock(&names->lock);
    if (wrong == NULL && names_chunks_add(entry, chunks, count) != 0)
        wrong = "more chunks than the gateway keeps";
    pthread_mutex_unlock(&names->lock);
    free(chunks);
    entry->after += count;
    return wrong;
}

static void arrival_failed(struct aro_name_entry *entry, const json_t *why)
{
    const char *text = json_string_value(json_object_get(why, "message"));
    const char *tag = json_string_value(json_object_get(why, "id"));
    int id = tag != NULL ? aro_error_parse(tag) : 0;
    struct aro_error error;

    aro_error_set(&error, id > 0 ? (enum aro_error_id)id : ARO_E_GATE_NAME_REFUSED,
                  "it did not arrive to its end: %s", text != NULL ? text : "no reason given");
    settle_failed(entry, &error);
}

static void arrival_complete(struct aro_name_entry *entry)
{
    struct aro_gate_names *names = entry->names; /* which outlives it */

    pthread_mutex_lock(&names->lock);
    entry->facts.complete = true;
    names_settle(entry, 0); /* from now on it is here, like any other */
    pthread_mutex_unlock(&names->lock);
}

/* Whether anybody still wants it; else it is given up. */
static bool arrival_wanted(struct aro_name_entry *entry)
{
    struct aro_gate_names *names = entry->names;
    bool wanted;

    pthread_mutex_lock(&names->lock);
    wanted = entry->claims != NULL;
    if (wanted)
        names_notify(entry);
    else
        names_settle(entry, 0);
    pthread_mutex_unlock(&names->lock);
    return wanted;
}

static void on_chunks(void *arg, json_t *result, const struct aro_error *error)
{
    struct aro_name_entry *entry = arg;
    const char *state = json_string_value(json_object_get(result, "state"));
    const char *wrong;

    if (result == NULL) {
        settle_failed(entry, error);
        return;
    }
    wrong = state == NULL ? "no state" : chunks_take(entry, json_object_get(result, "chunks"));
    if (wrong != NULL) {
        struct aro_error refused;
        aro_error_set(&refused, ARO_E_GATE_NAME_REFUSED, "node \"%s\" tells of '%.200s': %s",
                      entry->names->config->node[entry->node].name, entry->text, wrong);
        settle_failed(entry, &refused);
    } else if (strcmp(state, "done") == 0) {
        arrival_complete(entry);
    } else if (strcmp(state, "failed") == 0) {
        arrival_failed(entry, json_object_get(result, "error"));
    } else if (arrival_wanted(entry)) {
        ask_chunks(entry);
    }
}

static void ask_chunks(struct aro_name_entry *entry)
{
    struct aro_gate_names *names = entry->names;
    json_t *params = json_pack("{s:I, s:I, s:I}", "pull", (json_int_t)entry->pull, "after",
                               (json_int_t)entry->after, "wait_ms", (json_int_t)wait_ms(names));
    struct aro_error error = {0};

    if (aro_rpc_ask(names->link[entry->node], "chunks", params,
                    aro_gate_now_us() + names->config->timeout_us, on_chunks, entry, &error) != 0)
        settle_failed(entry, &error);
}

/* ---- the thread ---- */

#define NAMES_OF(member, pointer)                                                                  \
    ((struct aro_gate_names *)(void *)((char *)(pointer)-offsetof(struct aro_gate_names, member)))

static struct aro_name_entry *fresh_take(struct aro_gate_names *names)
{
    struct aro_name_entry *entry;

    pthread_mutex_lock(&names->lock);
    entry = names->fresh;
    if (entry != NULL)
        names->fresh = entry->next_new;
    pthread_mutex_unlock(&names->lock);
    return entry;
}

static void on_wake(struct aro_watch *watch, uint32_t events)
{
    struct aro_gate_names *names = NAMES_OF(wake, watch);
    struct aro_name_entry *entry;
    uint64_t count;

    (void)events;
    if (read(watch->fd, &count, sizeof(count)) < 0)
        return;
    names->stopped = __atomic_load_n(&names->stop, __ATOMIC_ACQUIRE) != 0;
    while ((entry = fresh_take(names)) != NULL) {
        order_make(names, entry);
        ask_next(entry);
    }
}

static int on_turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_gate_names *names = NAMES_OF(chore, chore);

    for (unsigned i = 0; i < ARO_GATE_NODES_MAX; i++)
        if (names->link[i] != NULL)
            aro_rpc_link_timeout(names->link[i], now_ns / 1000);
    __atomic_store_n(&names->turns, names->turns + 1, __ATOMIC_RELAXED);
    return TURN_MS;
}

void *names_run(void *arg)
{
    struct aro_gate_names *names = arg;

    aro_loop_run(names->loop, &names->stopped);
    return NULL;
}

int names_ask_open(struct aro_gate_names *names)
{
    names->loop = aro_loop_create();
    names->wake =
        (struct aro_watch){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .ready = on_wake};
    if (names->loop == NULL || names->wake.fd < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < names->config->nodes; i++) {
        if (names->config->node[i].control[0] == '\0')
            continue;
        names->link[i] = aro_rpc_link_create(names->loop, names->config->node[i].name,
                                             names->config->node[i].control);
        if (names->link[i] == NULL)
            return -ENOMEM;
    }
    names->chore.turn = on_turn;
    aro_loop_chore(names->loop, &names->chore);
    return aro_loop_add(names->loop, &names->wake, EPOLLIN);
}

void names_ask_close(struct aro_gate_names *names)
{
    for (unsigned i = 0; i < ARO_GATE_NODES_MAX; i++)
        aro_rpc_link_destroy(names->link[i]);
    if (names->wake.fd >= 0)
        close(names->wake.fd);
    aro_loop_destroy(names->loop);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The pulls of a resolver: who may run, who joins, what is kept of them when they are over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/origin/resolver_state.h"

enum { LOG_LINES_PER_S = 10 };

/* A name on its way into the table. */
struct keeping {
    struct aro_names_op op;
    struct aro_name row;
    struct aro_resolver *resolver;
    struct aro_pull *pull;
};

static struct aro_resolver *resolver_of(const struct aro_pull *pull)
{
    return pull->host->arg;
}

void aro_pull_hold(struct aro_pull *pull)
{
    pull->users++;
}

void aro_pull_release(struct aro_pull *pull)
{
    pull->users--;
}

/* Its names stand in the table, or are not to: lookups need not join it any more. */
static bool is_settled(const struct aro_pull *pull)
{
    return pull->detached || (pull->ended_ns != 0 && pull->keeping == 0);
}

struct aro_pull *aro_pulls_find(struct aro_resolver *resolver, const char *url)
{
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        if (!is_settled(pull) && strcmp(pull->url, url) == 0)
            return pull;
    return NULL;
}

struct aro_pull *aro_resolver_pull(struct aro_resolver *resolver, unsigned number)
{
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        if (pull->number == number && pull->listed)
            return pull;
    return NULL;
}

struct aro_pull *aro_pulls_begin(struct aro_resolver *resolver, const struct aro_lookup *lookup,
                                 struct aro_error *error)
{
    struct aro_pull *pull;
    unsigned now = 0;

    for (pull = resolver->pulls; pull != NULL; pull = pull->next)
        now += !aro_pull_is_over(pull);
    if (now >= ARO_PULLS_MAX) {
        resolver->stats.failed_busy++;
        aro_error_set(error, ARO_E_ORIGIN_BUSY, "%u pulls are under way or wait", now);
        return NULL;
    }
    pull = aro_pull_create(&resolver->host, lookup->origin, lookup->url,
                           lookup->known ? &lookup->row : NULL, lookup->chunk_bytes);
    if (pull == NULL) {
        aro_error_set(error, ARO_E_CONTROL_RESOURCES, "no memory for a pull");
        return NULL;
    }
    pull->number = ++resolver->last_number;
    *resolver->pulls_last = pull;
    resolver->pulls_last = &pull->next;
    resolver->stats.pulls++;
    return pull;
}

/* ---- what is kept ---- */

static const struct aro_origin *origin_of(const struct aro_pull *pull)
{
    return &pull->host->origins.list[pull->origin];
}

static void prefer(char *to, const char *fresh)
{
    if (*fresh != '\0')
        strcpy(to, fresh);
}

/* The row of a pull that is DONE. A 304 need not repeat what it said before. */
static void row_of(const struct aro_pull *pull, const char *name, struct aro_name *ret)
{
    const struct aro_answer *answer = &pull->answer;
    int64_t now_unix = aro_now_unix();
    int64_t absent_s = (int64_t)(origin_of(pull)->ttl_us / 1000000);

    memset(ret, 0, sizeof(*ret));
    if (pull->renewed)
        *ret = pull->known;
    strcpy(ret->name, name);
    strcpy(ret->url, pull->url);
    ret->object = pull->object.id;
    ret->bytes = pull->object.total_bytes;
    prefer(ret->type, answer->type);
    prefer(ret->etag, answer->etag);
    prefer(ret->last_modified, answer->last_modified);
    ret->fetched_unix = now_unix;
    ret->expires_unix = now_unix + aro_answer_ttl_s(answer, absent_s, now_unix);
    ret->stale_unix = aro_answer_stale_ok(answer)
                          ? ret->expires_unix + (int64_t)(origin_of(pull)->stale_us / 1000000)
                          : 0;
}

static void on_kept(struct aro_names_op *op)
{
    struct keeping *own = (struct keeping *)(void *)op;

    if (op->result != 0 && op->result != -ENOENT)
        own->resolver->stats.names_failed++;
    own->pull->keeping--;
    own->resolver->keeping--;
    free(own);
}

static void change_name(struct aro_pull *pull, enum aro_names_verb verb, const char *name)
{
    struct aro_resolver *resolver = resolver_of(pull);
    struct keeping *own = calloc(1, sizeof(*own));

    if (own == NULL) {
        resolver->stats.names_failed++;
        return;
    }
    if (verb == ARO_NAMES_KEEP)
        row_of(pull, name, &own->row);
    else
        strcpy(own->row.name, name);
    own->resolver = resolver;
    own->pull = pull;
    own->op = (struct aro_names_op){
        .verb = verb, .text = own->row.name, .row = &own->row, .done = on_kept};
    pull->keeping++;
    resolver->keeping++;
    aro_names_ask(resolver->names, &own->op);
}

static void change_names(struct aro_pull *pull, enum aro_names_verb verb)
{
    for (unsigned i = 0; i < pull->names && !pull->detached; i++)
        change_name(pull, verb, pull->name[i]);
}

/* ---- joining, and what those who joined are told ---- */

static void tell_here(struct aro_pull *pull, struct aro_lookup *lookup)
{
    row_of(pull, lookup->name, &lookup->row);
    lookup->object = pull->object;
    aro_pull_hold(pull);
    lookup->pull = pull;
    aro_lookup_here(lookup, false);
}

void aro_pulls_join(struct aro_pull *pull, struct aro_lookup *lookup)
{
    unsigned names = pull->names;

    pull->joined++;
    pull->by_hand |= lookup->by_hand;
    aro_pull_add_name(pull, lookup->name);
    if (pull->state < ARO_PULL_ARRIVING) {
        lookup->next = pull->lookups;
        pull->lookups = lookup;
    } else if (pull->state == ARO_PULL_ARRIVING) {
        aro_lookup_arriving(lookup, pull);
    } else { /* DONE, and not settled: a failed one is settled */
        if (pull->names > names && pull->ended_ns != 0)
            change_name(pull, ARO_NAMES_KEEP, lookup->name);
        tell_here(pull, lookup);
    }
}

void aro_resolver_leave(struct aro_resolver *resolver, struct aro_lookup *lookup)
{
    struct aro_error error;

    aro_error_set(&error, ARO_E_JOB_CANCELLED, "%.200s: nobody waits any more", lookup->url);
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        for (struct aro_lookup **at = &pull->lookups; *at != NULL; at = &(*at)->next) {
            if (*at != lookup)
                continue;
            *at = lookup->next;
            if (pull->joined == 1)
                aro_pull_cancel(pull, &error);
            aro_lookup_failed(lookup, &error, 0);
            return;
        }
}

static struct aro_lookup *take_lookup(struct aro_pull *pull)
{
    struct aro_lookup *lookup = pull->lookups;

    if (lookup != NULL)
        pull->lookups = lookup->next;
    return lookup;
}

static void on_known(struct aro_pull *pull)
{
    struct aro_lookup *lookup;

    while ((lookup = take_lookup(pull)) != NULL)
        aro_lookup_arriving(lookup, pull);
}

static void count_failure(struct aro_origin_stats *stats, enum aro_error_id id)
{
    switch (id) {
    case ARO_E_ORIGIN_ABSENT:
        stats->failed_absent++;
        break;
    case ARO_E_ORIGIN_DOWN:
        stats->failed_down++;
        break;
    case ARO_E_ORIGIN_REFUSED:
    case ARO_E_ORIGIN_TLS:
        stats->failed_refused++;
        break;
    case ARO_E_ORIGIN_LENGTH:
        stats->failed_length++;
        break;
    case ARO_E_ORIGIN_CHANGED:
        stats->failed_changed++;
        break;
    case ARO_E_ORIGIN_REDIRECT:
        stats->failed_redirect++;
        break;
    case ARO_E_ORIGIN_TOO_LARGE:
        stats->failed_too_large++;
        break;
    default:
        stats->failed_here++;
    }
}

/* A failure is remembered for a while: what the origin says as long as configured, else a second.
 */
static void remember_failure(struct aro_pull *pull)
{
    struct aro_resolver *resolver = resolver_of(pull);
    struct aro_negative_entry entry = {.id = pull->error.id, .http_status = pull->http_status};
    uint64_t ttl_ns = ARO_DOWN_NS;

    if (pull->error.id == ARO_E_JOB_CANCELLED || pull->error.id == ARO_E_STOPPING)
        return;
    if (pull->error.id == ARO_E_ORIGIN_ABSENT || pull->error.id == ARO_E_ORIGIN_REFUSED)
        ttl_ns = origin_of(pull)->negative_ttl_us * 1000;
    aro_negative_add(resolver->negative, pull->url, &entry, aro_now_ns(), ttl_ns);
    if (pull->error.id == ARO_E_ORIGIN_ABSENT && pull->known.name[0] != '\0')
        change_names(pull, ARO_NAMES_FORGET);
}

/*
 * One line for a pull that is over. Strangers bring pulls about: at most some lines per second, and
 * those only for developers that cost nothing (absent, unchanged).
 */
static void log_over(struct aro_resolver *resolver, const struct aro_pull *pull)
{
    const struct aro_log *log = resolver->config.log;
    uint64_t second = aro_now_ns() / 1000000000;
    char text[ARO_ID_TEXT_MAX];

    if (second != resolver->log_second) {
        if (resolver->suppressed > 0)
            aro_log(log, ARO_LOG_INFO, "pulls", "lines_suppressed=%u", resolver->suppressed);
        resolver->log_second = second;
        resolver->logged = resolver->suppressed = 0;
    }
    if (pull->renewed || pull->error.id == ARO_E_ORIGIN_ABSENT) {
        aro_log(log, ARO_LOG_DEBUG, pull->renewed ? "pull-renewed" : "pull-absent",
                "pull=%u url=%s", pull->number, pull->url);
        return;
    }
    if (resolver->logged++ >= LOG_LINES_PER_S) {
        resolver->suppressed++;
        return;
    }
    if (pull->state == ARO_PULL_FAILED)
        aro_log(log, ARO_LOG_WARNING, "pull-failed", "id=%s pull=%u %s",
                aro_error_tag(pull->error.id, text), pull->number, pull->error.text);
    else
        aro_log(log, ARO_LOG_INFO, "pull", "url=%s pull=%u object=%s bytes=%llu tier=%s", pull->url,
                pull->number, aro_id_format(&pull->object.id, ARO_KIND_OBJECT, text),
                (unsigned long long)pull->object.total_bytes, pull->durable ? "disk" : "memory");
}

static void on_failed(struct aro_pull *pull)
{
    struct aro_lookup *lookup;

    count_failure(&resolver_of(pull)->stats, pull->error.id);
    if (!pull->detached)
        remember_failure(pull);
    while ((lookup = take_lookup(pull)) != NULL)
        aro_lookup_origin_failed(lookup, &pull->error, pull->http_status);
}

static void on_over(struct aro_pull *pull)
{
    struct aro_resolver *resolver = resolver_of(pull);
    struct aro_lookup *lookup;

    log_over(resolver, pull);
    if (pull->state == ARO_PULL_FAILED) {
        on_failed(pull);
        return;
    }
    if (pull->renewed)
        resolver->stats.renewed++;
    else
        resolver->stats.pulls_done++;
    if (pull->joined > 1 || pull->by_hand) /* while it arrived */
        aro_admission_ask(aro_content_admission(resolver->config.content), &pull->object.id);
    change_names(pull, ARO_NAMES_KEEP);
    while ((lookup = take_lookup(pull)) != NULL)
        tell_here(pull, lookup);
}

void aro_pulls_init(struct aro_resolver *resolver)
{
    resolver->host = (struct aro_pull_host){.http = resolver->http,
                                            .content = resolver->config.content,
                                            .origins = resolver->config.origins,
                                            .stats = &resolver->stats,
                                            .region_bytes = resolver->config.region_bytes,
                                            .known = on_known,
                                            .over = on_over,
                                            .arg = resolver};
}

void aro_pulls_detach(struct aro_resolver *resolver, enum aro_names_verb which, const char *text)
{
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next) {
        bool meant = which == ARO_NAMES_PURGE_URL && strcmp(pull->url, text) == 0;
        for (unsigned i = 0; i < pull->names; i++)
            meant |= (which == ARO_NAMES_PURGE_NAME && strcmp(pull->name[i], text) == 0) ||
                     (which == ARO_NAMES_PURGE_PREFIX &&
                      strncmp(pull->name[i], text, strlen(text)) == 0);
        pull->detached |= meant;
    }
}

/* ---- turns ---- */

/* In the order of their coming, as connections allow. */
static void start_some(struct aro_resolver *resolver)
{
    unsigned running[ARO_ORIGINS_MAX] = {0}, all = 0;

    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        if (pull->state == ARO_PULL_ASKING || pull->state == ARO_PULL_ARRIVING) {
            running[pull->origin]++;
            all++;
        }
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next) {
        if (pull->state != ARO_PULL_QUEUED || pull->failed || all == ARO_PULLS_RUNNING_MAX ||
            running[pull->origin] >= origin_of(pull)->connections)
            continue;
        aro_pull_start(pull);
        running[pull->origin]++;
        all++;
    }
}

/* Over, and nobody holds it: it may go. */
static bool is_idle(const struct aro_pull *pull)
{
    return pull->ended_ns != 0 && pull->keeping == 0 && pull->users == 0 && pull->waits == NULL;
}

/* Forgets the oldest that are over, as time and room ask. */
static void forget_some(struct aro_resolver *resolver, uint64_t now_ns)
{
    uint64_t over = 0, chunks = 0;

    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        if (aro_pull_is_over(pull)) {
            over++;
            chunks += pull->chunks;
        }
    for (struct aro_pull **at = &resolver->pulls; *at != NULL;) {
        struct aro_pull *pull = *at;
        if (!is_idle(pull) ||
            (pull->listed && over <= ARO_PULLS_OVER_MAX && chunks <= ARO_PULLS_OVER_CHUNKS &&
             now_ns - pull->ended_ns < ARO_PULLS_OVER_NS)) {
            at = &pull->next;
            continue;
        }
        over--;
        chunks -= pull->chunks;
        *at = pull->next;
        aro_pull_destroy(pull);
    }
    resolver->pulls_last = &resolver->pulls;
    while (*resolver->pulls_last != NULL)
        resolver->pulls_last = &(*resolver->pulls_last)->next;
}

int aro_pulls_turn(struct aro_resolver *resolver, uint64_t now_ns)
{
    int wish_ms = ARO_CHORE_IDLE_MS;

    if (resolver->pulls == NULL)
        return wish_ms;
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next) {
        int pull_ms = pull->ended_ns != 0 ? ARO_CHORE_IDLE_MS : aro_pull_turn(pull, now_ns);
        if (pull_ms < wish_ms)
            wish_ms = pull_ms;
    }
    start_some(resolver);
    forget_some(resolver, now_ns);
    return wish_ms;
}

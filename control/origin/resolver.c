/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/origin/resolver_state.h"

int64_t aro_now_unix(void)
{
    return (int64_t)time(NULL);
}

/* ---- ends ---- */

static void end(struct aro_lookup *lookup, enum aro_lookup_end how)
{
    lookup->end = how;
    lookup->next = lookup->resolver->ending;
    lookup->resolver->ending = lookup;
}

/* One that a pull of its own has just brought was not asked for again. */
static void ask_again(const struct aro_lookup *lookup)
{
    const struct aro_pull *pull = lookup->pull;

    if (pull == NULL || pull->renewed || pull->joined > 1 || lookup->by_hand)
        aro_admission_ask(aro_content_admission(lookup->resolver->config.content),
                          &lookup->object.id);
}

void aro_lookup_here(struct aro_lookup *lookup, bool stale)
{
    ask_again(lookup);
    lookup->stale = stale;
    end(lookup, ARO_LOOKUP_HERE);
}

void aro_lookup_arriving(struct aro_lookup *lookup, struct aro_pull *pull)
{
    aro_pull_hold(pull);
    pull->listed = true;
    lookup->pull = pull;
    end(lookup, ARO_LOOKUP_ARRIVING);
}

void aro_lookup_failed(struct aro_lookup *lookup, const struct aro_error *error, int http_status)
{
    lookup->error = *error;
    lookup->http_status = http_status;
    end(lookup, ARO_LOOKUP_FAILED);
}

void aro_lookup_origin_failed(struct aro_lookup *lookup, const struct aro_error *error,
                              int http_status)
{
    bool passing = error->id == ARO_E_ORIGIN_DOWN || error->id == ARO_E_ORIGIN_BUSY;

    if (!passing || lookup->refresh || !lookup->known || lookup->row.stale_unix <= aro_now_unix()) {
        aro_lookup_failed(lookup, error, http_status);
        return;
    }
    lookup->resolver->stats.hits_stale++;
    aro_lookup_here(lookup, true);
}

static void end_all(struct aro_resolver *resolver)
{
    struct aro_lookup *lookup = resolver->ending;

    resolver->ending = NULL;
    while (lookup != NULL) {
        struct aro_lookup *next = lookup->next;
        resolver->lookups--;
        lookup->done(lookup);
        lookup = next;
    }
}

/* ---- a lookup's way ---- */

/*
 * Is the object still here? Without a store its chunks live by the cache's policy, and the root
 * manifest stands for them: every fetch begins with it.
 */
static bool is_here(struct aro_resolver *resolver, const struct aro_id *id, struct aro_object *ret)
{
    struct aro_content *content = resolver->config.content;

    if (aro_content_object_find(content, id, ARO_KIND_OBJECT, ret) != 0)
        return false;
    return aro_content_disks(content) != NULL || aro_content_in_memory(content, id);
}

static void fail(struct aro_lookup *lookup, enum aro_error_id id, const char *text)
{
    struct aro_error error;

    aro_error_set(&error, id, "%.480s", text);
    aro_lookup_failed(lookup, &error, 0);
}

/* What was bad about this URL a moment ago still is. True: the lookup is over. */
static bool try_negative(struct aro_resolver *resolver, struct aro_lookup *lookup)
{
    struct aro_negative_entry entry;
    struct aro_error error;

    if (lookup->refresh ||
        aro_negative_find(resolver->negative, lookup->url, aro_now_ns(), &entry) != 0)
        return false;
    resolver->stats.hits_negative++;
    if (entry.http_status != 0)
        aro_error_set(&error, entry.id, "%.300s: a moment ago the origin answered %d", lookup->url,
                      entry.http_status);
    else
        aro_error_set(&error, entry.id, "%.300s: it failed a moment ago", lookup->url);
    aro_lookup_origin_failed(lookup, &error, entry.http_status);
    return true;
}

static void ask_origin(struct aro_resolver *resolver, struct aro_lookup *lookup)
{
    struct aro_pull *pull = aro_pulls_find(resolver, lookup->url);
    struct aro_error error;

    if (pull != NULL) {
        resolver->stats.joined++;
    } else if (try_negative(resolver, lookup)) {
        return;
    } else {
        pull = aro_pulls_begin(resolver, lookup, &error);
    }
    if (pull != NULL)
        aro_pulls_join(pull, lookup);
    else
        aro_lookup_origin_failed(lookup, &error, 0);
}

static void on_found(struct aro_names_op *op)
{
    struct aro_lookup *lookup =
        (struct aro_lookup *)(void *)((char *)op - offsetof(struct aro_lookup, op));
    struct aro_resolver *resolver = lookup->resolver;
    struct aro_error error;

    lookup->known = op->result == 0 && is_here(resolver, &lookup->row.object, &lookup->object);
    if (resolver->stopping) {
        fail(lookup, ARO_E_STOPPING, "the daemon is stopping");
    } else if (lookup->known && !lookup->refresh && lookup->row.expires_unix > aro_now_unix()) {
        resolver->stats.hits++;
        aro_lookup_here(lookup, false);
    } else if (lookup->origin < 0) {
        resolver->stats.unknown++;
        aro_error_set(&error, ARO_E_NAME_UNKNOWN,
                      "nobody named an object '%.300s', and no origin's prefix begins it",
                      lookup->name);
        aro_lookup_failed(lookup, &error, 0);
    } else {
        ask_origin(resolver, lookup);
    }
}

/* Name and URL of a lookup, one from the other. 0, or -1 with *error. */
static int settle(const struct aro_origins *origins, struct aro_lookup *lookup,
                  struct aro_error *error)
{
    if (lookup->url[0] == '\0') {
        lookup->origin = aro_origins_map(origins, lookup->name, lookup->url);
        if (lookup->origin == -EINVAL)
            return aro_error_set(error, ARO_E_NAME_INVALID, "'%.200s' makes no URL", lookup->name);
        return 0;
    }
    lookup->origin = aro_origins_admit(origins, lookup->url, lookup->url);
    if (lookup->origin == -EINVAL)
        return aro_error_set(error, ARO_E_PARAMS_INVALID, "'%.300s' is no URL to pull: %s",
                             lookup->url, aro_url_flaw(lookup->url));
    if (lookup->origin < 0)
        return aro_error_set(error, ARO_E_ORIGIN_OUTSIDE, "'%.300s' lies in no configured origin",
                             lookup->url);
    if (lookup->name[0] == '\0' &&
        aro_origin_name(&origins->list[lookup->origin], lookup->url, lookup->name) != 0)
        return aro_error_set(error, ARO_E_NAME_INVALID, "the URL is too long for a name");
    if (!aro_name_valid(lookup->name))
        return aro_error_set(error, ARO_E_NAME_INVALID, "'%.200s' is no name", lookup->name);
    return 0;
}

void aro_resolver_lookup(struct aro_resolver *resolver, struct aro_lookup *lookup)
{
    struct aro_error error;

    lookup->resolver = resolver;
    lookup->pull = NULL;
    lookup->known = false;
    resolver->lookups++;
    resolver->stats.lookups++;
    if (resolver->lookups > ARO_LOOKUPS_MAX) {
        resolver->stats.failed_busy++;
        fail(lookup, ARO_E_ORIGIN_BUSY, "too many names are being looked up");
    } else if (settle(&resolver->config.origins, lookup, &error) != 0) {
        aro_lookup_failed(lookup, &error, 0);
    } else {
        lookup->op = (struct aro_names_op){
            .verb = ARO_NAMES_FIND, .text = lookup->name, .row = &lookup->row, .done = on_found};
        aro_names_ask(resolver->names, &lookup->op);
    }
}

/* ---- the table, for operators ---- */

void aro_resolver_names(struct aro_resolver *resolver, struct aro_names_op *op)
{
    char url[ARO_URL_BYTES];

    aro_pulls_detach(resolver, op->verb, op->text);
    if (op->verb == ARO_NAMES_PURGE_PREFIX)
        aro_negative_forget_all(resolver->negative); /* it holds no names to compare */
    else if (op->verb == ARO_NAMES_PURGE_URL)
        aro_negative_forget(resolver->negative, op->text);
    else if (op->verb == ARO_NAMES_PURGE_NAME &&
             aro_origins_map(&resolver->config.origins, op->text, url) >= 0)
        aro_negative_forget(resolver->negative, url);
    aro_names_ask(resolver->names, op);
}

const struct aro_origins *aro_resolver_origins(const struct aro_resolver *resolver)
{
    return &resolver->config.origins;
}

void aro_resolver_stats(const struct aro_resolver *resolver, struct aro_origin_stats *ret)
{
    *ret = resolver->stats;
    ret->bytes = resolver->http != NULL ? aro_http_bytes(resolver->http) : 0;
    ret->names_now = aro_names_rows(resolver->names);
    ret->names_damaged = aro_names_damaged(resolver->names);
    for (const struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next) {
        ret->pulls_now += !aro_pull_is_over(pull);
        ret->waiting_now += pull->state == ARO_PULL_QUEUED;
    }
}

/* ---- life ---- */

static int turn(struct aro_chore *chore, uint64_t now_ns)
{
    struct aro_resolver *resolver =
        (struct aro_resolver *)(void *)((char *)chore - offsetof(struct aro_resolver, chore));
    int wish_ms = aro_pulls_turn(resolver, now_ns);

    end_all(resolver);
    return resolver->ending != NULL ? ARO_CHORE_NOW : wish_ms;
}

struct aro_resolver *aro_resolver_create(const struct aro_resolver_config *config)
{
    struct aro_resolver *resolver = calloc(1, sizeof(*resolver));
    struct aro_names_config names = {.dir = config->names_dir,
                                     .rows_max = config->names_max,
                                     .loop = config->loop,
                                     .log = config->log};
    struct aro_http_config http = {.origins = config->origins, .loop = config->loop};
    int error;

    if (resolver == NULL)
        return NULL;
    resolver->config = *config;
    resolver->pulls_last = &resolver->pulls;
    resolver->negative = aro_negative_create();
    resolver->names = aro_names_create(&names);
    if (config->origins.count > 0)
        resolver->http = aro_http_create(&http);
    if (resolver->negative == NULL || resolver->names == NULL ||
        (config->origins.count > 0 && resolver->http == NULL)) {
        error = errno;
        aro_resolver_destroy(resolver);
        errno = error;
        return NULL;
    }
    aro_pulls_init(resolver);
    resolver->chore.turn = turn;
    aro_loop_chore(config->loop, &resolver->chore);
    return resolver;
}

void aro_resolver_stop(struct aro_resolver *resolver)
{
    struct aro_error error;

    resolver->stopping = true;
    aro_error_set(&error, ARO_E_STOPPING, "the daemon is stopping");
    for (struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        aro_pull_cancel(pull, &error);
}

bool aro_resolver_is_busy(const struct aro_resolver *resolver)
{
    for (const struct aro_pull *pull = resolver->pulls; pull != NULL; pull = pull->next)
        if (!aro_pull_is_over(pull))
            return true;
    return resolver->lookups > 0 || resolver->keeping > 0;
}

void aro_resolver_destroy(struct aro_resolver *resolver)
{
    if (resolver == NULL)
        return;
    aro_http_destroy(resolver->http);
    aro_names_destroy(resolver->names);
    while (resolver->pulls != NULL) {
        struct aro_pull *pull = resolver->pulls;
        resolver->pulls = pull->next;
        aro_pull_destroy(pull);
    }
    aro_negative_destroy(resolver->negative);
    free(resolver);
}

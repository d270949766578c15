/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/origin/verdict.h"

enum { RETRY_NS = 100000000, WINDOW_SHARE = 128 };

struct aro_pull *aro_pull_create(const struct aro_pull_host *host, int origin, const char *url,
                                 const struct aro_name *known, uint32_t chunk_bytes)
{
    struct aro_pull *pull = calloc(1, sizeof(*pull));

    if (pull == NULL)
        return NULL;
    pull->host = host;
    pull->origin = origin;
    pull->chunk_bytes = chunk_bytes;
    pull->pipe_fd = -1;
    strcpy(pull->url, url);
    strcpy(pull->at_url, url);
    if (known != NULL)
        pull->known = *known;
    pull->started_ns = aro_now_ns();
    return pull;
}

void aro_pull_destroy(struct aro_pull *pull)
{
    for (unsigned i = 0; i < pull->names; i++)
        free(pull->name[i]);
    free(pull->chunk);
    free(pull);
}

void aro_pull_add_name(struct aro_pull *pull, const char *name)
{
    for (unsigned i = 0; i < pull->names; i++)
        if (strcmp(pull->name[i], name) == 0)
            return;
    if (pull->names < ARO_PULL_NAMES_MAX && (pull->name[pull->names] = strdup(name)) != NULL)
        pull->names++;
}

bool aro_pull_is_over(const struct aro_pull *pull)
{
    return pull->state == ARO_PULL_DONE || pull->state == ARO_PULL_FAILED;
}

uint64_t aro_pull_done_bytes(const struct aro_pull *pull)
{
    if (pull->state == ARO_PULL_DONE)
        return pull->object.total_bytes;
    return pull->put != NULL ? aro_put_done_bytes(pull->put) : 0;
}

uint64_t aro_pull_total_bytes(const struct aro_pull *pull)
{
    uint64_t total = aro_answer_total(&pull->answer);

    return pull->state < ARO_PULL_ARRIVING || total == UINT64_MAX ? 0 : total;
}

/* ---- those who wait ---- */

void aro_pull_wait(struct aro_pull *pull, struct aro_pull_wait *wait)
{
    wait->next = pull->waits;
    pull->waits = wait;
}

void aro_pull_unwait(struct aro_pull *pull, struct aro_pull_wait *wait)
{
    for (struct aro_pull_wait **at = &pull->waits; *at != NULL; at = &(*at)->next)
        if (*at == wait) {
            *at = wait->next;
            return;
        }
}

static void wake_all(struct aro_pull *pull)
{
    struct aro_pull_wait *wait = pull->waits;

    pull->waits = NULL;
    while (wait != NULL) {
        struct aro_pull_wait *next = wait->next;
        wait->wake(wait); /* may wait again */
        wait = next;
    }
}

/* ---- failing ---- */

static void close_pipe(struct aro_pull *pull)
{
    if (pull->pipe_fd >= 0)
        close(pull->pipe_fd);
    pull->pipe_fd = -1;
}

/* The first failure counts. What runs is told to end; the turn sees when it has. */
static void fail(struct aro_pull *pull, const struct aro_error *error)
{
    if (pull->failed || aro_pull_is_over(pull))
        return;
    pull->failed = true;
    pull->error = *error;
    pull->retry_ns = 0;
    if (pull->asking && !pull->cancelled) {
        pull->cancelled = true;
        aro_http_cancel(&pull->transfer);
    }
    if (pull->put != NULL)
        aro_put_abort(pull->put, error);
}

/* The URL in front: whoever reads the sentence has many. */
static void fail_named(struct aro_pull *pull, const struct aro_error *why)
{
    struct aro_error error;

    aro_error_set(&error, why->id, "%.300s: %.200s", pull->at_url, why->text);
    fail(pull, &error);
}

/* Why the origin failed us. */
static void fail_origin(struct aro_pull *pull, const struct aro_error *why)
{
    pull->http_status = pull->transfer.answer.status;
    fail_named(pull, why);
}

void aro_pull_cancel(struct aro_pull *pull, const struct aro_error *error)
{
    fail(pull, error);
}

/* ---- the put's side ---- */

static bool make_room(struct aro_pull *pull, uint64_t number)
{
    uint64_t room = pull->chunks_room > 0 ? pull->chunks_room : 64;
    struct aro_pull_chunk *grown;

    while (room <= number)
        room *= 2;
    if (room == pull->chunks_room)
        return true;
    grown = reallocarray(pull->chunk, room, sizeof(*grown));
    if (grown == NULL)
        return false;
    memset(grown + pull->chunks_room, 0, (room - pull->chunks_room) * sizeof(*grown));
    pull->chunk = grown;
    pull->chunks_room = room;
    return true;
}

static void on_published(void *arg, uint64_t number, const struct aro_id *id, uint32_t len_bytes)
{
    struct aro_pull *pull = arg;
    struct aro_error error;

    if (!make_room(pull, number)) {
        aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a list of chunks");
        fail(pull, &error);
        return;
    }
    pull->chunk[number] = (struct aro_pull_chunk){.id = *id, .len_bytes = len_bytes};
    while (pull->chunks < pull->chunks_room && pull->chunk[pull->chunks].len_bytes > 0) {
        pull->chunks++;
        pull->told_chunks = true;
    }
}

/* Does it stay in memory until somebody asks again? Then there is memory reserved for it. */
static bool is_deferred(struct aro_pull *pull)
{
    struct aro_admission *admission = aro_content_admission(pull->host->content);
    uint64_t total_bytes = aro_answer_total(&pull->transfer.answer);

    if (!aro_admission_defers(admission, pull->url, total_bytes, pull->joined > 1 || pull->by_hand))
        return false;
    pull->deferred_bytes = total_bytes;
    return true;
}

static void end_deferred(struct aro_pull *pull)
{
    if (pull->deferred_bytes > 0)
        aro_admission_arrived(aro_content_admission(pull->host->content), pull->deferred_bytes);
    pull->deferred_bytes = 0;
}

/* The pipe and the put that empties it. 0, or -1 with *error. */
static int open_put(struct aro_pull *pull, struct aro_error *error)
{
    const struct aro_pull_host *host = pull->host;
    uint64_t window_bytes = host->region_bytes / WINDOW_SHARE;
    struct aro_put_config config = {.content = host->content,
                                    .chunk_bytes = pull->chunk_bytes,
                                    .label = pull->names > 0 ? pull->name[0] : pull->url,
                                    .published = on_published,
                                    .arg = pull};
    uint64_t total = aro_answer_total(&pull->transfer.answer);
    int ends[2];

    config.stream_bytes = total == UINT64_MAX ? 0 : total;
    config.deferred = is_deferred(pull);
    config.window_bytes =
        window_bytes < ARO_PULL_WINDOW_BYTES ? (uint32_t)window_bytes + 1 : ARO_PULL_WINDOW_BYTES;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return aro_error_set(error, ARO_E_CONTROL_RESOURCES, "a pipe: %s", strerror(errno));
    fcntl(ends[1], F_SETPIPE_SZ, ARO_PULL_PIPE_BYTES); /* smaller is only slower */
    config.fd = ends[0];
    pull->pipe_fd = ends[1];
    pull->put = aro_put_create(&config, error);
    if (pull->put == NULL)
        end_deferred(pull);
    return pull->put != NULL ? 0 : -1;
}

static void take_result(struct aro_pull *pull)
{
    struct aro_put_result result;
    struct aro_error error;
    int failed = aro_put_result(pull->put, &result, &error);

    aro_put_destroy(pull->put);
    pull->put = NULL;
    end_deferred(pull);
    if (failed != 0) {
        fail_named(pull, &error);
        return;
    }
    pull->failed = false; /* a failure that came after the record was on its way */
    pull->object = result.object;
    pull->durable = result.durable;
    pull->state = ARO_PULL_DONE;
}

/* ---- the origin's side ---- */

static void on_answered(struct aro_http_transfer *transfer);
static void on_done(struct aro_http_transfer *transfer);

static const struct aro_origin *origin_of(const struct aro_pull *pull)
{
    return &pull->host->origins.list[pull->transfer.origin];
}

static void ask(struct aro_pull *pull)
{
    struct aro_http_transfer *transfer = &pull->transfer;
    uint64_t max_bytes = origin_of(pull)->max_object_bytes;
    bool rest = pull->state == ARO_PULL_ARRIVING;
    bool conditional = !rest && pull->known.name[0] != '\0';

    transfer->url = pull->at_url;
    transfer->etag = conditional && *pull->known.etag != '\0' ? pull->known.etag : NULL;
    transfer->date =
        conditional && *pull->known.last_modified != '\0' ? pull->known.last_modified : NULL;
    transfer->first_byte = rest ? pull->received_bytes : 0;
    transfer->if_range = rest ? aro_answer_validator(&pull->answer) : NULL;
    transfer->body_bytes_max =
        max_bytes > pull->received_bytes ? max_bytes - pull->received_bytes : 0;
    transfer->answered = on_answered;
    transfer->done = on_done;
    pull->asking = true;
    pull->taken = pull->cancelled = false;
    pull->retry_ns = 0;
    pull->host->stats->requests++;
    aro_http_start(pull->host->http, transfer);
}

void aro_pull_start(struct aro_pull *pull)
{
    pull->state = ARO_PULL_ASKING;
    pull->transfer.origin = (unsigned)pull->origin;
    ask(pull);
}

static struct aro_facts facts_of(const struct aro_pull *pull)
{
    return (struct aro_facts){.first = pull->state == ARO_PULL_ARRIVING ? &pull->answer : NULL,
                              .received_bytes = pull->received_bytes,
                              .max_object_bytes = origin_of(pull)->max_object_bytes,
                              .conditional =
                                  pull->transfer.etag != NULL || pull->transfer.date != NULL,
                              .taken = pull->taken};
}

/* A body begins; the transfer holds it back until it is judged. */
static void on_answered(struct aro_http_transfer *transfer)
{
    struct aro_pull *pull =
        (struct aro_pull *)(void *)((char *)transfer - offsetof(struct aro_pull, transfer));
    struct aro_facts facts = facts_of(pull);
    struct aro_error error;

    if (pull->failed)
        return;
    if (aro_judge_answer(&facts, &transfer->answer, &error) != ARO_VERDICT_TAKE) {
        fail_origin(pull, &error);
        return;
    }
    if (facts.first == NULL) {
        if (open_put(pull, &error) != 0) {
            fail_named(pull, &error);
            return;
        }
        pull->answer = transfer->answer;
        pull->state = ARO_PULL_ARRIVING;
    }
    pull->taken = true;
    aro_http_take(transfer, pull->pipe_fd);
    if (facts.first == NULL)
        pull->host->known(pull);
}

static void follow(struct aro_pull *pull)
{
    const char *location = pull->transfer.answer.location;
    struct aro_error error;
    int origin;

    if (pull->redirects++ == ARO_PULL_REDIRECTS_MAX) {
        aro_error_set(&error, ARO_E_ORIGIN_REDIRECT, "more than %d redirects in a row",
                      ARO_PULL_REDIRECTS_MAX);
        fail_origin(pull, &error);
        return;
    }
    origin = aro_origins_follow(&pull->host->origins, pull->at_url, location, pull->at_url);
    if (origin < 0) {
        aro_error_set(&error, ARO_E_ORIGIN_REDIRECT,
                      "it redirects to '%.150s', outside the origins", location);
        fail_origin(pull, &error);
        return;
    }
    pull->transfer.origin = (unsigned)origin;
    pull->host->stats->redirects++;
    ask(pull);
}

/* Not modified; but is what we have still here? */
static void renewed(struct aro_pull *pull)
{
    struct aro_object object;

    if (aro_content_object_find(pull->host->content, &pull->known.object, ARO_KIND_OBJECT,
                                &object) != 0) {
        pull->known.name[0] = '\0';
        ask(pull);
        return;
    }
    pull->answer = pull->transfer.answer;
    pull->object = object;
    pull->durable = aro_content_object_on_disk(pull->host->content, &object.id);
    pull->renewed = true;
    pull->state = ARO_PULL_DONE;
}

/* Asks for the rest, after a while that doubles as long as nothing comes. */
static void again(struct aro_pull *pull, uint64_t now_ns)
{
    struct aro_error error;

    if (pull->transfer.body_bytes > 0)
        pull->retries = 0;
    if (pull->retries == ARO_PULL_RETRIES_MAX || pull->resumes == ARO_PULL_RESUMES_MAX) {
        aro_error_set(&error, ARO_E_ORIGIN_DOWN,
                      "broken off for the last time after %llu bytes: %s",
                      (unsigned long long)pull->received_bytes, pull->transfer.why);
        fail_origin(pull, &error);
        return;
    }
    pull->retry_ns = now_ns + ((uint64_t)RETRY_NS << pull->retries++);
    pull->resumes++;
    pull->host->stats->resumed++;
}

static void on_done(struct aro_http_transfer *transfer)
{
    struct aro_pull *pull =
        (struct aro_pull *)(void *)((char *)transfer - offsetof(struct aro_pull, transfer));
    struct aro_facts facts;
    struct aro_error error;

    pull->asking = false;
    pull->received_bytes += transfer->body_bytes;
    if (pull->failed)
        return;
    facts = facts_of(pull);
    switch (aro_judge_end(&facts, transfer, &error)) {
    case ARO_VERDICT_WHOLE:
        close_pipe(pull);
        break;
    case ARO_VERDICT_RENEWED:
        renewed(pull);
        break;
    case ARO_VERDICT_REDIRECT:
        follow(pull);
        break;
    case ARO_VERDICT_AGAIN:
        again(pull, aro_now_ns());
        break;
    default:
        fail_origin(pull, &error);
    }
}

/* ---- turns ---- */

static void check_time(struct aro_pull *pull, uint64_t now_ns)
{
    struct aro_error error;

    if (now_ns - pull->started_ns < ARO_PULL_NS_MAX)
        return;
    aro_error_set(&error, ARO_E_ORIGIN_DOWN, "it took longer than a day");
    fail_origin(pull, &error);
}

int aro_pull_turn(struct aro_pull *pull, uint64_t now_ns)
{
    int wish_ms = ARO_CHORE_IDLE_MS;

    check_time(pull, now_ns);
    if (pull->put != NULL) {
        wish_ms = aro_put_turn(pull->put, now_ns);
        if (wish_ms < 0)
            take_result(pull);
    }
    if (pull->retry_ns != 0 && now_ns >= pull->retry_ns)
        ask(pull);
    else if (pull->retry_ns != 0)
        wish_ms = wish_ms >= 0 && wish_ms < 50 ? wish_ms : 50;
    if (pull->failed && !pull->asking && pull->put == NULL)
        pull->state = ARO_PULL_FAILED;
    if (aro_pull_is_over(pull)) {
        close_pipe(pull);
        pull->ended_ns = now_ns;
        pull->host->over(pull);
    }
    if (pull->told_chunks || aro_pull_is_over(pull))
        wake_all(pull);
    pull->told_chunks = false;
    return wish_ms < 0 ? ARO_CHORE_NOW : wish_ms;
}

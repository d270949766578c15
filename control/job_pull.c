/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command pull: asks the origin for a URL, even when its name is still fresh, and answers when
 * the object is recorded. Joins a pull of the same URL that runs already; cancelling it ends only
 * a pull that it began and that nobody else joined. What an operator pulls is on disk at the
 * answer.
 */
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "dataplane/proto/manifest.h"

enum { TURN_MS = 20 };

struct pull_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_lookup lookup;
    struct aro_pull *pull; /* held; NULL: not known yet */
    bool looking;          /* the lookup comes back */
    bool cancelled;
};

static json_t *result_json(const struct pull_job *own, const struct aro_object *object,
                           bool unchanged)
{
    json_t *json = aro_object_json(object);
    uint64_t took_us = (aro_now_ns() - own->job.started_ns) / 1000;
    char id[ARO_ID_TEXT_MAX];

    aro_id_format(&object->id, ARO_KIND_OBJECT, id);
    json_object_set_new(json, "object", json_string(id));
    json_object_set_new(json, "name", json_string(own->lookup.name));
    json_object_set_new(json, "url", json_string(own->lookup.url));
    json_object_set_new(json, "unchanged", json_boolean(unchanged));
    json_object_set_new(json, "durable",
                        json_boolean(aro_content_object_on_disk(own->node->content, &object->id)));
    json_object_set_new(json, "elapsed_us", json_integer((json_int_t)took_us));
    return json;
}

static void leave(struct pull_job *own)
{
    if (own->pull != NULL)
        aro_pull_release(own->pull);
    free(own);
}

static void over(struct pull_job *own)
{
    const struct aro_lookup *lookup = &own->lookup;
    const struct aro_pull *pull = own->pull;

    if (pull == NULL && lookup->end == ARO_LOOKUP_FAILED)
        aro_job_fail_with(&own->job, &lookup->error, aro_http_status_json(lookup->http_status));
    else if (pull != NULL && pull->state == ARO_PULL_FAILED)
        aro_job_fail_with(&own->job, &pull->error, aro_http_status_json(pull->http_status));
    else if (pull != NULL && pull->state == ARO_PULL_DONE)
        aro_job_end(&own->job, result_json(own, &pull->object, pull->renewed));
    else
        aro_job_end(&own->job, result_json(own, &lookup->object, true));
    leave(own);
}

static void over_cancelled(struct pull_job *own)
{
    struct aro_error error;

    aro_error_set(&error, ARO_E_JOB_CANCELLED, "the pull was cancelled");
    if (own->pull != NULL && own->pull->joined == 1)
        aro_pull_cancel(own->pull, &error);
    aro_job_fail(&own->job, &error);
    leave(own);
}

/* What it found in memory is being written. */
static bool is_written(const struct pull_job *own)
{
    const struct aro_pull *pull = own->pull;
    const struct aro_object *object = &own->lookup.object;

    if (pull != NULL)
        object = pull->state == ARO_PULL_DONE ? &pull->object : NULL;
    else if (own->lookup.end != ARO_LOOKUP_HERE)
        object = NULL;
    return object != NULL &&
           aro_admission_writes(aro_content_admission(own->node->content), &object->id);
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct pull_job *own = (struct pull_job *)(void *)job;

    (void)now_ns;
    if (own->pull != NULL) {
        job->done = aro_pull_done_bytes(own->pull);
        job->total = aro_pull_total_bytes(own->pull);
    }
    if (own->looking)
        return TURN_MS;
    if (own->cancelled)
        over_cancelled(own);
    else if ((own->pull == NULL || aro_pull_is_over(own->pull)) && !is_written(own))
        over(own);
    else
        return TURN_MS;
    return ARO_CHORE_NOW;
}

/* What is past the lookup is looked at in the turn. */
static void cancel(struct aro_job *job)
{
    struct pull_job *own = (struct pull_job *)(void *)job;

    own->cancelled = true;
    if (own->looking)
        aro_resolver_leave(own->node->resolver, &own->lookup);
}

static void on_looked_up(struct aro_lookup *lookup)
{
    struct pull_job *own =
        (struct pull_job *)(void *)((char *)lookup - offsetof(struct pull_job, lookup));

    own->looking = false;
    own->pull = lookup->pull;
}

void aro_handle_pull(void *arg, struct aro_call *call)
{
    struct pull_job *own = calloc(1, sizeof(*own));
    const char *name = aro_call_text(call, "name");
    struct aro_node *node = arg;
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a pull");
    if (own == NULL)
        goto fail;
    own->job = (struct aro_job){.turn = turn, .cancel = cancel};
    own->node = node;
    own->lookup.refresh = own->lookup.by_hand = true;
    own->lookup.chunk_bytes =
        (uint32_t)aro_call_count(call, "chunk_bytes", ARO_CHUNK_BYTES_DEFAULT);
    own->lookup.done = on_looked_up;
    strcpy(own->lookup.url, aro_call_text(call, "url"));
    strcpy(own->lookup.name, name != NULL ? name : "");
    aro_error_set(&error, ARO_E_PARAMS_INVALID, "chunk_bytes must be a multiple of 4096");
    if (!aro_manifest_chunk_bytes_valid(own->lookup.chunk_bytes) ||
        aro_job_start(node->jobs, &own->job, call, &error) != 0)
        goto fail;
    own->looking = true;
    aro_resolver_lookup(node->resolver, &own->lookup);
    return;
fail:
    aro_call_fail(call, &error);
    free(own);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The command stat: what is known about a chunk (at once) or an object (a walk over its chunks). */
#include <errno.h>
#include <stdlib.h>

#include "control/commands.h"
#include "control/descent.h"

enum { ITEMS_PER_TURN = 256 };

struct stat_job {
    struct aro_job job; /* first */
    struct aro_content *content;
    struct aro_descent *walk;
    struct aro_object object;
    uint64_t in_memory, on_disk, nowhere; /* content chunks */
    uint64_t manifests;
};

static void over(struct stat_job *own, json_t *result, const struct aro_error *error)
{
    if (result != NULL)
        aro_job_end(&own->job, result);
    else
        aro_job_fail(&own->job, error);
    aro_descent_destroy(own->walk);
    free(own);
}

static json_t *result_json(const struct stat_job *own)
{
    json_t *json = aro_object_json(&own->object);

    const struct aro_pin *pin =
        aro_pins_find(aro_content_pins(own->content), &own->object.id, ARO_KIND_OBJECT);

    json_object_set_new(json, "pinned", json_boolean(pin != NULL && pin->complete));
    json_object_set_new(json, "tier", json_string(aro_object_tier(own->content, &own->object.id)));
    json_object_update_new(json, json_pack("{s:s, s:I, s:I, s:I, s:I}", "kind", "object",
                                           "chunks_in_memory", (json_int_t)own->in_memory,
                                           "chunks_on_disk", (json_int_t)own->on_disk,
                                           "chunks_missing", (json_int_t)own->nowhere, "manifests",
                                           (json_int_t)own->manifests));
    return json;
}

static void count(struct stat_job *own, const struct aro_descent_item *item)
{
    struct aro_where where;

    if (item->is_manifest) {
        own->manifests++;
        return;
    }
    aro_content_where(own->content, &item->id, &where);
    own->in_memory += where.in_memory;
    own->on_disk += where.on_disk;
    own->nowhere += !where.in_memory && !where.on_disk;
    own->job.done += item->len_bytes;
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct stat_job *own = (struct stat_job *)(void *)job;
    struct aro_descent_item item;
    struct aro_error error;
    int more = 1;

    (void)now_ns;
    if (job->cancelled && !aro_descent_waits(own->walk)) {
        aro_error_set(&error, ARO_E_JOB_CANCELLED, "the stat was cancelled");
        over(own, NULL, &error);
        return ARO_CHORE_NOW;
    }
    for (int i = 0; i < ITEMS_PER_TURN && more == 1; i++) {
        more = aro_descent_next(own->walk, &item);
        if (more == 1)
            count(own, &item);
    }
    if (more == 1 || more == -EAGAIN)
        return more == 1 ? ARO_CHORE_NOW : 1;
    if (more != 0)
        aro_descent_error(own->walk, &error);
    over(own, more == 0 ? result_json(own) : NULL, &error);
    return ARO_CHORE_NOW;
}

static void cancel(struct aro_job *job)
{
    (void)job; /* turn looks at cancelled */
}

static void stat_chunk(struct aro_node *node, struct aro_call *call, const struct aro_id *id)
{
    struct aro_where where;
    struct aro_error error;
    char text[ARO_ID_TEXT_MAX];

    aro_content_where(node->content, id, &where);
    aro_id_format(id, ARO_KIND_CHUNK, text);
    if (!where.in_memory && !where.on_disk) {
        aro_chunk_absent(node, text, &error);
        aro_call_fail(call, &error);
        return;
    }
    aro_call_reply(call, json_pack("{s:s, s:s, s:I, s:b, s:b, s:b}", "kind", "chunk", "id", text,
                                   "bytes", (json_int_t)where.len_bytes, "in_memory",
                                   where.in_memory, "on_disk", where.on_disk, "pinned",
                                   aro_pins_want(aro_content_pins(node->content), id)));
}

void aro_handle_stat(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    struct stat_job *own = NULL;
    struct aro_error error;
    struct aro_id id;
    enum aro_kind kind;

    if (aro_id_parse(aro_call_text(call, "id"), &id, &kind) == 0 && kind == ARO_KIND_CHUNK) {
        stat_chunk(node, call, &id);
        return;
    }
    own = calloc(1, sizeof(*own));
    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a stat");
    if (own == NULL || aro_call_object(node, call, &own->object, &error) != 0)
        goto fail;
    own->job = (struct aro_job){.turn = turn, .cancel = cancel, .total = own->object.total_bytes};
    own->content = node->content;
    own->walk = aro_descent_create(node->content, &own->object.id, false);
    if (own->walk != NULL && aro_job_start(node->jobs, &own->job, call, &error) == 0)
        return;
    aro_descent_destroy(own->walk);
fail:
    aro_call_fail(call, &error);
    free(own);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands about the store as a whole: store_stat (at once), store_check (its structure) and
 * store_scrub (every payload, too; at a bounded rate). verify looks at objects and their SHA-256;
 * these look at what is on disk, whether an object names it or not, and whether all that objects
 * name is there.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/disk/check.h"
#include "control/check_objects.h"
#include "control/commands.h"

enum {
    PROBLEMS_LISTED_MAX = 1000,
    RATE_BYTES_DEFAULT = 256 << 20, /* per second */
    TURN_BYTES_MAX = 8 << 20,
};

struct check_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_check *check;
    bool tables_done;
    struct aro_objects_check *objects; /* then */
    uint64_t bytes_per_s;              /* 0: no payloads are read */
    json_t *list;
};

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static int no_store(struct aro_call *call)
{
    struct aro_error error;

    aro_error_set(&error, ARO_E_NO_STORE, "this node has no store");
    aro_call_fail(call, &error);
    return -1;
}

void aro_handle_store_stat(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    struct aro_store_stats stats;
    struct aro_store_totals totals;
    json_t *json;

    if (node->store == NULL) {
        no_store(call);
        return;
    }
    aro_store_stats(node->store, &stats);
    aro_store_totals(node->store, &totals);
    json = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", node->config.store_name, "path",
                     node->config.store_path, "size_bytes", integer(stats.size_bytes), "used_bytes",
                     integer(stats.bytes_taken_now), "written_bytes", integer(totals.written_bytes),
                     "live_bytes", integer(stats.bytes_chunks_now), "dead_bytes",
                     integer(totals.written_bytes - totals.live_bytes));
    json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "segments",
                        integer(stats.segments_now), "chunks", integer(stats.chunks_now), "records",
                        integer(totals.records), "objects", integer(stats.objects_now), "lost",
                        integer(stats.recovered_lost), "torn", integer(stats.recovered_torn),
                        "quarantined", integer(stats.quarantined), "recovering", stats.recovering,
                        "writable", stats.writable, "direct", stats.direct));
    aro_call_reply(
        call, json_pack("{s:[o], s:o}", "stores", json, "admission", aro_admission_json(node)));
}

/* ---- check and scrub ---- */

static json_t *problem_json(const struct aro_walk_item *item, bool quarantined)
{
    char id[ARO_ID_TEXT_MAX], problem[160], code[16];
    json_t *json;

    snprintf(problem, sizeof(problem), "%s%s%s", item->problem, item->error != 0 ? ": " : "",
             item->error != 0 ? strerror(-item->error) : "");
    json = json_pack("{s:I, s:s, s:b}", "segment", (json_int_t)item->place.segment, "problem",
                     problem, "quarantined", quarantined);
    if (item->of_log)
        json_object_update_new(json, json_pack("{s:s, s:s}", "file", "objects.log", "error",
                                               aro_error_tag(ARO_E_STORE_OBJECT, code)));
    if (item->has_record)
        json_object_set_new(json, "record", integer(item->record));
    if (item->has_chunk)
        json_object_update_new(json, json_pack("{s:s, s:I, s:I}", "chunk",
                                               aro_id_format(&item->id, ARO_KIND_CHUNK, id),
                                               "block", (json_int_t)item->place.block, "bytes",
                                               (json_int_t)item->place.len_bytes));
    return json;
}

/* All of them are in the log, the first in the answer, too. */
static void report(void *arg, const struct aro_walk_item *item, bool quarantined)
{
    struct check_job *own = arg;
    char id[ARO_ID_TEXT_MAX] = "", code[16];

    if (item->has_chunk)
        aro_id_format(&item->id, ARO_KIND_CHUNK, id);
    if (item->of_log)
        aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
                "id=%s file=objects.log record=%u problem=\"%s\"",
                aro_error_tag(ARO_E_STORE_OBJECT, code), item->record, item->problem);
    else
        aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
                "segment=%u block=%u chunk=%s quarantined=%d problem=\"%s\"", item->place.segment,
                item->place.block, id, quarantined, item->problem);
    if (json_array_size(own->list) < PROBLEMS_LISTED_MAX)
        json_array_append_new(own->list, problem_json(item, quarantined));
}

static void report_object(void *arg, const struct aro_object_problem *found)
{
    struct check_job *own = arg;
    char object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX], code[16];

    aro_id_format(&found->object, ARO_KIND_OBJECT, object);
    aro_id_format(&found->chunk, ARO_KIND_CHUNK, chunk);
    aro_error_tag(ARO_E_STORE_OBJECT, code);
    aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
            "id=%s object=%s chunk=%s chunks=%llu problem=\"%s\"", code, object, chunk,
            (unsigned long long)found->chunks, found->problem);
    if (json_array_size(own->list) < PROBLEMS_LISTED_MAX)
        json_array_append_new(own->list,
                              json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "error", code, "object",
                                        object, "problem", found->problem, "chunk", chunk, "chunks",
                                        (json_int_t)found->chunks, "quarantined", 0));
}

static void destroy(struct check_job *own)
{
    aro_objects_check_destroy(own->objects);
    aro_check_destroy(own->check);
    json_decref(own->list);
    free(own);
}

static void over(struct check_job *own)
{
    struct aro_check_stats stats;
    struct aro_error error;
    uint64_t took_us = (aro_now_ns() - own->job.started_ns) / 1000;

    aro_check_stats(own->check, &stats);
    if (own->objects != NULL)
        stats.problems += aro_objects_check_problems(own->objects);
    aro_log(&own->node->log, stats.problems > 0 ? ARO_LOG_WARNING : ARO_LOG_INFO,
            own->bytes_per_s > 0 ? "store-scrub" : "store-check",
            "segments=%llu chunks=%llu bytes=%llu problems=%llu cancelled=%d",
            (unsigned long long)stats.segments, (unsigned long long)stats.chunks,
            (unsigned long long)stats.bytes, (unsigned long long)stats.problems,
            own->job.cancelled);
    if (own->job.cancelled) {
        aro_error_set(&error, ARO_E_JOB_CANCELLED, "the check was cancelled");
        aro_job_fail(&own->job, &error);
    } else {
        aro_job_end(&own->job,
                    json_pack("{s:b, s:o, s:o, s:o, s:o, s:O, s:o}", "ok", stats.problems == 0,
                              "segments", integer(stats.segments), "chunks", integer(stats.chunks),
                              "bytes", integer(stats.bytes), "problems", integer(stats.problems),
                              "list", own->list, "elapsed_us", integer(took_us)));
    }
    destroy(own);
}

/* What the rate still allows: by now so much may have been read in all. */
static uint64_t allowance(const struct check_job *own, uint64_t now_ns)
{
    double due = (double)(now_ns - own->job.started_ns) * 1e-9 * (double)own->bytes_per_s;
    uint64_t bytes = (uint64_t)due;

    bytes = bytes > own->job.done ? bytes - own->job.done : 0;
    return bytes < TURN_BYTES_MAX ? bytes : TURN_BYTES_MAX;
}

/* Tables and payloads are done with: the objects. -1: over. */
static int objects_turn(struct check_job *own)
{
    struct aro_objects_check_config config = {
        .store = own->node->store, .report = report_object, .arg = own};
    struct aro_error error;
    enum aro_check_state state;

    if (own->objects == NULL && !own->job.cancelled) {
        own->objects = aro_objects_check_create(&config);
        if (own->objects == NULL) {
            aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory or reader for a check");
            aro_job_fail(&own->job, &error);
            destroy(own);
            return ARO_CHORE_NOW;
        }
    }
    state = own->job.cancelled ? ARO_CHECK_OVER : aro_objects_check_turn(own->objects);
    if (state == ARO_CHECK_OVER)
        over(own);
    return state == ARO_CHECK_WAITS ? 1 : ARO_CHORE_NOW;
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct check_job *own = (struct check_job *)(void *)job;
    struct aro_check_stats stats;
    enum aro_check_state state;

    if (own->tables_done)
        return objects_turn(own);
    if (job->cancelled)
        aro_check_stop(own->check);
    state = aro_check_turn(own->check, allowance(own, now_ns));
    aro_check_stats(own->check, &stats);
    own->job.done = stats.bytes;
    own->tables_done = state == ARO_CHECK_OVER;
    return state == ARO_CHECK_WAITS ? 1 : ARO_CHORE_NOW;
}

static void cancel(struct aro_job *job)
{
    (void)job; /* turn looks at cancelled */
}

static void start(struct aro_node *node, struct aro_call *call, uint64_t bytes_per_s)
{
    struct check_job *own;
    struct aro_check_config config = {.store = node->store, .payloads = bytes_per_s > 0};
    struct aro_store_stats stats;
    struct aro_error error;

    if (node->store == NULL) {
        no_store(call);
        return;
    }
    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a check");
    aro_store_stats(node->store, &stats);
    own = calloc(1, sizeof(*own));
    if (own == NULL)
        goto fail;
    own->job = (struct aro_job){.turn = turn, .cancel = cancel};
    own->job.total = bytes_per_s > 0 ? stats.bytes_chunks_now : 0;
    own->node = node;
    own->bytes_per_s = bytes_per_s;
    own->list = json_array();
    config.report = report;
    config.arg = own;
    own->check = aro_check_create(&config);
    if (own->check != NULL && own->list != NULL &&
        aro_job_start(node->jobs, &own->job, call, &error) == 0)
        return;
fail:
    aro_call_fail(call, &error);
    if (own != NULL)
        destroy(own);
}

void aro_handle_store_check(void *node, struct aro_call *call)
{
    start(node, call, 0);
}

void aro_handle_store_scrub(void *node, struct aro_call *call)
{
    start(node, call, aro_call_count(call, "bytes_per_s", RATE_BYTES_DEFAULT));
}

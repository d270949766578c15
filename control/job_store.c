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
    unsigned disk, last;               /* that is looked at; the last one to be */
    struct aro_check *check;           /* of its tables; NULL: over */
    struct aro_objects_check *objects; /* of its objects, then */
    struct aro_check_stats stats;      /* of what is over */
    uint64_t bytes_per_s;              /* 0: no payloads are read */
    bool whole;                        /* the last disk has been looked at */
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

static json_t *stat_json(const struct aro_node *node, unsigned disk)
{
    struct aro_store *store = aro_disks_store(node->disks, disk);
    struct aro_store_stats stats;
    struct aro_store_totals totals;
    json_t *json;

    aro_store_stats(store, &stats);
    aro_store_totals(store, &totals);
    json =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", aro_disks_name(node->disks, disk),
                  "path", node->config.disk[disk].path, "size_bytes", integer(stats.size_bytes),
                  "used_bytes", integer(stats.bytes_taken_now), "written_bytes",
                  integer(totals.written_bytes), "live_bytes", integer(stats.bytes_chunks_now),
                  "dead_bytes", integer(totals.written_bytes - totals.live_bytes));
    json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "segments",
                        integer(stats.segments_now), "chunks", integer(stats.chunks_now), "records",
                        integer(totals.records), "objects", integer(stats.objects_now), "lost",
                        integer(stats.recovered_lost), "torn", integer(stats.recovered_torn),
                        "quarantined", integer(stats.quarantined), "recovering", stats.recovering,
                        "writable", stats.writable, "direct", stats.direct));
    return json;
}

void aro_handle_store_stat(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    json_t *list;

    if (node->disks == NULL) {
        no_store(call);
        return;
    }
    list = json_array();
    for (unsigned i = 0; i < aro_disks_count(node->disks); i++)
        json_array_append_new(list, stat_json(node, i));
    aro_call_reply(call,
                   json_pack("{s:o, s:o}", "stores", list, "admission", aro_admission_json(node)));
}

/* ---- check and scrub ---- */

static json_t *problem_json(const char *store, const struct aro_walk_item *item, bool quarantined)
{
    char id[ARO_ID_TEXT_MAX], problem[160], code[16];
    json_t *json;

    snprintf(problem, sizeof(problem), "%s%s%s", item->problem, item->error != 0 ? ": " : "",
             item->error != 0 ? strerror(-item->error) : "");
    json =
        json_pack("{s:s, s:I, s:s, s:b}", "store", store, "segment",
                  (json_int_t)item->place.segment, "problem", problem, "quarantined", quarantined);
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
    const char *store = aro_disks_name(own->node->disks, own->disk);
    char id[ARO_ID_TEXT_MAX] = "", code[16];

    if (item->has_chunk)
        aro_id_format(&item->id, ARO_KIND_CHUNK, id);
    if (item->of_log)
        aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
                "id=%s store=%s file=objects.log record=%u problem=\"%s\"",
                aro_error_tag(ARO_E_STORE_OBJECT, code), store, item->record, item->problem);
    else
        aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
                "store=%s segment=%u block=%u chunk=%s quarantined=%d problem=\"%s\"", store,
                item->place.segment, item->place.block, id, quarantined, item->problem);
    if (json_array_size(own->list) < PROBLEMS_LISTED_MAX)
        json_array_append_new(own->list, problem_json(store, item, quarantined));
}

static void report_object(void *arg, const struct aro_object_problem *found)
{
    struct check_job *own = arg;
    const char *store = aro_disks_name(own->node->disks, own->disk);
    char object[ARO_ID_TEXT_MAX], chunk[ARO_ID_TEXT_MAX], code[16];

    aro_id_format(&found->object, ARO_KIND_OBJECT, object);
    aro_id_format(&found->chunk, ARO_KIND_CHUNK, chunk);
    aro_error_tag(ARO_E_STORE_OBJECT, code);
    aro_log(&own->node->log, ARO_LOG_WARNING, "store-damage",
            "id=%s store=%s object=%s chunk=%s chunks=%llu problem=\"%s\"", code, store, object,
            chunk, (unsigned long long)found->chunks, found->problem);
    if (json_array_size(own->list) < PROBLEMS_LISTED_MAX)
        json_array_append_new(
            own->list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "store", store, "error",
                                 code, "object", object, "problem", found->problem, "chunk", chunk,
                                 "chunks", (json_int_t)found->chunks, "quarantined", 0));
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
    const struct aro_check_stats stats = own->stats;
    struct aro_error error;
    uint64_t took_us = (aro_now_ns() - own->job.started_ns) / 1000;

    aro_log(&own->node->log, stats.problems > 0 ? ARO_LOG_WARNING : ARO_LOG_INFO,
            own->bytes_per_s > 0 ? "store-scrub" : "store-check",
            "segments=%llu chunks=%llu bytes=%llu problems=%llu cancelled=%d",
            (unsigned long long)stats.segments, (unsigned long long)stats.chunks,
            (unsigned long long)stats.bytes, (unsigned long long)stats.problems,
            own->job.cancelled);
    if (own->job.cancelled) {
        aro_error_set(&error, ARO_E_JOB_CANCELLED, "the check was cancelled");
        aro_job_fail(&own->job, &error);
    } else if (!own->whole) {
        aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory or reader for a check");
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

static int begin(struct check_job *own)
{
    const struct aro_check_config config = {.store = aro_disks_store(own->node->disks, own->disk),
                                            .payloads = own->bytes_per_s > 0,
                                            .report = report,
                                            .arg = own};

    own->check = aro_check_create(&config);
    return own->check != NULL ? 0 : -1;
}

/* Tables and payloads are done with: the objects. */
static int objects_begin(struct check_job *own)
{
    const struct aro_objects_check_config config = {
        .store = aro_disks_store(own->node->disks, own->disk), .report = report_object, .arg = own};
    struct aro_check_stats stats;

    aro_check_stats(own->check, &stats);
    own->stats.segments += stats.segments;
    own->stats.chunks += stats.chunks;
    own->stats.bytes += stats.bytes;
    own->stats.problems += stats.problems;
    aro_check_destroy(own->check);
    own->check = NULL;
    if (own->job.cancelled)
        return -1;
    own->objects = aro_objects_check_create(&config);
    return own->objects != NULL ? 0 : -1;
}

/* This disk has been looked at. True: there is another, and it is begun. */
static bool next(struct check_job *own)
{
    own->stats.problems += aro_objects_check_problems(own->objects);
    aro_objects_check_destroy(own->objects);
    own->objects = NULL;
    if (own->disk == own->last) {
        own->whole = true;
        return false;
    }
    own->disk++;
    return begin(own) == 0;
}

static int objects_turn(struct check_job *own)
{
    enum aro_check_state state = aro_objects_check_turn(own->objects);

    if (own->job.cancelled || (state == ARO_CHECK_OVER && !next(own))) {
        over(own);
        return ARO_CHORE_NOW;
    }
    return state == ARO_CHECK_WAITS ? 1 : ARO_CHORE_NOW;
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct check_job *own = (struct check_job *)(void *)job;
    struct aro_check_stats stats;
    enum aro_check_state state;

    if (own->objects != NULL)
        return objects_turn(own);
    if (job->cancelled)
        aro_check_stop(own->check);
    state = aro_check_turn(own->check, allowance(own, now_ns));
    aro_check_stats(own->check, &stats);
    own->job.done = own->stats.bytes + stats.bytes;
    if (state == ARO_CHECK_OVER && objects_begin(own) != 0)
        over(own);
    return state == ARO_CHECK_WAITS ? 1 : ARO_CHORE_NOW;
}

static void cancel(struct aro_job *job)
{
    (void)job; /* turn looks at cancelled */
}

/* Which disks the call is about: its parameter "store", or all. 0, or -1 with *error. */
static int disks_of(const struct aro_node *node, const struct aro_call *call, unsigned *ret_first,
                    unsigned *ret_last, struct aro_error *error)
{
    const char *name = aro_call_text(call, "store");
    int named;

    *ret_first = 0;
    *ret_last = aro_disks_count(node->disks) - 1;
    if (name == NULL)
        return 0;
    named = aro_disks_named(node->disks, name);
    if (named < 0)
        return aro_error_set(error, ARO_E_PARAMS_INVALID, "no store is called '%s'", name);
    *ret_first = *ret_last = (unsigned)named;
    return 0;
}

static uint64_t payload_bytes(const struct check_job *own)
{
    struct aro_store_stats stats;
    uint64_t bytes = 0;

    for (unsigned i = own->disk; i <= own->last; i++) {
        aro_store_stats(aro_disks_store(own->node->disks, i), &stats);
        bytes += stats.bytes_chunks_now;
    }
    return bytes;
}

static void start(struct aro_node *node, struct aro_call *call, uint64_t bytes_per_s)
{
    struct check_job *own = NULL;
    unsigned first, last;
    struct aro_error error;

    if (node->disks == NULL) {
        no_store(call);
        return;
    }
    if (disks_of(node, call, &first, &last, &error) != 0)
        goto fail;
    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a check");
    own = calloc(1, sizeof(*own));
    if (own == NULL)
        goto fail;
    own->job = (struct aro_job){.turn = turn, .cancel = cancel};
    own->node = node;
    own->disk = first;
    own->last = last;
    own->bytes_per_s = bytes_per_s;
    own->list = json_array();
    own->job.total = bytes_per_s > 0 ? payload_bytes(own) : 0;
    if (begin(own) == 0 && own->list != NULL &&
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

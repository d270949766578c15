/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/commands.h"

#include <string.h>

static const struct {
    const char *name;
    aro_handler *handler;
} handlers[] = {
    {"cancel", aro_handle_cancel},
    {"chunks", aro_handle_chunks},
    {"config", aro_handle_config},
    {"disks", aro_handle_disks},
    {"disks_in", aro_handle_disks_in},
    {"disks_out", aro_handle_disks_out},
    {"evict", aro_handle_evict},
    {"explain", aro_handle_explain},
    {"flush", aro_handle_flush},
    {"job", aro_handle_job},
    {"lcores", aro_handle_lcores},
    {"ls", aro_handle_ls},
    {"name", aro_handle_name},
    {"names", aro_handle_names},
    {"ports", aro_handle_ports},
    {"pull", aro_handle_pull},
    {"purge", aro_handle_purge},
    {"put", aro_handle_put},
    {"resolve", aro_handle_resolve},
    {"schema", aro_handle_schema},
    {"stat", aro_handle_stat},
    {"stats", aro_handle_stats},
    {"status", aro_handle_status},
    {"stop", aro_handle_stop},
    {"verify", aro_handle_verify},
    {"version", aro_handle_version},
    {"pin", aro_handle_pin},
    {"unpin", aro_handle_unpin},
    {"cache", aro_handle_cache},
    {"store_stat", aro_handle_store_stat},
    {"store_check", aro_handle_store_check},
    {"store_scrub", aro_handle_store_scrub},
};

aro_handler *aro_node_handler(const char *name)
{
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
        if (strcmp(handlers[i].name, name) == 0)
            return handlers[i].handler;
    return NULL;
}

/* ---- objects ---- */

const char *aro_object_tier(const struct aro_content *content, const struct aro_id *id)
{
    return aro_content_object_on_disk(content, id) ? "disk" : "memory";
}

json_t *aro_object_json(const struct aro_object *object)
{
    char id[ARO_ID_TEXT_MAX], digest[ARO_ID_TEXT_MAX];
    json_t *label = json_string(object->label);

    if (label == NULL) /* not UTF-8 */
        label = json_string("?");
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:I}", "id",
                     aro_id_format(&object->id, ARO_KIND_OBJECT, id), "digest",
                     aro_id_format(&object->digest, ARO_KIND_DIGEST, digest), "bytes",
                     (json_int_t)object->total_bytes, "chunks", (json_int_t)object->chunks,
                     "chunk_bytes", (json_int_t)object->chunk_bytes, "label", label, "created_ns",
                     (json_int_t)object->created_ns);
}

int aro_call_object(struct aro_node *node, const struct aro_call *call, struct aro_object *ret,
                    struct aro_error *error)
{
    const char *text = aro_call_text(call, "id");
    enum aro_kind kind = ARO_KIND_CHUNK;
    struct aro_id id;

    if (aro_id_parse(text, &id, &kind) != 0 || kind == ARO_KIND_CHUNK)
        return aro_error_set(error, ARO_E_NOT_HERE, "%s is no object", text);
    if (aro_content_object_find(node->content, &id, kind, ret) != 0)
        return aro_error_set(error, ARO_E_NOT_HERE, "no %s %s here", aro_kind_name(kind), text);
    return 0;
}

int aro_chunk_absent(const struct aro_node *node, const char *text, struct aro_error *error)
{
    if (!aro_disks_are_whole(node->disks))
        return aro_error_set(error, ARO_E_STORE_RECOVERING, "not known yet whether %s is here",
                             text);
    return aro_error_set(error, ARO_E_NOT_HERE, "no chunk %s here", text);
}

static json_t *ls_json(struct aro_node *node, const struct aro_object *object, unsigned disk)
{
    const struct aro_pin *pin =
        aro_pins_find(aro_content_pins(node->content), &object->id, ARO_KIND_OBJECT);
    json_t *json = aro_object_json(object);

    json_object_set_new(json, "pinned", json_boolean(pin != NULL && pin->complete));
    json_object_set_new(json, "tier", json_string(aro_object_tier(node->content, &object->id)));
    json_object_set_new(json, "store",
                        disk < aro_disks_count(node->disks)
                            ? json_string(aro_disks_name(node->disks, disk))
                            : json_null());
    return json;
}

void aro_handle_ls(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    uint64_t after = aro_call_count(call, "after", 0);
    uint64_t limit = aro_call_count(call, "limit", ARO_LS_MAX);
    json_t *list = json_array();
    const struct aro_object *object;
    unsigned disk = 0;
    bool more;

    for (uint64_t i = after; i < after + limit; i++) {
        object = aro_content_object_at(node->content, i, &disk);
        if (object == NULL)
            break;
        json_array_append_new(list, ls_json(node, object, disk));
    }
    more = aro_content_object_at(node->content, after + limit, NULL) != NULL;
    aro_call_reply(call, json_pack("{s:o, s:b}", "objects", list, "more", more));
}

static bool flush_loses(struct aro_node *node, struct aro_error *error)
{
    struct aro_admission_stats admission;
    struct aro_cache_stats cache;

    aro_cache_stats(node->cache, &cache);
    aro_admission_stats(aro_content_admission(node->content), &admission);
    if (node->disks == NULL && cache.entries_now > cache.kept_now)
        aro_error_set(error, ARO_E_FLUSH_LOSES,
                      "there is no store: %llu chunks would be lost for good",
                      (unsigned long long)(cache.entries_now - cache.kept_now));
    else if (admission.objects_now > 0)
        aro_error_set(error, ARO_E_FLUSH_LOSES,
                      "%llu objects that were asked for once are in memory only, and would be lost",
                      (unsigned long long)admission.objects_now);
    else
        return false;
    return true;
}

void aro_handle_flush(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    struct aro_cache_stats stats;
    struct aro_error error;
    uint64_t removed;

    if (!aro_call_flag(call, "force") && flush_loses(node, &error)) {
        aro_call_fail(call, &error);
        return;
    }
    aro_admission_clear(aro_content_admission(node->content));
    removed = aro_cache_flush(node->cache);
    while (aro_cache_maintain(node->cache, 1024))
        ;
    aro_cache_stats(node->cache, &stats);
    aro_log(&node->log, ARO_LOG_INFO, "flush", "chunks=%llu", (unsigned long long)removed);
    aro_call_reply(call, json_pack("{s:I, s:I, s:I, s:I, s:b}", "removed_chunks",
                                   (json_int_t)removed, "kept_chunks", (json_int_t)stats.kept_now,
                                   "pinned_chunks", (json_int_t)stats.pinned_now, "retired_chunks",
                                   (json_int_t)stats.retired_now, "store", node->disks != NULL));
}

/* ---- the daemon itself ---- */

static json_t *key_json(const struct aro_node *node, size_t i, const struct aro_key_info *info,
                        unsigned block_no)
{
    char value[ARO_CONFIG_VALUE_BYTES];

    return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s}", "key", info->name, "value",
                     aro_config_value(&node->config, i, block_no, value), "change",
                     aro_change_name(info->change), "default", info->initial, "range", info->range,
                     "help", info->sentence);
}

/* [{"block", "title", "keys": [...]}]: blocks in the order of the dump. */
void aro_handle_config(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    const struct aro_config *config = &node->config;
    json_t *blocks = json_array();
    struct aro_key_info info;

    for (size_t first = 0, end; aro_config_key(first, &info); first = end) {
        const char *block = info.block;
        unsigned copies = aro_config_copies(config, block);
        for (end = first; aro_config_key(end, &info) && strcmp(info.block, block) == 0; end++)
            ;
        for (unsigned n = 0; n < copies; n++) {
            const char *title = aro_config_title(config, block, n);
            json_t *keys = json_array();
            for (size_t i = first; i < end; i++) {
                aro_config_key(i, &info);
                json_array_append_new(keys, key_json(node, i, &info, n));
            }
            json_array_append_new(
                blocks, json_pack("{s:s, s:s, s:o}", "block", block, "title", title, "keys", keys));
        }
    }
    aro_call_reply(call, json_pack("{s:s, s:o}", "file", node->config_path, "blocks", blocks));
}

static json_t *job_json(const struct aro_job *job)
{
    return json_pack("{s:i, s:s, s:I, s:I, s:I, s:b}", "job", (int)job->number, "command",
                     job->call->command->name, "done_bytes", (json_int_t)job->done, "total_bytes",
                     (json_int_t)job->total, "elapsed_us",
                     (json_int_t)((aro_now_ns() - job->started_ns) / 1000), "cancelled",
                     job->cancelled);
}

static void fail_job_unknown(struct aro_call *call, uint64_t number)
{
    struct aro_error error;

    aro_error_set(&error, ARO_E_JOB_UNKNOWN, "no job %llu", (unsigned long long)number);
    aro_call_fail(call, &error);
}

void aro_handle_job(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    uint64_t number = aro_call_count(call, "job", 0);
    struct aro_job *job = number != 0 ? aro_jobs_find(node->jobs, (unsigned)number) : NULL;
    json_t *list;

    if (number != 0 && job == NULL) {
        fail_job_unknown(call, number);
        return;
    }
    list = json_array();
    for (unsigned i = 0; number == 0 && (job = aro_jobs_at(node->jobs, i)) != NULL; i++)
        json_array_append_new(list, job_json(job));
    if (number != 0)
        json_array_append_new(list, job_json(job));
    aro_call_reply(call, json_pack("{s:o}", "jobs", list));
}

void aro_handle_cancel(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;
    uint64_t number = aro_call_count(call, "job", 0);
    struct aro_job *job = aro_jobs_find(node->jobs, (unsigned)number);

    if (job == NULL) {
        fail_job_unknown(call, number);
        return;
    }
    aro_job_cancel(job);
    aro_call_reply(call, json_pack("{s:i}", "job", (int)number));
}

void aro_handle_explain(void *arg, struct aro_call *call)
{
    const char *text = aro_call_text(call, "error");
    const struct aro_error_info *info = aro_error_info(aro_error_parse(text));
    struct aro_error error;
    char tag[16];

    (void)arg;
    if (info == NULL) {
        aro_error_set(&error, ARO_E_PARAMS_INVALID, "'%s' is no error id", text);
        aro_call_fail(call, &error);
        return;
    }
    aro_call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", aro_error_tag(info->id, tag),
                                   "name", info->name, "cause", info->cause, "remedy", info->remedy,
                                   "exit_code", info->exit_code));
}

void aro_handle_version(void *arg, struct aro_call *call)
{
    (void)arg;
    aro_call_reply(call, json_pack("{s:s, s:i}", "version", ARO_VERSION, "api", ARO_API_VERSION));
}

static json_t *param_json(const struct aro_param *param)
{
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:s}", "name", param->name, "type",
                     aro_param_json_type(param->type), "required", param->required, "min",
                     (json_int_t)param->min, "max", (json_int_t)param->max, "help", param->help);
}

void aro_handle_schema(void *arg, struct aro_call *call)
{
    json_t *list = json_array();

    (void)arg;
    for (size_t i = 0; i < aro_commands_count; i++) {
        const struct aro_command *command = &aro_commands[i];
        json_t *params = json_array();
        for (const struct aro_param *at = command->params; at->type != ARO_PARAM_NONE; at++)
            json_array_append_new(params, param_json(at));
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:b, s:s, s:o}", "method", command->name, "role",
                            command->role == ARO_ROLE_READ ? "read" : "operate", "progress",
                            command->job, "help", command->help, "params", params));
    }
    aro_call_reply(call, json_pack("{s:o}", "methods", list));
}

void aro_handle_stop(void *arg, struct aro_call *call)
{
    struct aro_node *node = arg;

    aro_log(&node->log, ARO_LOG_INFO, "stopping", "by=uid:%u",
            (unsigned)aro_client_uid(call->client));
    node->stop = true;
    aro_call_reply(call, json_pack("{s:b}", "stopping", true));
}

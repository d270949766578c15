/* SPDX-License-Identifier: BSD-3-Clause */
/* The command cache: how well both tiers do, what memory holds, the chunks asked for most. */
#include <string.h>

#include "control/api/limits.h"
#include "control/commands.h"
#include "control/metrics.h"

enum { TOP_DEFAULT = 10, SAMPLES_MIN = 2 /* one proves nothing */ };

/* What the parts are made from. */
struct view {
    struct aro_node *node;
    struct aro_metrics metrics;
    struct aro_counters counters;
    uint64_t limit; /* of top chunks */
};

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Hits of hits and misses; null before the first. */
static json_t *ratio(uint64_t hits, uint64_t misses)
{
    uint64_t all = hits + misses;

    return all > 0 ? json_real((double)hits / (double)all) : json_null();
}

static json_t *amount(uint64_t chunks, uint64_t bytes)
{
    return json_pack("{s:o, s:o}", "chunks_now", integer(chunks), "bytes_now", integer(bytes));
}

/* ---- tiers: see the sums in dataplane/counters.def ---- */

static uint64_t disk_hits(const struct aro_counters *c)
{
    return c->misses_disk + c->misses_joined + c->misses_shed;
}

static json_t *memory_json(const struct view *view)
{
    const struct aro_cache_stats *cache = &view->metrics.cache;
    const struct aro_counters *c = &view->counters;
    uint64_t misses = disk_hits(c) + c->misses_absent + c->misses_unknown;
    json_t *json = amount(cache->entries_now, cache->bytes_chunks_now);

    json_object_update_new(
        json, json_pack("{s:o, s:o, s:o, s:o, s:o}", "bytes_total", integer(cache->bytes_total),
                        "hits", integer(c->hits_memory), "misses", integer(misses), "hit_ratio",
                        ratio(c->hits_memory, misses), "admitted", integer(cache->admitted)));
    json_object_update_new(
        json,
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "rejected", integer(cache->rejected),
                  "ghost_hits", integer(cache->ghost_hits), "promoted", integer(cache->promoted),
                  "evicted", integer(cache->evicted), "evicted_unread",
                  integer(cache->evicted_unread), "removed", integer(cache->removed)));
    return json;
}

static json_t *disk_json(const struct view *view)
{
    const struct aro_store_stats *store = &view->metrics.store;
    const struct aro_counters *c = &view->counters;
    json_t *json;

    if (view->node->disks == NULL)
        return json_null();
    json = amount(store->chunks_now, store->bytes_chunks_now);
    json_object_update_new(
        json,
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "bytes_total", integer(store->size_bytes),
                  "hits", integer(disk_hits(c)), "misses", integer(c->misses_absent), "hit_ratio",
                  ratio(disk_hits(c), c->misses_absent), "admitted", integer(store->writes),
                  "rejected", integer(store->rejected), "removed", integer(store->removed)));
    json_object_set_new(json, "admission", aro_admission_json(view->node));
    return json;
}

static void tiers_add(const struct view *view, json_t *to)
{
    json_object_set_new(to, "memory", memory_json(view));
    json_object_set_new(to, "disk", disk_json(view));
}

/* ---- what memory holds ---- */

static void queues_add(const struct view *view, json_t *to)
{
    const struct aro_cache_stats *cache = &view->metrics.cache;

    json_object_set_new(to, "queues",
                        json_pack("{s:s, s:o, s:o, s:o, s:{s:o}}", "policy", cache->policy, "small",
                                  amount(cache->small_now, cache->bytes_small_now), "main",
                                  amount(cache->main_now, cache->bytes_main_now), "kept",
                                  amount(cache->kept_now, cache->bytes_kept_now), "ghosts",
                                  "chunks_now", integer(cache->ghosts_now)));
}

static void sizes_add(const struct view *view, json_t *to)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < ARO_SIZE_CLASSES; i++) {
        const struct aro_size_count *count = &view->metrics.cache.size_now[i];
        json_t *row = amount(count->entries, count->bytes);
        json_object_set_new(row, "size_max_bytes", integer((uint64_t)ARO_CHUNK_ALIGN << i));
        json_array_append_new(list, row);
    }
    json_object_set_new(to, "sizes", list);
}

/* ---- the chunks asked for most ---- */

static json_t *chunk_json(const struct view *view, const struct aro_top_item *item, uint64_t window)
{
    struct aro_content *content = view->node->content;
    struct aro_where where;
    char text[ARO_ID_TEXT_MAX];

    aro_content_where(content, &item->id, &where);
    return json_pack(
        "{s:s, s:o, s:f, s:o, s:b, s:b, s:b}", "id", aro_id_format(&item->id, ARO_KIND_CHUNK, text),
        "requests", integer(item->samples * ARO_TOP_EVERY), "share",
        (double)item->samples / (double)window, "bytes",
        where.len_bytes > 0 ? integer(where.len_bytes) : json_null(), "in_memory", where.in_memory,
        "on_disk", where.on_disk, "pinned", aro_pins_want(aro_content_pins(content), &item->id));
}

static void top_add(const struct view *view, json_t *to)
{
    struct aro_top_item item[ARO_TOP_CHUNKS_MAX];
    json_t *list = json_array();
    uint64_t window;
    unsigned n = aro_dataplane_top(view->node->dataplane, item, (unsigned)view->limit, &window);

    for (unsigned i = 0; i < n && item[i].samples >= SAMPLES_MIN; i++)
        json_array_append_new(list, chunk_json(view, &item[i], window));
    json_object_set_new(to, "top",
                        json_pack("{s:o, s:i, s:o}", "requests_now",
                                  integer(window * ARO_TOP_EVERY), "sampled_every",
                                  (int)ARO_TOP_EVERY, "chunks", list));
}

/* ---- the command ---- */

static const struct {
    const char *name;
    void (*add)(const struct view *view, json_t *to);
} parts[] = {{"tiers", tiers_add}, {"queues", queues_add}, {"sizes", sizes_add}, {"top", top_add}};

void aro_handle_cache(void *arg, struct aro_call *call)
{
    const char *wanted = aro_call_text(call, "part");
    struct view view = {.node = arg, .limit = aro_call_count(call, "limit", TOP_DEFAULT)};
    json_t *result = json_object();
    struct aro_error error;

    aro_node_metrics(arg, &view.metrics);
    aro_dataplane_counters(view.node->dataplane, &view.counters);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (wanted == NULL || strcmp(wanted, parts[i].name) == 0)
            parts[i].add(&view, result);
    if (json_object_size(result) > 0) {
        aro_call_reply(call, result);
        return;
    }
    json_decref(result);
    aro_error_set(&error, ARO_E_PARAMS_INVALID,
                  "the cache has no part '%s', but tiers, queues, sizes and top", wanted);
    aro_call_fail(call, &error);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer of the command cache: a table per part, those that it has. */
#include "control/ctl/render_cache.h"

#include <string.h>

#include "control/api/units.h"
#include "control/ctl/members.h"
#include "control/ctl/render_store.h"
#include "control/ctl/table.h"

static void add_bytes(struct aro_table *table, unsigned long long bytes)
{
    char size[ARO_UNITS_TEXT];

    aro_table_add(table, "%s", aro_bytes_human(bytes, size));
}

/* part of whole; "-" of nothing. */
static void add_percent(struct aro_table *table, double part, double whole)
{
    if (whole > 0)
        aro_table_add(table, "%.1f%%", 100 * part / whole);
    else
        aro_table_add(table, "-");
}

static double grown(const json_t *rates, const char *tier, const char *name)
{
    return json_number_value(json_object_get(json_object_get(rates, tier), name));
}

/* ---- tiers ---- */

static void tier_row(struct aro_table *table, const json_t *r, const char *name)
{
    const json_t *tier = json_object_get(r, name), *rates = json_object_get(r, "per_second");
    double hits = (double)number(tier, "hits"), now = grown(rates, name, "hits");

    aro_table_add(table, "%s", name);
    add_percent(table, hits, hits + (double)number(tier, "misses"));
    if (rates != NULL)
        add_percent(table, now, now + grown(rates, name, "misses"));
    aro_table_add(table, "%llu", number(tier, "hits"));
    aro_table_add(table, "%llu", number(tier, "misses"));
    aro_table_add(table, "%llu", number(tier, "admitted"));
    aro_table_add(table, "%llu", number(tier, "rejected"));
    if (json_object_get(tier, "evicted") != NULL) {
        aro_table_add(table, "%llu", number(tier, "evicted"));
        add_percent(table, (double)number(tier, "evicted_unread"), (double)number(tier, "evicted"));
    } else { /* nothing is evicted from disk */
        aro_table_add(table, "-");
        aro_table_add(table, "-");
    }
    aro_table_add(table, "%llu", number(tier, "removed"));
    aro_table_add(table, "%llu", number(tier, "chunks_now"));
    add_bytes(table, number(tier, "bytes_now"));
}

static void tiers(const json_t *r, bool bold, FILE *out)
{
    bool rates = json_object_get(r, "per_second") != NULL;
    struct aro_table *table = aro_table_create(
        rates ? "TIER|>HIT RATIO|>NOW|>HITS|>MISSES|>ADMITTED|>REJECTED|>EVICTED|>UNREAD|>REMOVED|>"
                "CHUNKS|>SIZE"
              : "TIER|>HIT RATIO|>HITS|>MISSES|>ADMITTED|>REJECTED|>EVICTED|>UNREAD|>REMOVED|>"
                "CHUNKS|>SIZE");

    tier_row(table, r, "memory");
    if (json_is_object(json_object_get(r, "disk")))
        tier_row(table, r, "disk");
    aro_table_print(table, bold, out);
    aro_render_admission(json_object_get(json_object_get(r, "disk"), "admission"), out);
}

/* ---- queues and sizes ---- */

static void queues(const json_t *r, bool bold, FILE *out)
{
    static const char *const names[] = {"small", "main", "kept", "ghosts"};
    const json_t *list = json_object_get(r, "queues"), *memory = json_object_get(r, "memory");
    struct aro_table *table = aro_table_create("QUEUE|>CHUNKS|>SIZE");

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *queue = json_object_get(list, names[i]);
        aro_table_add(table, "%s", names[i]);
        aro_table_add(table, "%llu", number(queue, "chunks_now"));
        if (json_object_get(queue, "bytes_now") != NULL)
            add_bytes(table, number(queue, "bytes_now"));
        else
            aro_table_add(table, "-");
    }
    aro_table_print(table, bold, out);
    fprintf(out, "policy %s", text(list, "policy"));
    if (memory != NULL)
        fprintf(out, "; %llu moved from small to main, %llu came back while remembered",
                number(memory, "promoted"), number(memory, "ghost_hits"));
    fputc('\n', out);
}

static void sizes(const json_t *r, bool bold, FILE *out)
{
    const json_t *list = json_object_get(r, "sizes"), *at;
    struct aro_table *table = aro_table_create(">UP TO|>CHUNKS|>SIZE|>SHARE");
    double all = 0;
    size_t i;

    json_array_foreach(list, i, at) all += (double)number(at, "bytes_now");
    json_array_foreach(list, i, at)
    {
        if (number(at, "chunks_now") == 0)
            continue;
        add_bytes(table, number(at, "size_max_bytes"));
        aro_table_add(table, "%llu", number(at, "chunks_now"));
        add_bytes(table, number(at, "bytes_now"));
        add_percent(table, (double)number(at, "bytes_now"), all);
    }
    aro_table_print(table, bold, out);
}

/* ---- top chunks ---- */

static void top(const json_t *r, bool bold, FILE *out)
{
    const json_t *part = json_object_get(r, "top"), *at;
    struct aro_table *table = aro_table_create("TOP CHUNK|>REQUESTS|>SHARE|>SIZE|WHERE");
    size_t i;

    json_array_foreach(json_object_get(part, "chunks"), i, at)
    {
        bool memory = flag(at, "in_memory"), disk = flag(at, "on_disk");
        aro_table_add(table, "%s", text(at, "id"));
        aro_table_add(table, "%llu", number(at, "requests"));
        aro_table_add(table, "%.1f%%", 100 * json_real_value(json_object_get(at, "share")));
        if (json_is_integer(json_object_get(at, "bytes")))
            add_bytes(table, number(at, "bytes"));
        else
            aro_table_add(table, "-");
        aro_table_add(table, "%s%s%s%s", memory ? "memory" : "", memory && disk ? ", " : "",
                      disk     ? "disk"
                      : memory ? ""
                               : "nowhere",
                      flag(at, "pinned") ? ", pinned" : "");
    }
    aro_table_print(table, bold, out);
    fprintf(out, "of about %llu requests of late; one of %llu was looked at\n",
            number(part, "requests_now"), number(part, "sampled_every"));
}

void aro_render_cache(const json_t *result, const struct aro_style *style, FILE *out)
{
    static const struct {
        const char *member;
        void (*print)(const json_t *result, bool bold, FILE *out);
    } parts[] = {{"memory", tiers}, {"queues", queues}, {"sizes", sizes}, {"top", top}};
    bool first = true;

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (json_object_get(result, parts[i].member) == NULL)
            continue;
        if (!first)
            fputc('\n', out);
        parts[i].print(result, style->bold, out);
        first = false;
    }
}

void aro_render_cache_ids(const json_t *result, FILE *out)
{
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(result, "top"), "chunks"), i, at)
        fprintf(out, "%s\n", text(at, "id"));
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/render.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/api/units.h"
#include "control/ctl/members.h"
#include "control/ctl/render_cache.h"
#include "control/ctl/render_disks.h"
#include "control/ctl/render_store.h"
#include "control/ctl/table.h"

enum { EXIT_DAMAGED = 6 };

static const char *yes(bool value)
{
    return value ? "yes" : "no";
}

/* ---- one function per command ---- */

static void status(const json_t *r, const struct aro_style *style, FILE *out)
{
    const json_t *memory = json_object_get(r, "memory");
    const json_t *pools = json_object_get(r, "pools"), *at;
    char a[ARO_UNITS_TEXT], b[ARO_UNITS_TEXT], pinned[ARO_UNITS_TEXT];
    struct aro_table *table;
    size_t i;

    fprintf(out, "arocached %s, pid %llu, up %llu s, UDP port %llu, idle %s, %llu lcores\n",
            text(r, "version"), number(r, "pid"), number(r, "uptime_us") / 1000000,
            number(r, "service_port"), text(r, "idle"), number(r, "lcores"));
    fprintf(out, "memory  %s of %s used, %llu chunks, %s pinned%s\n",
            aro_bytes_human(number(memory, "cache_used_bytes"), a),
            aro_bytes_human(number(memory, "cache_bytes"), b), number(memory, "cache_chunks"),
            aro_bytes_human(number(memory, "pinned_bytes"), pinned),
            flag(memory, "cache_hugepages") ? ", hugepages" : "");
    aro_render_store_brief(json_object_get(r, "store"), out);
    json_array_foreach(json_object_get(r, "ports"), i, at) fprintf(
        out, "port    %s: %s, link %s, zero copy %s\n", text(at, "name"), text(at, "driver"),
        flag(at, "link_up") ? "up" : "down", yes(flag(at, "zero_copy")));
    table = aro_table_create("POOL|>SIZE|>BUFFERS|>FREE|FOR");
    json_array_foreach(pools, i, at)
    {
        aro_table_add(table, "%s", text(at, "name"));
        aro_table_add(table, "%s", aro_bytes_human(number(at, "bytes"), a));
        aro_table_add(table, "%llu", number(at, "items"));
        aro_table_add(table, "%llu", number(at, "items_free_now"));
        aro_table_add(table, "%s", text(at, "purpose"));
    }
    aro_table_print(table, style->bold, out);
}

/* Its growth per second, where --watch measured one. */
static void add_rate(struct aro_table *table, const json_t *rates, const char *group,
                     const char *name)
{
    const json_t *rate = json_object_get(json_object_get(rates, group), name);

    if (rates == NULL)
        return;
    if (rate != NULL)
        aro_table_add(table, "%.*f", json_real_value(rate) < 10 ? 1 : 0, json_real_value(rate));
    else
        aro_table_add(table, "%s", "");
}

static void stats(const json_t *r, const struct aro_style *style, FILE *out)
{
    const json_t *rates = json_object_get(r, "per_second");
    struct aro_table *table = aro_table_create(rates == NULL ? "GROUP|COUNTER|>VALUE"
                                                             : "GROUP|COUNTER|>VALUE|>PER SECOND");
    const char *group, *name;
    json_t *values, *value;
    unsigned zeros = 0;

    json_object_foreach((json_t *)(uintptr_t)r, group, values)
    {
        if (values == rates)
            continue;
        json_object_foreach(values, name, value)
        {
            if (json_is_integer(value) && json_integer_value(value) == 0) {
                zeros++;
                continue;
            }
            aro_table_add(table, "%s", group);
            aro_table_add(table, "%s", name);
            if (json_is_boolean(value))
                aro_table_add(table, "%s", yes(json_is_true(value)));
            else
                aro_table_add(table, "%lld", (long long)json_integer_value(value));
            add_rate(table, rates, group, name);
        }
    }
    aro_table_print(table, style->bold, out);
    fprintf(out, "%u counters at zero are not shown; -j shows all\n", zeros);
}

static void ports(const json_t *r, const struct aro_style *style, FILE *out)
{
    const json_t *list = json_object_get(r, "ports"), *at;
    struct aro_table *table = aro_table_create(
        "PORT|DRIVER|LINK|>MTU|>QUEUES|>RX PACKETS|>TX PACKETS|>MISSED|ZERO COPY|CHECKSUMS");
    size_t i;

    json_array_foreach(list, i, at)
    {
        aro_table_add(table, "%s", text(at, "name"));
        aro_table_add(table, "%s", text(at, "driver"));
        aro_table_add(table, "%s", flag(at, "link_up") ? "up" : "down");
        aro_table_add(table, "%llu", number(at, "mtu"));
        aro_table_add(table, "%llu", number(at, "queues"));
        aro_table_add(table, "%llu", number(at, "rx_packets"));
        aro_table_add(table, "%llu", number(at, "tx_packets"));
        aro_table_add(table, "%llu", number(at, "rx_missed"));
        aro_table_add(table, "%s", yes(flag(at, "zero_copy")));
        aro_table_add(table, "%s", flag(at, "checksum_device") ? "device" : "prefix sums");
    }
    aro_table_print(table, style->bold, out);
    json_array_foreach(list, i, at)
    {
        const json_t *addresses = json_object_get(at, "addresses");
        size_t k;
        const json_t *address;
        fprintf(out, "\n%s: %s, %s", text(at, "name"), text(at, "device"), text(at, "mac"));
        json_array_foreach(addresses, k, address) fprintf(out, ", %s", json_string_value(address));
        fprintf(out, "\n  zero copy: %s\n  checksums: %s\n  profile %s: %s\n",
                text(at, "zero_copy_why"), text(at, "checksum_why"), text(at, "profile"),
                text(at, "note"));
    }
}

static void lcores(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create(
        ">LCORE|>CPU|>BUSY|>JOBS|>DRAINING|>WAITING|>READS|>REQUESTS|>ANSWERED|DISK");
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(r, "lcores"), i, at)
    {
        const json_t *counters = json_object_get(at, "counters");
        aro_table_add(table, "%llu", number(at, "lcore"));
        aro_table_add(table, "%llu", number(at, "cpu"));
        aro_table_add(table, "%.1f%%", 100 * json_real_value(json_object_get(at, "busy_ratio")));
        aro_table_add(table, "%llu", number(at, "jobs_now"));
        aro_table_add(table, "%llu", number(at, "draining_now"));
        aro_table_add(table, "%llu", number(at, "pending_now"));
        aro_table_add(table, "%llu", number(at, "reads_now"));
        aro_table_add(table, "%llu", number(counters, "requests"));
        aro_table_add(table, "%llu", number(counters, "answered"));
        aro_table_add(table, "%s",
                      !flag(at, "disk_ring")       ? "none"
                      : !flag(at, "fixed_buffers") ? "io_uring"
                      : !flag(at, "fixed_files")   ? "io_uring, registered memory"
                                                   : "io_uring, registered memory and files");
    }
    aro_table_print(table, style->bold, out);
}

static void created(const json_t *object, char into[32])
{
    time_t seconds = (time_t)(number(object, "created_ns") / 1000000000);
    struct tm local;

    strftime(into, 32, "%F %T", localtime_r(&seconds, &local));
}

static void ls(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create("OBJECT|>SIZE|>CHUNKS|CREATED|TIER|PINNED|LABEL");
    unsigned long long bytes = 0, objects = 0;
    char size[ARO_UNITS_TEXT], when[32];
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(r, "objects"), i, at)
    {
        aro_table_add(table, "%s", text(at, "id"));
        aro_table_add(table, "%s", aro_bytes_human(number(at, "bytes"), size));
        aro_table_add(table, "%llu", number(at, "chunks"));
        created(at, when);
        aro_table_add(table, "%s", when);
        aro_table_add(table, "%s", text(at, "tier"));
        aro_table_add(table, "%s", flag(at, "pinned") ? "yes" : "");
        aro_table_add(table, "%s", text(at, "label"));
        bytes += number(at, "bytes");
        objects++;
    }
    aro_table_print(table, style->bold, out);
    fprintf(out, "%llu objects, %s%s\n", objects, aro_bytes_human(bytes, size),
            flag(r, "more") ? "; more with --after" : "");
}

static void put(const json_t *r, const struct aro_style *style, FILE *out)
{
    char size[ARO_UNITS_TEXT], fresh[ARO_UNITS_TEXT], rate[ARO_UNITS_TEXT];
    double seconds = (double)number(r, "elapsed_us") / 1e6;

    (void)style;
    fprintf(out, "%s\n%s in %llu chunks, %s new, %s, %.2f s (%s)\n%s\n", text(r, "id"),
            aro_bytes_human(number(r, "bytes"), size), number(r, "chunks"),
            aro_bytes_human(number(r, "new_bytes"), fresh),
            flag(r, "durable") ? "durable" : "in memory only", seconds,
            aro_rate_human(seconds > 0 ? (double)number(r, "bytes") / seconds : 0, rate),
            text(r, "digest"));
}

static void pull(const json_t *r, const struct aro_style *style, FILE *out)
{
    char size[ARO_UNITS_TEXT], rate[ARO_UNITS_TEXT];
    double seconds = (double)number(r, "elapsed_us") / 1e6;

    (void)style;
    fprintf(out, "%s\n%s in %llu chunks, %s, %.2f s", text(r, "object"),
            aro_bytes_human(number(r, "bytes"), size), number(r, "chunks"),
            flag(r, "unchanged") ? "unchanged at the origin"
            : flag(r, "durable") ? "durable"
                                 : "in memory only",
            seconds);
    if (!flag(r, "unchanged") && seconds > 0)
        fprintf(out, " (%s)", aro_rate_human((double)number(r, "bytes") / seconds, rate));
    fprintf(out, "\n%s\nname %s\n", text(r, "digest"), text(r, "name"));
}

static void resolve(const json_t *r, const struct aro_style *style, FILE *out)
{
    const json_t *ttl = json_object_get(r, "ttl_s");
    char size[ARO_UNITS_TEXT];

    (void)style;
    if (strcmp(text(r, "state"), "arriving") == 0) {
        fprintf(out, "arriving: pull %llu, %s of %s; aroctl chunks %llu\n", number(r, "pull"),
                json_is_integer(json_object_get(r, "bytes"))
                    ? aro_bytes_human(number(r, "bytes"), size)
                    : "an unknown size",
                *text(r, "type") != '\0' ? text(r, "type") : "unknown type", number(r, "pull"));
        return;
    }
    fprintf(out, "%s\n%s, %s, %llu s old, ", text(r, "object"),
            aro_bytes_human(number(r, "bytes"), size),
            *text(r, "type") != '\0' ? text(r, "type") : "unknown type", number(r, "age_s"));
    if (flag(r, "stale"))
        fputs("STALE: the origin fails\n", out);
    else if (json_is_integer(ttl))
        fprintf(out, "fresh for %llu s\n", number(r, "ttl_s"));
    else
        fputs("set by hand\n", out);
}

static void chunks(const json_t *r, const struct aro_style *style, FILE *out)
{
    const json_t *at;
    size_t i;

    (void)style;
    json_array_foreach(json_object_get(r, "chunks"), i, at)
        fprintf(out, "c-%s\n", json_string_value(at));
    fprintf(out, "pull %llu is %s; %llu chunks listed so far%s%s%s\n", number(r, "pull"),
            text(r, "state"), number(r, "next"), *text(r, "object") != '\0' ? ": " : "",
            text(r, "object"), text(json_object_get(r, "error"), "message"));
}

static void names(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create("NAME|OBJECT|>SIZE|TYPE|EXPIRES|HERE");
    long long now = (long long)time(NULL);
    char size[ARO_UNITS_TEXT];
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(r, "names"), i, at)
    {
        const json_t *expires = json_object_get(at, "expires_unix");
        aro_table_add(table, "%s", text(at, "name"));
        aro_table_add(table, "%s", text(at, "object"));
        aro_table_add(table, "%s", aro_bytes_human(number(at, "bytes"), size));
        aro_table_add(table, "%s", text(at, "type"));
        if (!json_is_integer(expires))
            aro_table_add(table, "never");
        else if (json_integer_value(expires) <= now)
            aro_table_add(table, "%lld s ago", now - (long long)json_integer_value(expires));
        else
            aro_table_add(table, "in %lld s", (long long)json_integer_value(expires) - now);
        aro_table_add(table, "%s", yes(flag(at, "here")));
    }
    aro_table_print(table, style->bold, out);
    if (flag(r, "more"))
        fputs("more with --after NAME\n", out);
}

static void purge(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "%llu names forgotten; their objects stay\n", number(r, "purged"));
}

static void name(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "%s is %s\n", text(r, "name"), text(r, "object"));
}

static void whereabouts(const json_t *r, const struct aro_style *style, FILE *out)
{
    char size[ARO_UNITS_TEXT], chunk[ARO_UNITS_TEXT], when[32];

    (void)style;
    if (strcmp(text(r, "kind"), "chunk") == 0) {
        fprintf(out, "%s\n%s, in memory: %s, on disk: %s, pinned: %s\n", text(r, "id"),
                aro_bytes_human(number(r, "bytes"), size), yes(flag(r, "in_memory")),
                yes(flag(r, "on_disk")), yes(flag(r, "pinned")));
        return;
    }
    created(r, when);
    fprintf(out, "%s\n%s\nlabel    %s\ncreated  %s\nsize     %s (%llu bytes)\n", text(r, "id"),
            text(r, "digest"), text(r, "label"), when, aro_bytes_human(number(r, "bytes"), size),
            number(r, "bytes"));
    fprintf(out,
            "chunks   %llu of %s: %llu in memory, %llu on disk, %llu missing; %llu manifests%s\n",
            number(r, "chunks"), aro_bytes_human(number(r, "chunk_bytes"), chunk),
            number(r, "chunks_in_memory"), number(r, "chunks_on_disk"), number(r, "chunks_missing"),
            number(r, "manifests"), flag(r, "pinned") ? "; pinned" : "");
}

static void evict(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "%s: %llu chunks removed, %llu kept (others use them)\n", text(r, "id"),
            number(r, "removed_chunks"), number(r, "kept_chunks"));
}

static void pin(const json_t *r, const struct aro_style *style, FILE *out)
{
    char now[ARO_UNITS_TEXT], max[ARO_UNITS_TEXT];

    (void)style;
    fprintf(out, "%s: %llu chunks pinned, %llu read from disk; %s of %s pinned in all\n",
            text(r, "id"), number(r, "chunks"), number(r, "read_chunks"),
            aro_bytes_human(number(r, "pinned_bytes"), now),
            aro_bytes_human(number(r, "pinned_max_bytes"), max));
}

static void unpin(const json_t *r, const struct aro_style *style, FILE *out)
{
    char now[ARO_UNITS_TEXT];

    (void)style;
    fprintf(out, "%s: %llu chunks unpinned; %s still pinned\n", text(r, "id"), number(r, "chunks"),
            aro_bytes_human(number(r, "pinned_bytes"), now));
}

static void flush(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(
        out,
        "%llu chunks removed from memory, %llu kept by pin, %llu held by answers, %llu waiting%s\n",
        number(r, "removed_chunks"), number(r, "kept_chunks"), number(r, "pinned_chunks"),
        number(r, "retired_chunks"),
        flag(r, "store") ? "" : "; there is no store, so they are gone");
}

static void verify(const json_t *r, const struct aro_style *style, FILE *out)
{
    char size[ARO_UNITS_TEXT], rate[ARO_UNITS_TEXT];
    double seconds = (double)number(r, "elapsed_us") / 1e6;
    const json_t *at;
    size_t i;

    (void)style;
    json_array_foreach(json_object_get(r, "list"), i, at)
        fprintf(out, "%s %s: %s\n", text(at, "object"), text(at, "chunk"), text(at, "problem"));
    fprintf(out, "%s: %llu objects, %llu chunks, %s read back in %.2f s (%s), %llu problems\n",
            flag(r, "ok") ? "ok" : "DAMAGED", number(r, "objects"), number(r, "chunks"),
            aro_bytes_human(number(r, "bytes"), size), seconds,
            aro_rate_human(seconds > 0 ? (double)number(r, "bytes") / seconds : 0, rate),
            number(r, "problems"));
}

static void config(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create("KEY|VALUE|CHANGE|MEANING");
    const json_t *block, *key;
    size_t i, k;

    json_array_foreach(json_object_get(r, "blocks"), i, block)
    {
        const char *name = text(block, "block"), *title = text(block, "title");
        json_array_foreach(json_object_get(block, "keys"), k, key)
        {
            aro_table_add(table, "%s%s%s%s%s%s", name, *title ? "[" : "", title, *title ? "]" : "",
                          *name ? "." : "", text(key, "key"));
            aro_table_add(table, "%s", text(key, "value"));
            aro_table_add(table, "%s", text(key, "change"));
            aro_table_add(table, "%s", text(key, "help"));
        }
    }
    aro_table_print(table, style->bold, out);
    fprintf(out, "from %s\n", text(r, "file"));
}

static void jobs(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create(">JOB|COMMAND|>DONE|>OF|>SECONDS");
    char a[ARO_UNITS_TEXT], b[ARO_UNITS_TEXT];
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(r, "jobs"), i, at)
    {
        aro_table_add(table, "%llu", number(at, "job"));
        aro_table_add(table, "%s", text(at, "command"));
        aro_table_add(table, "%s", aro_bytes_human(number(at, "done_bytes"), a));
        aro_table_add(table, "%s",
                      number(at, "total_bytes") > 0 ? aro_bytes_human(number(at, "total_bytes"), b)
                                                    : "?");
        aro_table_add(table, "%.1f", (double)number(at, "elapsed_us") / 1e6);
    }
    aro_table_print(table, style->bold, out);
}

static void cancel(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "job %llu is being cancelled\n", number(r, "job"));
}

static void explain(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "%s %s\n%s\ntry: %s\n", text(r, "id"), text(r, "name"), text(r, "cause"),
            text(r, "remedy"));
}

static void version(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "arocached %s, control API %llu\n", text(r, "version"), number(r, "api"));
}

static void schema(const json_t *r, const struct aro_style *style, FILE *out)
{
    struct aro_table *table = aro_table_create("METHOD|ROLE|PARAMETERS|MEANING");
    const json_t *method, *param;
    size_t i, k;

    json_array_foreach(json_object_get(r, "methods"), i, method)
    {
        char list[256] = "";
        json_array_foreach(json_object_get(method, "params"), k, param)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s:%s", k > 0 ? ", " : "",
                     text(param, "name"), text(param, "type"));
        aro_table_add(table, "%s", text(method, "method"));
        aro_table_add(table, "%s", text(method, "role"));
        aro_table_add(table, "%s", list);
        aro_table_add(table, "%s", text(method, "help"));
    }
    aro_table_print(table, style->bold, out);
}

static void stop(const json_t *r, const struct aro_style *style, FILE *out)
{
    (void)r;
    (void)style;
    fputs("the daemon is stopping\n", out);
}

/* How each command's answer is printed, and which member is a list of lines under -j. */
static const struct {
    const char *name;
    void (*print)(const json_t *result, const struct aro_style *style, FILE *out);
    const char *list;
} renders[] = {
    {"status", status, NULL},
    {"stats", stats, NULL},
    {"ports", ports, "ports"},
    {"lcores", lcores, "lcores"},
    {"disks", aro_render_disks, "disks"},
    {"disks_out", aro_render_disk, NULL},
    {"disks_in", aro_render_disk, NULL},
    {"put", put, NULL},
    {"ls", ls, "objects"},
    {"stat", whereabouts, NULL},
    {"evict", evict, NULL},
    {"flush", flush, NULL},
    {"verify", verify, NULL},
    {"config", config, "blocks"},
    {"job", jobs, "jobs"},
    {"cancel", cancel, NULL},
    {"explain", explain, NULL},
    {"version", version, NULL},
    {"schema", schema, "methods"},
    {"stop", stop, NULL},
    {"pull", pull, NULL},
    {"resolve", resolve, NULL},
    {"chunks", chunks, NULL},
    {"names", names, "names"},
    {"purge", purge, NULL},
    {"name", name, NULL},
    {"pin", pin, NULL},
    {"unpin", unpin, NULL},
    {"cache", aro_render_cache, NULL},
    {"store_stat", aro_render_store_stat, "stores"},
    {"store_check", aro_render_store_check, NULL},
    {"store_scrub", aro_render_store_check, NULL},
};

static void print_json(const json_t *value, FILE *out)
{
    json_dumpf(value, out, JSON_COMPACT);
    fputc('\n', out);
}

static void print_lines(const json_t *result, const char *list, const struct aro_style *style,
                        FILE *out)
{
    const json_t *at;
    size_t i;

    if (list == NULL && style->quiet) {
        if (*text(result, "id") != '\0')
            fprintf(out, "%s\n", text(result, "id"));
        return;
    }
    if (list == NULL) {
        print_json(result, out);
        return;
    }
    json_array_foreach(json_object_get(result, list), i, at)
    {
        if (!style->quiet)
            print_json(at, out);
        else if (*text(at, "id") != '\0')
            fprintf(out, "%s\n", text(at, "id"));
    }
}

int aro_render(const struct aro_command *command, const json_t *result,
               const struct aro_style *style, FILE *out)
{
    for (size_t i = 0; i < sizeof(renders) / sizeof(renders[0]); i++) {
        if (strcmp(renders[i].name, command->name) != 0)
            continue;
        if (style->quiet && renders[i].print == aro_render_cache)
            aro_render_cache_ids(result, out);
        else if (style->json || style->quiet)
            print_lines(result, renders[i].list, style, out);
        else
            renders[i].print(result, style, out);
    }
    if (json_is_false(json_object_get(result, "ok"))) /* verify, store check, store scrub */
        return EXIT_DAMAGED;
    return 0;
}

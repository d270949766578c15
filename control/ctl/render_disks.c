/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/render_disks.h"

#include <string.h>

#include "control/api/units.h"
#include "control/ctl/members.h"
#include "control/ctl/table.h"

static void row(struct aro_table *table, const json_t *at)
{
    char text_of[ARO_UNITS_TEXT];

    aro_table_add(table, "%s", text(at, "name"));
    aro_table_add(table, "%s", text(at, "state"));
    aro_table_add(table, "%s%s", text(at, "io"), flag(at, "polled") ? ", polled" : "");
    aro_table_add(table, "%s", flag(at, "direct") ? "yes" : "no");
    aro_table_add(table, "%s", aro_bytes_human(number(at, "size_bytes"), text_of));
    aro_table_add(table, "%s", aro_bytes_human(number(at, "used_bytes"), text_of));
    aro_table_add(table, "%s", aro_bytes_human(number(at, "free_bytes"), text_of));
    aro_table_add(table, "%llu", number(at, "objects"));
    aro_table_add(table, "%llu", number(at, "reads"));
    aro_table_add(table, "%llu", number(at, "reads_now"));
    aro_table_add(table, "%llu",
                  number(at, "read_errors") + number(at, "write_errors") +
                      number(at, "sync_errors"));
    aro_table_add(table, "%s", text(at, "path"));
}

void aro_render_disks(const json_t *result, const struct aro_style *style, FILE *out)
{
    const json_t *list = json_object_get(result, "disks"), *at;
    struct aro_table *table;
    size_t i;

    if (json_array_size(list) == 0) {
        fputs("none: memory only\n", out);
        return;
    }
    table = aro_table_create(
        "DISK|STATE|IO|DIRECT|>SIZE|>USED|>FREE|>OBJECTS|>READS|>IN FLIGHT|>ERRORS|PATH");
    json_array_foreach(list, i, at) row(table, at);
    aro_table_print(table, style->bold, out);
    json_array_foreach(list, i, at)
    {
        if (*text(at, "why") != '\0')
            fprintf(out, "%s: %s\n", text(at, "name"), text(at, "why"));
        if (*text(at, "poll_refused") != '\0')
            fprintf(out, "%s: not polled: %s\n", text(at, "name"), text(at, "poll_refused"));
        if (*text(at, "io_refused") != '\0')
            fprintf(out, "%s: by threads, because io_uring is refused: %s\n", text(at, "name"),
                    text(at, "io_refused"));
    }
}

void aro_render_disk(const json_t *result, const struct aro_style *style, FILE *out)
{
    (void)style;
    fprintf(out, "%s: %s%s%s\n", text(result, "name"), text(result, "state"),
            *text(result, "why") != '\0' ? ", " : "", text(result, "why"));
}

static void recovery(const json_t *at, FILE *out)
{
    if (flag(at, "under_way"))
        fprintf(out, "index   being built: %llu of %llu segments, %llu chunks, %.1f s so far\n",
                number(at, "segments_done"), number(at, "segments"), number(at, "chunks"),
                (double)number(at, "elapsed_us") / 1e6);
}

void aro_render_store_brief(const json_t *store, FILE *out)
{
    const json_t *disks = json_object_get(store, "disks"), *at;
    char used[ARO_UNITS_TEXT], size[ARO_UNITS_TEXT];
    size_t i;

    if (!json_is_object(store)) {
        fputs("store   none: memory only\n", out);
        return;
    }
    recovery(json_object_get(store, "recovery"), out);
    fprintf(out, "store   %s of %s in files, %llu chunks, %llu objects, by %s%s\n",
            aro_bytes_human(number(store, "used_bytes"), used),
            aro_bytes_human(number(store, "size_bytes"), size), number(store, "chunks"),
            number(store, "objects"), text(store, "io"),
            flag(store, "writable") ? "" : ", TAKES NO WRITES");
    json_array_foreach(disks, i, at)
        fprintf(out, "disk    %s at %s: %s%s%s%s%s\n", text(at, "name"), text(at, "path"),
                text(at, "state"), *text(at, "why") != '\0' ? ", " : "", text(at, "why"),
                flag(at, "polled")                  ? ", polled"
                : *text(at, "poll_refused") != '\0' ? ", not polled: "
                                                    : "",
                text(at, "poll_refused"));
}

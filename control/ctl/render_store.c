/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/render_store.h"

#include <string.h>

#include "control/api/units.h"
#include "control/ctl/members.h"

static void stat_one(const json_t *at, FILE *out)
{
    char a[ARO_UNITS_TEXT], b[ARO_UNITS_TEXT], c[ARO_UNITS_TEXT];

    fprintf(out, "store     %s at %s%s%s\n", text(at, "name"), text(at, "path"),
            flag(at, "recovering") ? ", its index is being built" : "",
            flag(at, "writable") ? "" : ", TAKES NO WRITES");
    fprintf(out, "space     %s of %s taken, %s of it by payloads\n",
            aro_bytes_human(number(at, "used_bytes"), a),
            aro_bytes_human(number(at, "size_bytes"), b),
            aro_bytes_human(number(at, "written_bytes"), c));
    fprintf(out, "of that   %s live, %s dead (of chunks that were removed)\n",
            aro_bytes_human(number(at, "live_bytes"), a),
            aro_bytes_human(number(at, "dead_bytes"), b));
    fprintf(out, "content   %llu chunks in %llu segments, %llu records, %llu objects\n",
            number(at, "chunks"), number(at, "segments"), number(at, "records"),
            number(at, "objects"));
    fprintf(out,
            "damage    %llu segments set aside or cut short, %llu records torn at the last start, "
            "%llu chunks quarantined since\n",
            number(at, "lost"), number(at, "torn"), number(at, "quarantined"));
}

void aro_render_admission(const json_t *at, FILE *out)
{
    char size[ARO_UNITS_TEXT];

    if (at == NULL || strcmp(text(at, "admit"), "always") == 0)
        return;
    fprintf(out,
            "admission second-hit: %llu objects, %s, in memory until they are asked for again; of "
            "%llu so far %llu written, %llu gone\n",
            number(at, "objects_now"), aro_bytes_human(number(at, "bytes_now"), size),
            number(at, "deferred"), number(at, "admitted"), number(at, "dropped"));
}

void aro_render_store_stat(const json_t *result, const struct aro_style *style, FILE *out)
{
    const json_t *at;
    size_t i;

    (void)style;
    json_array_foreach(json_object_get(result, "stores"), i, at) stat_one(at, out);
    aro_render_admission(json_object_get(result, "admission"), out);
}

/* An object that is not whole. */
static void object_problem(const json_t *at, FILE *out)
{
    fprintf(out, "%s object %s: %s: %s", text(at, "error"), text(at, "object"), text(at, "problem"),
            text(at, "chunk"));
    if (number(at, "chunks") > 1)
        fprintf(out, ", and %llu more", number(at, "chunks") - 1);
    fprintf(out, "\n");
}

static void problem(const json_t *at, FILE *out)
{
    fprintf(out, "%s: ", text(at, "store"));
    if (json_object_get(at, "object") != NULL) {
        object_problem(at, out);
        return;
    }
    if (json_object_get(at, "file") != NULL)
        fprintf(out, "%s %s", text(at, "error"), text(at, "file"));
    else if (number(at, "segment") == 0)
        fputs("store", out);
    else
        fprintf(out, "segment %llu", number(at, "segment"));
    if (json_object_get(at, "record") != NULL)
        fprintf(out, " record %llu", number(at, "record"));
    if (json_object_get(at, "chunk") != NULL)
        fprintf(out, " block %llu %s", number(at, "block"), text(at, "chunk"));
    fprintf(out, ": %s%s\n", text(at, "problem"), flag(at, "quarantined") ? "; quarantined" : "");
}

void aro_render_store_check(const json_t *result, const struct aro_style *style, FILE *out)
{
    double seconds = (double)number(result, "elapsed_us") / 1e6;
    char size[ARO_UNITS_TEXT];
    const json_t *at;
    size_t i;

    (void)style;
    json_array_foreach(json_object_get(result, "list"), i, at) problem(at, out);
    if (number(result, "problems") > i)
        fprintf(out, "... and %llu more: the daemon's log has them all\n",
                number(result, "problems") - i);
    fprintf(out, "%s: %llu segments, %llu chunks, %s read back in %.2f s, %llu problems\n",
            flag(result, "ok") ? "ok" : "DAMAGED", number(result, "segments"),
            number(result, "chunks"), aro_bytes_human(number(result, "bytes"), size), seconds,
            number(result, "problems"));
}

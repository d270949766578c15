/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/progress.h"

#include <string.h>
#include <time.h>

#include "control/api/units.h"

enum { BAR_CELLS = 30 };

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void aro_progress_report(void *arg, json_t *params)
{
    struct aro_progress *progress = arg;
    uint64_t done = (uint64_t)json_integer_value(json_object_get(params, "done"));
    uint64_t total = (uint64_t)json_integer_value(json_object_get(params, "total"));
    char bytes[ARO_UNITS_TEXT], rate[ARO_UNITS_TEXT], bar[BAR_CELLS + 1] = "";
    double now = now_s();
    int cells;

    if (!progress->shown)
        progress->started_s = now;
    progress->shown = true;
    cells = total > 0 && done <= total ? (int)((double)done / (double)total * BAR_CELLS) : 0;
    memset(bar, '#', (size_t)cells);
    memset(bar + cells, '.', (size_t)(BAR_CELLS - cells));
    aro_rate_human(now > progress->started_s ? (double)done / (now - progress->started_s) : 0,
                   rate);
    if (total > 0)
        fprintf(progress->out, "\r[%s] %3d%% %s %s\033[K", bar,
                (int)(100 * (double)done / (double)total), aro_bytes_human(done, bytes), rate);
    else
        fprintf(progress->out, "\r%s %s\033[K", aro_bytes_human(done, bytes), rate);
    fflush(progress->out);
}

void aro_progress_end(struct aro_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", progress->out);
    progress->shown = false;
}

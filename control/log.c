/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/log.h"

#include <stdarg.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void aro_log(const struct aro_log *log, enum aro_log_level level, const char *event,
             const char *format, ...)
{
    char text[1024];
    va_list args;

    if (level > log->level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    fprintf(log->out, "%s %s%s%s\n", level_names[level], event, *text != '\0' ? " " : "", text);
    fflush(log->out);
}

void aro_log_error(const struct aro_log *log, const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    char tag[16];

    aro_log(log, ARO_LOG_ERROR, "failed", "id=%s %s (%s) try: %s", aro_error_tag(error->id, tag),
            error->text, info != NULL ? info->cause : "", info != NULL ? info->remedy : "");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bench_fail_with(const struct aro_error *error)
{
    const struct aro_error_info *info = aro_error_info((int)error->id);
    char tag[16];

    fflush(stdout);
    fprintf(stderr, "arobench: %s (%s)\n", error->text, aro_error_tag(error->id, tag));
    if (info != NULL)
        fprintf(stderr, "  try: %s\n", info->remedy);
    exit(info != NULL ? info->exit_code : EXIT_FAILURE);
}

void bench_fail(enum aro_error_id id, const char *format, ...)
{
    struct aro_error error = {.id = id};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error.text, sizeof(error.text), format, arguments);
    va_end(arguments);
    bench_fail_with(&error);
}

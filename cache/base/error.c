/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const struct aro_error_info catalogue[] = {
#define ARO_ERROR(number, name, exit_code, cause, remedy) {number, #name, cause, remedy, exit_code},
#include "cache/base/errors.def"
#undef ARO_ERROR
};

enum { ENTRIES = sizeof(catalogue) / sizeof(catalogue[0]) };

const struct aro_error_info *aro_error_info(int id)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if ((int)catalogue[i].id == id)
            return &catalogue[i];
    return NULL;
}

const struct aro_error_info *aro_error_at(size_t i)
{
    return i < ENTRIES ? &catalogue[i] : NULL;
}

int aro_error_set(struct aro_error *error, enum aro_error_id id, const char *format, ...)
{
    va_list args;

    if (error == NULL)
        return -1;
    error->id = id;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -1;
}

char *aro_error_tag(enum aro_error_id id, char text[16])
{
    snprintf(text, 16, "ARO-%04d", (int)id);
    return text;
}

int aro_error_parse(const char *text)
{
    char *end;
    long number;

    if (strncasecmp(text, "ARO-", 4) == 0)
        text += 4;
    errno = 0;
    number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number <= 0 || number > 9999)
        return -EINVAL;
    return (int)number;
}

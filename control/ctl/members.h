/* SPDX-License-Identifier: BSD-3-Clause */
/* Members of an answer, as those who print it want them; absent ones read as zero, false or "". */
#ifndef ARO_CONTROL_CTL_MEMBERS_H
#define ARO_CONTROL_CTL_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>

static inline const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value != NULL ? value : "";
}

static inline unsigned long long number(const json_t *object, const char *name)
{
    return (unsigned long long)json_integer_value(json_object_get(object, name));
}

static inline bool flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command table: every method of the control socket, once. It drives the daemon's dispatch and
 * its checks of parameters and roles, the method `schema`, the parser, help and completion of
 * aroctl; docs/control-api.md is checked against it.
 *
 * Constant data, any thread.
 */
#ifndef ARO_CONTROL_API_COMMANDS_H
#define ARO_CONTROL_API_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARO_PARAMS_MAX = 4 };

enum aro_param_type {
    ARO_PARAM_NONE = 0, /* ends a list */
    ARO_PARAM_TEXT,     /* string; min..max bytes */
    ARO_PARAM_ID,       /* string: an id in its text form */
    ARO_PARAM_ERROR,    /* string: ARO-NNNN */
    ARO_PARAM_COUNT,    /* integer, min..max */
    ARO_PARAM_BYTES,    /* integer, min..max; aroctl takes units */
    ARO_PARAM_FLAG,     /* boolean */
    ARO_PARAM_SOURCE,   /* string: absolute path; aroctl opens it and hands it over instead */
};

struct aro_param {
    enum aro_param_type type;
    const char *name;
    bool required;
    bool positional; /* for aroctl; else --name VALUE */
    uint64_t min, max;
    const char *help;
};

enum aro_role {
    ARO_ROLE_READ,    /* everybody who may connect */
    ARO_ROLE_OPERATE, /* root and the daemon's user */
};

struct aro_command {
    const char *name;
    enum aro_role role;
    bool job;     /* long: progress, then the answer */
    bool offline; /* aroctl answers it without a daemon */
    const char *help;
    struct aro_param params[ARO_PARAMS_MAX + 1];
};

extern const struct aro_command aro_commands[];
extern const size_t aro_commands_count;

/* NULL: no such command. */
const struct aro_command *aro_command_find(const char *name);
/* The same for a command line: two words are the method that an underscore joins. */
const struct aro_command *aro_command_find_words(const char *first, const char *second,
                                                 unsigned *ret_words);
/* The nearest name to a misspelt one, or NULL. */
const char *aro_command_suggest(const char *name);
const struct aro_param *aro_param_find(const struct aro_command *command, const char *name);
/* "string", "integer", "boolean" as in JSON. */
const char *aro_param_json_type(enum aro_param_type type);

#endif

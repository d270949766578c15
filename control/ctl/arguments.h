/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words behind a command of aroctl, read by the command table into the request's parameters.
 * Pure but for memory.
 */
#ifndef ARO_CONTROL_CTL_ARGUMENTS_H
#define ARO_CONTROL_CTL_ARGUMENTS_H

#include <jansson.h>

#include "cache/base/error.h"
#include "control/api/commands.h"

struct aro_arguments {
    json_t *params;     /* an object; a reference */
    const char *source; /* of put: file to open, "-" for standard input; NULL: none */
};

/*
 * Takes -j, --json, -q and --quiet out of the words behind a command, where people write them, too;
 * a word behind "--" is the command's. Returns how many words are left.
 */
int aro_arguments_style(int count, char *words[], bool *json, bool *quiet);

/*
 * Positional parameters in order, others as --name VALUE or --name=VALUE (flags: --name), '_' and
 * '-' alike. 0, or -1 with *error (1001, 1002) and nothing held.
 */
int aro_arguments_read(const struct aro_command *command, int count, char *const words[],
                       struct aro_arguments *ret, struct aro_error *error);

#endif

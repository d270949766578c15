/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line that the daemons share: a configuration file, and whether to run with it, test
 * it or print it. Start-up only.
 */
#ifndef ARO_CONTROL_COMMAND_LINE_H
#define ARO_CONTROL_COMMAND_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "cache/base/error.h"

/* Constant data. */
struct aro_daemon {
    const char *name;            /* "arocached" */
    const char *help;            /* all of --help */
    void (*template)(FILE *out); /* every key there is: -T without a file */
    bool has_store;              /* knows --check-store and --make-store */
};

struct aro_command_line {
    const char *config; /* path */
    bool test, dump, check_store;
    const char *make_store; /* path of a device; NULL: not asked for */
    bool overwrite;         /* whatever is on it */
};

/* -1: go on with *ret; else the exit code, everything is said. */
int aro_command_line_parse(const struct aro_daemon *daemon, int argc, char **argv,
                           struct aro_command_line *ret);

/* Says on standard error what went wrong and what to do; returns the exit code. */
int aro_command_line_error(const struct aro_daemon *daemon, const struct aro_error *error);

#endif

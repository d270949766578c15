/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers of the daemon as people and scripts read them.
 */
#ifndef ARO_CONTROL_CTL_RENDER_H
#define ARO_CONTROL_CTL_RENDER_H

#include <jansson.h>
#include <stdio.h>

#include "control/api/commands.h"

struct aro_style {
    bool json;  /* one object per line */
    bool quiet; /* ids only */
    bool bold;  /* titles */
};

/* Prints the result of a command; returns the exit code that it stands for. */
int aro_render(const struct aro_command *command, const json_t *result,
               const struct aro_style *style, FILE *out);

#endif

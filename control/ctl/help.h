/* SPDX-License-Identifier: BSD-3-Clause */
/* Help and bash completion of aroctl, made from the command table. */
#ifndef ARO_CONTROL_CTL_HELP_H
#define ARO_CONTROL_CTL_HELP_H

#include <stdio.h>

#include "control/api/commands.h"

void aro_help_print(FILE *out);
void aro_help_command_print(const struct aro_command *command, FILE *out);
void aro_completion_print(FILE *out);

#endif

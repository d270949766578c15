/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines for people and grep: "info event key=value ...", one per line, to stderr (the journal
 * adds the time). Start, stop, configuration, state changes, operator actions; never packet data.
 * Control thread only.
 */
#ifndef ARO_CONTROL_LOG_H
#define ARO_CONTROL_LOG_H

#include <stdio.h>

#include "control/config.h"

struct aro_log {
    FILE *out;
    enum aro_log_level level; /* less severe lines are dropped */
};

/* event: one word; format: key=value pairs. Control characters in values become '?'. */
void aro_log(const struct aro_log *log, enum aro_log_level level, const char *event,
             const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An error as a person will read it: tag, sentence, remedy. */
void aro_log_error(const struct aro_log *log, const struct aro_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A progress bar on standard error, only when that is a terminal. */
#ifndef ARO_CONTROL_CTL_PROGRESS_H
#define ARO_CONTROL_CTL_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct aro_progress {
    FILE *out;
    bool shown;
    double started_s; /* of the first report */
};

/* For struct aro_request: arg is the progress. */
void aro_progress_report(void *arg, json_t *params);
/* Clears the line. */
void aro_progress_end(struct aro_progress *progress);

#endif

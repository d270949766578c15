/* SPDX-License-Identifier: BSD-3-Clause */
/* What --watch needs: how fast counters grow between two answers, and a screen that does not
 * flicker. */
#ifndef ARO_CONTROL_CTL_WATCH_H
#define ARO_CONTROL_CTL_WATCH_H

#include <jansson.h>
#include <stdio.h>

/*
 * {"group": {"name": per second, ...}, ...} of every integer that differs between two answers of
 * `stats`, but for those ending in _now. A new reference; NULL: no memory. seconds > 0.
 */
json_t *aro_rates(const json_t *before, const json_t *now, double seconds);

/* Shows text from the top of the terminal's screen, over what stood there. */
void aro_screen_show(const char *text, FILE *out);

#endif

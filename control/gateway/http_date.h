/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dates of HTTP (RFC 9110, 5.6.7): the fixed form is written, the two obsolete ones are read, too.
 * Pure functions, any thread, no locale.
 */
#ifndef ARO_CONTROL_GATEWAY_HTTP_DATE_H
#define ARO_CONTROL_GATEWAY_HTTP_DATE_H

#include <stdint.h>

enum { ARO_HTTP_DATE_BYTES = 30 }; /* with its NUL */

/*
 * Seconds since 1970, or -1: no date. Two-digit years are taken within 50 years of now_s, as the
 * RFC wants. Years 1970..9999.
 */
int64_t aro_http_date_parse(const char *text, int64_t now_s);

/* "Sun, 06 Nov 1994 08:49:37 GMT"; returns text. seconds: 0 .. end of the year 9999. */
char *aro_http_date_format(int64_t seconds, char text[ARO_HTTP_DATE_BYTES]);

#endif

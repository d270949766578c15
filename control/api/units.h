/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, rates and durations in the forms that people write: 16GiB = 2^30 * 16, 16GB = 10^9 * 16,
 * 20Gbit (per second), 200ms. Pure functions, any thread.
 *
 * Parsing: a decimal integer, then a unit without space or fraction; 0 needs no unit. Returns 0, or
 * -EINVAL (no such form) or -ERANGE (does not fit 64 bits), with the output untouched.
 */
#ifndef ARO_CONTROL_API_UNITS_H
#define ARO_CONTROL_API_UNITS_H

#include <stdint.h>

enum { ARO_UNITS_TEXT = 32 };

int aro_count_parse(const char *text, uint64_t *ret);            /* plain integer */
int aro_bytes_parse(const char *text, uint64_t *ret_bytes);      /* B kB MB GB TB KiB .. TiB */
int aro_rate_parse(const char *text, uint64_t *ret_bytes_per_s); /* kbit .. Tbit, or bytes */
int aro_duration_parse(const char *text, uint64_t *ret_us);      /* us ms s m h d */

/* Exact: parses back to the same value. Return text. */
char *aro_bytes_exact(uint64_t bytes, char text[ARO_UNITS_TEXT]);
char *aro_rate_exact(uint64_t bytes_per_s, char text[ARO_UNITS_TEXT]);
char *aro_duration_exact(uint64_t us, char text[ARO_UNITS_TEXT]);

/* Rounded for reading: "1.4 GiB", "820.3 MB/s". Return text. */
char *aro_bytes_human(uint64_t bytes, char text[ARO_UNITS_TEXT]);
char *aro_rate_human(double bytes_per_s, char text[ARO_UNITS_TEXT]);

#endif

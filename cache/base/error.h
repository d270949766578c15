/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The catalogue of errors that people and programs meet: a stable id, what it means, what to do.
 *
 * Declared once in errors.def. An id is an API: it is never reused or renumbered. Functions inside
 * the project return 0 or -errno; where a failure reaches a person it is given an id and a sentence
 * with the particulars, in a struct aro_error.
 *
 * Ranges: 1xxx usage and benchmarks, 2xxx configuration, 3xxx device and data plane, 4xxx memory,
 * 5xxx store, 6xxx control socket and commands, 7xxx client and transfers, 8xxx names and origins,
 * 9xxx gateway.
 */
#ifndef ARO_CACHE_BASE_ERROR_H
#define ARO_CACHE_BASE_ERROR_H

#include <stddef.h>

enum aro_error_id {
    ARO_E_NONE = 0,
#define ARO_ERROR(number, name, exit_code, cause, remedy) ARO_E_##name = number,
#include "cache/base/errors.def"
#undef ARO_ERROR
};

enum { ARO_ERROR_TEXT_BYTES = 512 };

/* One failure as a person will read it. Plain data, copied freely. */
struct aro_error {
    enum aro_error_id id;            /* ARO_E_NONE: no error */
    char text[ARO_ERROR_TEXT_BYTES]; /* one sentence: what failed, why (no trailing newline) */
};

struct aro_error_info {
    enum aro_error_id id;
    const char *name;   /* "STORE_FOREIGN" */
    const char *cause;  /* what it means, one or two sentences */
    const char *remedy; /* what to do, one or two sentences */
    int exit_code;      /* of the program that stops because of it */
};

/* The catalogue entry, or NULL for an unknown id. Static storage. */
const struct aro_error_info *aro_error_info(int id);
/* Entry number i of the catalogue in ascending order of id, NULL past the end. */
const struct aro_error_info *aro_error_at(size_t i);

/* Fills *error; error may be NULL. Always returns -1 so that it can end a function. */
int aro_error_set(struct aro_error *error, enum aro_error_id id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "ARO-2103" into text; returns text. */
char *aro_error_tag(enum aro_error_id id, char text[16]);

/* Reads "ARO-2103", "aro-2103" or "2103". Returns the number, or -EINVAL. */
int aro_error_parse(const char *text);

#endif

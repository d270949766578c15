/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a benchmark gives up: it has nothing to save, so it says why and what to do, and ends the
 * process with the exit code that the catalogue of errors gives. Any thread.
 */
#ifndef ARO_PERF_FAIL_H
#define ARO_PERF_FAIL_H

#include "cache/base/error.h"

_Noreturn void bench_fail(enum aro_error_id id, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for an error that is set already. */
_Noreturn void bench_fail_with(const struct aro_error *error);

#endif

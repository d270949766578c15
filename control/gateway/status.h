/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors of the catalogue as HTTP statuses. Pure functions, any thread.
 */
#ifndef ARO_CONTROL_GATEWAY_STATUS_H
#define ARO_CONTROL_GATEWAY_STATUS_H

#include "cache/base/error.h"

/* 4xx or 5xx; what has no status of its own is 502: a node answered what it should not. */
unsigned aro_http_status(enum aro_error_id id);

/* For 503: when to come back. */
enum { ARO_RETRY_AFTER_S = 1 };

/* The code of the registry protocol (OCI distribution) for a status under /v2/. Static storage. */
const char *aro_registry_code(unsigned status);

#endif

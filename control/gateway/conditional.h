/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conditional requests (RFC 9110, 13): the request's preconditions against the validators of what
 * would be sent, in the order of 13.2.2:
 *
 *     If-Match, else If-Unmodified-Since      not true: 412
 *     If-None-Match, else If-Modified-Since   not true: 304 (GET and HEAD)
 *     If-Range                                not true: Range is ignored
 *
 * Pure functions, any thread.
 */
#ifndef ARO_CONTROL_GATEWAY_CONDITIONAL_H
#define ARO_CONTROL_GATEWAY_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

/* Field values of the request, each NULL when absent. */
struct aro_conditions {
    const char *if_match;
    const char *if_none_match;
    const char *if_modified_since;
    const char *if_unmodified_since;
    const char *if_range;
};

/* Of the content. */
struct aro_validators {
    const char *etag;   /* "\"abc\"" or "W/\"abc\""; NULL: none */
    int64_t modified_s; /* -1: not known */
};

enum aro_condition_verdict {
    ARO_CONDITION_GO_ON,
    ARO_CONDITION_NOT_MODIFIED, /* 304 */
    ARO_CONDITION_FAILED,       /* 412 */
};

enum aro_condition_verdict aro_conditions_check(const struct aro_conditions *conditions,
                                                const struct aro_validators *validators,
                                                int64_t now_s);

/* Whether Range may be followed. */
bool aro_if_range_holds(const struct aro_conditions *conditions,
                        const struct aro_validators *validators, int64_t now_s);

/* Whether text is one entity tag, weak or strong, and nothing else: fit to be sent. */
bool aro_etag_valid(const char *text);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Range header of a request against the length of the content (RFC 9110, 14.1.2 and 14.2).
 *
 * One range is served. Of several, those that lie in the content are counted: none is 416, one is
 * served as if it stood alone, more than one is answered with the whole (allowed by 14.2, and
 * cheaper for everybody than multipart). A unit other than bytes is ignored; what begins with
 * "bytes=" and makes no sense is 416. Numbers of any length compare as the integers they are.
 *
 * Pure functions, any thread.
 */
#ifndef ARO_CONTROL_GATEWAY_RANGE_H
#define ARO_CONTROL_GATEWAY_RANGE_H

#include <stdint.h>

enum aro_range_verdict {
    ARO_RANGE_WHOLE,         /* no range, or one to be ignored: 200 */
    ARO_RANGE_PART,          /* 206 */
    ARO_RANGE_UNSATISFIABLE, /* 416 */
};

struct aro_range {
    uint64_t first;
    uint64_t bytes; /* > 0 */
};

/* header: the field's value, NULL for none. *ret is set for ARO_RANGE_PART only. */
enum aro_range_verdict aro_range_resolve(const char *header, uint64_t total_bytes,
                                         struct aro_range *ret);

#endif

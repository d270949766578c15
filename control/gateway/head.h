/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The head of a request: whether it is what RFC 9112 allows, and the fields that matter here.
 *
 * libmicrohttpd 0.9.75 is generous: it takes bare LF, folded lines, NUL, spaces before a colon and
 * repeated fields. What a proxy in front reads differently is a way past it, so all that is
 * refused here. Its parser works in place: it writes NULs over separators and hands out pointers
 * into one block. Walking them in order shows every byte that it skipped:
 *
 *     GET 0 /target 0 HTTP/1.1 0 0 Host 0 (spaces) example.org 0 0 ... 0 0
 *
 * (Its strict mode is not used: it answers a request without Host twice.)
 *
 * One NUL where two should be was a bare LF; a value that ends too early held a NUL; a folded line
 * lies elsewhere. A libmicrohttpd that works otherwise would have every request refused.
 */
#ifndef ARO_CONTROL_GATEWAY_HEAD_H
#define ARO_CONTROL_GATEWAY_HEAD_H

#include <microhttpd.h>

#include "cache/base/error.h"
#include "control/gateway/conditional.h"

/* Values; each NULL when absent. They live as long as the request. */
struct aro_head {
    const char *host;
    const char *range;
    const char *accept;
    const char *content_length;
    const char *transfer_encoding;
    struct aro_conditions conditions;
};

/* The request line as libmicrohttpd left it: pointers into its block. */
struct aro_request_line {
    const char *method;
    const char *target; /* when the URI callback saw it */
    size_t target_len;
    const char *version;
};

/* 0, or -1 with *error (9010, 9013, 9015). */
int aro_head_read(struct MHD_Connection *connection, const struct aro_request_line *line,
                  struct aro_head *ret, struct aro_error *error);

#endif

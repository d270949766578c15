/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an origin's answer means for a pull: whether its body may be taken, and how the pull goes on
 * when the transfer is over. Every rule about lengths, ranges and validators is here, so that no
 * half, longer or mixed content can pass as whole.
 *
 * Pure functions, any thread.
 */
#ifndef ARO_CONTROL_ORIGIN_VERDICT_H
#define ARO_CONTROL_ORIGIN_VERDICT_H

#include "cache/base/error.h"
#include "control/origin/http.h"

enum aro_verdict {
    ARO_VERDICT_TAKE,     /* its body is the content, or goes on with it */
    ARO_VERDICT_WHOLE,    /* everything is here */
    ARO_VERDICT_RENEWED,  /* not modified */
    ARO_VERDICT_REDIRECT, /* ask at answer.location */
    ARO_VERDICT_AGAIN,    /* ask for the rest */
    ARO_VERDICT_ABSENT,   /* the origin does not have it; *error says so */
    ARO_VERDICT_FAILED,   /* *error */
};

struct aro_facts {
    const struct aro_answer *first; /* the answer that began the content; NULL: none did */
    uint64_t received_bytes;        /* of content so far, the ended transfer's included */
    uint64_t max_object_bytes;
    bool conditional; /* asked whether it changed */
    bool taken;       /* the ended transfer's body was taken */
};

/* A 200 or 206 begins: TAKE or FAILED. */
enum aro_verdict aro_judge_answer(const struct aro_facts *facts, const struct aro_answer *answer,
                                  struct aro_error *error);
/* A transfer is over: anything but TAKE. */
enum aro_verdict aro_judge_end(const struct aro_facts *facts,
                               const struct aro_http_transfer *transfer, struct aro_error *error);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the transfer thread keeps of one transfer; for http.c (the thread, letters) and http_job.c
 * (libcurl's handle and its callbacks) only.
 */
#ifndef ARO_CONTROL_ORIGIN_HTTP_JOB_H
#define ARO_CONTROL_ORIGIN_HTTP_JOB_H

#include <curl/curl.h>

#include "control/origin/http.h"

/* Bytes per second of one origin, all its transfers together. */
struct aro_http_rate {
    uint64_t bytes_per_s; /* 0: no limit */
    int64_t tokens_bytes;
    uint64_t at_ns;
};

/* Why libcurl was told to pause. */
enum aro_http_wait {
    ARO_HTTP_RUNS,
    ARO_HTTP_WAITS_TAKE, /* control has not said into which pipe */
    ARO_HTTP_WAITS_PIPE,
    ARO_HTTP_WAITS_RATE,
};

struct aro_http_job {
    struct aro_http_job *next;
    struct aro_http_transfer *transfer;
    const struct aro_origin *origin;
    struct aro_http_rate *rate;
    uint64_t *total_bytes; /* of the whole module: only this thread writes */
    void (*answered)(struct aro_http_job *job);
    CURL *easy;
    struct curl_slist *fields;
    enum aro_http_wait wait;
    bool header_over; /* what follows is a body, or trailers */
    bool wanted;      /* a body that goes into the pipe */
    bool taken;
    bool excess;       /* libcurl saw bytes behind the body */
    bool enough;       /* stopped on purpose: an unwanted body */
    size_t skip_bytes; /* of what libcurl shows again: written before the pause */
    size_t header_bytes, discarded_bytes;
    enum aro_http_end end; /* why a callback stopped it */
    char error[CURL_ERROR_SIZE];
};

/* NULL: no memory. Not yet added to a multi. */
struct aro_http_job *aro_http_job_create(struct aro_http_transfer *transfer,
                                         const struct aro_origin *origin);
void aro_http_job_destroy(struct aro_http_job *job); /* not in a multi any more */
/* Goes on after a pause, if what it waits for is there. */
void aro_http_job_resume(struct aro_http_job *job);
/* libcurl says it is over: fills end and why of the transfer. Still in its multi. */
void aro_http_job_judge(struct aro_http_job *job, CURLcode code);

void aro_http_rate_refill(struct aro_http_rate *rate, uint64_t now_ns);

#endif

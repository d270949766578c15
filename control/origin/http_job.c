/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/http_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 64 << 10, /* of one read from the network */
    RATE_BURST_BYTES_MIN = 64 << 10,
    RATE_BURST_SHARE = 20, /* a burst is what 1/20 s allows */
};

/* ---- rates ---- */

void aro_http_rate_refill(struct aro_http_rate *rate, uint64_t now_ns)
{
    int64_t burst = (int64_t)(rate->bytes_per_s / RATE_BURST_SHARE);
    double grown;

    if (rate->bytes_per_s == 0)
        return;
    if (burst < RATE_BURST_BYTES_MIN)
        burst = RATE_BURST_BYTES_MIN;
    grown = (double)rate->tokens_bytes +
            (double)(now_ns - rate->at_ns) * (double)rate->bytes_per_s / 1e9;
    rate->tokens_bytes = grown > (double)burst ? burst : (int64_t)grown;
    rate->at_ns = now_ns;
}

static bool rate_allows(const struct aro_http_rate *rate)
{
    return rate->bytes_per_s == 0 || rate->tokens_bytes > 0;
}

/* ---- callbacks: 0 or a short count makes libcurl end the transfer ---- */

static size_t stop(struct aro_http_job *job, enum aro_http_end end)
{
    job->end = end;
    return 0;
}

static size_t on_header(char *line, size_t one, size_t length, void *arg)
{
    struct aro_http_job *job = arg;
    struct aro_answer *answer = &job->transfer->answer;

    length *= one;
    job->header_bytes += length;
    if (job->header_bytes > ARO_HTTP_HEADER_BYTES_MAX)
        return stop(job, ARO_HTTP_NONSENSE);
    if (job->header_over) /* trailers */
        return length;
    if (line[0] != '\r' && line[0] != '\n') {
        aro_answer_line(answer, line, length);
        return length;
    }
    if (answer->status < 200) /* interim: the real one follows */
        return length;
    job->header_over = true;
    job->wanted = answer->status == 200 || answer->status == 206;
    if (job->wanted)
        job->answered(job);
    return length;
}

static size_t discard(struct aro_http_job *job, size_t length)
{
    job->discarded_bytes += length;
    if (job->discarded_bytes <= ARO_HTTP_DISCARD_BYTES_MAX)
        return length;
    job->enough = true;
    return 0;
}

static size_t pause_for(struct aro_http_job *job, enum aro_http_wait what)
{
    job->wait = what;
    return CURL_WRITEFUNC_PAUSE;
}

/* Into the pipe; what does not fit is shown to us again after a pause. */
static size_t on_body(char *bytes, size_t one, size_t length, void *arg)
{
    struct aro_http_job *job = arg;
    struct aro_http_transfer *transfer = job->transfer;
    size_t left;
    ssize_t put;

    length *= one;
    if (!job->wanted)
        return discard(job, length);
    if (!job->taken)
        return pause_for(job, ARO_HTTP_WAITS_TAKE);
    if (job->skip_bytes >= length) {
        job->skip_bytes -= length;
        return length;
    }
    left = length - job->skip_bytes;
    if (left > transfer->body_bytes_max - transfer->body_bytes)
        return stop(job, ARO_HTTP_TOO_LARGE);
    if (!rate_allows(job->rate))
        return pause_for(job, ARO_HTTP_WAITS_RATE);
    put = write(transfer->pipe_fd, bytes + job->skip_bytes, left);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        return stop(job, ARO_HTTP_LOCAL);
    put = put < 0 ? 0 : put;
    transfer->body_bytes += (uint64_t)put;
    job->rate->tokens_bytes -= put;
    __atomic_store_n(job->total_bytes, *job->total_bytes + (uint64_t)put, __ATOMIC_RELAXED);
    if ((size_t)put < left) {
        job->skip_bytes += (size_t)put;
        return pause_for(job, ARO_HTTP_WAITS_PIPE);
    }
    job->skip_bytes = 0;
    return length;
}

/*
 * More bytes than the answer has: libcurl cuts them off, and says so only here when they came in
 * one read with the end of the answer.
 */
static int on_debug(CURL *easy, curl_infotype type, char *text, size_t length, void *arg)
{
    static const char *const signs[] = {"Excess found", "Leftovers after chunking"};
    struct aro_http_job *job = arg;

    (void)easy;
    for (size_t i = 0; type == CURLINFO_TEXT && i < sizeof(signs) / sizeof(signs[0]); i++)
        if (length > strlen(signs[i]) && memcmp(text, signs[i], strlen(signs[i])) == 0)
            job->excess = true;
    return 0;
}

/* Those that it has not read. With TLS they may be the protocol's own. */
static int on_close(void *arg, curl_socket_t fd)
{
    struct aro_http_job *job = arg;
    char byte;

    if (strncmp(job->transfer->url, "http:", 5) == 0 &&
        recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        job->excess = true;
    return close(fd);
}

/* ---- the handle ---- */

static bool add_field(struct aro_http_job *job, const char *name, const char *value)
{
    char line[ARO_ETAG_BYTES + 64];
    struct curl_slist *longer;

    if (value == NULL)
        return true;
    snprintf(line, sizeof(line), "%s: %s", name, value);
    longer = curl_slist_append(job->fields, line);
    if (longer != NULL)
        job->fields = longer;
    return longer != NULL;
}

static bool add_fields(struct aro_http_job *job)
{
    const struct aro_http_transfer *transfer = job->transfer;
    char range[48] = "";

    if (transfer->first_byte > 0)
        snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)transfer->first_byte);
    return add_field(job, "Connection", "close") &&
           add_field(job, "If-None-Match", transfer->etag) &&
           add_field(job, "If-Modified-Since", transfer->date) &&
           add_field(job, "Range", transfer->first_byte > 0 ? range : NULL) &&
           add_field(job, "If-Range", transfer->first_byte > 0 ? transfer->if_range : NULL);
}

/* What we are willing to speak, with whom, and for how long without a word. */
static void set_rules(CURL *easy, const struct aro_origin *origin)
{
    long timeout_s = (long)((origin->timeout_us + 999999) / 1000000);

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* what was judged is what is sent */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (origin->ca_file[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, origin->ca_file);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(origin->timeout_us / 1000));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)ARO_HTTP_SLOW_BYTES_PER_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, timeout_s);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "arocached/" ARO_VERSION);
}

struct aro_http_job *aro_http_job_create(struct aro_http_transfer *transfer,
                                         const struct aro_origin *origin)
{
    struct aro_http_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return NULL;
    job->transfer = transfer;
    job->origin = origin;
    job->easy = curl_easy_init();
    if (job->easy == NULL || !add_fields(job)) {
        aro_http_job_destroy(job);
        return NULL;
    }
    set_rules(job->easy, origin);
    curl_easy_setopt(job->easy, CURLOPT_URL, transfer->url);
    curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->fields);
    curl_easy_setopt(job->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(job->easy, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(job->easy, CURLOPT_DEBUGDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(job->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(job->easy, CURLOPT_CLOSESOCKETDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_ERRORBUFFER, job->error);
    curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
    return job;
}

void aro_http_job_destroy(struct aro_http_job *job)
{
    curl_easy_cleanup(job->easy);
    curl_slist_free_all(job->fields);
    free(job);
}

void aro_http_job_resume(struct aro_http_job *job)
{
    if (job->wait == ARO_HTTP_RUNS || (job->wait == ARO_HTTP_WAITS_TAKE && !job->taken) ||
        (job->wait == ARO_HTTP_WAITS_RATE && !rate_allows(job->rate)))
        return;
    job->wait = ARO_HTTP_RUNS;
    curl_easy_pause(job->easy, CURLPAUSE_CONT);
}

/* ---- the end ---- */

static enum aro_http_end end_of(const struct aro_http_job *job, CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return ARO_HTTP_OK;
    case CURLE_WRITE_ERROR: /* a callback of ours said stop */
        return job->enough ? ARO_HTTP_OK : job->end;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return ARO_HTTP_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return ARO_HTTP_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return ARO_HTTP_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ARO_HTTP_NONSENSE;
    case CURLE_OUT_OF_MEMORY:
        return ARO_HTTP_LOCAL;
    default:
        return ARO_HTTP_BROKEN;
    }
}

void aro_http_job_judge(struct aro_http_job *job, CURLcode code)
{
    struct aro_http_transfer *transfer = job->transfer;

    transfer->end = end_of(job, code);
    if (transfer->end == ARO_HTTP_OK && job->wanted && job->excess)
        transfer->end = ARO_HTTP_LONG;
    if (transfer->end == ARO_HTTP_OK)
        transfer->why[0] = '\0';
    else
        snprintf(transfer->why, sizeof(transfer->why), "%s",
                 code == CURLE_OK || code == CURLE_WRITE_ERROR ? ""
                 : job->error[0] != '\0'                       ? job->error
                                                               : curl_easy_strerror(code));
}

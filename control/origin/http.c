/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "control/origin/http_job.h"

/*
 * A letter to the thread may still lie in its box when the thread ends the transfer by itself. Such
 * a letter is returned; the caller hears of the end only when none is on the way any more, since it
 * may then free the transfer: posted (control) = opened (thread, before the end) + returned.
 */

enum {
    POLL_MS = 1000,
    POLL_RATE_MS = 5, /* while a transfer waits for its rate */
    PIPES_MAX = 63,   /* watched at once; more are looked at every POLL_RATE_MS */
};

struct aro_http {
    struct aro_http_config config;
    struct aro_mailbox to_thread, to_control;
    struct aro_watch watch; /* of to_control */
    struct aro_letter last; /* ends the thread */
    pthread_t thread;
    uint64_t bytes; /* the thread writes, anybody reads: relaxed */
    /* the thread's */
    CURLM *multi;
    struct aro_http_job *jobs;
    struct aro_http_rate rate[ARO_ORIGINS_MAX];
    bool stop;
};

/* ---- control: what comes from the thread ---- */

static void settle(struct aro_http_transfer *transfer)
{
    if (transfer->over && transfer->posted == transfer->opened + transfer->returned)
        transfer->done(transfer);
}

static void on_answered(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer =
        ARO_LETTER_OWNER(letter, struct aro_http_transfer, answered_letter);

    transfer->answered(transfer);
}

static void on_done(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer =
        ARO_LETTER_OWNER(letter, struct aro_http_transfer, done_letter);

    transfer->over = true;
    settle(transfer);
}

static void letter_returned(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer = ARO_LETTER_OWNER(letter, struct aro_http_transfer, letter);

    transfer->returned++;
    settle(transfer);
}

static void cancel_returned(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer =
        ARO_LETTER_OWNER(letter, struct aro_http_transfer, cancel_letter);

    transfer->returned++;
    settle(transfer);
}

static void on_letters(struct aro_watch *watch, uint32_t events)
{
    struct aro_http *http =
        (struct aro_http *)(void *)((char *)watch - offsetof(struct aro_http, watch));

    (void)events;
    aro_mailbox_open(&http->to_control);
}

/* ---- the thread ---- */

static void post_done(struct aro_http_transfer *transfer)
{
    transfer->job = NULL;
    transfer->done_letter.open = on_done;
    aro_mailbox_post(&transfer->http->to_control, &transfer->done_letter);
}

/* Out of libcurl, and back to control. */
static void end_job(struct aro_http_job *job)
{
    struct aro_http *http = job->transfer->http;
    struct aro_http_transfer *transfer = job->transfer;
    struct aro_http_job **at = &http->jobs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    curl_multi_remove_handle(http->multi, job->easy);
    aro_http_job_destroy(job);
    post_done(transfer);
}

static void answered(struct aro_http_job *job)
{
    struct aro_http_transfer *transfer = job->transfer;

    transfer->answered_letter.open = on_answered;
    aro_mailbox_post(&transfer->http->to_control, &transfer->answered_letter);
}

static void on_start(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer = ARO_LETTER_OWNER(letter, struct aro_http_transfer, letter);
    struct aro_http *http = transfer->http;
    struct aro_http_job *job =
        aro_http_job_create(transfer, &http->config.origins.list[transfer->origin]);

    transfer->opened++;
    if (job == NULL) {
        transfer->end = ARO_HTTP_LOCAL;
        post_done(transfer);
        return;
    }
    job->rate = &http->rate[transfer->origin];
    job->total_bytes = &http->bytes;
    job->answered = answered;
    job->next = http->jobs;
    http->jobs = job;
    transfer->job = job;
    if (curl_multi_add_handle(http->multi, job->easy) != CURLM_OK) {
        transfer->end = ARO_HTTP_LOCAL;
        end_job(job);
    }
}

static void on_take(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer = ARO_LETTER_OWNER(letter, struct aro_http_transfer, letter);

    if (transfer->job == NULL) {
        letter->open = letter_returned;
        aro_mailbox_post(&transfer->http->to_control, letter);
        return;
    }
    transfer->opened++;
    transfer->job->taken = true;
    aro_http_job_resume(transfer->job);
}

static void on_cancel(struct aro_letter *letter)
{
    struct aro_http_transfer *transfer =
        ARO_LETTER_OWNER(letter, struct aro_http_transfer, cancel_letter);

    if (transfer->job == NULL) {
        letter->open = cancel_returned;
        aro_mailbox_post(&transfer->http->to_control, letter);
        return;
    }
    transfer->opened++;
    transfer->end = ARO_HTTP_CANCELLED;
    end_job(transfer->job);
}

static void on_last(struct aro_letter *letter)
{
    ARO_LETTER_OWNER(letter, struct aro_http, last)->stop = true;
}

static void reap(struct aro_http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct aro_http_job *job = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
        aro_http_job_judge(job, code);
        end_job(job);
    }
}

static void resume_paced(struct aro_http *http)
{
    uint64_t now_ns = aro_now_ns();

    for (unsigned i = 0; i < http->config.origins.count; i++)
        aro_http_rate_refill(&http->rate[i], now_ns);
    for (struct aro_http_job *job = http->jobs; job != NULL; job = job->next)
        if (job->wait == ARO_HTTP_WAITS_RATE)
            aro_http_job_resume(job);
}

/* Sleeps until libcurl has something to do, control wrote, a full pipe has room, or a rate grew. */
static void wait(struct aro_http *http)
{
    struct curl_waitfd fds[PIPES_MAX + 1] = {
        {.fd = http->to_thread.fd, .events = CURL_WAIT_POLLIN}};
    struct aro_http_job *waiting[PIPES_MAX + 1];
    unsigned n = 1;
    int wait_ms = POLL_MS;

    for (struct aro_http_job *job = http->jobs; job != NULL; job = job->next) {
        if (job->wait == ARO_HTTP_WAITS_RATE || (job->wait == ARO_HTTP_WAITS_PIPE && n > PIPES_MAX))
            wait_ms = POLL_RATE_MS;
        if (job->wait != ARO_HTTP_WAITS_PIPE || n > PIPES_MAX)
            continue;
        waiting[n] = job;
        fds[n++] = (struct curl_waitfd){.fd = job->transfer->pipe_fd, .events = CURL_WAIT_POLLOUT};
    }
    curl_multi_poll(http->multi, fds, n, wait_ms, NULL);
    for (unsigned i = 1; i < n; i++)
        if (fds[i].revents != 0 || n > PIPES_MAX)
            aro_http_job_resume(waiting[i]);
}

static void *run(void *arg)
{
    struct aro_http *http = arg;
    int running;

    pthread_setname_np(pthread_self(), "aro-origin");
    while (!http->stop) {
        wait(http);
        aro_mailbox_open(&http->to_thread);
        curl_multi_perform(http->multi, &running);
        reap(http);
        resume_paced(http);
    }
    return NULL;
}

/* ---- control: making and asking ---- */

static int start_thread(struct aro_http *http)
{
    int error = aro_mailbox_init(&http->to_thread);

    if (error != 0)
        return error;
    error = aro_mailbox_init(&http->to_control);
    if (error != 0)
        goto no_control;
    http->watch = (struct aro_watch){.fd = http->to_control.fd, .ready = on_letters};
    error = aro_loop_add(http->config.loop, &http->watch, EPOLLIN);
    if (error != 0)
        goto no_watch;
    error = -pthread_create(&http->thread, NULL, run, http);
    if (error == 0)
        return 0;
    aro_loop_remove(http->config.loop, &http->watch);
no_watch:
    aro_mailbox_destroy(&http->to_control);
no_control:
    aro_mailbox_destroy(&http->to_thread);
    return error;
}

struct aro_http *aro_http_create(const struct aro_http_config *config)
{
    struct aro_http *http = calloc(1, sizeof(*http));
    int error = ENOMEM;

    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        goto fail;
    http->config = *config;
    for (unsigned i = 0; i < config->origins.count; i++)
        http->rate[i].bytes_per_s = config->origins.list[i].rate_bytes_per_s;
    http->multi = curl_multi_init();
    if (http->multi == NULL)
        goto no_multi;
    error = -start_thread(http);
    if (error == 0)
        return http;
    curl_multi_cleanup(http->multi);
no_multi:
    curl_global_cleanup();
fail:
    free(http);
    errno = error;
    return NULL;
}

void aro_http_destroy(struct aro_http *http)
{
    if (http == NULL)
        return;
    http->last.open = on_last;
    aro_mailbox_post(&http->to_thread, &http->last);
    pthread_join(http->thread, NULL);
    aro_loop_remove(http->config.loop, &http->watch);
    aro_mailbox_destroy(&http->to_control);
    aro_mailbox_destroy(&http->to_thread);
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}

void aro_http_start(struct aro_http *http, struct aro_http_transfer *transfer)
{
    transfer->http = http;
    transfer->job = NULL;
    transfer->posted = 1;
    transfer->opened = transfer->returned = 0;
    transfer->over = false;
    transfer->body_bytes = 0;
    transfer->why[0] = '\0';
    memset(&transfer->answer, 0, sizeof(transfer->answer));
    transfer->letter.open = on_start;
    aro_mailbox_post(&http->to_thread, &transfer->letter);
}

void aro_http_take(struct aro_http_transfer *transfer, int fd)
{
    transfer->pipe_fd = fd;
    transfer->posted++;
    transfer->letter.open = on_take;
    aro_mailbox_post(&transfer->http->to_thread, &transfer->letter);
}

void aro_http_cancel(struct aro_http_transfer *transfer)
{
    transfer->posted++;
    transfer->cancel_letter.open = on_cancel;
    aro_mailbox_post(&transfer->http->to_thread, &transfer->cancel_letter);
}

uint64_t aro_http_bytes(const struct aro_http *http)
{
    return __atomic_load_n(&http->bytes, __ATOMIC_RELAXED);
}

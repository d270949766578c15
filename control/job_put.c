/* SPDX-License-Identifier: BSD-3-Clause */
/* The command put: a source from the caller, a state machine (put.c), an answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/commands.h"
#include "control/put.h"

struct put_job {
    struct aro_job job; /* first */
    struct aro_node *node;
    struct aro_put *put;
};

static json_t *result_json(const struct put_job *own, const struct aro_put_result *result)
{
    json_t *json = aro_object_json(&result->object);
    uint64_t took_us = (aro_now_ns() - own->job.started_ns) / 1000;

    json_object_set_new(json, "new_bytes", json_integer((json_int_t)result->new_bytes));
    json_object_set_new(json, "durable", json_boolean(result->durable));
    json_object_set_new(json, "elapsed_us", json_integer((json_int_t)took_us));
    return json;
}

static void over(struct put_job *own)
{
    const struct aro_log *log = &own->node->log;
    struct aro_put_result result;
    struct aro_error error;
    char id[ARO_ID_TEXT_MAX];

    if (aro_put_result(own->put, &result, &error) == 0) {
        aro_log(log, ARO_LOG_INFO, "put", "object=%s bytes=%llu new_bytes=%llu",
                aro_id_format(&result.object.id, ARO_KIND_OBJECT, id),
                (unsigned long long)result.object.total_bytes,
                (unsigned long long)result.new_bytes);
        aro_job_end(&own->job, result_json(own, &result));
    } else {
        aro_log(log, ARO_LOG_WARNING, "put-failed", "id=ARO-%04d %s", (int)error.id, error.text);
        aro_job_fail(&own->job, &error);
    }
    aro_put_destroy(own->put);
    free(own);
}

static int turn(struct aro_job *job, uint64_t now_ns)
{
    struct put_job *own = (struct put_job *)(void *)job;
    int wish_ms = aro_put_turn(own->put, now_ns);

    job->done = aro_put_done_bytes(own->put);
    job->total = aro_put_total_bytes(own->put);
    if (wish_ms >= 0)
        return wish_ms;
    over(own);
    return ARO_CHORE_NOW;
}

static void cancel(struct aro_job *job)
{
    aro_put_cancel(((struct put_job *)(void *)job)->put);
}

/* The daemon opens only what cannot make it wait. */
static int open_path(const char *path, struct aro_error *error)
{
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    struct stat info;

    if (path[0] != '/')
        return aro_error_set(error, ARO_E_PARAMS_INVALID, "path must be absolute");
    if (fd < 0)
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !(S_ISREG(info.st_mode) || S_ISBLK(info.st_mode))) {
        close(fd);
        return aro_error_set(error, ARO_E_SOURCE_UNREADABLE,
                             "%s is neither a file nor a block device; hand over a descriptor",
                             path);
    }
    return fd;
}

static int open_source(struct aro_call *call, struct aro_error *error)
{
    const char *path = aro_call_text(call, "path");
    int fd;

    if (path != NULL)
        return open_path(path, error);
    fd = aro_client_take_descriptor(call->client);
    if (fd < 0)
        return aro_error_set(error, ARO_E_PARAMS_INVALID,
                             "put needs a descriptor with the request, or the parameter 'path'");
    return fd;
}

static const char *label_of(const struct aro_call *call)
{
    const char *label = aro_call_text(call, "label"), *path = aro_call_text(call, "path");

    if (label != NULL)
        return label;
    return path != NULL ? strrchr(path, '/') + 1 : "";
}

void aro_handle_put(void *arg, struct aro_call *call)
{
    struct aro_put_config config = {
        .chunk_bytes = (uint32_t)aro_call_count(call, "chunk_bytes", ARO_CHUNK_BYTES_DEFAULT),
        .label = label_of(call)};
    struct put_job *own = calloc(1, sizeof(*own));
    struct aro_node *node = arg;
    struct aro_error error;

    aro_error_set(&error, ARO_E_CONTROL_RESOURCES, "no memory for a put");
    if (own == NULL)
        goto fail;
    if (aro_jobs_named(node->jobs, "put") == ARO_PUTS_MAX) {
        aro_error_set(&error, ARO_E_JOBS_FULL, "%d puts are running", ARO_PUTS_MAX);
        goto fail;
    }
    *own = (struct put_job){.job = {.turn = turn, .cancel = cancel}, .node = node};
    if (aro_job_start(node->jobs, &own->job, call, &error) != 0)
        goto fail;
    config.content = node->content;
    config.fd = open_source(call, &error);
    if (config.fd >= 0)
        own->put = aro_put_create(&config, &error);
    if (own->put != NULL)
        return;
    aro_job_fail(&own->job, &error);
    free(own);
    return;
fail:
    aro_call_fail(call, &error);
    free(own);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/fio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "perf/child.h"
#include "perf/fail.h"

enum { ANSWER_BYTES = 256 << 10 };

static char version[64];

const char *fio_lacks(void)
{
    struct bench_words words = {.n = 0};

    bench_say_line(&words, "fio --version");
    if (version[0] == '\0' && bench_child_run(&words, version, sizeof(version)) != 0) {
        version[0] = '\0';
        return "fio is not installed (Debian: apt install fio)";
    }
    version[strcspn(version, "\n")] = '\0';
    return NULL;
}

const char *fio_version(void)
{
    return version;
}

/* ---- the command line ---- */

static void job_say(const struct fio_job *job, struct bench_words *words)
{
    words->n = 0;
    bench_say(words, "fio");
    bench_say(words, "--name=job");
    bench_say(words, "--filename=%s", job->path);
    bench_say(words, "--size=%llu", (unsigned long long)job->size_bytes);
    bench_say(words, "--bs=%u", job->block_bytes);
    bench_say(words, "--iodepth=%u", job->depth);
    bench_say(words, "--ioengine=io_uring");
    bench_say(words, "--direct=%d", job->direct);
    bench_say(words, "--fixedbufs");
    bench_say(words, "--registerfiles");
    bench_say(words, "--thread");
    bench_say(words, "--gtod_reduce=1");
    bench_say(words, "--output-format=json");
    if (job->writes) {
        bench_say(words, "--rw=write");
        bench_say(words, "--fdatasync=%llu", (unsigned long long)job->datasync_blocks);
        bench_say(words, "--end_fsync=1");
        return;
    }
    bench_say(words, "--rw=randread");
    bench_say(words, "--norandommap");
    bench_say(words, "--allow_file_create=0");
    bench_say(words, "--time_based");
    bench_say(words, "--runtime=%.0fms", job->seconds * 1000);
}

/* ---- the answer ---- */

static void answer_read(const char *text, bool writes, struct fio_result *ret)
{
    const char *begin = strchr(text, '{'); /* warnings may come first */
    double per_s = 0, user = 0, kernel = 0;
    json_int_t ops = 0, runtime_ms = 0, error = 1;
    json_error_t why;
    json_t *root;

    root = begin == NULL ? NULL : json_loads(begin, JSON_DISABLE_EOF_CHECK, &why);
    if (root == NULL ||
        json_unpack_ex(root, &why, 0, "{s:[{s:I,s:F,s:F,s:I,s:{s:I,s:F}}]}", "jobs", "error",
                       &error, "usr_cpu", &user, "sys_cpu", &kernel, "job_runtime", &runtime_ms,
                       writes ? "write" : "read", "total_ios", &ops, "iops", &per_s) != 0 ||
        error != 0 || per_s <= 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "fio did not measure: %.300s", text);
    json_decref(root);
    ret->ops = (uint64_t)ops;
    ret->ns = (uint64_t)((double)ops / per_s * 1e9);
    ret->cpu_ns = (user + kernel) / 100 * (double)runtime_ms * 1e6;
}

void fio_run(const struct fio_job *job, struct fio_result *ret)
{
    char *answer = malloc(ANSWER_BYTES);
    struct bench_words words;

    if (answer == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
    job_say(job, &words);
    if (bench_child_run(&words, answer, ANSWER_BYTES) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "fio failed: %.300s", answer);
    answer_read(answer, job->writes, ret);
    free(answer);
}

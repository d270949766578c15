/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/fio.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "perf/fail.h"

enum { WORDS_MAX = 32, WORD_BYTES = 320, ANSWER_BYTES = 256 << 10 };

static char version[64];

/*
 * Runs fio with argv and reads what it prints, at most room - 1 bytes and a NUL. Returns its exit
 * code, or -1: it cannot be started.
 */
static int run(char *const argv[], char *answer, size_t room)
{
    posix_spawn_file_actions_t actions;
    size_t got = 0;
    ssize_t n;
    int ends[2], status, failed;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    failed = posix_spawnp(&child, "fio", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (failed == 0 && got < room - 1 && (n = read(ends[0], answer + got, room - 1 - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    answer[got] = '\0';
    if (failed != 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

const char *fio_lacks(void)
{
    char *argv[] = {(char[]){"fio"}, (char[]){"--version"}, NULL};

    if (version[0] == '\0' && run(argv, version, sizeof(version)) != 0) {
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

struct words {
    char text[WORDS_MAX][WORD_BYTES];
    char *argv[WORDS_MAX + 1];
    unsigned n;
};

static void say(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct words *words, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words->text[words->n], WORD_BYTES, format, arguments);
    va_end(arguments);
    words->argv[words->n] = words->text[words->n];
    words->argv[++words->n] = NULL;
}

static void job_say(const struct fio_job *job, struct words *words)
{
    words->n = 0;
    say(words, "fio");
    say(words, "--name=job");
    say(words, "--filename=%s", job->path);
    say(words, "--size=%llu", (unsigned long long)job->size_bytes);
    say(words, "--bs=%u", job->block_bytes);
    say(words, "--iodepth=%u", job->depth);
    say(words, "--ioengine=io_uring");
    say(words, "--direct=%d", job->direct);
    say(words, "--fixedbufs");
    say(words, "--registerfiles");
    say(words, "--thread");
    say(words, "--gtod_reduce=1");
    say(words, "--output-format=json");
    if (job->writes) {
        say(words, "--rw=write");
        say(words, "--fdatasync=%llu", (unsigned long long)job->datasync_blocks);
        say(words, "--end_fsync=1");
        return;
    }
    say(words, "--rw=randread");
    say(words, "--norandommap");
    say(words, "--allow_file_create=0");
    say(words, "--time_based");
    say(words, "--runtime=%.0fms", job->seconds * 1000);
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
    struct words words;

    if (answer == NULL)
        bench_fail(ARO_E_BENCH_RESOURCES, "no memory");
    job_say(job, &words);
    if (run(words.argv, answer, ANSWER_BYTES) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "fio failed: %.300s", answer);
    answer_read(answer, job->writes, ret);
    free(answer);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/fail.h"

enum { LINE_BYTES = 1024, EXIT_NOT_STARTED = 127, EXIT_SIGNAL = 128 };

static void say(struct bench_words *words, const char *text, size_t length)
{
    if (words->n == BENCH_WORDS_MAX || length >= BENCH_WORD_BYTES)
        bench_fail(ARO_E_BENCH_RESOURCES, "the command line is too long at %.200s", text);
    memcpy(words->text[words->n], text, length);
    words->text[words->n][length] = '\0';
    words->argv[words->n] = words->text[words->n];
    words->argv[++words->n] = NULL;
}

void bench_say(struct bench_words *words, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    say(words, text, strlen(text));
}

static void line_cut(struct bench_words *words, const char *line)
{
    for (size_t length; *(line += strspn(line, " ")) != '\0'; line += length) {
        length = strcspn(line, " ");
        say(words, line, length);
    }
}

void bench_say_line(struct bench_words *words, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line_cut(words, line);
}

int bench_child_run(const struct bench_words *words, char *answer, size_t room)
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
    failed = posix_spawnp(&child, words->argv[0], &actions, NULL, words->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (failed == 0 && got < room - 1 && (n = read(ends[0], answer + got, room - 1 - got)) > 0)
        got += (size_t)n;
    close(ends[0]);
    answer[got] = '\0';
    if (failed != 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL;
}

void bench_child_do(const char *format, ...)
{
    struct bench_words words = {.n = 0};
    char line[LINE_BYTES], answer[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line_cut(&words, line);
    if (bench_child_run(&words, answer, sizeof(answer)) != 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "'%.200s' failed", line);
}

/* Between fork and exec: only what a signal handler might do as well. */
_Noreturn static void become(const struct bench_words *words, const cpu_set_t *cpus, int log,
                             pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || sched_setaffinity(0, sizeof(*cpus), cpus) != 0 ||
        dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(EXIT_NOT_STARTED);
    execvp(words->argv[0], words->argv);
    _exit(EXIT_NOT_STARTED);
}

pid_t bench_child_start(const struct bench_words *words, const cpu_set_t *cpus, const char *log)
{
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_t parent = getpid(), child;

    if (fd < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "%.200s: %s", log, strerror(errno));
    child = fork();
    if (child == 0)
        become(words, cpus, fd, parent);
    if (child < 0)
        bench_fail(ARO_E_BENCH_RESOURCES, "no child process: %s", strerror(errno));
    close(fd);
    return child;
}

int bench_child_end(pid_t child, int number)
{
    int status = 0;

    if (number != 0)
        kill(child, number);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL;
}

int bench_child_exists(const char *program)
{
    const char *from = getenv("PATH");
    char path[LINE_BYTES];

    if (strchr(program, '/') != NULL)
        return access(program, X_OK) == 0;
    for (size_t length; from != NULL && *from != '\0'; from += length + (from[length] == ':')) {
        length = strcspn(from, ":");
        snprintf(path, sizeof(path), "%.*s/%s", (int)length, from, program);
        if (access(path, X_OK) == 0)
            return 1;
    }
    return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other programs: run to their end and read, or kept beside a measurement. One that is kept is
 * killed with this process, however this one ends. One thread, the one that lives longest: a child
 * is killed when the thread that started it ends.
 */
#ifndef ARO_PERF_CHILD_H
#define ARO_PERF_CHILD_H

#include <sched.h>
#include <stddef.h>
#include <sys/types.h>

enum { BENCH_WORDS_MAX = 32, BENCH_WORD_BYTES = 320 };

/* A command line. */
struct bench_words {
    char text[BENCH_WORDS_MAX][BENCH_WORD_BYTES];
    char *argv[BENCH_WORDS_MAX + 1];
    unsigned n;
};

void bench_say(struct bench_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The line cut at its blanks: for words that have none. */
void bench_say_line(struct bench_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Runs it and reads what it prints, at most room - 1 bytes and a NUL. Returns its exit code, or -1:
 * it cannot be started.
 */
int bench_child_run(const struct bench_words *words, char *answer, size_t room);
/* The same for one line whose answer matters only when it fails: then the benchmark does. */
void bench_child_do(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Starts it on these CPUs; what it prints goes to the end of log, which is made. */
pid_t bench_child_start(const struct bench_words *words, const cpu_set_t *cpus, const char *log);
/* Sends it a signal (0: none) and waits for its end. Returns its exit code; 128: a signal's. */
int bench_child_end(pid_t child, int number);

/* Whether there is such a program in PATH, or at that path. */
int bench_child_exists(const char *program);

#endif

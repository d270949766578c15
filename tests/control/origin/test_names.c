/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/origin/names.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A table in a directory of its own, with the loop that its answers come through. */
struct bench {
    char dir[64];
    struct aro_loop *loop;
    struct aro_log log;
    struct aro_names *names;
    bool answered;
};

static void open_table(struct bench *bench, uint64_t rows_max)
{
    bench->names = aro_names_create(&(struct aro_names_config){
        .dir = bench->dir, .rows_max = rows_max, .loop = bench->loop, .log = &bench->log});
    cr_assert_not_null(bench->names);
}

static struct bench *bench_create(uint64_t rows_max)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    strcpy(bench->dir, "/tmp/test-names-XXXXXX");
    cr_assert_not_null(mkdtemp(bench->dir));
    bench->loop = aro_loop_create();
    bench->log = (struct aro_log){.out = stderr, .level = ARO_LOG_ERROR};
    open_table(bench, rows_max);
    return bench;
}

static void bench_destroy(struct bench *bench)
{
    char command[96];

    aro_names_destroy(bench->names);
    aro_loop_destroy(bench->loop);
    snprintf(command, sizeof(command), "rm -rf '%s'", bench->dir);
    cr_assert_eq(system(command), 0);
    free(bench);
}

static void reopen(struct bench *bench, uint64_t rows_max)
{
    aro_names_destroy(bench->names);
    open_table(bench, rows_max);
}

struct question {
    struct aro_names_op op; /* first */
    bool answered;
};

static void on_answer(struct aro_names_op *op)
{
    ((struct question *)(void *)op)->answered = true;
}

static int ask(struct bench *bench, struct aro_names_op *op)
{
    struct question question = {.op = *op};

    question.op.done = on_answer;
    aro_names_ask(bench->names, &question.op);
    while (!question.answered)
        aro_loop_once(bench->loop, 1000);
    op->count = question.op.count;
    return question.op.result;
}

static struct aro_name row_of(const char *name, int64_t fetched_unix)
{
    struct aro_name row = {.object = {.word = {1, 2, 3, 4}},
                           .bytes = 12345678901,
                           .type = "video/mp4",
                           .etag = "W/\"it's\"",
                           .url = "http://a.example/",
                           .fetched_unix = fetched_unix,
                           .expires_unix = fetched_unix + 60,
                           .stale_unix = fetched_unix + 3600};

    strcpy(row.name, name);
    return row;
}

static int keep(struct bench *bench, const char *name, int64_t fetched_unix)
{
    struct aro_name row = row_of(name, fetched_unix);

    return ask(bench, &(struct aro_names_op){.verb = ARO_NAMES_KEEP, .row = &row});
}

static int set(struct bench *bench, const char *name)
{
    struct aro_name row = row_of(name, 1);

    row.url[0] = '\0';
    row.expires_unix = INT64_MAX;
    return ask(bench, &(struct aro_names_op){.verb = ARO_NAMES_SET, .row = &row});
}

static int find(struct bench *bench, const char *name, struct aro_name *ret)
{
    return ask(bench, &(struct aro_names_op){.verb = ARO_NAMES_FIND, .text = name, .row = ret});
}

static bool has(struct bench *bench, const char *name)
{
    struct aro_name row;

    return find(bench, name, &row) == 0;
}

static uint64_t purge(struct bench *bench, enum aro_names_verb verb, const char *text)
{
    struct aro_names_op op = {.verb = verb, .text = text};

    cr_assert_eq(ask(bench, &op), 0);
    return op.count;
}

Test(names, a_row_comes_back_as_it_was_kept_also_after_a_restart)
{
    struct bench *bench = bench_create(100);
    struct aro_name row = row_of("a/b?c='d'", 1000), back;

    cr_assert_eq(find(bench, row.name, &back), -ENOENT);
    cr_assert_eq(keep(bench, row.name, 1000), 0);
    for (int restart = 0; restart < 2; restart++) {
        memset(&back, 0xff, sizeof(back));
        cr_assert_eq(find(bench, row.name, &back), 0);
        cr_assert_str_eq(back.name, row.name);
        cr_assert(aro_id_equal(&back.object, &row.object));
        cr_assert_eq(back.bytes, row.bytes);
        cr_assert_str_eq(back.type, row.type);
        cr_assert_str_eq(back.etag, row.etag);
        cr_assert_str_eq(back.last_modified, "");
        cr_assert_str_eq(back.url, row.url);
        cr_assert_eq(back.fetched_unix, 1000);
        cr_assert_eq(back.expires_unix, 1060);
        cr_assert_eq(back.stale_unix, 4600);
        cr_assert_eq(aro_names_rows(bench->names), 1u);
        reopen(bench, 100);
    }
    bench_destroy(bench);
}

Test(names, a_row_set_by_hand_never_expires)
{
    struct bench *bench = bench_create(100);
    struct aro_name back;

    cr_assert_eq(set(bench, "mine"), 0);
    cr_assert_eq(find(bench, "mine", &back), 0);
    cr_assert_eq(back.expires_unix, INT64_MAX);
    cr_assert_str_eq(back.url, "");
    bench_destroy(bench);
}

Test(names, when_the_table_is_full_the_oldest_leave_and_those_by_hand_last)
{
    struct bench *bench = bench_create(64);
    char name[32];

    cr_assert_eq(set(bench, "mine"), 0); /* fetched before all others */
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n-%03d", i);
        cr_assert_eq(keep(bench, name, 1000 + i), 0);
        cr_assert_leq(aro_names_rows(bench->names), 64u);
    }
    cr_assert(has(bench, "mine"));
    cr_assert(has(bench, "n-499"));
    cr_assert(has(bench, "n-450"));
    cr_assert_not(has(bench, "n-400"));
    bench_destroy(bench);
}

Test(names, rows_by_hand_may_not_fill_the_table_but_can_be_replaced)
{
    struct bench *bench = bench_create(16);
    char name[32];

    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "n-%d", i);
        cr_assert_eq(set(bench, name), 0);
    }
    cr_assert_eq(set(bench, "one more"), -ENOSPC);
    cr_assert_eq(set(bench, "n-3"), 0);
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_NAME, "n-3"), 1);
    cr_assert_eq(set(bench, "one-more"), 0);
    bench_destroy(bench);
}

Test(names, purges_take_what_they_name_and_nothing_else)
{
    static const char *const all[] = {"a", "a/", "a/b", "a/c%", "a0", "b"};
    struct bench *bench = bench_create(100);

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cr_assert_eq(keep(bench, all[i], 1), 0);
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_NAME, "a/b"), 1);
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_NAME, "a/b"), 0);
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_PREFIX, "a/"), 2);
    cr_assert(has(bench, "a") && has(bench, "a0") && has(bench, "b"));
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_URL, "http://b.example/"), 0);
    cr_assert_eq(purge(bench, ARO_NAMES_PURGE_URL, "http://a.example/"), 3);
    cr_assert_eq(aro_names_rows(bench->names), 0u);
    bench_destroy(bench);
}

Test(names, a_list_goes_on_behind_a_name)
{
    struct bench *bench = bench_create(100);
    struct aro_name rows[4];
    struct aro_names_op op = {
        .verb = ARO_NAMES_LIST, .text = "x/", .after = "", .row = rows, .count = 4};
    char name[32];

    cr_assert_eq(keep(bench, "w", 1), 0);
    cr_assert_eq(keep(bench, "y", 1), 0);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "x/%d", i);
        cr_assert_eq(keep(bench, name, 1), 0);
    }
    cr_assert_eq(ask(bench, &op), 0);
    cr_assert_eq(op.count, 4);
    cr_assert_str_eq(rows[0].name, "x/0");
    op.after = "x/3";
    op.count = 4;
    cr_assert_eq(ask(bench, &op), 0);
    cr_assert_eq(op.count, 2);
    cr_assert_str_eq(rows[1].name, "x/5");
    bench_destroy(bench);
}

/* Overwrites part of the table's file. */
static void damage(struct bench *bench, off_t at, size_t length)
{
    char path[96], junk[4096];
    int fd;

    snprintf(path, sizeof(path), "%s/names.db", bench->dir);
    memset(junk, 0x5a, sizeof(junk));
    fd = open(path, O_WRONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(pwrite(fd, junk, length, at), (ssize_t)length);
    close(fd);
}

Test(names, a_damaged_file_is_set_aside_and_a_new_one_begun)
{
    static const struct {
        off_t at;
        size_t length;
    } places[] = {{0, 100}, {16, 8}, {4096, 4096}, {8192, 4096}};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct bench *bench = bench_create(1000);
        char path[96], name[32];
        for (int n = 0; n < 200; n++) {
            snprintf(name, sizeof(name), "name-%d", n);
            cr_assert_eq(keep(bench, name, n), 0);
        }
        aro_names_destroy(bench->names);
        damage(bench, places[i].at, places[i].length);
        open_table(bench, 1000);
        cr_assert_not(has(bench, "name-1"));
        cr_assert_eq(aro_names_damaged(bench->names), 1u);
        snprintf(path, sizeof(path), "%s/names.db.damaged", bench->dir);
        cr_assert_eq(access(path, F_OK), 0);
        cr_assert_eq(keep(bench, "name-1", 1), 0);
        reopen(bench, 1000);
        cr_assert(has(bench, "name-1"));
        cr_assert_eq(aro_names_damaged(bench->names), 0u);
        bench_destroy(bench);
    }
}

Test(names, a_table_of_another_program_or_version_is_set_aside)
{
    static const char *const others[] = {"PRAGMA user_version = 2",
                                         "DROP TABLE names; CREATE TABLE names(x)"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct bench *bench = bench_create(100);
        char command[256];
        cr_assert_eq(keep(bench, "a", 1), 0);
        aro_names_destroy(bench->names);
        snprintf(command, sizeof(command), "sqlite3 '%s/names.db' '%s'", bench->dir, others[i]);
        cr_assert_eq(system(command), 0);
        open_table(bench, 100);
        cr_assert_not(has(bench, "a"));
        cr_assert_eq(keep(bench, "a", 1), 0);
        cr_assert_eq(aro_names_damaged(bench->names), 1u);
        bench_destroy(bench);
    }
}

Test(names, rows_that_are_not_ours_count_as_absent)
{
    struct bench *bench = bench_create(100);
    char command[256];

    cr_assert_eq(keep(bench, "a", 1), 0);
    snprintf(command, sizeof(command), "sqlite3 '%s/names.db' \"UPDATE names SET object = 'o-12'\"",
             bench->dir);
    cr_assert_eq(system(command), 0, "beside the open table");
    cr_assert_not(has(bench, "a"));
    cr_assert_eq(keep(bench, "a", 1), 0);
    cr_assert(has(bench, "a"));
    bench_destroy(bench);
}

Test(names, a_file_that_cannot_be_opened_leaves_the_table_in_memory)
{
    struct bench *bench = bench_create(100);
    char command[128];

    aro_names_destroy(bench->names);
    snprintf(command, sizeof(command), "cd %s && rm names.db* && mkdir names.db", bench->dir);
    cr_assert_eq(system(command), 0);
    open_table(bench, 100);
    cr_assert_eq(keep(bench, "a", 1), 0);
    cr_assert(has(bench, "a"));
    bench_destroy(bench);
}

Test(names, without_a_directory_the_table_is_in_memory)
{
    struct bench *bench = bench_create(100);
    struct aro_names *on_disk = bench->names;

    bench->names = aro_names_create(
        &(struct aro_names_config){.rows_max = 10, .loop = bench->loop, .log = &bench->log});
    cr_assert_eq(keep(bench, "a", 1), 0);
    cr_assert(has(bench, "a"));
    aro_names_destroy(bench->names);
    bench->names = on_disk;
    cr_assert_not(has(bench, "a"));
    bench_destroy(bench);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl/arguments.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#define CHUNK "c-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Splits line at spaces and reads it; the result as JSON text in out. */
static int read_line(const char *line, char out[256], struct aro_arguments *arguments,
                     struct aro_error *error)
{
    static char copy[512];
    char *words[16], *at = NULL, *text;
    int count = 0, result;

    strcpy(copy, line);
    for (char *word = strtok_r(copy, " ", &at); word != NULL; word = strtok_r(NULL, " ", &at))
        words[count++] = word;
    result = aro_arguments_read(aro_command_find(words[0]), count - 1, words + 1, arguments, error);
    if (result != 0)
        return result;
    text = json_dumps(arguments->params, JSON_COMPACT | JSON_SORT_KEYS);
    strcpy(out, text);
    free(text);
    json_decref(arguments->params);
    return 0;
}

Test(arguments, words_become_parameters_by_the_command_table)
{
    static const struct {
        const char *line, *params, *source;
    } rows[] = {
        {"status", "{}", NULL},
        {"put /x", "{}", "/x"},
        {"put -", "{}", "-"},
        {"put --label a --chunk_bytes 128KiB /x", "{\"chunk_bytes\":131072,\"label\":\"a\"}", "/x"},
        {"put /x --chunk-bytes=4096", "{\"chunk_bytes\":4096}", "/x"},
        {"put -- --odd", "{}", "--odd"},
        {"ls --after 5 --limit 10", "{\"after\":5,\"limit\":10}", NULL},
        {"stat " CHUNK, "{\"id\":\"" CHUNK "\"}", NULL},
        {"evict --force " CHUNK, "{\"force\":true,\"id\":\"" CHUNK "\"}", NULL},
        {"verify", "{}", NULL},
        {"job 3", "{\"job\":3}", NULL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_arguments arguments;
        struct aro_error error = {0};
        char params[256];
        cr_assert_eq(read_line(rows[i].line, params, &arguments, &error), 0, "%s: %s", rows[i].line,
                     error.text);
        cr_assert_str_eq(params, rows[i].params, "%s", rows[i].line);
        cr_assert_eq(arguments.source == NULL, rows[i].source == NULL);
        if (rows[i].source != NULL)
            cr_assert_str_eq(arguments.source, rows[i].source);
    }
}

Test(arguments, mistakes_are_named)
{
    static const struct {
        const char *line, *part;
        int id;
    } rows[] = {
        {"put", "put needs path", 1001},
        {"put /x /y", "does not take '/y'", 1001},
        {"put /x --lable a", "did you mean --label?", 1001},
        {"put /x --label", "--label needs a value", 1001},
        {"put /x --chunk_bytes 1GiB", "4096..1048576", 1001},
        {"put /x --chunk_bytes many", "is not a number", 1001},
        {"stat", "stat needs id", 1001},
        {"stat e3b0", "'e3b0' is not an id", 1002},
        {"evict --force=1 " CHUNK, "takes no value", 1001},
        {"ls --limit 0", "1..256", 1001},
        {"status now", "does not take 'now'", 1001},
        {"job x", "is not a number", 1001},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aro_arguments arguments;
        struct aro_error error = {0};
        char params[256];
        cr_assert_eq(read_line(rows[i].line, params, &arguments, &error), -1, "%s", rows[i].line);
        cr_assert_eq((int)error.id, rows[i].id, "%s -> %s", rows[i].line, error.text);
        cr_assert_not_null(strstr(error.text, rows[i].part), "%s -> %s", rows[i].line, error.text);
    }
}

Test(arguments, json_and_quiet_may_stand_behind_the_command)
{
    char id[] = "o-1", j[] = "-j", q[] = "--quiet", end[] = "--", file[] = "-q";
    char *words[] = {id, j, q, end, file};
    bool json = false, quiet = false;

    cr_assert_eq(aro_arguments_style(5, words, &json, &quiet), 3);
    cr_assert(json && quiet);
    cr_assert_eq(words[0], id);
    cr_assert_eq(words[1], end);
    cr_assert_eq(words[2], file, "what stands behind -- is the command's");
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/control/watch/golden.h"

#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *file_of(const char *path)
{
    FILE *in = fopen(path, "re");
    char *text = calloc(1, 1 << 20);

    cr_assert_not_null(in, "%s", path);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, in), (size_t)(1 << 20) - 1);
    fclose(in);
    return text;
}

static bool write_mode(void)
{
    return getenv("ARO_METRICS_WRITE") != NULL;
}

/* ---- the golden file ---- */

static char *golden_made(const char *from)
{
    char *text = strdup(from), *made = NULL, type[16] = "";
    size_t length;
    FILE *out = open_memstream(&made, &length);

    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# TYPE %*s %15s", type) == 1 || line[0] == '#')
            continue;
        fprintf(out, "%.*s %s\n", (int)(strrchr(line, ' ') - line), line, type);
    }
    fclose(out);
    free(text);
    return made;
}

void golden_check(const char *text, const char *path)
{
    char *made = golden_made(text), *golden;

    if (write_mode()) {
        FILE *out = fopen(path, "we");
        fputs(made, out);
        fclose(out);
    }
    golden = file_of(path);
    for (char *at = made, *want = golden; *at != '\0' || *want != '\0';) {
        size_t length = strcspn(at, "\n"), want_length = strcspn(want, "\n");
        cr_assert(length == want_length && memcmp(at, want, length) == 0,
                  "exported: %.*s\ngolden:   %.*s", (int)length, at, (int)want_length, want);
        at += length + (at[length] != '\0');
        want += want_length + (want[want_length] != '\0');
    }
    free(made);
    free(golden);
}

/* ---- the page ---- */

static void family_row(FILE *out, const char *name, const char *type, const char *help,
                       const char *sample)
{
    char labels[128] = "";
    const char *at = strpbrk(sample, "{ ");

    while (*at == '{' || *at == ',') { /* no value of a test holds a comma and a quote */
        size_t length = strcspn(at + 1, "=");
        snprintf(labels + strlen(labels), sizeof(labels) - strlen(labels), "%s%.*s",
                 *labels != '\0' ? ", " : "", (int)length, at + 1);
        at = strchr(at + 1 + length + 2, '"') + 1;
    }
    fprintf(out, "| `%s` | %s | %s | %s |\n", name, type, labels, help);
}

void families_check(const char *from, const char *mark)
{
    char *text = strdup(from), *rows = NULL, name[96] = "", type[16] = "", help[256] = "";
    size_t length;
    FILE *out = open_memstream(&rows, &length);

    fprintf(out, "| name | type | labels | meaning |\n|---|---|---|---|\n");
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# HELP %95s %255[^\n]", name, help) == 2 ||
            sscanf(line, "# TYPE %*s %15s", type) == 1)
            continue;
        if (*name != '\0')
            family_row(out, name, type, help, line);
        name[0] = '\0'; /* the first sample is enough */
    }
    fclose(out);
    free(text);
    section_check(mark, rows);
}

void section_check(const char *mark, char *rows)
{
    char *page = file_of(ARO_METRICS_PAGE), begin[64], end[64], *from, *to;

    snprintf(begin, sizeof(begin), "<!-- %s -->\n", mark);
    snprintf(end, sizeof(end), "<!-- end of %s -->\n", mark);
    from = strstr(page, begin);
    cr_assert_not_null(from, "no mark '%s'", begin);
    from += strlen(begin);
    to = strstr(from, end);
    cr_assert_not_null(to, "no mark '%s'", end);
    if (write_mode()) {
        FILE *out = fopen(ARO_METRICS_PAGE, "we");
        fprintf(out, "%.*s%s%s", (int)(from - page), page, rows, to);
        fclose(out);
    } else {
        *to = '\0';
        cr_assert_str_eq(from, rows, "docs/metrics.md, %s: run with ARO_METRICS_WRITE=1", mark);
    }
    free(rows);
    free(page);
}

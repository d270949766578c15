/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/control-api.md against the command table: a program is written from that page. */
#include "control/api/commands.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/limits.h"

static char *page(void)
{
    char *text = calloc(1, 1 << 20);
    FILE *in = fopen(ARO_SOURCE_ROOT "/docs/control-api.md", "r");

    cr_assert_not_null(in);
    cr_assert_gt(fread(text, 1, (1 << 20) - 1, in), 0u);
    fclose(in);
    return text;
}

/* The section of a method: from its heading to the next. Cut out of copy. */
static char *section(char *copy, const char *method)
{
    char heading[64], *start, *end;

    snprintf(heading, sizeof(heading), "\n### %s\n", method);
    start = strstr(copy, heading);
    cr_assert_not_null(start, "no section for %s", method);
    end = strstr(start + strlen(heading), "\n### ");
    if (end != NULL)
        *end = '\0';
    return start;
}

Test(api_page, every_method_is_described_with_role_and_parameters)
{
    for (size_t i = 0; i < aro_commands_count; i++) {
        const struct aro_command *command = &aro_commands[i];
        char *copy = page(), *text = section(copy, command->name);
        cr_assert_not_null(
            strstr(text, command->role == ARO_ROLE_OPERATE ? "Role operate" : "Role read"), "%s",
            command->name);
        cr_assert_eq(strstr(text, ", progress") != NULL, command->job, "%s", command->name);
        for (const struct aro_param *at = command->params; at->type != ARO_PARAM_NONE; at++) {
            char quoted[64];
            snprintf(quoted, sizeof(quoted), "`%s`", at->name);
            cr_assert_not_null(strstr(text, quoted), "%s: %s", command->name, at->name);
        }
        free(copy);
    }
}

Test(api_page, no_section_describes_a_method_that_does_not_exist)
{
    char *copy = page();
    unsigned sections = 0;

    for (char *at = copy; (at = strstr(at, "\n### ")) != NULL; at++)
        sections++;
    cr_assert_eq(sections, aro_commands_count);
    free(copy);
}

Test(api_page, limits_are_those_of_the_code)
{
    char *copy = page();

    cr_assert_eq(ARO_LINE_BYTES_MAX, 64 << 10);
    cr_assert_eq(ARO_OUTPUT_BYTES_MAX, 2 << 20);
    cr_assert_not_null(strstr(copy, "| line of a request | 64 KiB |"));
    cr_assert_not_null(strstr(copy, "per client | 2 MiB |"));
    cr_assert_eq(ARO_CLIENTS_MAX, 64);
    cr_assert_not_null(strstr(copy, "| clients | 64 |"));
    cr_assert(ARO_JOBS_MAX == 8 && ARO_PUTS_MAX == 4);
    cr_assert_not_null(strstr(copy, "| 8, of them 4 puts |"));
    cr_assert_eq(ARO_LS_MAX, 256);
    cr_assert_not_null(strstr(copy, "| objects per `ls` | 256 |"));
    cr_assert_eq(ARO_NAMES_MAX, 128);
    cr_assert_not_null(strstr(copy, "| names per `names` | 128 |"));
    cr_assert_eq(ARO_TOP_CHUNKS_MAX, 100);
    cr_assert_not_null(strstr(copy, "| top chunks per `cache` | 100 |"));
    cr_assert(ARO_HELD_MAX == 4096 && ARO_HELD_PER_CLIENT_MAX == 1024);
    cr_assert_not_null(strstr(copy, "| 1024 per client, 4096 in all |"));
    cr_assert_eq(ARO_CHUNKS_MAX, 1024);
    cr_assert_not_null(strstr(copy, "| chunks per answer of `chunks` | 1024 |"));
    free(copy);
}

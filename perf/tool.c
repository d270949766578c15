/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/tool.h"

#include <stdio.h>
#include <string.h>

#include "control/api/suggest.h"
#include "perf/arobench.h"

static int help(const struct bench_tool *tool)
{
    printf("usage: arobench %s SUBCOMMAND [options]\n\n", tool->name);
    for (unsigned i = 0; i < tool->count; i++)
        printf("  %-8s %s\n", tool->commands[i].name, tool->commands[i].does);
    printf("\nNot every option has a use in every subcommand:\n\n");
    bench_options_help(tool);
    printf("\n%s\nexit codes: as 'arobench --help' says.\n", tool->remark);
    return 0;
}

static int unknown(const struct bench_tool *tool, const char *word)
{
    struct aro_suggestion best = {0};

    for (unsigned i = 0; i < tool->count; i++)
        aro_suggest(&best, word, tool->commands[i].name);
    if (*word == '\0')
        fprintf(stderr, "arobench: %s: which subcommand? (ARO-1001)\n  try: arobench %s --help\n",
                tool->name, tool->name);
    else
        fprintf(stderr,
                "arobench: %s has no subcommand '%.80s' (ARO-1001)\n  try: arobench %s %s\n",
                tool->name, word, tool->name, best.word != NULL ? best.word : "--help");
    return ARO_BENCH_EXIT_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int bench_tool_run(const struct bench_tool *tool, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    struct bench_options options;

    if (asks_for_help(argc, argv))
        return help(tool);
    for (unsigned i = 0; i < tool->count; i++) {
        const struct bench_command *command = &tool->commands[i];
        int code;
        if (strcmp(word, command->name) != 0)
            continue;
        code = bench_options_parse(tool, command, argc - 1, argv + 1, &options);
        return code >= 0 ? code : command->run(&options);
    }
    return unknown(tool, word);
}

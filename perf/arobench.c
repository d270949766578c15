/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench: how fast are the parts of arocache on this machine, and beside what? */
#include "perf/arobench.h"

#include <stdio.h>
#include <string.h>

#include "control/api/suggest.h"

static const struct tool {
    const char *name;
    const char *does;
    int (*run)(int argc, char **argv);
} tools[] = {
    {"cache", "the in-memory cache: index, eviction, memory per chunk", arobench_cache},
    {"disk", "the disk tier: reads by an lcore's own ring, puts", arobench_disk},
};
enum { TOOLS = sizeof(tools) / sizeof(tools[0]) };

static int help(void)
{
    printf("arobench " ARO_VERSION " - measures the parts of arocache on this machine\n"
           "\n"
           "usage: arobench TOOL ...\n"
           "\n");
    for (unsigned i = 0; i < TOOLS; i++)
        printf("  %-8s %s\n", tools[i].name, tools[i].does);
    printf("\n"
           "  -h, --help     this text; after a TOOL, its own\n"
           "  -V, --version  print the version\n"
           "\n"
           "exit codes: 0 measured, 2 usage or a wrong input file, 4 the machine does not give "
           "what it\n"
           "takes (memory, CPUs, DPDK), 6 something was found that should not be there: no figure\n"
           "counts, 77 a comparison was left out because its opponent is not installed.\n"
           "'aroctl explain ARO-NNNN' expands an error id.\n");
    return 0;
}

static int unknown(const char *word)
{
    struct aro_suggestion best = {0};

    for (unsigned i = 0; i < TOOLS; i++)
        aro_suggest(&best, word, tools[i].name);
    if (*word == '\0')
        fputs("arobench: which tool? (ARO-1001)\n", stderr);
    else
        fprintf(stderr, "arobench: there is no tool '%.80s' (ARO-1001)\n", word);
    fprintf(stderr, best.word != NULL ? "  try: arobench %s\n" : "  try: arobench --help\n",
            best.word);
    return ARO_BENCH_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help();
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("arobench " ARO_VERSION "\n");
        return 0;
    }
    for (unsigned i = 0; i < TOOLS; i++)
        if (strcmp(word, tools[i].name) == 0)
            return tools[i].run(argc - 1, argv + 1);
    return unknown(word);
}

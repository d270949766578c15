/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench cache: the subcommands, and what they are when nothing is said. */
#include "perf/cache_commands.h"

#include <stdio.h>
#include <string.h>

#include "control/api/suggest.h"
#include "perf/arobench.h"

#define FEW_SECONDS .burst = 32, .threads = 1, .rounds = 5, .seconds = 1

static const struct cache_command commands[] = {
    {"lookup",
     "ids that are all there, at random (1000000 entries, burst 32, 5 rounds of 1 s)",
     "ntbvsqrj",
     {.entries = 1000000, FEW_SECONDS},
     cache_lookup},
    {"insert",
     "insert one and evict the oldest, as long as it lasts (the same)",
     "ntvsqrj",
     {.entries = 1000000, FEW_SECONDS},
     cache_insert},
    {"mixed",
     "lookups and inserts with evictions by the same threads (the same, 10 percent)",
     "ntbvwsqrj",
     {.entries = 1000000, FEW_SECONDS, .writes_percent = 10},
     cache_mixed},
    {"replay",
     "FILE, a trace in oracleGeneral form: misses of a policy, requests per second (s3fifo, 1 GiB)",
     "Fbpcrj",
     {.threads = 1,
      .burst = 32,
      .rounds = 1,
      .policy = &aro_policy_s3fifo,
      .capacity_bytes = 1ull << 30},
     cache_replay},
    {"zipf",
     "requests drawn by Zipf: the same (10000000 requests for 10000000 objects, 1000000 entries, "
     "alpha 0.99)",
     "nbvpoaqrj",
     {.entries = 1000000,
      .threads = 1,
      .burst = 32,
      .rounds = 1,
      .requests = 10000000,
      .objects = 10000000,
      .alpha = 0.99,
      .value_bytes = 1,
      .policy = &aro_policy_s3fifo},
     cache_zipf},
    {"compare",
     "beside rte_hash, lfht, a plain LRU and the memory itself, in turn (31 rounds); one JSON "
     "object per line",
     "ORQr",
     {.rounds = 31, .threads = 1},
     cache_compare},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int help(void)
{
    printf("usage: arobench cache SUBCOMMAND [options]\n\n");
    for (unsigned i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].does);
    printf("\nNot every option has a use in every subcommand:\n\n");
    cache_options_help();
    printf("\nCycles are those of the time stamp counter. Whatever is found is checked.\n"
           "exit codes: as 'arobench --help' says.\n");
    return 0;
}

static int unknown(const char *word)
{
    struct aro_suggestion best = {0};

    for (unsigned i = 0; i < COMMANDS; i++)
        aro_suggest(&best, word, commands[i].name);
    if (*word == '\0')
        fputs("arobench: cache: which subcommand? (ARO-1001)\n  try: arobench cache --help\n",
              stderr);
    else
        fprintf(stderr,
                "arobench: cache has no subcommand '%.80s' (ARO-1001)\n  try: arobench cache %s\n",
                word, best.word != NULL ? best.word : "--help");
    return ARO_BENCH_EXIT_USAGE;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int arobench_cache(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    struct cache_options options;

    if (asks_for_help(argc, argv))
        return help();
    for (unsigned i = 0; i < COMMANDS; i++) {
        int code;
        if (strcmp(word, commands[i].name) != 0)
            continue;
        code = cache_options_parse(&commands[i], argc - 1, argv + 1, &options);
        return code >= 0 ? code : commands[i].run(&options);
    }
    return unknown(word);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench cache: the subcommands, and what they are when nothing is said. */
#include "perf/cache_commands.h"

#include "perf/arobench.h"
#include "perf/tool.h"

#define FEW_SECONDS .burst = 32, .threads = 1, .rounds = 5, .seconds = 1

static const struct bench_command commands[] = {
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

int arobench_cache(int argc, char **argv)
{
    static const struct bench_tool tool = {
        .name = "cache",
        .commands = commands,
        .count = sizeof(commands) / sizeof(commands[0]),
        .remark = "Cycles are those of the time stamp counter. Whatever is found is checked.",
    };

    return bench_tool_run(&tool, argc, argv);
}

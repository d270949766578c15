/* SPDX-License-Identifier: BSD-3-Clause */
/* arobench disk: the subcommands, and what they are when nothing is said. */
#include "perf/disk_commands.h"

#include "perf/arobench.h"
#include "perf/tool.h"

static const struct bench_command commands[] = {
    {"read",
     "random chunks through the reader of an lcore, each verified (64KiB, 32 in flight, out of "
     "512MiB in /var/tmp, 5 rounds of 1 s)",
     "dSCDsqrj",
     {.threads = 1,
      .rounds = 5,
      .seconds = 1,
      .directory = "/var/tmp",
      .size_bytes = 512 << 20,
      .chunk_bytes = ARO_CHUNK_BYTES_DEFAULT,
      .depth = 32},
     disk_read},
    {"compare",
     "beside fio on the same file, in turn (32 in flight, in /var/tmp, 15 rounds, 1 s for each "
     "side); one JSON object "
     "per line",
     "AdDOPRQsr",
     {.rounds = 15,
      .threads = 1,
      .seconds = 1,
      .directory = "/var/tmp",
      .depth = 32,
      .starts = 100},
     disk_compare},
};

int arobench_disk(int argc, char **argv)
{
    static const struct bench_tool tool = {
        .name = "disk",
        .commands = commands,
        .count = sizeof(commands) / sizeof(commands[0]),
        .remark = "Cycles are those of the time stamp counter, of turns that found something to "
                  "do. Whatever is\nread is checked.",
    };

    return bench_tool_run(&tool, argc, argv);
}

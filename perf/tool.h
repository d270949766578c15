/* SPDX-License-Identifier: BSD-3-Clause */
/* A tool of arobench: finds the subcommand, reads its options, runs it; says what there is. */
#ifndef ARO_PERF_TOOL_H
#define ARO_PERF_TOOL_H

#include "perf/options.h"

/* argv[0] is the tool's name. Returns the exit code. */
int bench_tool_run(const struct bench_tool *tool, int argc, char **argv);

#endif

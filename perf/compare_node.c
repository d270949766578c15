/* SPDX-License-Identifier: BSD-3-Clause */
#include "perf/compare_node.h"

#include "perf/apart.h"
#include "perf/child.h"
#include "perf/node.h"

static const char *program; /* arocached */

void compare_node_choose(const char *named)
{
    program = bench_node_program(named);
}

const char *compare_node_program(void)
{
    return program;
}

const char *compare_node_lacks(void)
{
    if (!bench_child_exists(program))
        return "there is no arocached beside this program, nor in PATH (--daemon names one)";
    return bench_apart_lacks();
}

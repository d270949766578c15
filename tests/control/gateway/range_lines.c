/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * aro_range_resolve for a program that knows better: reads "TOTAL HEADER" lines, answers each with
 * "whole", "none" or "FIRST BYTES".
 */
#include "control/gateway/range.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char line[4096];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *header;
        uint64_t total = strtoull(line, &header, 10);
        struct aro_range range;
        line[strcspn(line, "\n")] = '\0';
        switch (aro_range_resolve(header + 1, total, &range)) {
        case ARO_RANGE_WHOLE:
            puts("whole");
            break;
        case ARO_RANGE_UNSATISFIABLE:
            puts("none");
            break;
        case ARO_RANGE_PART:
            printf("%" PRIu64 " %" PRIu64 "\n", range.first, range.bytes);
            break;
        }
    }
    return 0;
}

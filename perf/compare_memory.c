/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of bookkeeping per chunk beside the goal; the worse of filled and churned counts. */
#include "perf/compare.h"

#include "perf/footprint.h"

enum { GOAL_IN_MEMORY = 96, GOAL_ON_DISK = 24 };

static void raw_write(FILE *raw, const char *name, const struct footprint *footprint)
{
    if (raw != NULL)
        fprintf(raw,
                "{\"name\":\"%s\",\"chunks\":%llu,\"filled_bytes\":%.2f,\"churned_bytes\":%.2f,"
                "\"sums_bytes\":%.2f,\"refused\":%llu}\n",
                name, (unsigned long long)footprint->chunks, footprint->filled_bytes,
                footprint->churned_bytes, footprint->sums_bytes,
                (unsigned long long)footprint->refused);
}

/* No rounds: bytes do not vary. */
static struct compare_result result_of(const struct footprint *footprint, double goal)
{
    double worse = footprint->churned_bytes > footprint->filled_bytes ? footprint->churned_bytes
                                                                      : footprint->filled_bytes;
    double ours = worse - footprint->sums_bytes;

    return (struct compare_result){.ours = ours, .theirs = goal, .ratio = goal / ours};
}

void compare_bytes_in_memory(const struct compare *compare, const char *name)
{
    struct footprint footprint = {0};
    struct compare_result result;

    footprint_in_memory(compare->chunks, &footprint);
    raw_write(compare->raw, name, &footprint);
    result = result_of(&footprint, GOAL_IN_MEMORY);
    compare_tell(name, &result, "bytes",
                 "resident memory per chunk of 4 KiB, %u chunks, payload and prefix sums (%.0f "
                 "bytes) apart; only filled %.1f, after as many again pushed them out %.1f; theirs "
                 "is the goal",
                 compare->chunks, footprint.sums_bytes,
                 footprint.filled_bytes - footprint.sums_bytes,
                 footprint.churned_bytes - footprint.sums_bytes);
}

void compare_bytes_on_disk_only(const struct compare *compare, const char *name)
{
    struct footprint footprint = {0};
    struct compare_result result;

    footprint_on_disk(compare->chunks, &footprint);
    raw_write(compare->raw, name, &footprint);
    result = result_of(&footprint, GOAL_ON_DISK);
    compare_tell(name, &result, "bytes",
                 "resident memory per chunk that is only on disk, %u of them in an index made for "
                 "as many; only filled %.1f, after each was erased and another inserted %.1f; %llu "
                 "refused; theirs is the goal",
                 compare->chunks, footprint.filled_bytes, footprint.churned_bytes,
                 (unsigned long long)footprint.refused);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Chunk memory: one anonymous mapping, of hugepages when the system has enough reserved. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/dataplane.h"

enum { HUGE_BYTES = 2 << 20 };

static size_t rounded(size_t bytes)
{
    return (bytes + HUGE_BYTES - 1) & ~(size_t)(HUGE_BYTES - 1);
}

void *aro_region_create(size_t bytes, bool *ret_huge, struct aro_error *error)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *region;

    bytes = rounded(bytes);
    region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
    *ret_huge = region != MAP_FAILED;
    if (region == MAP_FAILED)
        region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (region == MAP_FAILED) {
        aro_error_set(error, ARO_E_MEMORY, "cannot map %zu MiB of chunk memory: %s", bytes >> 20,
                      strerror(errno));
        return NULL;
    }
    if (!*ret_huge) /* fewer TLB misses where the kernel can; a wish, not a need */
        (void)madvise(region, bytes, MADV_HUGEPAGE);
    return region;
}

int aro_region_populate(void *region, size_t at, size_t bytes)
{
    return madvise((char *)region + at, bytes, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
}

void aro_region_destroy(void *region, size_t bytes)
{
    if (region != NULL)
        munmap(region, rounded(bytes));
}

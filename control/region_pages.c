/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/region_pages.h"

#include "control/node.h"

enum { TURN_BYTES = 4 << 20 };

bool aro_region_pages_turn(struct aro_node *node)
{
    const uint64_t all = node->config.cache_memory_bytes, at = node->region_present_bytes;
    const uint64_t piece = all - at < TURN_BYTES ? all - at : TURN_BYTES;
    int refused;

    if (piece == 0 || !aro_disks_are_whole(node->disks) ||
        aro_uring_is_threads(node->ring, &refused))
        return false;
    if (aro_region_populate(node->region, at, piece) == 0)
        node->region_present_bytes += piece;
    else
        node->region_present_bytes = all; /* the kernel brings them in as they are registered */
    if (node->region_present_bytes == all)
        aro_dataplane_region_present(node->dataplane);
    return true;
}

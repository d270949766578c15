/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/polling.h"

#include "cache/disk/polling.h"
#include "cache/disk/uring.h"
#include "control/node.h"

static void decide(struct aro_node *node, unsigned disk)
{
    const struct aro_disk_config *config = &node->config.disk[disk];
    const char *why;
    int refused;

    if (config->poll == ARO_CHOICE_OFF)
        return;
    why = aro_uring_is_threads(node->ring, &refused) ? "threads read, not io_uring"
                                                     : aro_polling_refused(config->path);
    node->poll_refused[disk] = why;
    if (why == NULL)
        node->dataplane_config.poll_disks |= UINT32_C(1) << disk;
    else if (config->poll == ARO_CHOICE_ON)
        aro_log(&node->log, ARO_LOG_WARNING, "disk-not-polled", "store=%s why=\"%s\"", config->name,
                why);
}

void aro_node_polling_decide(struct aro_node *node)
{
    for (unsigned i = 0; i < aro_disks_count(node->disks); i++)
        decide(node, i);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/polling.h"

#include "cache/disk/polling.h"
#include "cache/disk/uring.h"
#include "control/node.h"

void aro_node_polling_decide(struct aro_node *node)
{
    const struct aro_config *config = &node->config;
    int refused;

    if (node->store == NULL || config->store_poll == ARO_CHOICE_OFF)
        return;
    node->poll_refused = aro_uring_is_threads(node->ring, &refused)
                             ? "threads read, not io_uring"
                             : aro_polling_refused(config->store_path);
    node->dataplane_config.poll_disk = node->poll_refused == NULL;
    if (config->store_poll == ARO_CHOICE_ON && node->poll_refused != NULL)
        aro_log(&node->log, ARO_LOG_WARNING, "disk-not-polled", "why=\"%s\"", node->poll_refused);
}
